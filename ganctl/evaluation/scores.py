"""The table of metrics of images: how to compute each value and its standard error, and when a metric applies."""

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from ganctl.data import ImageSet
from ganctl.evaluation import controlled
from ganctl.evaluation.classifier import accuracy, train_classifier
from ganctl.evaluation.features import FeatureNetwork
from ganctl.evaluation.sides import Estimate, Metric, Sides, mean_of
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


METRICS: dict[str, Metric] = {
    "fid": Metric(_fid),
    "fid_infinity": Metric(_fid_infinity, least=-math.inf),
    "kid": Metric(_kid, least=-math.inf),
    "inception_score": Metric(_inception_score, least=1, classes="any"),
    "precision": Metric(_near("precision"), most=1),
    "recall": Metric(_near("recall"), most=1),
    "density": Metric(_near("density")),
    "coverage": Metric(_near("coverage"), most=1),
    "modes": Metric(_modes, classes="own"),
    "class_kl": Metric(_class_kl, classes="own"),
    "diversity": Metric(_diversity, classes="own"),
    "memorization": Metric(_memorization, most=1, held_out=True),
    "classifier_accuracy": Metric(_classifier_accuracy, most=1, classes="own", trains=True),
    **controlled.ROWS,
}


def unknown(
    name: str, knows_held_out: bool, knows_labels: bool, offers: Collection[str], kinds: bool = True
) -> str | None:
    """Why a metric does not apply, because of the images or the game; None if it applies.

    Args:
        knows_held_out: whether the generator's training images have a test split.
        knows_labels: whether that test split has labels.
        offers: names of further metrics that the generator's game supports.
        kinds: whether the images that are measured against have labels.
    """
    metric = METRICS[name]
    if metric.offered and name not in offers:
        having = ", ".join(title for title, game in GAMES.items() if name in game.offers)
        return f"{name} is only of what game={having} controls"
    if metric.held_out and not knows_held_out:
        return f"{name} needs a test split of the images that the generator was trained on, which is not known here"
    if name == "class_fid" and not kinds:
        return "class_fid needs the classes of the real images, which these do not have"
    if metric.trains and not knows_labels:
        return f"{name} needs a labelled test split, which these images do not have"
    return None


def blind(name: str, network: FeatureNetwork) -> str | None:
    """Why a metric cannot be computed from the network's output; None if it can."""
    wanted = METRICS[name].classes
    if wanted == "own" and not network.own_classes:
        return f"{name} needs the classes of the data, which features={network.name} does not know"
    if wanted == "any" and not (network.own_classes or network.name == "inception"):
        return f"{name} needs class probabilities, which features={network.name} does not give"
    return None
