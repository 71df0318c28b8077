"""Which images are trained on: their size, how many of them, and which are held out; the same for every seed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl import data
from ganctl.config.load import load
from ganctl.config.schema import Folder, Mnist5k, TorchvisionImages
from ganctl.data import DATASETS, TEST_SPLITS, ImageSet, digits
from ganctl.errors import BadInput
from tests.conftest import FULL_DATA, TINY

needs_mnist = pytest.mark.skipif(FULL_DATA is None, reason="no full MNIST beside this checkout")


def shades(folder, count, first=0):
    """Pictures of 8x8 pixels, each of its own shade."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("L", (8, 8), first + number).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture
def plain(tmp_path):
    """Sixty pictures without classes."""
    return shades(tmp_path / "plain", 60)


@pytest.fixture
def zoo(tmp_path):
    """Twenty cats and forty dogs."""
    shades(tmp_path / "zoo" / "cat", 20)
    shades(tmp_path / "zoo" / "dog", 40, 20)
    return tmp_path / "zoo"


def read(root, **options):
    return DATASETS["folder"](Folder(root=str(root), image_size=8, channels=1, **options))


def shades_of(images):
    return images.pixels[:, 0, 0, 0].tolist()


def test_digits_of_32_pixels_are_those_of_28_with_two_black_ones_on_each_side():
    small, large = (DATASETS["mnist5k"](Mnist5k(size=size)) for size in (28, 32))
    assert large.shape == (1, 32, 32) and torch.equal(large.labels, small.labels)
    assert torch.equal(large.pixels[:, :, 2:30, 2:30], small.pixels)
    assert large.pixels.long().sum() == small.pixels.long().sum()
    assert large.fingerprint != small.fingerprint == DATASETS["mnist5k"](Mnist5k()).fingerprint


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "mnist5k"])
@pytest.mark.parametrize("size", ["27", "64", "0", "-32"])
def test_another_size_of_digits_is_refused_in_one_line(name, size):
    with pytest.raises(BadInput, match=f"^data.size={size}: choose 28 .*or 32 .*$"):
        load([f"data={name}", f"data.size={size}"])


@needs_mnist
def test_both_splits_of_mnist_are_checked_as_published_and_then_padded():
    options = TorchvisionImages("mnist", FULL_DATA, size=32)
    train, test = DATASETS["mnist"](options), data.test_split(options)
    assert train.shape == test.shape == (1, 32, 32) and len(test.pixels) == 10_000
    assert (test.pixels[:, :, :2] == 0).all() and (train.pixels[..., 30:] == 0).all()
    for images, known in ((train, True), (test, False)):
        inner = ImageSet(images.pixels[:, :, 2:30, 2:30].contiguous())
        assert inner.fingerprint == digits.FINGERPRINTS["MNIST", known]


@needs_mnist
def test_a_count_takes_as_many_of_each_class_and_leaves_the_test_split_whole():
    options = TorchvisionImages("mnist", FULL_DATA, count=500)
    images = DATASETS["mnist"](options)
    assert torch.bincount(images.labels).tolist() == [50] * 10
    assert len(data.test_split(options).pixels) == 10_000
    fewer = DATASETS["mnist"](TorchvisionImages("mnist", FULL_DATA, count=100))
    rows = {image.tobytes() for image in images.pixels.numpy()}
    assert {image.tobytes() for image in fewer.pixels.numpy()} < rows  # of one order, so a study of sizes is nested


def test_a_count_that_no_class_number_divides_leaves_classes_within_one_of_each_other():
    counts = torch.bincount(DATASETS["mnist5k"](Mnist5k(count=57)).labels)
    assert counts.sum() == 57 and counts.max() - counts.min() == 1


def test_all_there_are_is_the_whole_data_set():
    assert DATASETS["mnist5k"](Mnist5k(count=5000)).fingerprint == DATASETS["mnist5k"](Mnist5k()).fingerprint


