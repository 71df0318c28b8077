"""The report: every figure drawn, every name escaped, half-done and failed cells shown as what they are."""

import json

import numpy as np
import pytest
from PIL import Image

from ganctl.report.comparison import write_report
from ganctl.report.pages import _paired
from ganctl.store.run import RunFolder

ARM = "<script>alert(1)</script>"


def row(step):
    """What a run logs at one step, ten steps an epoch."""
    return {
        "step": step,
        "epoch": step / 10,
        "loss/discriminator": 1.0,
        "loss/generator": -step / 10,
        "yardstick/j_d": 1.0,
        "yardstick/minus_log_d_fake": 2.0,
        "yardstick/log_one_minus_d_fake": -0.1,
        "score/real": 0.9,
        "score/fake": 0.5 / step,
        "grad_norm/generator": 10.0**-step,
    }


@pytest.fixture
def comparison(tmp_path):
    """Three cells: completed, failed half-way, never begun; an arm's name is hostile."""
    arms = {"minimax": {}, ARM: {}}
    for arm, seed, steps, status in (("minimax", 0, 30, "completed"), (ARM, 0, 12, "failed")):
        folder = RunFolder.create(tmp_path / "cells" / str(len(arms[arm])) / str(steps), "seed: 0\n", device="cpu")
        error = "step 12: loss/generator is nan" if status == "failed" else None
        folder.update(status=status, error=error, not_finite=error is not None, images_seen=5)
        rows = [row(step) for step in range(1, steps)]
        folder.scalars_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        Image.fromarray(np.full((40, 40, 3), seed, np.uint8)).save(folder.samples / "step-00000010.png")
        arms[arm][str(seed)] = {"folder": str(folder.path.relative_to(tmp_path))}
    arms["minimax"]["1"] = {"folder": "cells/none"}
    shared = {"data": {"name": "mnist5k"}, "model": {"name": "mlp"}, "steps": None, "epochs": 3, "batch_size": 100}
    values = {
        "name": "x",
        "commands": ["ganctl compare-losses"],
        "created": "today",
        "versions": {"python": "3"},
        "published": {"minimax": {"loss/discriminator": 1.16}},
        "source": "somewhere",
        "definition": dict.fromkeys(arms, shared),
        "arms": {arm: {"overrides": [], "seeds": seeds} for arm, seeds in arms.items()},
    }
    (tmp_path / "comparison.json").write_text(json.dumps(values))
    return tmp_path


@pytest.mark.usefixtures("unillustrated")
def test_a_cell_that_broke_off_is_shown_as_that_with_its_reason(comparison):
    findings = [{"verdict": "mode_collapse", "since": 7, "because": "so"}]
    killed = {"error": "its process ended with code -9", "not_finite": False, "findings": findings}
    RunFolder(comparison / "cells" / "0" / "12").update(**killed)
    found = write_report(comparison)
    entry = found["arms"][ARM]["seeds"]["0"]
    assert (entry["status"], entry["broke_off"], entry["outcome"]) == ("failed", True, None)
    for name in ("report.html", "report.md"):
        page = (comparison / name).read_text()
        assert "No verdict yet: 0 of 3 cells have an outcome" in page
        wrong = page.partition("What went wrong")[2]
        assert "broke off" in wrong and "its process ended with code -9" in wrong and "mode_collapse" not in wrong


@pytest.mark.usefixtures("unillustrated")
def test_every_outcome_is_recorded(comparison):
    arms = write_report(comparison)["arms"]
    assert arms["minimax"]["seeds"]["0"]["status"] == "completed"
    assert arms["minimax"]["seeds"]["1"]["status"] == "not begun"
    failed = arms[ARM]["seeds"]["0"]
    assert failed["status"] == "failed" and failed["steps"] == 11 and "nan" in failed["error"]
    assert arms["minimax"]["seeds"]["0"]["final"]["loss/discriminator"] == 1.0
    assert json.loads((comparison / "comparison.json").read_text())["arms"] == arms


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.parametrize(
    "line",
    [
        {"step": 31, "epoch": 3.1, "loss/generator": 1.0},  # without what every turn logs
        {**row(3)},  # from the past
        {**row(31), "grad_norm/generator": 1e308},  # larger than what sums could hold
    ],
)
def test_a_foreign_row_makes_its_cell_a_failed_one(comparison, line):
    file = comparison / "cells" / "0" / "30" / "scalars.jsonl"
    file.write_text(f"{file.read_text()}{json.dumps(line)}\n{json.dumps(row(32))}\n")
    cell = write_report(comparison)["arms"]["minimax"]["seeds"]["0"]
    assert cell["status"] == "failed" and "scalars.jsonl" in cell["error"] and cell["steps"] == 0


