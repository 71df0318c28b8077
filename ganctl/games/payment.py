"""Weights and intervals of regularization terms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganctl.losses import Penalty

LAST = "last_penalty"  # key, in a contest's memory, of the last value of a penalty with an interval above 1


@dataclass(frozen=True)
class WeightedPenalty:
    """A penalty with its weight and its interval.

    Attributes:
        penalty: the unweighted penalty.
        weight: weight of the penalty in J(D), on average over the turns.
        every: interval in turns of the discriminator. The gradient is multiplied by it, so that the expected gradient
            does not depend on it (lazy regularization: Karras et al. 2020, arXiv:1912.04958, section 3.1).
        name: name of the penalty, as in the configuration.
    """

    penalty: Penalty
    weight: float = 1.0
    every: int = 1
    name: str = ""


class Lazy:
    """A regularization term that is computed only once per interval (lazy regularization).

    In the other turns it has its last value, without gradient, so that the objective stays comparable. When it is
    computed, its gradient is multiplied by `every` (Karras et al. 2020, arXiv:1912.04958, section 3.1).

    Args:
        weight: weight of the term.
        every: interval in turns of the player; 1: the term is computed in each turn.
        key: key of the last value in the memory.
    """

    def __init__(self, weight: float, every: int, key: str) -> None:
        self.weight, self.every, self.key = weight, every, key

    @property
    def memory(self) -> dict[str, float]:
        """Initial values of the numbers that are kept from turn to turn, by key."""
        return {self.key: 0.0} if self.every > 1 else {}

    def pay(self, turn: int, memory: Mapping[str, Tensor], value: Callable[[], Tensor]) -> Tensor:
        """The weighted term in a turn.

        Args:
            turn: number of the player's turn, from 1.
            memory: holds the last value, which is updated in place.
            value: computes the unweighted term; called only once per interval.
        """
        if (turn - 1) % self.every:
            return memory[self.key].clone()
        paid = self.weight * value()
        if self.every == 1:
            return paid
        with torch.no_grad():
            memory[self.key].copy_(paid)
        return paid + (self.every - 1) * (paid - paid.detach())  # the term's value, with `every` times its gradient


class Payment(Lazy):
    """The regularization term of one penalty of a contest.

    Args:
        weighted: the penalty with its weight and its interval.
        place: index among the contest's penalties, from 0; the tags of all but the first contain the penalty's name.

    Attributes:
        term: name of the term in J(D).
        costs: whether J(D) has a term for it; a constraint on the weights has none.
    """

    def __init__(self, weighted: WeightedPenalty, place: int) -> None:
        self.penalty = weighted.penalty
        suffix = f"_{weighted.name}" if place else ""
        super().__init__(weighted.weight, weighted.every, f"{LAST}{suffix}")
        self.term = f"penalty{suffix}"
        self.costs = bool(self.penalty.of_samples or self.penalty.of_logits)

    @property
    def memory(self) -> dict[str, float]:
        """Initial values of the numbers that the penalty and its interval keep from turn to turn, by key."""
        return {**self.penalty.memory, **super().memory}
