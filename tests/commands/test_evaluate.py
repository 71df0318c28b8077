"""`ganctl evaluate` from the outside: what it prints, what it leaves, how it ends."""

import json
import re
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl.config.schema import Mnist5k
from ganctl.data import DATASETS
from ganctl.evaluation import METRICS
from ganctl.studies.progress import ProgressDisplay
from ganctl.terminal.live import Pace
from tests.conftest import TINY, assert_same_weights, called, scalars

FAST = ["--metrics", "kid,precision,recall", "--num", "60", "--features", "pixels"]


@pytest.fixture(autouse=True)
def quick(quick_classifier):
    """Seconds instead of half a minute."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of images and one of points."""
    home = tmp_path_factory.mktemp("runs")
    found = {}
    for name, words in {"images": [], "points": ["data=ring8"]}.items():
        done = called("train", *TINY, "steps=6", f"name={name}", *words, cwd=home)
        assert done.returncode == 0, done.stderr
        found[name] = home / done.stdout.strip()
    return found


@pytest.fixture
def runs(trained, tmp_path):
    """Copies of them."""
    return {name: shutil.copytree(run, tmp_path / "outputs" / "day" / name) for name, run in trained.items()}


@pytest.fixture
def pictures(tmp_path):
    """A folder of 60 real digits and one of 60 others, as PNG files."""
    pixels = DATASETS["mnist5k"](Mnist5k()).pixels
    places = []
    for name, rows in (("given", range(0, 5000, 83)), ("real", range(1, 5000, 83))):
        folder = tmp_path / name
        folder.mkdir()
        for place, row in enumerate(list(rows)[:60]):
            Image.fromarray(pixels[row, 0].numpy()).save(folder / f"{place:03d}.png")
        places.append(folder)
    return places


def test_a_run_gets_a_table_a_file_and_a_picture(call, runs):
    done = call("evaluate", runs["images"], *FAST)
    assert done.returncode == 0, done.stderr
    file = runs["images"] / "metrics.json"
    assert done.stdout.strip().splitlines()[-1] == str(file)
    (entry,) = json.loads(file.read_text())["evaluations"]
    assert entry["step"] == 6 and entry["checkpoint"] == "step-00000006"
    assert {*entry["metrics"]} == {"kid", "precision", "recall"}
    for word in ("kid", "95 % interval", "real samples", "lower", entry["fingerprint"], "60 generated against 2,500"):
        assert word in done.stderr
    assert "no test split" in done.stderr  # mnist5k has none
    assert np.asarray(Image.open(runs["images"] / "nearest.png")).std() > 10


def test_the_same_again_replaces_and_another_protocol_is_added(call, runs):
    for more in ([], [], ["--seed", "3"]):
        assert call("evaluate", runs["images"], *FAST, *more).returncode == 0
    entries = json.loads((runs["images"] / "metrics.json").read_text())["evaluations"]
    assert [entry["protocol"]["seed"] for entry in entries] == [0, 3]


