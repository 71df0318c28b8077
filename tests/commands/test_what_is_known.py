"""What an evaluation makes of what is known: classes by folders, what the generator was trained on, what pixels see."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl.commands.flags import EVALUATE, SAMPLE, flagged
from ganctl.data import ImageSet
from ganctl.data.folders import read
from ganctl.evaluation import Request
from ganctl.evaluation.classifier import classifier_of
from ganctl.evaluation.features import feature_network
from ganctl.evaluation.folders import numbered_as

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
    assert found.class_names == ["cats", "dogs"]
    assert found.classes == 2 and found.labels.tolist() == [0] * 22 + [1] * 20


@pytest.mark.parametrize("other", ["few", "beside", "split"])
def test_other_folders_are_no_classes(tmp_path, other):
    """Too few pictures for a class; some beside the folders; a folder that is named like a split."""
    fill(tmp_path / "zoo" / ("Train" if other == "split" else "dogs"), 20, seed=1)
    fill(tmp_path / "zoo" / "cats", 19 if other == "few" else 20, seed=2)
    if other == "beside":
        Image.new("RGB", (8, 8)).save(tmp_path / "zoo" / "one.png")
    found = read(str(tmp_path / "zoo"), 8, 3)
    assert found.labels is None and found.classes == 0 and found.class_names is None


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


@pytest.fixture
def zoo(tmp_path):
    """Three classes of pictures."""
    for seed, name in enumerate(("birds", "cats", "dogs")):
        fill(tmp_path / "zoo" / name, 24, (40 + 80 * seed, 90, 90), seed)
    return tmp_path / "zoo"


@pytest.fixture
def conditional(call, tmp_path, zoo):
    """A run of a game with classes on them."""
    words = [
        "data=folder",
        f"data.root={zoo}",
        "data.image_size=8",
        "game=cgan",
        "model=mlp",
        "batch_size=10",
        "steps=2",
    ]
    small = ["model.generator_widths=[8]", "model.discriminator_widths=[8]"]
    done = call("train", *words, *small, cwd=tmp_path)
    assert done.returncode == 0 and "3 classes, by folder" in done.stderr, done.stderr
    return tmp_path / done.stdout.strip()


@pytest.mark.slow
def test_held_out_pictures_without_classes_measure_a_game_with_classes(call, tmp_path, conditional):
    """Nothing is said that takes their classes: neither class_fid nor how many of them the classifier names rightly."""
    held_out = fill(tmp_path / "held-out", 50, seed=5)
    done = call("evaluate", conditional, "--against", held_out, "--num", "60", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entry = json.loads(done.stdout)
    assert entry["protocol"]["features"]["accuracy"] is None and "class_fid" not in entry["metrics"]
    assert "label_agreement" in entry["metrics"]


def test_classes_of_two_folders_are_matched_by_name(tmp_path, zoo, capsys):
    for seed, name in enumerate(("dogs", "cats")):
        fill(tmp_path / "two" / name, 20, seed=seed)
    two = read(str(tmp_path / "two"), 8, 3)
    assert two.labels.tolist() == [0] * 20 + [1] * 20
    found = numbered_as(two, ["birds", "cats", "dogs"])
    assert found.labels.tolist() == [1] * 20 + [2] * 20
    assert not capsys.readouterr().err
    assert numbered_as(two, ["apes", "birds", "dogs"]).labels is None
    assert "note: the classes cats, dogs are not those of the training, apes, birds, dogs" in capsys.readouterr().err
    assert numbered_as(two, None) is two


@pytest.mark.slow
def test_how_right_the_classifier_is_is_told_of_the_images_that_were_asked_about(zoo):
    train = read(str(zoo), 8, 3)
    wrong = ImageSet(train.pixels, (train.labels + 1) % 3)
    found = [classifier_of(train, test)[1] for test in (None, train, wrong, train)]
    assert found[0] is None and found[1] == found[3] > 0.9 and found[2] < 0.1


@pytest.mark.slow
def test_the_table_of_classes_has_their_names(call, tmp_path, conditional):
    words = ["--metrics", "class_fid,label_agreement", "--json"]
    done = call("evaluate", conditional, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entry = json.loads(done.stdout)
    assert entry["class_names"] == ["birds", "cats", "dogs"] and len(entry["classes"]["class_fid"]) == 3
    rows = [line.split()[:2] for line in done.stderr.splitlines()]
    assert [row[1] for row in rows if len(row) > 1 and row[1] in entry["class_names"]] == entry["class_names"]


def test_a_folder_around_that_of_the_training_is_not_held_out(call, tmp_path, run):
    around = tmp_path / "around"
    fill(around / "more", 30, seed=7)
    (tmp_path / "seen").rename(around / "seen")
    done = call("train", "--resume", run, f"data.root={around / 'seen'}", "steps=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entry = json.loads(call("evaluate", run, "--against", around, *FAST, cwd=tmp_path).stdout)
    assert entry["protocol"]["split"] == "half" and any("overfitted" in line for line in entry["warnings"])


def test_transparent_pictures_are_compared_on_the_ground_of_the_training(call, tmp_path):
    seen = fill(tmp_path / "logos", 40)
    for file in seen.iterdir():
        picture = Image.open(file).convert("RGBA")
        picture.putalpha(200)
        picture.save(file)
    words = ["data=folder", f"data.root={seen}", "data.image_size=8", "data.background=black", "model=mlp", "steps=2"]
    done = call(
        "train", *words, "model.generator_widths=[8]", "model.discriminator_widths=[8]", "batch_size=10", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    measured = call("evaluate", tmp_path / done.stdout.strip(), "--against", seen, *FAST, cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    entry = json.loads(measured.stdout)
    assert any("overfitted" in line for line in entry["warnings"])  # the very pictures of the training


def test_two_evaluations_in_one_folder_stay_both_and_a_file_of_others_is_left_alone(call, tmp_path):
    made, other, real = (fill(tmp_path / name, 40, seed=seed) for seed, name in enumerate(("a", "b", "c")))
    for images in (made, other, made):
        done = call("evaluate", "--images", images, "--against", real, *FAST, "--out", tmp_path / "kept", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "kept" / "metrics.json").read_text())["evaluations"]
    assert sorted(entry["images"] for entry in kept) == [str(made), str(other)]
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "metrics.json").write_text('{"loss": 1}')
    done = call("evaluate", "--images", made, "--against", real, *FAST, "--out", tmp_path / "theirs", cwd=tmp_path)
    assert done.returncode == 2 and "is not ganctl's" in done.stderr
    assert (tmp_path / "theirs" / "metrics.json").read_text() == '{"loss": 1}'


def test_a_command_in_an_advice_keeps_its_words():
    text = "--reconstruct: needs data (data.root=/a: is gone); `ganctl train --resume RUN data.root=DIR` says where"
    assert flagged(text, SAMPLE) == text
    assert flagged(text, EVALUATE) == text.replace("(data.root=/a", "(--root /a")


def test_pictures_without_end_are_not_what_a_classifier_is_trained_on_unasked():
    images = ImageSet(torch.zeros(40, 1, 65, 65, dtype=torch.uint8), torch.arange(40) % 2)
    assert feature_network("auto", Request(images)).name == "pixels"
