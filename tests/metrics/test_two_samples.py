"""The energy test: its value in closed form, and how often it errs."""

import math

import pytest
import torch

from ganctl.metrics import energy_test


def vectors(seed, count, dimensions=3):
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_distance_is_that_of_its_definition():
    one, other = vectors(0, 40), vectors(1, 40) + 0.5
    pairs = [[sum((a - b).norm() for a in x for b in y) / 1600 for y in (one, other)] for x in (one, other)]
    expected = 2 * pairs[0][1] - pairs[0][0] - pairs[1][1]
    assert energy_test(one, other)[0] == pytest.approx(float(expected), rel=1e-9)


def test_two_points_apart_are_twice_their_distance_apart():
    # All of one set at 0 and all of the other at 3: 2 * 3 - 0 - 0.
    assert energy_test(torch.zeros(5, 1), torch.full((5, 1), 3.0))[0] == pytest.approx(6.0)


@pytest.mark.slow
def test_normal_distributions_are_as_far_apart_as_the_integral_says():
    # On the line, 2 times the integral of (F - G)^2; for N(0, 1) and N(m, 1) that is, with d = sqrt(2) deviations of a
    # difference, 2 (E|N(m, 2)| - E|N(0, 2)|).
    shift = 1.0

    def folded(mean):
        deviation = math.sqrt(2)
        inside = math.exp(-(mean**2) / 4) * deviation * math.sqrt(2 / math.pi)
        return inside + mean * math.erf(mean / 2)

    found, _ = energy_test(vectors(2, 4000, 1), vectors(3, 4000, 1) + shift)
    assert found == pytest.approx(2 * (folded(shift) - folded(0)), rel=0.1)


def test_it_is_symmetric_and_zero_for_a_set_and_itself():
    one, other = vectors(0, 50), vectors(1, 50) * 2
    assert energy_test(one, other)[0] == pytest.approx(energy_test(other, one)[0], rel=1e-8)
    distance, chance = energy_test(one, one)
    assert distance == pytest.approx(0, abs=1e-6) and chance > 0.9


@pytest.mark.slow
def test_one_distribution_is_called_two_as_seldom_as_the_chance_says():
    chances = [energy_test(vectors(seed, 30), vectors(1000 + seed, 30), seed)[1] for seed in range(200)]
    below = sum(chance <= 0.1 for chance in chances)
    # 20 are expected, with a deviation of 4.2; the chances are spread over [0, 1].
    assert 8 <= below <= 33
    assert 0.4 < sum(chances) / 200 < 0.6


@pytest.mark.parametrize("change", [lambda x: x + 1, lambda x: x * 2, lambda x: x.sign() * x.abs() ** 2])
def test_another_mean_another_width_and_another_shape_are_seen(change):
    one, other = vectors(0, 300), change(vectors(1, 300))
    assert energy_test(one, other)[1] == pytest.approx(1 / 1000)


def test_sets_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="give as many of each"):
        energy_test(vectors(0, 10), vectors(1, 11))
