"""Metrics that a game defines itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ganctl.config.metrics import METRIC_NAMES

Better = Literal["lower", "higher", "none"]


@dataclass(frozen=True)
class GameMetric:
    """A metric: the mean of the numbers per sample that `Game.own_figures` returns under the metric's name.

    Attributes:
        label: a description of a few words.
        better: whether lower or higher values are better; "none" if neither is, and then arms are not compared by it.
        least: smallest possible value, at which confidence intervals are cut.
        most: largest possible value, at which confidence intervals are cut.
        held_out: whether the metric needs samples that were not used in training.

    Raises:
        ValueError: the label is empty, or `better` is none of the three.
    """

    label: str
    better: Better
    least: float = -math.inf
    most: float = math.inf
    held_out: bool = False

    def __post_init__(self) -> None:
        if not self.label:
            raise ValueError("label=: say in words what it is")
        if self.better not in get_args(Better):
            raise ValueError(f"better={self.better}: choose from {', '.join(get_args(Better))}")


def known(name: str, **limits: Any) -> GameMetric:
    """The metric `name` of METRIC_NAMES as a metric of a game; `limits` are further attributes of GameMetric."""
    label, better = METRIC_NAMES[name]
    return GameMetric(label, better, **limits)  # type: ignore[arg-type]


def named_apart(metrics: Mapping[str, GameMetric]) -> dict[str, tuple[str, str]]:
    """The label and the direction of each metric that is not in METRIC_NAMES."""
    return {name: (row.label, row.better) for name, row in metrics.items() if name not in METRIC_NAMES}
