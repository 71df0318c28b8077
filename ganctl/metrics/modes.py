"""Which modes of a known mixture samples reach, and how well."""

import math

import torch
from torch import Tensor


def mode_coverage(points: Tensor, centers: Tensor, deviation: float) -> dict[str, float]:
    """Modes covered, share of high-quality samples, and divergence from equal shares.

    A sample is of high quality within three standard deviations of its nearest mode; a mode is covered by at least one
    such sample (Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1, with 2,500 samples). In two dimensions exact
    samples have a share of 1 - exp(-4.5) = 0.989, not 1.

    Args:
        points: [N, D], N at least 1; a point that is not finite belongs to no mode.
        centers: [modes, D].
        deviation: of every mode, along each axis.

    Returns: `covered` in [0, modes]; `high_quality` in [0, 1]; `kl`, the divergence KL(q || uniform) in nats of the
    shares q in which the finite points have each mode as their nearest, in [0, ln modes], of which N exact samples
    give (modes - 1) / 2N on average; ln modes where no point is finite.
    """
    finite = points.isfinite().all(dim=1)
    distance, mode = torch.cdist(points[finite].double(), centers.double()).min(dim=1)
    close = mode[distance < 3 * deviation]
    shares = torch.bincount(mode, minlength=len(centers)).double() / max(1, len(mode))
    present = shares[shares > 0]
    divergence = (present * present.log()).sum().item() + math.log(len(centers))
    return {
        "covered": float(len(close.unique())),
        "high_quality": len(close) / len(points),
        "kl": max(0.0, divergence),
    }
