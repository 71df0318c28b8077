"""Classes by their names: on the command line, in legends, in arrays, in what a run says of itself."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from ganctl.assembly.reopening import reopen
from ganctl.config.schema import TorchvisionImages
from ganctl.data import DATASETS
from ganctl.errors import BadInput
from ganctl.sampling.class_names import numbers_of
from ganctl.sampling.traversals import sweep
from ganctl.store.run import RunFolder
from tests.conftest import FULL_DATA, called

NAMES = ["Dog", "a, b", "cat", "hot dog"]  # as the file system sorts them
SMALL = ["game=cgan", "model=mlp", "model.generator_widths=[8]", "model.discriminator_widths=[8]", "threads=1"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Twenty pictures of each of four classes."""
    root = tmp_path_factory.mktemp("zoo")
    for place, name in enumerate(NAMES):
        (root / name).mkdir()
        for number in range(20):
            Image.new("L", (8, 8), 60 * place + number).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory, zoo):
    """A run of a game with classes on them."""
    folder = tmp_path_factory.mktemp("run")
    data = ["data=folder", f"data.root={zoo}", "data.image_size=8", "data.channels=1"]
    done = called("train", *SMALL, *data, "batch_size=10", "steps=2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip()


@pytest.fixture
def changed(run):
    """Changes what run.json says, for the length of a test."""
    file = run / "run.json"
    before = file.read_text()
    yield lambda **changes: file.write_text(json.dumps({**json.loads(before), **changes}))
    file.write_text(before)


def arrays(call, run, *words):
    done = call("sample", run, "--npz", *words)
    assert done.returncode == 0, done.stderr
    with np.load(done.stdout.strip()) as loaded:
        return {name: loaded[name] for name in loaded.files}


DIGITS = [str(number) for number in range(10)]
FOUND = {
    "one": ("cat", NAMES, [2]),
    "several, in the order of the command": ("cat,Dog", NAMES, [2, 0]),
    "spaces around a name": (" cat , Dog ", NAMES, [2, 0]),
    "a space inside a name": ("hot dog", NAMES, [3]),
    "a comma inside a name": ("a, b", NAMES, [1]),
    "a comma inside one of several": ("cat,a, b,Dog", NAMES, [2, 1, 0]),
    "other capital letters": ("dog,CAT", NAMES, [0, 2]),
    "numbers where names are words": ("3,0", NAMES, [3, 0]),
    "a number and a name": ("3,cat", NAMES, [3, 2]),
    "digits": ("3,7", DIGITS, [3, 7]),
    "names that are numbers are names": ("10,2", ["10", "2", "30"], [0, 1]),
    "the letter that two systems write differently": ("caf\u00e9", ["cafe\u0301", "bar"], [0]),
    "capital letters that tell two classes apart": ("cat", ["Cat", "cat"], [1]),
}


@pytest.mark.parametrize(("text", "names", "numbers"), FOUND.values(), ids=FOUND)
def test_classes_are_found_by_name(text, names, numbers):
    assert numbers_of(text, names) == numbers


LISTED = "Dog, a, b, cat, hot dog"
REFUSED = {
    "no such name": ("cta", NAMES, f"--label cta: cta is no class; choose from {LISTED} (did you mean cat?)"),
    "one of several": ("cat,bird", NAMES, "bird is no class; choose from Dog"),
    "nothing": ("", NAMES, "--label : names no class; choose from Dog"),
    "nothing between": ("cat,,Dog", NAMES, "names no class"),
    "beyond the last": ("4", NAMES, "4 is no class"),
    "below the first": ("-1", NAMES, "-1 is no class"),
    "a number that is no name where names are": ("0", ["10", "2", "30"], "0 is no class; choose from 10, 2, 30"),
    "two that differ by capital letters": ("CAT", ["Cat", "cat"], "CAT is no class"),
    "of digits": ("10", DIGITS, "--label 10: the classes are 0 to 9; name one, or several as in 0,9"),
    "of many": ("x", [f"n{number}" for number in range(1000)], "n18, n19, ... (1,000 classes)"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "names", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_name_is_refused_in_one_line_that_has_the_names(text, names, message):
    with pytest.raises(BadInput) as refused:
        numbers_of(text, names)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_list_as_long_as_a_command_line_takes_no_time():
    assert len(numbers_of(",".join(["a, b"] * 20_000), [*NAMES, *map(str, range(1000))])) == 20_000


def test_a_run_says_what_its_classes_are_called(run):
    info = json.loads((run / "run.json").read_text())
    assert info["class_names"] == NAMES and "classes" not in info["files"]
    assert RunFolder(run).class_names == NAMES


@pytest.mark.parametrize("names", [3, [1, 2, 3, 4], NAMES[:3], {"0": "cat"}])
def test_names_that_another_hand_wrote_into_run_json_are_none(run, changed, names, call):
    changed(class_names=names)
    assert RunFolder(run).class_names is None
    assert call("sample", run, "--label", "3", "--num", "2").returncode == 0


def test_a_run_from_before_names_were_kept_by_themselves_has_them_too(run, changed, call):
    info = json.loads((run / "run.json").read_text())
    del info["class_names"]
    (run / "run.json").write_text(json.dumps(info | {"files": {**info["files"], "classes": NAMES}}))
    assert RunFolder(run).class_names == NAMES
    assert arrays(call, run, "--label", "cat", "--num", "2")["labels"].tolist() == [2, 2]


def test_samples_of_a_class_are_asked_for_by_its_name(run, call):
    found = arrays(call, run, "--label", "cat,dog", "--num", "6")
    assert found["labels"].tolist() == [2, 2, 2, 0, 0, 0]
    assert found["class_names"].tolist() == NAMES
    assert (found["images"] == arrays(call, run, "--label", "2,0", "--num", "6")["images"]).all()
    between = arrays(call, run, "--label", "cat,hot dog", "--interpolate", "--num", "1", "--columns", "3")
    assert between["labels"][1].tolist() == [0, 0, 0.5, 0.5] and between["class_names"].tolist() == NAMES


def test_a_wrong_name_ends_the_command_with_2(run, call):
    done = call("sample", run, "--label", "bird")
    assert done.returncode == 2 and done.stderr.splitlines()[-1] == (
        f"ganctl: --label bird: bird is no class; choose from {LISTED}"
    )


def test_a_legend_says_which_column_or_row_is_which_class(run, call):
    for words, line in {
        (): f"columns, from the left, 2 of each: {LISTED}",
        ("--sweep", "label"): f"columns, from the left: {LISTED}",
        ("--labels", "all"): f"rows, from the top: {LISTED}",
    }.items():
        done = call("sample", run, *words)
        assert done.returncode == 0 and line in done.stderr.splitlines(), done.stderr
    for words in (["--num", "4"], ["--label", "cat"], ["--npz"], ["--interpolate"]):
        done = call("sample", run, *words)
        assert done.returncode == 0 and "from the" not in done.stderr


def test_frames_of_classes_are_captioned_with_their_names(run, call, tmp_path):
    experiment = reopen(run, run, [], "auto", None)[0]
    table = sweep(experiment, "label", 1, 9, experiment.training.streams.fresh("sampling"))
    assert table.captions == [f"label = {name}" for name in NAMES]
    done = call("sample", run, "--sweep", "label", "--out", tmp_path / "a.gif")
    assert done.returncode == 0 and "from the left" not in done.stderr


def test_a_name_with_a_slash_is_no_folder_of_the_picture(run, changed, call):
    changed(class_names=["T-shirt/top", "../up", "x" * 300, "猫" * 90])
    for name in json.loads((run / "run.json").read_text())["class_names"]:
        done = call("sample", run, "--label", name, "--num", "2")
        assert done.returncode == 0, done.stderr
        assert re.search(r"run.*/sample-[^/]*\.png$", done.stdout.strip())


def test_digits_are_called_by_their_numbers_and_need_no_legend(call, tmp_path):
    done = call("train", *SMALL, "batch_size=10", "steps=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.strip()
    assert RunFolder(run).class_names == DIGITS
    assert "from the left" not in call("sample", run).stderr
    assert arrays(call, run, "--label", "3")["class_names"].tolist() == DIGITS


@pytest.mark.skipif(FULL_DATA is None, reason="no full MNIST beside this checkout")
def test_clothes_have_the_names_that_their_authors_gave_them():
    images = DATASETS["fashion_mnist"](TorchvisionImages("fashion_mnist", FULL_DATA, count=100))
    assert images.class_names == [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
