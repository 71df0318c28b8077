"""What a player pays for a penalty: its weight, and at which turns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganctl.losses import Penalty

LAST = "last_penalty"  # what was paid last, in the memory of a contest whose penalty is not paid at every turn


@dataclass(frozen=True)
class WeightedPenalty:
    """A penalty as J(D) pays for it.

    Attributes:
        penalty: what is paid for.
        weight: of the penalty, on average over the turns.
        every: turns of the discriminator from one payment to the next, each of which has `every` times the gradient,
            so that the expected one stays (lazy regularization: Karras et al. 2020, arXiv:1912.04958, section 3.1).
        name: of the penalty.
    """

    penalty: Penalty
    weight: float = 1.0
    every: int = 1
    name: str = ""


class Lazy:
    """A term that is computed at every so many turns of a player.

    Between two payments its value is the last one, without gradient, so that the objective stays comparable. A payment
    has `every` times the gradient (Karras et al. 2020, arXiv:1912.04958, section 3.1).

    Args:
        weight: of the term.
        every: turns from one payment to the next; 1: it is paid at each.
        key: of the last value, in the memory.
    """

    def __init__(self, weight: float, every: int, key: str) -> None:
        self.weight, self.every, self.key = weight, every, key

    @property
    def memory(self) -> dict[str, float]:
        """What must be kept from turn to turn, at its beginning."""
        return {self.key: 0.0} if self.every > 1 else {}

    def pay(self, turn: int, memory: Mapping[str, Tensor], value: Callable[[], Tensor]) -> Tensor:
        """The weighted term of a turn.

        Args:
            turn: of the player, from 1.
            memory: where the last payment is kept.
            value: computes the term without its weight, where this turn pays.
        """
        if (turn - 1) % self.every:
            return memory[self.key].clone()
        paid = self.weight * value()
        if self.every == 1:
            return paid
        with torch.no_grad():
            memory[self.key].copy_(paid)
        return paid + (self.every - 1) * (paid - paid.detach())  # the value of one payment, the gradient of all


class Payment(Lazy):
    """What a contest pays for one of its penalties.

    Args:
        weighted: the penalty.
        place: among the contest's, from 0; all but the first have their name in their tags.

    Attributes:
        term: the name of the term.
        costs: whether there is a term; a penalty that only bounds the weights has none.
    """

    def __init__(self, weighted: WeightedPenalty, place: int) -> None:
        self.penalty = weighted.penalty
        suffix = f"_{weighted.name}" if place else ""
        super().__init__(weighted.weight, weighted.every, f"{LAST}{suffix}")
        self.term = f"penalty{suffix}"
        self.costs = bool(self.penalty.of_samples or self.penalty.of_logits)

    @property
    def memory(self) -> dict[str, float]:
        """What the penalty and its payment carry from turn to turn, at its beginning."""
        return {**self.penalty.memory, **super().memory}
