"""How well samples cover the modes of a known mixture."""

import math

import torch
from torch import Tensor


def mode_coverage(points: Tensor, centers: Tensor, deviation: float) -> dict[str, float]:
    """The number of modes covered, the share of high-quality samples, and the divergence from equal shares.

    A sample is of high quality if it is within three standard deviations of its nearest mode; a mode is covered if it
    has at least one such sample (Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1, with 2,500 samples). In two
    dimensions exact samples have a high-quality share of 1 - exp(-4.5) = 0.989, not 1.

    Args:
        points: [N, D], N at least 1; a point that is not finite belongs to no mode.
        centers: [modes, D].
        deviation: standard deviation of each mode along each axis.

    Returns: `covered` in [0, modes]; `high_quality` in [0, 1]; `kl` in [0, ln modes]: KL(q || uniform) in nats, with q
    the shares of the finite points that are nearest to each mode. N exact samples have a `kl` of (modes - 1) / 2N on
    average; it is ln modes if no point is finite.
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
