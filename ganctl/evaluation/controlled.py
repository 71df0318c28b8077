"""Metrics of what a game controls: the class, the codes, or an autoencoder's latent vectors."""

import math

import torch
from torch import Tensor

from ganctl.evaluation.extraction import CHUNK
from ganctl.evaluation.reference import Reference
from ganctl.evaluation.sides import Estimate, Metric, Sides, mean_of
from ganctl.metrics import energy_test, matched

COMPARED = 1000  # number of latent vectors that the two-sample test compares with as many of the prior


def agrees(sides: Sides) -> Tensor:
    """Whether the classifier assigns each generated image its requested class: float64 [N] of 0 and 1."""
    assert sides.fake.kinds is not None
    return (sides.fake.classes == sides.fake.kinds).double()


def _agreement(sides: Sides) -> Estimate:
    """The share of agreement; unknown for a generator that is asked for no class."""
    return Estimate(math.nan) if sides.fake.kinds is None else mean_of(agrees(sides))


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


def _test(sides: Sides) -> tuple[float, float]:
    codes, prior = (sides.own[name][:COMPARED] for name in ("latents", "prior"))
    return energy_test(codes, prior, sides.seed)


def _prior_floor(sides: Sides) -> float:
    """The distance of the prior from itself: of as many of its vectors as are compared, from as many others."""
    prior, other = (sides.own[name][:COMPARED] for name in ("prior", "other_prior"))
    return energy_test(prior, other, sides.seed)[0]


def _class_table(sides: Sides) -> dict[str, list[float]]:
    """What was found of each class: agreement, Fréchet distance, and diversity relative to real images."""
    right, kinds = agrees(sides), range(len(sides.class_distances))
    spreads = [
        [float(side.rows_of(kind).double().var(dim=0).sum()) for kind in kinds] for side in (sides.fake, sides.real)
    ]
    return {
        "label_agreement": [float(right[sides.fake.kinds == kind].mean()) for kind in kinds],
        "class_fid": [each.value for each in sides.class_distances],
        "diversity": [ours / theirs if theirs else math.nan for ours, theirs in zip(*spreads, strict=True)],
    }


def _feature_distance(sides: Sides) -> Estimate:
    """The mean over images of the mean squared difference between their features and those of the true image."""
    made, truth = (
        torch.cat([sides.network.look(part)[0].float().cpu() for part in sides.own[name].split(CHUNK)])
        for name in ("made", "truth")
    )
    return mean_of((made - truth).double().square().mean(dim=1))


def _few_of_a_class(reference: Reference, num: int, dimensions: int) -> str | None:
    assert reference.real.kinds is not None
    shown = reference.real.kinds[: len(reference.real.rows)]
    kinds = int(shown.max()) + 1
    fewest = min(int(shown.bincount().min()), min(num, len(shown)) // kinds)
    if fewest > dimensions:
        return None
    return (
        f"a class has about {fewest:,} images, too few for {dimensions} features: class_fid deserves trust from ten "
        "times as many on"
    )


ROWS: dict[str, Metric] = {
    "label_agreement": Metric(compute=_agreement, most=1, classes="own", offered=True, ceiling=True),
    "class_fid": Metric(
        compute=_class_fid, classes="own", kinds=True, offered=True, table=_class_table, warn=_few_of_a_class
    ),
    "code_match": Metric(compute=_code_match, most=1, classes="own", offered=True, ceiling=True),
    "confidence": Metric(compute=_confidence, most=1, classes="own", offered=True, ceiling=True),
    "prior_distance": Metric(
        compute=lambda sides: Estimate(_test(sides)[0]), offered=True, own=True, codes=COMPARED, floor=_prior_floor
    ),
    "feature_distance": Metric(compute=_feature_distance, offered=True, own=True),
    "prior_p": Metric(compute=lambda sides: Estimate(_test(sides)[1]), most=1, offered=True, own=True, codes=COMPARED),
}
