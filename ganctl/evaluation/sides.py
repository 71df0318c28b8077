"""The inputs of a metric, its result, and the type of a metric."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from ganctl.config.metrics import METRIC_NAMES
from ganctl.evaluation.extraction import Extracted
from ganctl.evaluation.features import FeatureNetwork
from ganctl.evaluation.reference import Reference
from ganctl.metrics import class_shares, distance_error, fitted, frechet_distance_of, influences, neighbourhoods
from ganctl.shares import wilson

MANIFOLD, BALL = 3, 5  # k of precision and recall, and of density and coverage
Z = 1.96  # standard errors on each side of a value, for 95 %


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its standard error over generated samples, nan if unknown.

    Attributes:
        share: the interval, if the value is a share; None: the interval is that of a normal distribution.
    """

    value: float
    error: float = math.nan
    share: tuple[float, float] | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % confidence interval; None without a standard error."""
        if math.isnan(self.error):
            return None
        return self.share or (self.value - Z * self.error, self.value + Z * self.error)


@dataclass
class Sides:
    """The inputs of metrics: features of generated and of real images.

    Attributes:
        fake: the images that are measured.
        real: the images that they are measured against.
        train: real images that the generator may have seen; None if it is unknown which ones it has seen.
        held_out: real images that the generator has not seen; None if unknown.
        network: the feature network.
        errors: whether to compute standard errors.
        seed: seed of the random halves.
        own: {name: output of the game's own networks, one row per image}.
    """

    fake: Extracted
    real: Extracted
    train: Extracted | None
    held_out: Extracted | None
    network: FeatureNetwork
    errors: bool
    seed: int
    own: dict[str, Tensor] = field(default_factory=dict)

    def stream(self) -> torch.Generator:
        """The random generator for halves, the same for every metric and every run."""
        return torch.Generator().manual_seed(self.seed)

    @cached_property
    def moved(self) -> Tensor:
        """The influence of each of the first 10,000 generated samples on the Fréchet distance."""
        return influences(self.real.gaussian, self.fake.gaussian, self.fake.rows)

    @cached_property
    def near(self) -> dict[str, Tensor]:
        """Per-sample values of precision, recall, density and coverage (see `neighbourhoods`)."""
        return neighbourhoods(self.real.rows, self.fake.rows, MANIFOLD, BALL)

    @cached_property
    def shares(self) -> tuple[Tensor, Tensor]:
        """The shares of the classes among generated and among real images, [K] each."""
        assert self.real.probabilities is not None
        count = self.real.probabilities.shape[1]
        return class_shares(self.fake.classes, count), class_shares(self.real.classes, count)

    @cached_property
    def class_distances(self) -> list[Estimate]:
        """Per class, the Fréchet distance between the images generated for that class and its real images.

        An estimate has an error if the class has at least twenty generated images.
        """
        real, fake = self.real, self.fake
        assert real.kinds is not None and fake.kinds is not None
        found = []
        for kind in range(int(real.kinds.max()) + 1):
            theirs, ours = real.rows_of(kind), fake.rows_of(kind)
            if min(len(theirs), len(ours)) < 2:
                found.append(Estimate(math.nan))
                continue
            one, other = fitted(theirs), fitted(ours)
            error = distance_error(influences(one, other, ours), len(ours)) if self.errors else math.nan
            found.append(Estimate(frechet_distance_of(one, other), error))
        return found


def mean_of(values: Tensor) -> Estimate:
    """The mean of one number per sample, with its standard error; numbers that are not finite are left out.

    If all numbers are 0 or 1, the mean is a share and has Wilson's interval, which has a width even for 0 and 1.
    """
    known = values[values.isfinite()]
    if not len(known):
        return Estimate(math.nan)
    error = float(known.std() / math.sqrt(len(known))) if len(known) > 1 else math.nan
    kinds = bool(((known == 0) | (known == 1)).all())
    share = wilson(int(known.sum()), len(known)) if kinds and len(known) > 1 else None
    return Estimate(float(known.mean()), error, share)


@dataclass(frozen=True)
class Row:
    """What a metric is, whatever it is of.

    Attributes:
        label: in a few words.
        better: where a good generator is: lower, higher, near a number, or none, where that cannot be said.
        least: the smallest possible value, at which an interval is cut.
        most: the greatest.
    """

    label: str = ""
    better: str = "none"
    least: float = 0.0
    most: float = math.inf


# (the real images, how many generated ones, dimensions of the features) -> what a reader must know; None: nothing
Warn = Callable[[Reference, int, int], str | None]


@dataclass(frozen=True, kw_only=True)
class Metric(Row):
    """A row of the table of metrics of images: all that an evaluation knows of one.

    Attributes:
        compute: both sides -> estimate.
        classes: whether it needs the classes of the data ("own"), of any network ("any") or none ("").
        kinds: whether it needs a label of each image that is measured against.
        held_out: whether it needs to know what the generator has seen.
        trains: whether it trains a network, so that it is measured only when it is named.
        offered: whether only games that say so have it.
        own: whether it is of what the game's own networks say, and of no generated image.
        ceiling: whether real images that the classifier learnt from show a ceiling in the place of a floor.
        floor: what the floor is, where real images in the place of generated ones show none.
        codes: how many codes it compares at most, which the protocol then says.
        table: what it adds for each class, by column.
        warn: what weakens it.
    """

    compute: Callable[[Sides], Estimate]
    classes: str = ""
    kinds: bool = False
    held_out: bool = False
    trains: bool = False
    offered: bool = False
    own: bool = False
    ceiling: bool = False
    floor: Callable[[Sides], float] | None = None
    codes: int = 0
    table: Callable[[Sides], dict[str, list[float]]] | None = None
    warn: Warn | None = None


Kind = TypeVar("Kind", bound=Row)


def labelled(rows: dict[str, Kind]) -> dict[str, Kind]:
    """The rows with label and direction from METRIC_NAMES, which a report reads without them."""
    return {name: replace(row, label=METRIC_NAMES[name][0], better=METRIC_NAMES[name][1]) for name, row in rows.items()}