def test_pictures_without_classes_are_counted_and_held_out_too(plain):
    images = read(plain, count=30, hold_out=20)
    seen, held_out = shades_of(images), shades_of(images.held_out)
    assert len({*seen}) == 30 and len({*held_out}) == 20 and not {*seen} & {*held_out}
    assert images.labels is images.held_out.labels is None
    assert images.files["pictures"] == 60


def test_what_is_held_out_is_balanced_and_apart_and_does_not_change_with_the_count(zoo):
    images, fewer = read(zoo, hold_out=20), read(zoo, hold_out=20, count=10)
    held_out = shades_of(images.held_out)
    assert torch.bincount(images.held_out.labels).tolist() == [10, 10]
    assert torch.bincount(images.labels).tolist() == [10, 30] and torch.bincount(fewer.labels).tolist() == [5, 5]
    assert sorted([*shades_of(images), *held_out]) == [*range(60)]
    assert shades_of(fewer.held_out) == held_out and not {*shades_of(fewer)} & {*held_out}
    for part in (images, images.held_out, fewer):
        assert part.labels.tolist() == [int(shade >= 20) for shade in shades_of(part)]


def test_a_test_split_is_where_images_are_held_out_and_nowhere_else(zoo):
    for options in (
        Mnist5k(hold_out=100),
        Folder(root=str(zoo), image_size=8, channels=1, hold_out=20),
    ):
        images = DATASETS[options.name](options)
        assert data.test_split(options).fingerprint == images.held_out.fingerprint
        assert data.test_split(options, images) is images.held_out
    for options in (Mnist5k(), load(["data=ring8"]).data, Folder(root="no such folder")):
        assert data.test_split(options) is None


def test_a_folder_is_read_once_for_both_of_its_parts(zoo, monkeypatch):
    images = read(zoo, hold_out=20)
    monkeypatch.setitem(TEST_SPLITS, "folder", lambda options: pytest.fail("was read again"))
    assert len(data.test_split(Folder(root=str(zoo), hold_out=20), images).pixels) == 20


