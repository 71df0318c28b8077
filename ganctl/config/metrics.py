"""Metrics by name: what each is, and where a good generator is. Imports no torch, so that a report can name them."""

from collections.abc import Mapping
from typing import Any

# By name: what it is, and where a good generator is: lower, higher, near a number, or none, where that cannot be said.
Names = Mapping[str, tuple[str, str]]

# What `evaluate` measures, in the order of its tables.
METRIC_NAMES: Names = {
    "fid": ("Fréchet distance of features", "lower"),
    "fid_infinity": ("the same, extrapolated to endless samples", "lower"),
    "kid": ("kernel distance of features", "lower"),
    "inception_score": ("inception score of the classifier", "higher"),
    "precision": ("share of samples that could be real", "higher"),
    "recall": ("share of real images that could be generated", "higher"),
    "density": ("real neighbourhoods a sample lies in", "near 1"),
    "coverage": ("share of real images with a sample near", "higher"),
    "modes": ("kinds of samples present", "higher"),
    "class_kl": ("KL divergence of the class shares", "lower"),
    "diversity": ("diversity within a class", "near 1"),
    "memorization": ("share nearer to training than to held-out images", "near 0.5"),
    "classifier_accuracy": ("accuracy of a classifier trained on samples", "higher"),
    "label_agreement": ("share of samples that have the class asked for", "higher"),
    "class_fid": ("mean Fréchet distance within a class", "lower"),
    "code_match": ("share of samples whose code tells their class", "higher"),
    "mutual_information": ("bound of the information in the code c1, in nats", "higher"),
    "confidence": ("mean probability of the likeliest class", "higher"),
    "reconstruction_error": ("mean squared error of reconstructed images", "lower"),
    "prior_distance": ("energy distance of codes from their prior", "lower"),
    "prior_p": ("chance of such a distance under the prior", "higher"),
    "label_error": ("share of held-out images named wrongly", "lower"),
    "psnr": ("peak signal-to-noise ratio of enlarged images, in dB", "higher"),
    "ssim": ("structural similarity of enlarged images", "higher"),
    "feature_distance": ("mean squared distance of features from the true image's", "lower"),
    "consistency": ("PSNR of enlarged images at the low resolution, in dB", "higher"),
    "translation_error": ("mean absolute error of images translated to the target", "lower"),
    "back_translation_error": ("mean absolute error of images translated from the target", "lower"),
    "cycle_error": ("mean absolute error of images translated there and back", "lower"),
    "high_quality": ("share of high-quality samples", "higher"),
    "sliced_wasserstein": ("sliced Wasserstein distance", "lower"),
}


def directed(names: Names) -> dict[str, bool]:
    """Outcomes of a comparison: {scalar tag: whether a smaller value is a better one} of what has a direction."""
    return {f"metric/{name}": better == "lower" for name, (_, better) in names.items() if better in ("lower", "higher")}


# What arms may be judged by: {scalar tag: whether a smaller value is a better one}.
OUTCOMES: dict[str, bool] = {
    "quality/sliced_wasserstein": True,
    "quality/diversity": False,
    "modes/covered": False,
    "modes/high_quality": False,
    "modes/kl": True,
    **directed(METRIC_NAMES),
}


def own_names(info: Mapping[str, Any]) -> Names:
    """The metrics in a run.json that its game brought, which METRIC_NAMES has not; {} where it says none."""
    found = info.get("own_metrics")
    rows = found.items() if isinstance(found, dict) else []
    return {name: (row["label"], row["better"]) for name, row in rows if is_named(row)}


def is_named(row: Any) -> bool:
    """Whether it says what a metric is and where a good generator is."""
    return isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("label", "better"))


def outcomes(own: Names) -> dict[str, bool]:
    """OUTCOMES, and the metrics of a game's own that have a direction."""
    return OUTCOMES | directed(own)


def lower_is_better(outcome: str, own: Names) -> bool:
    """Whether a smaller outcome is a better one; of one that nothing is known of, which then has no values, True."""
    return outcomes(own).get(outcome, True)


def said_to_be_better(better: str) -> str:
    """`lower is better`; empty where no direction is."""
    return "" if better == "none" else f"{better} is better"
