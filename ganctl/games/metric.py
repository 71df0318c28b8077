"""A metric that a game brings itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ganctl.config.metrics import METRIC_NAMES

Better = Literal["lower", "higher", "none"]


@dataclass(frozen=True)
class GameMetric:
    """The mean of what `Game.own_figures` gives under the metric's name, one number a sample.

    Attributes:
        label: what it is, in a few words.
        better: where a good generator is; none where that cannot be said, and then no arm is judged by it.
        least: the smallest possible value, at which an interval is cut.
        most: the greatest.
        held_out: whether it needs samples that training has not seen.

    Raises:
        ValueError: no label, or another direction.
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
    """The metric of that name in METRIC_NAMES, as a game's own, with its limits."""
    label, better = METRIC_NAMES[name]
    return GameMetric(label, better, **limits)  # type: ignore[arg-type]


def named_apart(metrics: Mapping[str, GameMetric]) -> dict[str, tuple[str, str]]:
    """Label and direction of those metrics that METRIC_NAMES has not."""
    return {name: (row.label, row.better) for name, row in metrics.items() if name not in METRIC_NAMES}
