"""The report: every figure drawn, every name escaped, half-done and failed cells shown as what they are."""

import json

import numpy as np
import pytest
from PIL import Image

from ganctl.report import write_report
from ganctl.run import RunFolder

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
        folder.update(
            status=status, error="step 12: loss/generator is nan" if status == "failed" else None, images_seen=5
        )
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


def test_every_outcome_is_recorded(comparison):
    arms = write_report(comparison)["arms"]
    assert arms["minimax"]["seeds"]["0"]["status"] == "completed"
    assert arms["minimax"]["seeds"]["1"]["status"] == "not begun"
    failed = arms[ARM]["seeds"]["0"]
    assert failed["status"] == "failed" and failed["steps"] == 11 and "nan" in failed["error"]
    assert arms["minimax"]["seeds"]["0"]["final"]["loss/discriminator"] == 1.0
    assert json.loads((comparison / "comparison.json").read_text())["arms"] == arms


def test_the_page_escapes_names_and_shows_published_numbers(comparison):
    write_report(comparison)
    page = (comparison / "report.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "1.160" in page and "somewhere" in page and "step 12: loss/generator is nan" in page


def test_figures_are_drawn_and_not_blank(comparison):
    write_report(comparison)
    figures = sorted((comparison / "figures").glob("*.png"))
    assert len(figures) == 6
    for file in figures:
        with Image.open(file) as figure:
            assert min(figure.size) > 200
            assert np.asarray(figure.convert("L")).std() > 5, file.name


def test_writing_twice_changes_nothing(comparison):
    write_report(comparison)
    first = {file.name: file.read_bytes() for file in comparison.rglob("*") if file.is_file()}
    write_report(comparison)
    assert first == {file.name: file.read_bytes() for file in comparison.rglob("*") if file.is_file()}
