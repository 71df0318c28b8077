"""Distributions that an adversarial auto-encoder gives its codes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prior:
    """A distribution of latent vectors.

    Attributes:
        draw: (count, dimensions, random numbers) -> float32 [count, dimensions].
        dimensions: how many it has; None: any number.
    """

    draw: Callable[[int, int, torch.Generator], Tensor]
    dimensions: int | None = None


def gaussian(count: int, dimensions: int, stream: torch.Generator) -> Tensor:
    """N(0, I)."""
    return torch.randn(count, dimensions, generator=stream, device=stream.device)


def mixture(count: int, dimensions: int, stream: torch.Generator) -> Tensor:
    """Ten equally likely Gaussians around the origin, like the petals of a flower.

    Each lies at radius 2.5, with a deviation of 0.75 along the radius and of 0.2 across it. Source: Makhzani et al.
    2016 (AAE, arXiv:1511.05644), section 2.3 and figure 4, which gives no numbers.
    """
    angle = torch.randint(10, (count,), generator=stream, device=stream.device) * (2 * math.pi / 10)
    along, across = gaussian(count, dimensions, stream).unbind(dim=1)
    radius, across = 2.5 + 0.75 * along, 0.2 * across
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([radius * cosine - across * sine, radius * sine + across * cosine], dim=1)


def swiss_roll(count: int, dimensions: int, stream: torch.Generator) -> Tensor:
    """A spiral of two turns out to radius 3, evenly filled, with a deviation of 0.05.

    Source: Makhzani et al. 2016 (AAE, arXiv:1511.05644), section 2.3 and figure 4, which gives no numbers.
    """
    turned = torch.rand(count, generator=stream, device=stream.device).sqrt()  # the spiral is longer further out
    angle = 4 * math.pi * turned
    roll = torch.stack([angle.cos(), angle.sin()], dim=1) * (3 * turned)[:, None]
    return roll + 0.05 * gaussian(count, dimensions, stream)


PRIORS = {
    "gaussian": Prior(gaussian),
    "mixture": Prior(mixture, dimensions=2),
    "swiss_roll": Prior(swiss_roll, dimensions=2),
}
