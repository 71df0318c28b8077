"""Metrics of points, against a mixture that is known exactly."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganctl.data import Density
from ganctl.evaluation.scores import HALVES
from ganctl.evaluation.sides import Estimate, Row, labelled
from ganctl.metrics import directions, mode_coverage, projected, sorted_distance
from ganctl.numerics.streams import derive
from ganctl.shares import wilson

DIRECTIONS = 256


POINT_METRICS: dict[str, Row] = labelled(
    {"modes": Row(), "high_quality": Row(most=1.0), "class_kl": Row(), "sliced_wasserstein": Row()}
)


def point_estimates(points: Tensor, real: Tensor, density: Density, errors: bool) -> dict[str, Estimate]:
    """All metrics of points [N, 2] against as many exact samples `real`, with standard errors by random halves.

    `modes`: the number of covered modes; `high_quality`: the share of samples within three standard deviations of a
    mode; `class_kl`: the divergence of the modes' shares from equal ones; `sliced_wasserstein`: the distance to the
    exact samples, in units of the plane.

    Args:
        errors: whether to compute standard errors.
    """
    stream = torch.Generator().manual_seed(derive(0, "evaluation", "directions"))
    along = directions(points.shape[1], DIRECTIONS, stream)
    centers = density.centers

    def measured(part: Tensor, beside: Tensor) -> dict[str, float]:
        found = mode_coverage(part, centers, density.deviation)
        distance = sorted_distance(projected(part, along), beside) if bool(part.isfinite().all()) else math.nan
        return {
            "modes": found["covered"], "high_quality": found["high_quality"], "class_kl": found["kl"],
            "sliced_wasserstein": distance,
        }  # fmt: skip

    values = measured(points, projected(real, along))
    if not errors:
        return {name: Estimate(value) for name, value in values.items()}
    size = len(points) // 2
    beside = projected(real[:size], along)
    halves = [measured(points[torch.randperm(len(points), generator=stream)[:size]], beside) for _ in range(HALVES)]
    deviation: Callable[[str], float] = lambda name: float(torch.tensor([half[name] for half in halves]).std())  # noqa: E731
    shares = {"high_quality": wilson(round(values["high_quality"] * len(points)), len(points))}
    return {name: Estimate(value, deviation(name), shares.get(name)) for name, value in values.items()}
