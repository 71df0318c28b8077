"""What measures generators, and what is found of one."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from ganctl.data import Samples
from ganctl.evaluation.points import POINT_METRICS
from ganctl.evaluation.protocol import fingerprint
from ganctl.evaluation.scores import METRICS
from ganctl.evaluation.sides import Estimate
from ganctl.evaluation.telling import Told

# (how many, random numbers) -> generated samples: images uint8 [n, C, H, W], or points float32 [n, 2]
Draw = Callable[[int, torch.Generator], Samples]
# (images uint8 [n, C, H, W], their classes or None, random numbers) -> what the game's own networks say of them
Own = Callable[[Tensor, Tensor | None, torch.Generator], dict[str, Tensor]]

FORM = 1  # of the definitions of the metrics; a change of any of them makes other numbers under another fingerprint


@dataclass
class Evaluation:
    """What was found of one generator.

    Attributes:
        estimates: by metric.
        floors: what real samples come to, by metric; nan where that means nothing.
        protocol: how it was measured.
        warnings: what weakens it.
        pictures: rows of images beside their nearest training and held-out ones, for those who look.
        classes: values by metric, one a class, where classes were asked for.
    """

    estimates: dict[str, Estimate]
    floors: dict[str, float]
    protocol: dict[str, Any]
    warnings: list[str]
    pictures: dict[str, list[Tensor]] = field(default_factory=dict)
    classes: dict[str, list[float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As metrics.json holds it, in plain numbers; what is not known is null."""
        metrics, digits = {}, fingerprint(self.protocol)
        for name, estimate in self.estimates.items():
            low, high = _cut(name, estimate)
            metrics[name] = {
                "value": _plain(estimate.value),
                "standard_error": _plain(estimate.error),
                "low": _plain(low),
                "high": _plain(high),
                "floor": _plain(self.floors.get(name, math.nan)),
                "protocol": digits,
            }
        found = {
            "fingerprint": digits,
            "protocol": self.protocol,
            "metrics": metrics,
            "warnings": self.warnings,
        }
        if self.classes:
            found["classes"] = {name: [_plain(value) for value in values] for name, values in self.classes.items()}
        return found


def _cut(name: str, estimate: Estimate) -> tuple[float, float]:
    """The interval, within what the metric can be."""
    interval = estimate.interval
    if interval is None:
        return math.nan, math.nan
    metric = METRICS.get(name) or POINT_METRICS[name]
    return max(metric.least, interval[0]), min(metric.most, interval[1])


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


class Evaluator(Protocol):
    """Measures generators, all in the same way.

    Attributes:
        metrics: the names of what is measured.
        told: called with what is being done while it measures.
    """

    metrics: list[str]
    told: Told

    def protocol(self, weights: str) -> dict[str, Any]:
        """How a generator with those weights (averaged, last, none) is measured."""

    def evaluate(self, draw: Draw, weights: str, errors: bool = True, own: Own | None = None) -> Evaluation:
        """Measures one generator; `errors` may be left out, where many moments of a run are measured."""
