"""What the networks of a game say of themselves, and the metrics that a game makes of it."""

import math
import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from ganctl.config.metrics import METRIC_NAMES
from ganctl.errors import BadInput, RunFailed
from ganctl.evaluation.extraction import CHUNK
from ganctl.evaluation.found import Own
from ganctl.evaluation.sides import Estimate, Metric, mean_of
from ganctl.games import Game, GameMetric
from ganctl.numerics.streams import derive

Rules = Game | type[Game]


def own_rows(game: Rules | None, taken: Collection[str]) -> dict[str, Metric]:
    """The metrics that a game brings.

    Args:
        taken: names of others.

    Raises:
        BadInput: one has the name of another, or none that can be written.
    """
    own = {} if game is None else game.metrics
    for name, row in own.items():
        if name in taken or METRIC_NAMES.get(name, (row.label, row.better)) != (row.label, row.better):
            raise BadInput(f"metrics of the game: {name} is the name of another one; choose another name")
        if not re.fullmatch(r"\w+", name):
            raise BadInput(f"metrics of the game: {name} is no name; write letters, digits and _")
    return {name: _row(name, metric) for name, metric in own.items()}


def _row(name: str, metric: GameMetric) -> Metric:
    return Metric(
        label=metric.label, better=metric.better, least=metric.least, most=metric.most,
        compute=lambda sides: own_estimate(name, sides.own), held_out=metric.held_out, own=True,
    )  # fmt: skip


def own_estimate(name: str, said: Mapping[str, Tensor]) -> Estimate:
    """The mean of the numbers that the game gave under that name; nan where it gave none."""
    return mean_of(said[name].double()) if name in said else Estimate(math.nan)


def asked(own: Own, samples: Tensor, kinds: Tensor | None, seed: int) -> dict[str, Tensor]:
    """What the game's networks say of real samples, [N] or [N, ...] by name.

    Raises:
        RunFailed: it is not one number, or one row of them, a sample.
    """
    stream = torch.Generator().manual_seed(derive(seed, "evaluation", "own"))
    parts = []
    for rows in torch.arange(len(samples)).split(CHUNK):
        said = own(samples[rows], None if kinds is None else kinds[rows], stream)
        for name, values in said.items():
            if values.shape[:1] != rows.shape:
                raise RunFailed(
                    f"own_figures: {name} has shape {[*values.shape]} for {len(rows)} samples; give a number for each"
                )
        parts.append(said)
    return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}


def unsaid(estimates: Mapping[str, Estimate]) -> list[str]:
    """Warnings of those among a game's own metrics that have no value."""
    return [
        f"{name} has no value: the game's own_figures gave no finite number of that name"
        for name, estimate in estimates.items()
        if math.isnan(estimate.value)
    ]
