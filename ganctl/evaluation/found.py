"""The interface of evaluators, and the result of an evaluation."""

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

# (count, random generator) -> generated samples: images uint8 [n, C, H, W], or points float32 [n, 2]
Draw = Callable[[int, torch.Generator], Samples]
# (images uint8 [n, C, H, W], their classes or None, random generator) -> {name: output of the game's own networks}
Own = Callable[[Tensor, Tensor | None, torch.Generator], dict[str, Tensor]]

FORM = 1  # version of the metrics' definitions, part of the fingerprint; a change of a definition needs a new one


@dataclass
class Evaluation:
    """The evaluation of one generator.

    Attributes:
        estimates: {metric: estimate}.
        floors: {metric: value of real samples}; nan if such a value is meaningless.
        protocol: the settings of the measurement.
        warnings: reasons to distrust the numbers.
        pictures: {title: rows of images}: generated images above their nearest training and held-out ones.
        classes: {metric: one value per class}, if classes were requested.
    """

    estimates: dict[str, Estimate]
    floors: dict[str, float]
    protocol: dict[str, Any]
    warnings: list[str]
    pictures: dict[str, list[Tensor]] = field(default_factory=dict)
    classes: dict[str, list[float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as an entry of metrics.json, in plain numbers; unknown values are None."""
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
    """The interval of an estimate, cut to the metric's possible values."""
    interval = estimate.interval
    if interval is None:
        return math.nan, math.nan
    metric = METRICS.get(name) or POINT_METRICS[name]
    return max(metric.least, interval[0]), min(metric.most, interval[1])


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


class Evaluator(Protocol):
    """Measures generators, all by the same protocol.

    Attributes:
        metrics: names of the measured metrics.
        told: called with a description of the current work.
    """

    metrics: list[str]
    told: Told

    def protocol(self, weights: str) -> dict[str, Any]:
        """The protocol for a generator with those weights (averaged, last, none): every setting of the measurement."""

    def evaluate(self, draw: Draw, weights: str, errors: bool = True, own: Own | None = None) -> Evaluation:
        """Measures one generator; without `errors` it is faster, for repeated measurements during training."""
