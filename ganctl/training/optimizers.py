"""How players move: the optimizers, and how the learning rate changes over a run."""

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


# (parameters of one player, its learning rate, options) -> optimizer
OPTIMIZERS: dict[str, Callable[[list[Tensor], float, Any], Optimizer]] = {"adam": adam, "rmsprop": rmsprop}

# What an optimizer keeps for each parameter, and whether that has the parameter's shape or is one number.
SLOTS: dict[type[Optimizer], dict[str, bool]] = {
    torch.optim.Adam: {"step": False, "exp_avg": True, "exp_avg_sq": True},
    torch.optim.RMSprop: {"step": False, "square_avg": True},
}


def schedule(kind: str, end_factor: float, total_steps: int) -> Callable[[int], float] | None:
    """How the learning rate goes from its value at step 1 to `end_factor` of it at the last step.

    Args:
        kind: constant, linear, or cosine (half a period: Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5).
        end_factor: at least 0.
        total_steps: the budget.

    Returns: step number (from 1) -> factor; None where it is constant.
    """
    if kind == "constant":
        return None

    def factor(step: int) -> float:
        done = min(1.0, (step - 1) / max(1, total_steps - 1))
        left = (1 + math.cos(math.pi * done)) / 2 if kind == "cosine" else 1 - done
        return end_factor + (1 - end_factor) * left

    return factor
