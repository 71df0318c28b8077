"""The table of metrics of images: how to compute each value and its standard error, and when a metric applies."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganctl.config.metrics import METRIC_NAMES
from ganctl.data import ImageSet
from ganctl.evaluation import controlled
from ganctl.evaluation.classifier import accuracy, train_classifier
from ganctl.evaluation.features import FeatureNetwork
from ganctl.evaluation.own import Rules, own_rows
from ganctl.evaluation.reference import Reference
from ganctl.evaluation.sides import Estimate, Kind, Metric, Sides, labelled, mean_of
from ganctl.games import GAMES
from ganctl.metrics import (
    class_divergence,
    class_diversity,
    class_shares,
    distance_error,
    frechet_distance_of,
    inception_score,
    kernel_distance,
    kernel_error,
    limit,
    memorization,
    modes_present,
    moments,
)
from ganctl.shares import wilson

HALVES = 100


def _fid(sides: Sides) -> Estimate:
    value = frechet_distance_of(sides.real.gaussian, sides.fake.gaussian)
    return Estimate(value, distance_error(sides.moved, sides.fake.count) if sides.errors else math.nan)


def _fid_infinity(sides: Sides) -> Estimate:
    sums = sides.fake.moments
    # Real images (as `fake`, for the floor) come from the cache as a single group.
    sums = moments(sides.fake.rows) if sums.groups == 1 else sums
    return Estimate(*limit(sides.real.gaussian, sums, sides.stream(), sides.moved if sides.errors else None))


def _kid(sides: Sides) -> Estimate:
    mean, deviation = kernel_distance(sides.real.rows, sides.fake.rows)
    if not sides.errors:
        return Estimate(mean)
    # The mean over 100 subsets has an additional error from the choice of subsets.
    return Estimate(mean, math.hypot(kernel_error(sides.real.rows, sides.fake.rows, sides.stream()), deviation / 10))


def _inception_score(sides: Sides) -> Estimate:
    parts = max(1, min(10, sides.fake.count // 10))
    mean, deviation = inception_score(sides.fake.probabilities, parts)
    return Estimate(mean, deviation / math.sqrt(parts - 1) if parts > 1 else math.nan)


def _near(name: str) -> Callable[[Sides], Estimate]:
    return lambda sides: mean_of(sides.near[name])


def _halves(sides: Sides, value: Callable[[Tensor], float]) -> Estimate:
    """A function of the generated images' classes, with its standard error by random halves."""
    classes, stream = sides.fake.classes, sides.stream()
    halves = [
        value(classes[torch.randperm(len(classes), generator=stream)[: len(classes) // 2]]) for _ in range(HALVES)
    ]
    return Estimate(value(classes), float(torch.tensor(halves, dtype=torch.float64).std()))


def _modes(sides: Sides) -> Estimate:
    real = sides.shares[1]
    return _halves(sides, lambda classes: float(modes_present(class_shares(classes, len(real)), real)))


def _class_kl(sides: Sides) -> Estimate:
    real = sides.shares[1]
    return _halves(sides, lambda classes: class_divergence(class_shares(classes, len(real)), real))


def _diversity(sides: Sides) -> Estimate:
    real, fake = (side.classes[: len(side.rows)] for side in (sides.real, sides.fake))
    return mean_of(class_diversity(sides.real.rows, real, sides.fake.rows, fake))


def _memorization(sides: Sides) -> Estimate:
    assert sides.train is not None and sides.held_out is not None
    train, held_out, fake = sides.train.rows, sides.held_out.rows, sides.fake.rows
    if any(
        sides.fake is own for own in (sides.train, sides.held_out)
    ):  # for the floor: these images are their own nearest neighbours, so half of the held-out ones take their place
        half = len(held_out) // 2
        held_out, fake = held_out[:half], held_out[half:]
    return mean_of(memorization(train, held_out, fake))


def _classifier_accuracy(sides: Sides) -> Estimate:
    """The accuracy on real images of a classifier trained on generated ones, with the network's labels."""
    assert sides.real.kinds is not None and sides.real.probabilities is not None
    labels = sides.fake.classes[: len(sides.fake.pixels)]
    network = train_classifier(ImageSet(sides.fake.pixels, labels), sides.real.probabilities.shape[1])
    right = accuracy(network, ImageSet(sides.real.pixels, sides.real.kinds[: len(sides.real.pixels)]))
    count = len(sides.real.pixels)
    return Estimate(right, math.sqrt(right * (1 - right) / count), wilson(round(right * count), count))


def _few(reference: Reference, num: int, dimensions: int) -> str | None:
    real = reference.real.count
    if min(num, real) > dimensions:
        return None
    return (
        f"{num:,} generated and {real:,} real images are too few for {dimensions} features: fid takes more than "
        f"{dimensions} of each, and deserves trust from ten times as many on; look at kid"
    )


# Whatever an evaluation knows of a metric of images, but its label and its direction, stands in its row here.
METRICS: dict[str, Metric] = labelled({
    "fid": Metric(compute=_fid, warn=_few),
    "fid_infinity": Metric(compute=_fid_infinity, least=-math.inf, warn=_few),
    "kid": Metric(compute=_kid, least=-math.inf),
    "inception_score": Metric(compute=_inception_score, least=1, classes="any"),
    "precision": Metric(compute=_near("precision"), most=1),
    "recall": Metric(compute=_near("recall"), most=1),
    "density": Metric(compute=_near("density")),
    "coverage": Metric(compute=_near("coverage"), most=1),
    "modes": Metric(compute=_modes, classes="own"),
    "class_kl": Metric(compute=_class_kl, classes="own"),
    "diversity": Metric(compute=_diversity, classes="own"),
    "memorization": Metric(compute=_memorization, most=1, held_out=True),
    "classifier_accuracy": Metric(compute=_classifier_accuracy, most=1, classes="own", trains=True),
    **controlled.ROWS,
})  # fmt: skip


def rows_of(game: Rules | None) -> dict[str, Metric]:
    """The metrics that images can have, by name: those of all, those that their game offers, and its own.

    Raises:
        BadInput: a metric of the game's own has the name of another one.
    """
    having = [] if game is None else game.offers
    found = {name: row for name, row in METRICS.items() if not row.offered or name in having}
    return ordered(found | own_rows(game, METRICS))


def ordered(rows: dict[str, Kind]) -> dict[str, Kind]:
    """The rows in the order of METRIC_NAMES, a game's own last."""
    return {name: rows[name] for name in [*METRIC_NAMES, *rows] if name in rows}


def absent(name: str, rows: dict[str, Metric]) -> str:
    """Why a metric is in no row of these images."""
    having = [title for title, game in GAMES.items() if name in (*game.offers, *game.metrics)]
    if having:
        return f"{name} is only of what game={', '.join(having)} controls; leave it out"
    return f"no such metric of images; choose from {', '.join(rows)}"


def unknown(name: str, metric: Metric, knows_held_out: bool, knows_labels: bool, kinds: bool) -> str | None:
    """Why a metric cannot be had of images without a test split or without its labels; None where it can.

    Args:
        knows_held_out: whether there is a test split of what the generator was trained on.
        knows_labels: whether that has labels.
        kinds: whether the images that are measured against have labels.
    """
    if metric.held_out and not knows_held_out:
        return f"{name} needs a test split of the images that the generator was trained on, which is not known here"
    if metric.kinds and not kinds:
        return f"{name} needs the classes of the real images, which these have not"
    if metric.trains and not knows_labels:
        return f"{name} needs a labelled test split, which these images do not have"
    return None


def blind(name: str, metric: Metric, network: FeatureNetwork) -> str | None:
    """Why a metric cannot be had from what the network sees; None where it can."""
    if metric.classes == "own" and not network.own_classes:
        return f"{name} needs the classes of the data, which features={network.name} does not know"
    if metric.classes == "any" and not (network.own_classes or network.name == "inception"):
        return f"{name} needs class probabilities, which features={network.name} does not give"
    return None
