"""The optimizers, and the schedules of the learning rate."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def adam(parameters: list[Tensor], lr: float, options: Any) -> Optimizer:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980)."""
    betas = (options.beta1, options.beta2)
    return torch.optim.Adam(parameters, lr=lr, betas=betas, eps=options.eps, fused=True)


def rmsprop(parameters: list[Tensor], lr: float, options: Any) -> Optimizer:
    """RMSprop (Tieleman and Hinton 2012, Coursera lecture 6.5)."""
    return torch.optim.RMSprop(parameters, lr=lr, alpha=options.alpha)


# (parameters of one player, learning rate, options) -> optimizer
OPTIMIZERS: dict[str, Callable[[list[Tensor], float, Any], Optimizer]] = {"adam": adam, "rmsprop": rmsprop}

# The state that an optimizer keeps per parameter: name -> whether it has the parameter's shape (else one number).
SLOTS: dict[type[Optimizer], dict[str, bool]] = {
    torch.optim.Adam: {"step": False, "exp_avg": True, "exp_avg_sq": True},
    torch.optim.RMSprop: {"step": False, "square_avg": True},
}


def schedule(kind: str, end_factor: float, total_steps: int) -> Callable[[int], float] | None:
    """The factor of the learning rate, which goes from 1 at step 1 to `end_factor` at the last step.

    Args:
        kind: constant; linear; late_linear (constant in the first half of the budget: Zhu et al. 2017, CycleGAN,
            arXiv:1703.10593, section 7.1); or cosine (half a period: Loshchilov and Hutter 2017, arXiv:1608.03983,
            eq. 5).
        end_factor: the factor at the last step, at least 0.
        total_steps: the budget, in steps.

    Returns: step number (from 1) -> factor; None if constant.
    """
    if kind == "constant":
        return None

    def factor(step: int) -> float:
        done = min(1.0, (step - 1) / max(1, total_steps - 1))
        done = max(0.0, 2 * done - 1) if kind == "late_linear" else done
        left = (1 + math.cos(math.pi * done)) / 2 if kind == "cosine" else 1 - done
        return end_factor + (1 - end_factor) * left

    return factor