def test_it_measures_what_sample_saves(call, runs, tmp_path):
    # The run's own samples, and the same ones as arrays: one number.
    first = call("evaluate", runs["images"], *FAST, "--json")
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    from ganctl.assembly.reopening import reopen
    from ganctl.numerics.streams import derive

    experiment, _ = reopen(runs["images"], tmp_path, [], "cpu", None)
    images = experiment.draw_measured(60, torch.Generator().manual_seed(derive(0, "evaluation", "samples"))).data
    folder = tmp_path / "saved"
    folder.mkdir()
    for place, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(folder / f"{place:03d}.png")
    second = call("evaluate", "--images", folder, "--data", "mnist5k", *FAST, "--json", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    again = json.loads(second.stdout)
    for name in found["metrics"]:
        assert again["metrics"][name]["value"] == pytest.approx(found["metrics"][name]["value"], rel=1e-9)


def test_averaged_and_last_weights_are_told_apart(call, runs):
    found = [json.loads(call("evaluate", runs["images"], *FAST, "--json", *more).stdout) for more in ([], ["--no-ema"])]
    assert [entry["protocol"]["weights"] for entry in found] == ["averaged", "last"]
    assert found[0]["fingerprint"] != found[1]["fingerprint"]
    assert found[0]["metrics"]["kid"]["value"] != found[1]["metrics"]["kid"]["value"]


def test_points_are_measured_exactly(call, runs):
    done = call("evaluate", runs["points"], "--num", "500")
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((runs["points"] / "metrics.json").read_text())["evaluations"]
    assert {*entry["metrics"]} == {"modes", "high_quality", "class_kl", "sliced_wasserstein"}
    assert not (runs["points"] / "nearest.png").exists()


@pytest.mark.slow
def test_a_folder_of_images_is_measured_against_another(call, pictures, tmp_path):
    given, real = pictures
    done = call("evaluate", "--images", given, "--against", real, "--features", "pixels", "--num", "30", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file = tmp_path / done.stdout.strip()
    (entry,) = json.loads(file.read_text())["evaluations"]
    assert entry["protocol"]["num_real"] == 30 and entry["protocol"]["split"] == "half"
    assert entry["metrics"]["kid"]["value"] == pytest.approx(0, abs=0.2)
    assert entry["images"] == str(given.resolve())


def test_images_of_another_size_are_resized_and_that_is_said(call, pictures, tmp_path):
    given, real = pictures
    large = tmp_path / "large"
    large.mkdir()
    for file in given.iterdir():
        Image.open(file).resize((56, 56)).save(large / file.name)
    done = call("evaluate", "--images", large, "--against", real, *FAST, "--num", "30", cwd=tmp_path)
    assert done.returncode == 0 and "resizing images of 56x56 to 28x28" in done.stderr


def test_a_condition_makes_the_exit_code(call, runs):
    assert call("evaluate", runs["images"], *FAST, "--fail-if", "recall<0").returncode == 0
    done = call("evaluate", runs["images"], *FAST, "--fail-if", "kid>-9", "--fail-if", "recall<0")
    assert done.returncode == 1
    assert "failed: kid is" in done.stderr and "--fail-if says kid>-9" in done.stderr
    assert done.stdout.strip()  # the file is there all the same


def test_json_is_one_document_on_stdout_even_where_a_condition_fails(call, runs):
    done = call("evaluate", runs["images"], *FAST, "--json", "--fail-if", "recall>=0")
    assert done.returncode == 1
    assert json.loads(done.stdout)["file"].endswith("metrics.json")


def test_what_takes_long_is_said_meanwhile_and_json_stays_alone_on_stdout(call, runs, monkeypatch):
    monkeypatch.setattr(Pace, "PAUSE", 0.0)
    kid = METRICS["kid"]
    slow = replace(kid, compute=lambda sides: (time.sleep(0.7), kid.compute(sides))[1])
    monkeypatch.setitem(METRICS, "kid", slow)
    done = call("evaluate", runs["images"], *FAST, "--json")
    assert done.returncode == 0 and {*json.loads(done.stdout)["metrics"]} == {"kid", "precision", "recall"}
    assert re.search(r"^0:00:\d\d  kid, 1 of 3$", done.stderr, re.MULTILINE)
    assert "\x1b" not in done.stderr


def test_a_run_that_is_measured_while_it_trains_says_so(call, folder, monkeypatch):
    shown, show = [], ProgressDisplay.show
    monkeypatch.setattr(ProgressDisplay, "show", lambda own, *words: (shown.append(words), show(own, *words)))
    words = ["features=pixels", "evaluate_num=60", "metrics=kid,recall", "evaluate_every=2"]
    done = call("train", *TINY, "steps=4", *words)
    assert done.returncode == 0, done.stderr
    told = [line for step, line in shown if step is None]
    assert told == ["generated images, 0 of 60", "generated images, 60 of 60", "kid, 1 of 2", "recall, 2 of 2"] * 2
    assert [step for step, _ in shown if step is not None] == [1, 2, 4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "fid,fidd"], "^ganctl: --metrics fidd: no such metric of images; choose from fid"),
        (["--features", "vgg"], "^ganctl: --features vgg: no such network; choose from"),
        (["--split", "val"], "^ganctl: --split val: choose from test, train"),
        (["--fail-if", "fid"], "--fail-if fid: cannot be read"),
        (["--fail-if", "fdi>3"], "--fail-if fdi>3: fdi is not measured"),
        (["--metrics", "kid", "--fail-if", "fid>3"], "--fail-if fid>3: fid is not measured; choose from kid"),
        (["--num", "3"], "--num"),
        (["--data", "nothing"], "^ganctl: --data nothing: no such data"),
        (["--data", "ring8"], "has samples of shape \\[2\\] and the run makes \\[1, 28, 28\\]"),
        (["--root", "x"], "--root x: mnist5k has no folder of data; leave it out"),
        (
            ["--data", "mnist", "--root", "x"],
            "^ganctl: --root x: holds no MNIST/raw; give --root DIR",
        ),
        (["--against", "nowhere"], "--against nowhere: is not a folder"),
        (["--images", "nowhere"], "leave out RUN"),
        (["--fail-if", "modes>3"], "--fail-if: modes is not measured here; choose from fid"),
        (["--against", "x", "--data", "mnist5k"], "choose one"),
        (["--root", "it's"], "--root it's: mnist5k has no folder of data"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call, runs, words, message):
    done = call("evaluate", runs["images"], "--features", "pixels", *words)
    assert done.returncode == 2

    lines = done.stderr.splitlines()
    assert len(lines) == 1 and re.search(message, lines[0]), done.stderr
    assert not (runs["images"] / "metrics.json").exists()


def test_images_against_nothing_are_refused(call, pictures, tmp_path):
    done = call("evaluate", "--images", pictures[0], cwd=tmp_path)
    assert done.returncode == 2 and "against what? give --data mnist --root DIR, or --against DIR" in done.stderr
    done = call("evaluate", "--images", tmp_path / "none", "--data", "mnist5k", cwd=tmp_path)
    assert done.returncode == 2 and "--images" in done.stderr and len(done.stderr.splitlines()) == 1
    done = call("evaluate", "--images", pictures[0], "--against", pictures[1], "--num", "99", cwd=tmp_path)
    assert done.returncode == 2 and "has 60 images" in done.stderr


def no_setting_in(line):
    """Whether none of `train`'s settings is named in it."""
    return not re.search(r"\b(data\.root|output_dir|data|features|metrics|split|num)=", line)


@pytest.mark.parametrize(
    "words",
    [
        ["--images", "given", "--data", "mnist", "--root", "nowhere"],
        ["--images", "given", "--data", "folder"],
        ["--images", "empty", "--against", "real"],
        ["--images", "given", "--against", "empty"],
        ["--images", "given", "--data", "typo"],
        ["--images", "given", "--against", "real", "--features", "classifier"],
        ["--images", "given", "--against", "real", "--features", "pixels", "--metrics", "modes"],
        ["outputs/day/points", "--features", "pixels"],
        ["outputs/day/points", "--split", "train"],
        ["outputs/day/points", "--metrics", "fid"],
    ],
)
def test_no_error_names_a_setting_that_this_command_does_not_take(call, runs, pictures, tmp_path, words):
    (tmp_path / "empty").mkdir()
    done = call("evaluate", *words, cwd=tmp_path)
    lines = [
        line for line in done.stderr.splitlines() if not line.startswith("reading both at")
    ]  # in what shape is said
    assert done.returncode == 2 and len(lines) == 1 and no_setting_in(done.stderr), done.stderr


def test_pictures_that_are_gone_are_asked_for_by_the_flag(call, pictures, tmp_path):
    words = [*TINY, "steps=2", "data=folder", "data.root=given", "data.image_size=28", "data.channels=1"]
    run = call("train", *words, "batch_size=8", cwd=tmp_path).stdout.strip()
    pictures[0].rename(tmp_path / "moved")
    done = call("evaluate", run, *FAST, "--num", "20", cwd=tmp_path)
    assert done.returncode == 2 and "is not a folder; give --root DIR" in done.stderr and no_setting_in(done.stderr)
    done = call("evaluate", run, *FAST, "--num", "20", "--root", "moved", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def locked_out(monkeypatch):
    """A current folder that nothing can be written into, and whose pictures nobody measures in vain."""

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    return lambda: monkeypatch.setattr(
        "ganctl.evaluation.ImageEvaluator.evaluate", lambda *_, **__: pytest.fail("measured")
    )


IMAGES = ["evaluate", "--images", "given", "--against", "real", *FAST, "--num", "30"]


def test_a_result_that_cannot_be_kept_is_refused_before_measuring(call, pictures, tmp_path, locked_out):
    locked_out()
    done = call(*IMAGES, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "outputs/evaluate-given/metrics.json: cannot be written (Permission denied); give --out DIR" in done.stderr
    assert "--json to have the result printed" in done.stderr and no_setting_in(done.stderr)
    assert not (tmp_path / "outputs").exists()
    done = call(*IMAGES, "--out", "elsewhere", "--json", cwd=tmp_path)
    assert done.returncode == 2 and "elsewhere/metrics.json: cannot be written" in done.stderr


def test_json_needs_no_folder(call, pictures, tmp_path, locked_out):
    done = call(*IMAGES, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["file"] is None and found["metrics"]["kid"]["value"] == pytest.approx(0, abs=0.2)
    file = "outputs/evaluate-given/metrics.json"
    assert f"note: {file} cannot be written (Permission denied), so the result is printed alone" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_run_in_a_folder_of_somebody_elses_is_measured_all_the_same(call, runs, locked_out):
    done = call("evaluate", runs["points"], "--num", "50", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["file"] is None
    assert not (runs["points"] / "metrics.json").exists()


def test_a_result_goes_where_it_is_asked_for(call, pictures, runs, tmp_path):
    done = call(*IMAGES, "--out", "found/here", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.strip() == "found/here/metrics.json"
    assert (tmp_path / "found/here/nearest.png").is_file()
    assert not [*(tmp_path / "outputs").glob("*/*-evaluate-*")]
    done = call("evaluate", runs["points"], "--num", "50", "--out", "found/here", cwd=tmp_path)
    assert done.stdout.strip() == "found/here/metrics.json" and not (runs["points"] / "metrics.json").exists()
    assert len(json.loads((tmp_path / "found/here/metrics.json").read_text())["evaluations"]) == 2


def test_a_disk_that_fills_up_meanwhile_takes_no_result_away(call, pictures, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "outputs")

    monkeypatch.setattr("ganctl.evaluation.kept.keep", full)
    done = call(*IMAGES, cwd=tmp_path)
    assert done.returncode == 1 and "kid" in done.stderr and "the table above is the result" in done.stderr
    assert json.loads(call(*IMAGES, "--json", cwd=tmp_path).stdout)["file"] is None


def test_a_folder_in_the_place_of_the_metrics_is_set_aside(call, runs):
    (runs["points"] / "metrics.json").mkdir()
    (runs["points"] / "metrics.json" / "x").touch()
    done = call("evaluate", runs["points"], "--num", "50")
    assert done.returncode == 0 and (runs["points"] / "metrics.json.damaged" / "x").exists()


def test_metrics_that_cannot_be_written_are_refused_before_measuring(call, runs, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.touch", full)
    done = call("evaluate", runs["points"], "--num", "50")
    assert done.returncode == 2 and "metrics.json: cannot be written (No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_metrics_file_is_set_aside(call, runs):
    (runs["images"] / "metrics.json").write_text('{"evaluations": [{"a"')
    done = call("evaluate", runs["images"], *FAST)
    assert done.returncode == 0 and "metrics.json.damaged" in done.stderr
    assert (runs["images"] / "metrics.json.damaged").read_text().endswith('[{"a"')
    assert len(json.loads((runs["images"] / "metrics.json").read_text())["evaluations"]) == 1


@pytest.mark.slow
def test_measuring_while_training_changes_nothing_and_agrees_with_evaluate(call, folder):
    words = [*TINY, "steps=8", "features=pixels", "evaluate_num=60"]
    plain = call("train", *words, "name=plain")
    often = call("train", *words, "name=often", "metrics=kid,recall", "evaluate_every=2")
    assert plain.returncode == often.returncode == 0, often.stderr
    one, other = (folder / done.stdout.strip() for done in (plain, often))
    assert_same_weights(one, other)
    rows = scalars(other)
    measured = {row["step"]: row["metric/kid"] for row in rows if "metric/kid" in row}
    assert [*measured] == [2, 4, 6, 8]
    stripped = [{tag: value for tag, value in row.items() if not tag.startswith("metric/")} for row in rows]
    assert stripped == scalars(one)
    done = call("evaluate", other, "--metrics", "kid,recall", "--features", "pixels", "--num", "60", "--json")
    assert json.loads(done.stdout)["metrics"]["kid"]["value"] == pytest.approx(measured[8], rel=1e-6)
    events = list((other / "tb").glob("events*"))
    assert events and any(b"metric/kid" in file.read_bytes() for file in events)


def test_training_a_classifier_in_the_middle_of_a_run_changes_nothing(call, folder, monkeypatch):
    from ganctl.evaluation.classifier import RECIPE

    monkeypatch.setitem(RECIPE, "steps", 7)  # a recipe of this test alone, so that it is trained here
    words = [*TINY, "steps=4"]
    plain = call("train", *words, "name=plain")
    looked = call("train", *words, "name=looked", "metrics=[modes]", "evaluate_every=2", "evaluate_num=60")
    assert "training the classifier" in looked.stderr, looked.stderr
    assert_same_weights(folder / plain.stdout.strip(), folder / looked.stdout.strip())


@pytest.mark.slow
def test_a_resumed_run_is_measured_at_the_same_steps(call, folder):
    words = [*TINY, "features=pixels", "evaluate_num=60", "metrics=kid", "evaluate_every=4"]
    whole = folder / call("train", *words, "steps=12", "name=whole").stdout.strip()
    part = folder / call("train", *words, "steps=6", "name=part").stdout.strip()
    assert call("train", "--resume", part, "steps=12").returncode == 0
    values = [{row["step"]: row["metric/kid"] for row in scalars(run) if "metric/kid" in row} for run in (whole, part)]
    assert [*values[0]] == [4, 8, 12]
    assert values[0].items() <= values[1].items()  # and step 6, where the first part ended


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metrics=fdi"], "metrics=fdi: no such metric; choose from .*did you mean fid"),
        (["evaluate_every=5"], "evaluate_every=5: of what?"),
        (["metrics=fid", "evaluate_every=0"], "evaluate_every=0: must be at least 1"),
        (["metrics=fid", "evaluate_every=5", "data=ring8"], "metrics=fid: no such metric of points"),
        (["metrics=modes", "evaluate_every=5", "features=pixels"], "modes needs the classes"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(call, folder, words, message):

    done = call("train", *TINY, "steps=4", *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert re.search(message, done.stderr)
    assert not (folder / "outputs").exists()
