"""Prior distributions of the codes of an adversarial auto-encoder."""

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
        dimensions: the only number of dimensions that it supports; None: any.
    """

    draw: Callable[[int, int, torch.Generator], Tensor]
    dimensions: int | None = None


def gaussian(count: int, dimensions: int, stream: torch.Generator) -> Tensor:
    """N(0, I)."""
    return torch.randn(count, dimensions, generator=stream, device=stream.device)


def mixture(count: int, dimensions: int, stream: torch.Generator) -> Tensor:
    """A mixture of ten equally likely Gaussians, arranged around the origin like the petals of a flower, in 2D.

    Each is centred at radius 2.5, with standard deviation 0.75 along the radius and 0.2 across it. Source: Makhzani et
    al. 2016 (AAE, arXiv:1511.05644), section 2.3 and figure 4, which gives no numbers.
    """
    angle = torch.randint(10, (count,), generator=stream, device=stream.device) * (2 * math.pi / 10)
    along, across = gaussian(count, dimensions, stream).unbind(dim=1)
    radius, across = 2.5 + 0.75 * along, 0.2 * across
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([radius * cosine - across * sine, radius * sine + across * cosine], dim=1)


def swiss_roll(count: int, dimensions: int, stream: torch.Generator) -> Tensor:
    """A 2D spiral of two turns up to radius 3, evenly filled, with Gaussian noise of standard deviation 0.05.

    Source: Makhzani et al. 2016 (AAE, arXiv:1511.05644), section 2.3 and figure 4, which gives no numbers.
    """
    turned = torch.rand(count, generator=stream, device=stream.device).sqrt()  # the outer part of the spiral is longer
    angle = 4 * math.pi * turned
    roll = torch.stack([angle.cos(), angle.sin()], dim=1) * (3 * turned)[:, None]
    return roll + 0.05 * gaussian(count, dimensions, stream)


PRIORS = {
    "gaussian": Prior(gaussian),
    "mixture": Prior(mixture, dimensions=2),
    "swiss_roll": Prior(swiss_roll, dimensions=2),
}
