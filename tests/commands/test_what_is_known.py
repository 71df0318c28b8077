"""What an evaluation makes of what is known: classes by folders, what the generator was trained on, what pixels see."""

import json

import numpy as np
import pytest
from PIL import Image

from ganctl.data.folders import read

FAST = ["--features", "pixels", "--metrics", "recall", "--json"]


@pytest.fixture(autouse=True)
def quick(quick_classifier):
    """Seconds instead of half a minute."""


def fill(folder, count, colour=(90, 90, 90), seed=0, size=8, mode="RGB"):
    """Pictures of one colour with some noise in it."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(seed).integers(0, 60, (count, size, size, 3))
    for number in range(count):
        pixels = (np.array(colour) * 0.7 + noise[number]).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{number:03d}.png")
    return folder


def warnings_of(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["warnings"]


def test_folders_in_a_folder_are_classes_by_name(tmp_path):
    fill(tmp_path / "zoo" / "dogs" / "old", 20, seed=1)
    fill(tmp_path / "zoo" / "cats", 22, seed=2)
    found = read(str(tmp_path / "zoo"), 8, 3)
    assert found.files["classes"] == ["cats", "dogs"]
    assert found.classes == 2 and found.labels.tolist() == [0] * 22 + [1] * 20


@pytest.mark.parametrize("other", ["few", "beside", "split"])
def test_other_folders_are_no_classes(tmp_path, other):
    """Too few pictures for a class; some beside the folders; a folder that is named like a split."""
    fill(tmp_path / "zoo" / ("Train" if other == "split" else "dogs"), 20, seed=1)
    fill(tmp_path / "zoo" / "cats", 19 if other == "few" else 20, seed=2)
    if other == "beside":
        Image.new("RGB", (8, 8)).save(tmp_path / "zoo" / "one.png")
    found = read(str(tmp_path / "zoo"), 8, 3)
    assert found.labels is None and found.classes == 0 and "classes" not in found.files


@pytest.mark.slow
def test_a_small_network_is_trained_on_class_folders_and_tells_which_classes_are_missing(call, tmp_path):
    for seed, (name, colour) in enumerate({"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}.items()):
        fill(tmp_path / "real" / name, 40, colour, seed)
        if name != "green":
            fill(tmp_path / "made" / name, 30, colour, seed + 9)
    words = ("evaluate", "--images", tmp_path / "made", "--against", tmp_path / "real", "--json")
    done = call(*words, "--metrics", "fid,modes", cwd=tmp_path)
    assert done.returncode == 0 and "training the classifier" in done.stderr, done.stderr
    entry = json.loads(done.stdout)
    assert entry["protocol"]["features"]["name"] == "classifier" and entry["metrics"]["modes"]["value"] == 2


def test_that_pixels_prefer_blur_is_said_of_photographs_alone(call, tmp_path):
    for mode, said in (("RGB", True), ("L", False)):
        made, real = (fill(tmp_path / mode / name, 40, seed=seed, mode=mode) for seed, name in enumerate(("a", "b")))
        warned = warnings_of(call("evaluate", "--images", made, "--against", real, *FAST, cwd=tmp_path))
        assert any("prefer blurred photographs" in line for line in warned) == said


def test_nothing_is_said_of_overfitting_where_nobody_knows_what_the_generator_saw(call, tmp_path):
    made, real = (fill(tmp_path / name, 40, seed=seed) for seed, name in enumerate(("a", "b")))
    warned = warnings_of(call("evaluate", "--images", made, "--against", real, *FAST, cwd=tmp_path))
    assert any("one half of them is measured against" in line for line in warned)
    assert not any("overfitted" in line for line in warned)


@pytest.fixture
def run(call, tmp_path):
    """A run on a folder of pictures of one's own."""
    seen = fill(tmp_path / "seen", 60)
    words = ["data=folder", f"data.root={seen}", "data.image_size=8", "model=mlp", "model.generator_widths=[8]"]
    done = call("train", *words, "model.discriminator_widths=[8]", "batch_size=10", "steps=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / done.stdout.strip()


def test_a_held_out_folder_beside_the_one_of_the_training_tells_of_copies(call, tmp_path, run):
    held_out = fill(tmp_path / "held-out", 50, seed=5)
    words = ["--features", "pixels", "--metrics", "memorization,recall", "--json"]
    done = call("evaluate", run, "--against", held_out, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entry = json.loads(done.stdout)
    assert entry["protocol"]["split"] == "test" and entry["protocol"]["num_real"] == 50
    assert 0 <= entry["metrics"]["memorization"]["value"] <= 1
    assert not any("overfitted" in line for line in entry["warnings"])


def test_a_training_folder_that_is_gone_or_another_is_not_known(call, tmp_path, run):
    held_out = fill(tmp_path / "held-out", 50, seed=5)
    Image.new("RGB", (8, 8)).save(tmp_path / "seen" / "new.png")
    entry = json.loads(call("evaluate", run, "--against", held_out, *FAST, cwd=tmp_path).stdout)
    assert entry["protocol"]["split"] == "half"
    (tmp_path / "seen").rename(tmp_path / "moved")
    done = call("evaluate", run, "--against", held_out, *FAST, "--metrics", "memorization", cwd=tmp_path)
    assert done.returncode == 2 and "memorization needs a test split" in done.stderr