REFUSED = {
    "more than there are": (["data.count=5001"], "data.count=5001: the rarest of 10 classes has 500 images; use "
    "data.count=5000 or less"),
    "less than a class each": (["data.count=9"], "data.count=9: is less than one of each of 10 classes; use "
    "data.count=10 or more"),
    "none": (["data.count=0"], "data.count=0: must be at least 1"),
    "none left": (["data.hold_out=5000"], "data.hold_out=5000: the rarest of 10 classes has 500 images, and one of "
    "them must be left to train on; use data.hold_out=4990 or less"),
    "too few to hold out": (["data.hold_out=5"], "data.hold_out=5: is less than one of each of 10 classes"),
    "more than are left": (["data.hold_out=1000", "data.count=4100"], "data.count=4100: the rarest of 10 classes has "
    "400 images beside those held out; use data.count=4000 or less"),
    "negative": (["data.hold_out=-1"], "data.hold_out=-1: must be at least 0"),
    "a split of its own": (["data=mnist", "data.hold_out=100"], "data=mnist has no hold_out; it belongs to "
    "data=folder, mnist5k"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_chosen_is_refused_in_one_line(words, message):
    with pytest.raises(BadInput) as refused:
        DATASETS["mnist5k"](load(words).data)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_pictures_without_classes_are_refused_by_their_number(plain):
    with pytest.raises(BadInput, match="^data.count=61: there are 60 images; use data.count=60 or less$"):
        read(plain, count=61)
    with pytest.raises(BadInput, match="there are 60 images, and one of them must be left to train on; .*=59 or less"):
        read(plain, hold_out=60)


SMALL = [*TINY, "data.image_size=8", "data.channels=1", "batch_size=5", "steps=3"]


def trained(call, folder, *words):
    done = call("train", *SMALL, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip(), done.stderr


def info(run):
    return json.loads((run / "run.json").read_text())


def test_every_seed_has_the_same_images_and_the_run_says_how_many(zoo, call, tmp_path):
    words = ["data=folder", f"data.root={zoo}", "data.count=20", "data.hold_out=10"]
    runs = [trained(call, tmp_path, *words, f"seed={seed}", f"name=seed{seed}") for seed in (0, 1)]
    (one, said), (other, _) = runs
    assert "data: 60 pictures; 2 classes, by folder; 20 of them trained on; 10 of them held out" in said
    assert info(one)["data_fingerprint"] == info(other)["data_fingerprint"]
    assert info(one)["data_fingerprint"] != info(trained(call, tmp_path, *words[:2], "name=all")[0])["data_fingerprint"]
    again = call("train", "--resume", one, "steps=5", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    changed = call("train", "--resume", one, "data.count=10", cwd=tmp_path)
    assert changed.returncode == 2 and "data.count: cannot change" in changed.stderr


def test_what_is_held_out_is_what_evaluate_measures_against_and_tells_of_copies(zoo, call, tmp_path):
    shades(tmp_path / "zoo" / "emu", 40, 60)
    words = ["data=folder", f"data.root={zoo}", "data.hold_out=30"]
    run, _ = trained(call, tmp_path, *words, "evaluate_every=2", "metrics=recall", "features=pixels")
    assert any("metric/recall" in line for line in (run / "scalars.jsonl").read_text().splitlines())
    measured = ["evaluate", run, "--features", "pixels", "--metrics", "memorization,recall", "--json"]
    done = call(*measured, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entry = json.loads(done.stdout)
    assert entry["protocol"]["split"] == "test" and entry["protocol"]["num_real"] == 30
    assert entry["protocol"]["reference"] == read(zoo, hold_out=30).held_out.fingerprint
    assert entry["protocol"]["other"] == info(run)["data_fingerprint"]
    assert 0 <= entry["metrics"]["memorization"]["value"] <= 1


def test_reconstructions_are_of_what_was_held_out(call, tmp_path):
    words = ["game=aae", "data.hold_out=40", "model=mlp", "model.generator_widths=[8]", "steps=2", "threads=1"]
    done = call("train", *words, "model.discriminator_widths=[8]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = call("sample", tmp_path / done.stdout.strip(), "--reconstruct", "--npz", cwd=tmp_path)
    assert shown.returncode == 0 and "test images of mnist5k" in shown.stderr, shown.stderr
    with np.load(tmp_path / shown.stdout.strip()) as loaded:
        real = {image.tobytes() for image in loaded["images"]}
    held_out = DATASETS["mnist5k"](Mnist5k(hold_out=40)).held_out
    assert real <= {image.tobytes() for image in held_out.pixels.permute(0, 2, 3, 1).numpy()}


def test_digits_of_another_set_are_measured_at_the_size_of_the_run(call, tmp_path):
    words = ["data.size=32", "data.count=50", "model=mlp", "model.generator_widths=[8]", "steps=2", "threads=1"]
    done = call("train", *words, "model.discriminator_widths=[8]", "batch_size=10", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.strip()
    assert info(run)["sample_shape"] == [1, 32, 32]
    words = ["--features", "pixels", "--metrics", "recall", "--num", "20", "--json", "--data", "mnist5k"]
    done = call("evaluate", run, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["protocol"]["num_real"] == 2500


def test_a_run_from_before_data_had_a_size_a_count_and_a_part_held_out_goes_on_and_is_measured(call, tmp_path):
    words = ["model=mlp", "model.generator_widths=[8]", "model.discriminator_widths=[8]", "steps=2", "threads=1"]
    done = call("train", *words, "checkpoint_every=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.strip()
    text = (run / "config.yaml").read_text()
    for line in ("  size: 28\n", "  count: null\n", "  hold_out: 0\n"):
        assert line in text
        text = text.replace(line, "")
    (run / "config.yaml").write_text(text)
    (file,) = run.glob("checkpoints/*/checkpoint.json")
    manifest = json.loads(file.read_text())
    manifest["settings"]["data"] = {"name": "mnist5k"}
    file.write_text(json.dumps(manifest))
    again = call("train", "--resume", run, "steps=3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    measured = call("evaluate", run, "--features", "pixels", "--metrics", "recall", "--num", "20", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
