"""The 2-D mixtures on which mode collapse is counted (Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1)."""

import math
from typing import Any

import torch

from ganctl.data.dataset import Density


def ring8(options: Any) -> Density:
    """Eight modes on a circle of radius 1, standard deviation 0.01."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    return Density(torch.stack([angles.cos(), angles.sin()], dim=1), 0.01, options.epoch_size)


def grid25(options: Any) -> Density:
    """Twenty-five modes on the grid {-4, -2, 0, 2, 4}^2, standard deviation 0.05."""
    axis = torch.arange(-4.0, 5.0, 2.0)
    return Density(torch.cartesian_prod(axis, axis), 0.05, options.epoch_size)
