"""Two domains in folders: trainA and trainB, and perhaps testA and testB."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl import data
from ganctl.config.load import load
from ganctl.data import DATASETS, Batches
from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams


@pytest.fixture
def tree(tmp_path):
    """Two domains of dark and of bright pictures, with a test split."""
    noise = np.random.default_rng(0)
    for name, count, level in (("trainA", 30, 40), ("trainB", 25, 200), ("testA", 6, 40), ("testB", 5, 200)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = (level + noise.integers(-20, 20, (12, 9, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


def opened(root, *words):
    options = load(["data=unpaired", f"data.root={root}", "data.image_size=8", *words]).data
    return DATASETS["unpaired"](options), options


def test_folders_are_two_domains_and_their_test_split(tree):
    found, options = opened(tree)
    assert (found.source.epoch_size, found.target.epoch_size, found.epoch_size) == (30, 25, 25)
    assert found.shape == (3, 8, 8) and found.truth is None
    batch = Batches(found, 4, Streams(0)).draw()
    assert batch.data.mean() > 0.3 and batch.more["source"].mean() < -0.3
    held_out = data.test_split(options, found)
    assert (held_out.source.epoch_size, held_out.target.epoch_size) == (6, 5)
    assert found.target.fingerprint != held_out.target.fingerprint


def test_without_a_test_split_nothing_is_held_out(tree):
    for name in ("testA", "testB"):
        for file in (tree / name).iterdir():
            file.unlink()
        (tree / name).rmdir()
    found, options = opened(tree)
    assert data.test_split(options, found) is None


def test_a_smaller_domain_limits_the_batch(tree):
    found, _ = opened(tree)
    with pytest.raises(BadInput, match="batch_size=26: the data set has 25 samples"):
        Batches(found, 26, Streams(0))
    seen = [Batches(found, 25, Streams(0)).draw() for _ in range(2)]
    assert torch.equal(seen[0].more["source"], seen[1].more["source"])


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("trainA", "holds no folder trainA; give a folder with trainA and trainB in it"),
        ("trainB", "holds no folder trainB"),
        ("testA", "holds testB alone; give both testA and testB, or none of them"),
    ],
)
def test_a_wrong_tree_is_one_line_that_says_what_is_missing(tree, missing, line):
    (tree / missing).rename(tree / "elsewhere")
    with pytest.raises(BadInput) as error:
        opened(tree)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_an_empty_domain_is_said(tree):
    for file in (tree / "trainB").iterdir():
        file.unlink()
    with pytest.raises(BadInput, match="trainB: no pictures"):
        opened(tree)


def test_alpha_is_no_channel_of_a_domain():
    with pytest.raises(BadInput, match="data.channels=4: choose 1 .grey. or 3"):
        load(["data=unpaired", "data.root=x", "data.channels=4"])
