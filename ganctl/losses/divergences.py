"""f-GAN: f-divergences between data and samples, by their variational bound.

Source: Nowozin et al. 2016 (arXiv:1606.00709). With v the logit, T = g_f(v) its output activation (table 2) and f* the
conjugate of f:

    J(D) = -(E T(r) - E f*(T(f)))  (eq. 4 and 6, negated)      J(G) = -E f*(T(f))

J(G) is the part of the bound that depends on G: the game is zero-sum, as in minimax. Every g_f increases with v.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganctl.losses.adversarial import AdversarialLoss


def exponential(x: Tensor) -> Tensor:
    """e^x, continued along its tangent above a bound near which the square of e^x would overflow the dtype.

    The bound is x = 40 in float32 and 350 in float64. Above it, value and slope stay finite, and so does Adam's mean of
    squared gradients; below it the value is exactly e^x.
    """
    bound = math.floor(math.log(torch.finfo(x.dtype).max) / 2) - 4
    inside = x.clamp(max=bound)
    return inside.exp() * (1 + (x - inside))


def divergence(
    activation: Callable[[Tensor], Tensor], conjugate: Callable[[Tensor], Tensor], log_odds: bool = False
) -> AdversarialLoss:
    """The adversarial loss of one divergence.

    Args:
        activation: v -> g_f(v).
        conjugate: v -> f*(g_f(v)), in a form that is numerically exact for any v.
        log_odds: see `AdversarialLoss`.
    """

    def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return conjugate(fake_logits).mean() - activation(real_logits).mean()

    def generator(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        del real_logits
        return -conjugate(fake_logits).mean()

    return AdversarialLoss(
        discriminator,
        generator,
        "Nowozin et al. 2016, eq. 6 and table 2",
        real_in_generator="absent",
        log_odds=log_odds,
    )


ROWS = {
    # T = v; f*(t) = exp(t - 1)
    "fgan_kl": divergence(lambda v: v, lambda v: exponential(v - 1)),
    # T = -exp(-v); f*(t) = -1 - log(-t)
    "fgan_reverse_kl": divergence(lambda v: -exponential(-v), lambda v: v - 1, log_odds=True),
    # T = v; f*(t) = t^2 / 4 + t
    "fgan_pearson": divergence(lambda v: v, lambda v: v.square() / 4 + v),
    # T = 1 - exp(-v); f*(t) = t / (1 - t)
    "fgan_squared_hellinger": divergence(lambda v: 1 - exponential(-v), lambda v: exponential(v) - 1),
    # T = log 2 - log(1 + exp(-v)); f*(t) = -log(2 - exp(t))
    "fgan_jensen_shannon": divergence(
        lambda v: math.log(2) - softplus(-v), lambda v: softplus(v) - math.log(2), log_odds=True
    ),
    # T = tanh(v) / 2; f*(t) = t for |t| <= 1/2 (from the supplement)
    "fgan_total_variation": divergence(lambda v: v.tanh() / 2, lambda v: v.tanh() / 2),
}
