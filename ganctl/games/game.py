"""What every game has: networks, and players that move in turn. A game never sees an optimizer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn


@dataclass
class Batch:
    """What one turn is played on.

    Attributes:
        real: float32 [N, *shape].
        observed: where the game writes what it saw, as scalar tensors by tag, on the turns that are logged; else None.
        turn: number of the player's turn in the whole run, from 1.
    """

    real: Tensor
    observed: dict[str, Tensor] | None = None
    turn: int = 1


@dataclass(frozen=True)
class Player:
    """Networks that move together, and what they minimize.

    Attributes:
        networks: names of the networks whose weights a turn changes; those of every other one are frozen meanwhile.
        loss: batch -> {term: scalar}; the turn minimizes their sum.
        turns: how often it moves in a step.
        fresh_batch: whether its turn draws new data or is played on the latest batch.
        after_turn: called when its networks have moved.
    """

    networks: tuple[str, ...]
    loss: Callable[[Batch], dict[str, Tensor]]
    turns: int = 1
    fresh_batch: bool = False
    after_turn: Callable[[], None] | None = None


class Game(ABC):
    """The rules of one GAN variant.

    Attributes:
        networks: every network of the game, by name.
        sampled: names of the networks that `sample` uses, of which a moving average may be kept.
        memory: numbers that the rules carry from turn to turn besides the networks, changed in place.
    """

    networks: dict[str, nn.Module]
    sampled: tuple[str, ...] = ("generator",)
    memory: Mapping[str, Tensor] = MappingProxyType({})

    @abstractmethod
    def players(self) -> dict[str, Player]:
        """The players in playing order."""

    def begin_step(self, step: int) -> None:  # noqa: B027 - most games have nothing to do here
        """Called before the step number `step` (from 1): growth, fade-in, annealing."""

    def probe(self, real: Tensor, noise: torch.Generator) -> dict[str, Tensor]:
        """What a look at the gradients shows on real samples [N, *shape] and as many generated from `noise`.

        Returns: scalars by tag; empty where the game has nothing to show. Changes nothing that training depends on.
        """
        del real, noise
        return {}

    @abstractmethod
    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated samples [count, *shape], the same for the same state of `noise`; changes nothing."""
