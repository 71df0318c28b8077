"""Metrics of sample quality: pure functions of samples, of their features or of their class probabilities."""

from ganctl.metrics.classes import (
    class_divergence,
    class_diversity,
    class_shares,
    inception_score,
    matched,
    modes_present,
)
from ganctl.metrics.distances import directions, diversity, projected, sliced_wasserstein, sorted_distance
from ganctl.metrics.frechet import (
    Gaussian,
    Moments,
    distance_error,
    fitted,
    frechet_distance,
    frechet_distance_of,
    influences,
    limit,
    moments,
)
from ganctl.metrics.kernel import kernel_distance, kernel_error
from ganctl.metrics.modes import mode_coverage
from ganctl.metrics.neighbours import density_coverage, memorization, nearest, neighbourhoods, precision_recall
from ganctl.metrics.restoration import luminance, psnr, ssim
from ganctl.metrics.two_samples import energy_test

__all__ = [
    "Gaussian",
    "Moments",
    "class_divergence",
    "class_diversity",
    "class_shares",
    "density_coverage",
    "directions",
    "distance_error",
    "diversity",
    "energy_test",
    "fitted",
    "frechet_distance",
    "frechet_distance_of",
    "inception_score",
    "influences",
    "kernel_distance",
    "kernel_error",
    "limit",
    "luminance",
    "matched",
    "memorization",
    "mode_coverage",
    "modes_present",
    "moments",
    "nearest",
    "neighbourhoods",
    "precision_recall",
    "projected",
    "psnr",
    "sliced_wasserstein",
    "sorted_distance",
    "ssim",
]
