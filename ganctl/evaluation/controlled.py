"""Metrics of what a game controls: the class, the codes, or an autoencoder's latent vectors."""

import math
from collections.abc import Callable

from torch import Tensor

from ganctl.evaluation.sides import Estimate, Metric, Sides, mean_of
from ganctl.metrics import energy_test, matched

COMPARED = 1000  # number of latent vectors that the two-sample test compares with as many of the prior


def agrees(sides: Sides) -> Tensor:
    """Whether the classifier assigns each generated image its requested class: float64 [N] of 0 and 1."""
    assert sides.fake.kinds is not None
    return (sides.fake.classes == sides.fake.kinds).double()


def _class_fid(sides: Sides) -> Estimate:
    """The mean Fréchet distance over the classes. The errors of the classes are independent."""
    found = [each for each in sides.class_distances if not math.isnan(each.value)]
    if not found:
        return Estimate(math.nan)
    return Estimate(sum(each.value for each in found) / len(found), math.hypot(*(e.error for e in found)) / len(found))


def _code_match(sides: Sides) -> Estimate:
    assert sides.fake.kinds is not None and sides.real.probabilities is not None
    return mean_of(matched(sides.fake.kinds, sides.fake.classes, sides.real.probabilities.shape[1]))


def _confidence(sides: Sides) -> Estimate:
    """The classifier's mean probability of the most likely class of a generated image."""
    assert sides.fake.probabilities is not None
    return mean_of(sides.fake.probabilities.amax(dim=1).double())


def _own(name: str) -> Callable[[Sides], Estimate]:
    return lambda sides: mean_of(sides.own[name].double()) if name in sides.own else Estimate(math.nan)


def _test(sides: Sides) -> tuple[float, float]:
    codes, prior = (sides.own[name][:COMPARED] for name in ("latents", "prior"))
    return energy_test(codes, prior, sides.seed)


def prior_floor(sides: Sides) -> float:
    """The energy distance between two samples of the prior, as large as the samples that are compared."""
    prior, other = (sides.own[name][:COMPARED] for name in ("prior", "other_prior"))
    return energy_test(prior, other, sides.seed)[0]


ROWS: dict[str, Metric] = {
    "label_agreement": Metric(lambda sides: mean_of(agrees(sides)), most=1, classes="own", offered=True),
    "class_fid": Metric(_class_fid, classes="own", offered=True),
    "code_match": Metric(_code_match, most=1, classes="own", offered=True),
    "confidence": Metric(_confidence, most=1, classes="own", offered=True),
    "mutual_information": Metric(_own("mutual_information"), least=-math.inf, offered=True),
    "reconstruction_error": Metric(_own("reconstruction_error"), offered=True),
    "prior_distance": Metric(lambda sides: Estimate(_test(sides)[0]), offered=True),
    "prior_p": Metric(lambda sides: Estimate(_test(sides)[1]), most=1, offered=True),
    "label_error": Metric(_own("label_error"), most=1, held_out=True, offered=True),
}
# Metrics from the game's own networks, not from generated images.
OWN = ("mutual_information", "reconstruction_error", "prior_distance", "prior_p", "label_error")
NAMED = ("label_agreement", "code_match", "confidence")  # metrics from the classifier's predictions
TESTED = ("prior_distance", "prior_p")  # metrics from the two-sample test


def class_table(sides: Sides) -> dict[str, list[float]]:
    """{metric: one value per class}: label agreement, Fréchet distance, and diversity relative to real images."""
    right, kinds = agrees(sides), range(len(sides.class_distances))
    spreads = [
        [float(side.rows_of(kind).double().var(dim=0).sum()) for kind in kinds] for side in (sides.fake, sides.real)
    ]
    return {
        "label_agreement": [float(right[sides.fake.kinds == kind].mean()) for kind in kinds],
        "class_fid": [each.value for each in sides.class_distances],
        "diversity": [ours / theirs if theirs else math.nan for ours, theirs in zip(*spreads, strict=True)],
    }
