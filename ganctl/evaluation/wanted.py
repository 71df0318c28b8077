"""The request that `ganctl evaluate` gets from the command line: what to measure, and conditions of failure."""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganctl.config.metrics import METRIC_NAMES
from ganctl.errors import BadInput, RunFailed

COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Wanted:
    """The request for an evaluation.

    Attributes:
        metrics: names of metrics; empty: all that do not train a network.
        features: name of the feature network, or auto.
        weights: file of the network's weights.
        num: number of samples; None: as many as the split has, up to 10,000.
        split: test or train; whole: all images of data without a test split.
        data: name of the data set to measure against; None: the run's own.
        root: folder of that data set.
        against: a folder of images to measure against instead.
        seed: seed of the noise.
        plugins: names of the user's modules.
        needed: metrics that must be among the measured ones.
        image_size: side in pixels at which two folders are read; None: the smaller one of theirs.
        out: folder for metrics.json and nearest.png; None: the run's, or a new one below outputs/.
        to: the domain whose images are measured, A or B, of a run that translates; None: B, its target.
        printed: whether stdout gets the whole result, so that it is not lost if no file can be written.
    """

    metrics: Sequence[str] = ()
    features: str = "auto"
    weights: Path | None = None
    num: int | None = None
    split: str = "test"
    data: str | None = None
    root: str | None = None
    against: Path | None = None
    seed: int = 0
    plugins: Sequence[str] = ()
    needed: Sequence[str] = ()
    image_size: int | None = None
    out: Path | None = None
    printed: bool = False
    to: str | None = None


@dataclass(frozen=True)
class Condition:
    """A condition of `--fail-if`: a metric, a comparison and a number."""

    text: str
    metric: str
    sign: str
    bound: float


def condition(text: str, metrics: Sequence[str], plugins: Sequence[str] = ()) -> Condition:
    """The condition that `text` spells, such as fid>20.

    Args:
        metrics: what is measured; empty: whatever can be.
        plugins: modules of the user, whose games may have metrics of their own.

    Raises:
        BadInput: the text is not a condition, or its metric is not measured.
    """
    match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*", text)
    if match is None:
        raise BadInput(f"--fail-if {text}: cannot be read; write a metric, >, >=, < or <=, and a number: fid>20")
    if match[1] not in (metrics or METRIC_NAMES) and (metrics or not plugins):
        raise BadInput(
            f"--fail-if {text}: {match[1]} is not measured; choose from {', '.join(metrics or METRIC_NAMES)}"
        )
    return Condition(text.strip(), match[1], match[2], float(match[3]))


def fail_where(conditions: Sequence[Condition], entry: dict[str, Any]) -> None:
    """Raises RunFailed if a condition holds for an entry of metrics.json, or its metric has no value there."""
    for asked in conditions:
        value = entry["metrics"].get(asked.metric, {}).get("value")
        if value is None or COMPARISONS[asked.sign](value, asked.bound):
            known = "unknown" if value is None else f"{value:.6g}"
            raise RunFailed(f"{asked.metric} is {known}, and --fail-if says {asked.text}")
