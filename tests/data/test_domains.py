"""Two domains: what a batch holds, and the same images the other way round."""

import torch

from ganctl.config.load import load
from ganctl.data import Batches, Domains, ImageSet
from ganctl.data.unpaired import mnist_to_colour
from ganctl.numerics.streams import Streams


def shades(level, count, classes=2):
    pixels = torch.full((count, 1, 4, 4), level, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % classes)


def test_a_batch_has_images_of_both_domains_with_their_classes():
    batch = Batches(Domains(shades(255, 10), shades(0, 8, classes=4)), 4, Streams(0)).draw()
    assert batch.data.unique().tolist() == [1] and batch.more["source"].unique().tolist() == [-1]
    assert batch.labels.max() <= 1 and batch.more["source_labels"].max() <= 3


def test_reversed_domains_exchange_images_truth_and_what_is_held_out():
    domains = mnist_to_colour(load(["data=mnist_to_colour"]).data)
    other = domains.reversed()
    assert other.target is domains.source and other.source is domains.target
    assert other.held_out.target is domains.held_out.source
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(other.truth.forward(images), domains.truth.backward(images))
    assert torch.equal(other.truth.backward(images), domains.truth.forward(images))
    again = other.reversed()
    assert again.fingerprint == domains.fingerprint != other.fingerprint


def test_digits_of_the_two_domains_are_balanced_and_held_out_in_halves():
    domains = mnist_to_colour(load(["data=mnist_to_colour"]).data)
    assert (domains.source.epoch_size, domains.target.epoch_size) == (2000, 2000)
    assert (domains.held_out.source.epoch_size, domains.held_out.target.epoch_size) == (500, 500)
    for images in (domains.source, domains.target):
        assert images.labels.bincount(minlength=10).min() > 150 and images.class_names[3] == "3"