@pytest.mark.usefixtures("unillustrated")
def test_a_time_that_nobody_has_is_none(comparison):
    RunFolder(comparison / "cells" / "0" / "30").update(seconds=1e308)
    assert write_report(comparison)["arms"]["minimax"]["seeds"]["0"]["seconds"] is None


def test_the_page_escapes_names_and_shows_published_numbers(comparison):
    write_report(comparison)
    page = (comparison / "report.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "1.160" in page and "somewhere" in page and "step 12: loss/generator is nan" in page


def test_figures_are_drawn_and_not_blank(comparison):
    write_report(comparison)
    figures = sorted((comparison / "figures").glob("*.png"))
    assert len(figures) == 8 and {file.stem for file in figures} == {
        file.stem for file in (comparison / "figures").glob("*.svg")
    }
    for file in figures:
        with Image.open(file) as figure:
            assert min(figure.size) > 200
            assert np.asarray(figure.convert("L")).std() > 5, file.name


def test_cells_are_called_paired_only_where_their_turns_are_equal():
    arm = {"data": {"name": "ring8"}, "model": {"name": "mlp"}, "batch_size": 9, "game": {"discriminator_turns": 1}}
    assert _paired({"a": arm, "b": {**arm, "loss": {"name": "hinge"}}})
    assert not _paired({"a": arm, "b": {**arm, "game": {"discriminator_turns": 5}}})


@pytest.mark.slow
def test_writing_twice_changes_nothing(comparison):
    write_report(comparison)
    first = {file.name: file.read_bytes() for file in comparison.rglob("*") if file.is_file()}
    write_report(comparison)
    assert first == {file.name: file.read_bytes() for file in comparison.rglob("*") if file.is_file()}


@pytest.fixture
def many(tmp_path):
    """Eight arms of two seeds on a density; the names are long, one arm diverges."""
    arms = {}
    for place in range(4, 12):
        arm = f"wasserstein,gradient,penalty.weight={place}"
        arms[arm] = {"overrides": ["loss=wasserstein", "penalty=gradient", f"penalty.weight={place}"], "seeds": {}}
        for seed in (0, 1):
            folder = RunFolder.create(tmp_path / "cells" / str(place) / str(seed), "seed: 0\n", device="cpu")
            folder.update(status="completed", log_odds=False)
            rows = [{**row(step), "logit/real": 1.0, "logit/fake": -1.0} for step in range(1, 30)]
            rows[-1] |= {"modes/covered": float(place), "modes/high_quality": 0.5, "modes/kl": 0.01}
            if place == 5:
                rows[-1]["yardstick/j_d"] = 1e6
            folder.scalars_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            Image.effect_noise((500, 500), 50).convert("RGB").save(folder.samples / "step-00000010.png")
            arms[arm]["seeds"][str(seed)] = {"folder": str(folder.path.relative_to(tmp_path))}
    shared = {"data": {"name": "grid25"}, "model": {"name": "mlp"}, "steps": 30, "epochs": None, "batch_size": 100}
    values = {
        "commands": ["ganctl compare-losses"], "created": "today", "versions": {"python": "3"}, "published": {},
        "source": None, "definition": dict.fromkeys(arms, shared), "arms": arms,
    }  # fmt: skip
    (tmp_path / "comparison.json").write_text(json.dumps(values))
    return tmp_path


@pytest.mark.slow
def test_many_arms_on_a_density_are_drawn_without_a_warning_and_counted(many):
    write_report(many)
    figures = sorted(file.stem for file in (many / "figures").glob("*.png"))
    assert "modes" in figures and len(figures) == 9
    page = (many / "report.html").read_text()
    assert "<th>modes</th>" in page and "<td>11</td>" in page
    # What the arm's parts are, and its setting.
    assert "Gulrajani et al. 2017, WGAN-GP). penalty.weight=5" in page
    with Image.open(many / "figures" / "final_samples.png") as figure:
        assert figure.height > 3 * figure.width  # below each other, not beside
