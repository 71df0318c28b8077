"""The interface of evaluators, and the result of an evaluation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor

from ganctl.config.metrics import METRIC_NAMES
from ganctl.data import Samples
from ganctl.evaluation.protocol import fingerprint
from ganctl.evaluation.sides import Estimate, Row
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
        estimates: by metric.
        floors: what real samples come to, by metric; nan where that means nothing.
        protocol: how it was measured.
        warnings: what weakens it.
        rows: of the metrics.
        pictures: rows of images beside their nearest training and held-out ones, for those who look.
        classes: values by metric, one a class, where classes were asked for.
        rivals: values by metric, for each rival of the generator.
    """

    estimates: dict[str, Estimate]
    floors: dict[str, float]
    protocol: dict[str, Any]
    warnings: list[str]
    rows: Mapping[str, Row]
    pictures: dict[str, list[Tensor]] = field(default_factory=dict)
    classes: dict[str, list[float]] = field(default_factory=dict)
    rivals: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as an entry of metrics.json, in plain numbers; unknown values are None."""
        metrics, digits = {}, fingerprint(self.protocol)
        for name, estimate in self.estimates.items():
            row = self.rows[name]
            low, high = _cut(row, estimate)
            metrics[name] = {
                "value": _plain(estimate.value),
                "standard_error": _plain(estimate.error),
                "low": _plain(low),
                "high": _plain(high),
                "floor": _plain(self.floors.get(name, math.nan)),
                "protocol": digits,
                **({} if name in METRIC_NAMES else {"label": row.label, "better": row.better}),
                **({"rivals": self._of_rivals(name)} if self.rivals else {}),
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

    def _of_rivals(self, metric: str) -> dict[str, float | None]:
        return {rival: _plain(values.get(metric, math.nan)) for rival, values in self.rivals.items()}


def _cut(row: Row, estimate: Estimate) -> tuple[float, float]:
    """The interval, within what the metric can be."""
    interval = estimate.interval
    if interval is None:
        return math.nan, math.nan
    return max(row.least, interval[0]), min(row.most, interval[1])


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

    @property
    def rows(self) -> Mapping[str, Row]:
        """What each metric is."""

    def protocol(self, weights: str) -> dict[str, Any]:
        """The protocol for a generator with those weights (averaged, last, none): every setting of the measurement."""

    def evaluate(
        self,
        draw: Draw,
        weights: str,
        errors: bool = True,
        own: Own | None = None,
        rivals: Mapping[str, Draw] = MappingProxyType({}),
    ) -> Evaluation:
        """Measures one generator; without `errors` it is faster, for repeated measurements during training."""
