"""Counts of modes on points whose counts are known."""

import math

import pytest
import torch

from ganctl.config.schema import Density
from ganctl.data import DATASETS
from ganctl.metrics import mode_coverage


def mixture(name):
    made = DATASETS[name](Density(name))
    return made, made.centers, made.deviation


@pytest.mark.parametrize(("name", "modes"), [("ring8", 8), ("grid25", 25)])
def test_exact_samples_cover_every_mode_within_three_deviations_and_evenly(name, modes):
    # In two dimensions P(|x| < 3 sigma) = 1 - exp(-4.5); the divergence of N counts is (modes - 1) / 2N on average.
    made, centers, deviation = mixture(name)
    found = mode_coverage(made.draw(50_000, torch.Generator().manual_seed(0)), centers, deviation)
    assert found["covered"] == modes
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert found["kl"] == pytest.approx((modes - 1) / 100_000, rel=0.8)


@pytest.mark.parametrize("hit", [1, 5, 25])
def test_equal_shares_of_some_modes_diverge_by_the_log_of_their_portion(hit):
    _, centers, deviation = mixture("grid25")
    found = mode_coverage(centers[:hit].repeat(10, 1), centers, deviation)
    assert found == {"covered": hit, "high_quality": 1.0, "kl": pytest.approx(math.log(25 / hit), abs=1e-9)}


def test_points_between_the_modes_count_for_no_mode_but_for_its_share():
    centers = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    points = torch.tensor([[0.0, 0.029], [0.0, 0.031], [0.4, 0.0], [1.0, 0.0]])
    found = mode_coverage(points, centers, 0.01)
    assert (found["covered"], found["high_quality"]) == (2, 0.5)
    assert found["kl"] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-9)


def test_points_that_are_not_finite_belong_to_no_mode():
    centers = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    nowhere = torch.tensor([[float("nan"), 0.0], [float("inf"), 0.0]])
    assert mode_coverage(nowhere, centers, 0.1) == {"covered": 0, "high_quality": 0, "kl": pytest.approx(math.log(2))}
    half = mode_coverage(torch.cat([nowhere, centers]), centers, 0.1)
    assert half == {"covered": 2, "high_quality": 0.5, "kl": pytest.approx(0, abs=1e-9)}
