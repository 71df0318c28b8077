"""The classifier that images are measured in: good, the same every time, and no disturbance."""

import subprocess
import sys

import pytest
import torch

from ganctl.config.load import load
from ganctl.data import DATASETS, ImageSet
from ganctl.evaluation.classifier import RECIPE, accuracy, classifier_of, train_classifier
from ganctl.numerics.streams import Streams
from ganctl.store import cache
from tests.conftest import FULL_DATA

# Left bright: class 0; right bright: class 1.
SIDES = torch.zeros(200, 1, 12, 12, dtype=torch.uint8)
SIDES[:100, :, :, :6] = 200
SIDES[100:, :, :, 6:] = 200
LABELS = (torch.arange(200) >= 100).long()


@pytest.fixture
def small(monkeypatch):
    """A set that is learned in a moment, and so many steps."""
    monkeypatch.setitem(RECIPE, "steps", 20)
    return ImageSet(SIDES, LABELS)


def test_it_learns_what_is_to_be_learned(small):
    assert accuracy(train_classifier(small, 2), small) == 1


def test_it_is_the_same_every_time_and_leaves_every_stream_of_torch_where_it_was(small):
    torch.manual_seed(3)
    first = train_classifier(small, 2).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.rand(1) == drawn
    torch.rand(7)
    assert cache.digest(train_classifier(small, 2).state_dict()) == cache.digest(first)


def test_it_is_the_same_whatever_number_of_threads_its_process_has(monkeypatch):
    monkeypatch.setitem(RECIPE, "steps", 5)
    digits = DATASETS["mnist5k"](load(["data=mnist5k"]).data)
    found = set()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.add(cache.digest(train_classifier(digits, 10).state_dict()))
        assert torch.get_num_threads() == count
    assert len(found) == 1


def test_it_is_trained_once_for_images_labels_and_recipe(small, capsys, monkeypatch):
    def trained(images):
        network, _ = classifier_of(images, None)
        return "trained it" in capsys.readouterr().err, cache.digest(network.state_dict())

    told, first = trained(small)
    assert told and trained(small) == (False, first)
    other = trained(ImageSet(SIDES, 1 - LABELS))
    assert other[0] and other[1] != first
    monkeypatch.setitem(RECIPE, "steps", 21)
    assert trained(small)[0]


def test_the_set_of_a_run_keeps_its_place_in_its_epoch(small):
    own = ImageSet(SIDES, LABELS)
    streams = Streams(1)
    before = own.batch(0, 50, streams).data
    first = cache.digest(train_classifier(small, 2).state_dict())
    assert cache.digest(train_classifier(own, 2).state_dict()) == first
    assert torch.equal(own.batch(0, 50, streams).data, before)
    fresh = ImageSet(SIDES, LABELS)
    assert torch.equal(own.batch(1, 50, streams).data, fresh.batch(1, 50, Streams(1)).data)


def test_it_says_how_good_it_is(small, capsys):
    wrong = ImageSet(SIDES, torch.where(torch.arange(200) < 50, 1 - LABELS, LABELS))
    assert classifier_of(ImageSet(SIDES.flip(3), 1 - LABELS), wrong)[1] == 0.75
    assert "75.00% of the test images" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.skipif(FULL_DATA is None, reason="no full MNIST here: set GANCTL_MNIST_ROOT to a folder that has it")
@pytest.mark.parametrize(("name", "least"), [("mnist", 0.99), ("fashion_mnist", 0.90)])
def test_it_names_the_test_images(name, least):
    # In a process of its own, set up as every command is: without that, subnormal numbers make it ten times slower.
    script = f"""
from ganctl.numerics.machine import prepare_machine
from ganctl.config.load import load
from ganctl.data import DATASETS, TEST_SPLITS
from ganctl.evaluation.classifier import classifier_of
config = load(["data={name}", "data.root='{FULL_DATA}'", "threads=1"])
prepare_machine(config)
print(classifier_of(DATASETS["{name}"](config.data), TEST_SPLITS["{name}"](config.data))[1])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    print(done.stderr)  # the seconds
    assert float(done.stdout) >= least
