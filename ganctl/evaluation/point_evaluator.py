"""Measures generated points against the mixture that they should come from."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from ganctl.data import Density
from ganctl.errors import BadInput
from ganctl.evaluation.extraction import CHUNK
from ganctl.evaluation.found import FORM, Draw, Evaluation, Own
from ganctl.evaluation.own import Rules, asked, own_estimate, own_rows, unsaid
from ganctl.evaluation.points import POINT_METRICS, point_estimates
from ganctl.evaluation.protocol import measuring_versions
from ganctl.evaluation.sides import Estimate, Row
from ganctl.evaluation.telling import Told, silent
from ganctl.numerics.streams import derive


class PointEvaluator:
    """Measures points against the mixture that they should come from.

    Args:
        density: the exact one.
        metrics: names; empty: all.
        num: points to generate; None: 10,000.
        seed: of the noise that points are generated from.
        told: called with what is being done while it measures.
        game: of the generators, which may have metrics besides; None: there is none.

    Raises:
        BadInput: a metric does not apply to points, or there are too few points.
    """

    def __init__(
        self,
        density: Density,
        metrics: Sequence[str],
        num: int | None = None,
        seed: int = 0,
        told: Told = silent,
        game: Rules | None = None,
    ) -> None:
        self.told = told
        self.own = own_rows(game, POINT_METRICS)
        self.rows: Mapping[str, Row] = {**POINT_METRICS, **self.own}
        unknown = [name for name in metrics if name not in self.rows]
        if unknown:
            raise BadInput(f"metrics={unknown[0]}: no such metric of points; choose from {', '.join(self.rows)}")
        if num is not None and num < 20:
            raise BadInput(f"num={num}: too few to measure; it takes at least 20 points")
        self.density, self.metrics = density, list(metrics or self.rows)
        self.num, self.seed = num or 10_000, seed
        real, exact = (drawn.data for drawn in density.reference(self.num))
        self.real = real
        self.exact = {name: value.value for name, value in point_estimates(exact, real, density, errors=False).items()}

    def protocol(self, weights: str) -> dict[str, Any]:
        """The protocol for a generator with those weights (averaged, last): every setting of the measurement."""
        return {
            "form": FORM,
            "features": {"name": "points", "dimensions": self.density.shape[0]},
            "reference": self.density.fingerprint,
            "split": "exact",
            "num_real": len(self.real),
            "num_fake": self.num,
            "num_floor": self.num,
            "dtype": "float64",
            "weights": weights,
            "seed": self.seed,
            "versions": measuring_versions(),
        }

    def evaluate(
        self,
        draw: Draw,
        weights: str,
        errors: bool = True,
        own: Own | None = None,
        rivals: Mapping[str, Draw] = MappingProxyType({}),
    ) -> Evaluation:
        """Draws the points and measures them; no generator of points has a rival."""
        del rivals
        stream = torch.Generator().manual_seed(derive(self.seed, "evaluation", "samples"))
        sizes = [CHUNK] * (self.num // CHUNK) + [self.num % CHUNK]
        self.told(f"drawing {self.num:,} points")
        points = torch.cat([draw(size, stream).data for size in sizes if size])
        self.told(f"measuring {self.num:,} points")
        found = point_estimates(points, self.real, self.density, errors)
        if own is not None and {*self.metrics} & {*self.own}:
            self.told("what the game's own networks say")
            said = asked(own, self.real, None, self.seed)
            found |= {name: own_estimate(name, said) for name in self.own}
        estimates = {name: found.get(name, Estimate(math.nan)) for name in self.metrics}
        floors = {name: self.exact.get(name, math.nan) for name in self.metrics}
        warnings = unsaid({name: estimate for name, estimate in estimates.items() if name in self.own})
        return Evaluation(estimates, floors, self.protocol(weights), warnings, self.rows)
