"""Distances and diversity: closed forms, and that each sees what it exists for."""

import math

import pytest
import torch

from ganctl.metrics import directions, diversity, projected, sliced_wasserstein, sorted_distance


def along(dimensions, count=4096):
    return directions(dimensions, count, torch.Generator().manual_seed(1))


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_directions_have_length_one_and_no_preference():
    made = along(3)
    assert torch.allclose(made.norm(dim=0), torch.ones(4096))
    assert made.mean(dim=1).abs().max() < 0.05
    assert (made.square().mean(dim=1) - 1 / 3).abs().max() < 0.02


def test_equal_sets_are_at_no_distance_in_whatever_order():
    samples = drawn(50, 4)
    assert sliced_wasserstein(samples, samples[torch.randperm(50)], along(4)) == 0


@pytest.mark.parametrize("dimensions", [1, 2, 7])
def test_a_shift_is_at_its_length_over_the_root_of_the_dimensions(dimensions):
    samples, shift = drawn(64, dimensions), torch.zeros(dimensions)
    shift[0] = 3.0
    found = sliced_wasserstein(samples, samples + shift, along(dimensions))
    assert found == pytest.approx(3 / math.sqrt(dimensions), rel=0.05)


def test_in_one_dimension_a_scaling_is_at_the_wasserstein_distance_of_sorted_values():
    samples = drawn(500, 1)
    expected = (0.5 * samples).square().mean().sqrt().item()  # W_2^2 between x and 1.5 x is the mean of (0.5 x)^2
    assert sliced_wasserstein(samples, 1.5 * samples, along(1)) == pytest.approx(expected, rel=1e-5)


def test_it_is_symmetric_and_grows_with_noise_and_with_collapse():
    real, other = drawn(1000, 1, 4, 4), drawn(1000, 1, 4, 4, seed=1)
    floor = sliced_wasserstein(real, other, along(16))
    assert floor == sliced_wasserstein(other, real, along(16)) > 0
    noisy = sliced_wasserstein(real, 2 * other, along(16))
    collapsed = sliced_wasserstein(real, other[:1].expand(1000, -1, -1, -1), along(16))
    assert noisy > 5 * floor and collapsed > 5 * floor
    assert sorted_distance(projected(real, along(16)), projected(other, along(16))) == floor


def test_sets_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="give as many of each"):
        sliced_wasserstein(drawn(3, 2), drawn(4, 2), along(2))


def test_diversity_is_one_for_real_samples_and_none_for_one_sample_repeated():
    real = drawn(400, 1, 5, 5)
    assert diversity(drawn(400, 1, 5, 5, seed=3), real) == pytest.approx(1, abs=0.02)
    assert diversity(real[:1].expand(50, -1, -1, -1), real) == 0
    assert diversity(0.5 * real, real) == pytest.approx(0.5)
