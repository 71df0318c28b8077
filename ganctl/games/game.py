"""What every game has: networks, and players that move in turn. A game never sees an optimizer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganctl.data import Dataset, Samples
from ganctl.games.inputs import Code, Inputs
from ganctl.games.payment import WeightedPenalty
from ganctl.losses import AdversarialLoss
from ganctl.models import Role, Roles, plain
from ganctl.numerics.streams import Streams

if TYPE_CHECKING:
    from ganctl.games.contest import Contest


@dataclass
class Batch:
    """What one turn is played on.

    Attributes:
        samples: real ones, float32 [N, *shape], and what is known about each.
        observed: where the game writes what it saw, as scalar tensors by tag, on the turns that are logged; else None.
        turn: number of the player's turn in the whole run, from 1.
    """

    samples: Samples
    observed: dict[str, Tensor] | None = None
    turn: int = 1

    @property
    def real(self) -> Tensor:
        """The real samples, float32 [N, *shape]."""
        return self.samples.data

    @property
    def labels(self) -> Tensor | None:
        """The class of each real sample, int64 [N]; None where it is unknown."""
        return self.samples.labels


@dataclass(frozen=True)
class Parts:
    """What a game is made of.

    Attributes:
        networks: by name.
        loss: the pair of objectives.
        penalties: what J(D) pays for besides, or what holds the discriminator's weights in bounds.
        streams: where random numbers come from.
        roles: what the game asked of each network, by the network's name.
        dataset: what is real, for a game that looks at more of it than its batches; None where there is none, as for
            a run that is only sampled from.
    """

    networks: dict[str, nn.Module]
    loss: AdversarialLoss
    penalties: tuple[WeightedPenalty, ...]
    streams: Streams
    roles: Roles = field(default_factory=dict)
    dataset: Dataset | None = None


@dataclass(frozen=True)
class Player:
    """Networks that move together, and what they minimize.

    Attributes:
        networks: names of the networks whose weights a turn changes; those of every other one are frozen meanwhile.
        loss: batch -> {term: scalar}; the turn minimizes their sum.
        turns: how often it moves in a step.
        fresh_batch: whether its turn draws new data or is played on the latest batch.
        after_turn: called when its networks have moved.
        judged: whether its turn shows generated samples to a discriminator.
    """

    networks: tuple[str, ...]
    loss: Callable[[Batch], dict[str, Tensor]]
    turns: int = 1
    fresh_batch: bool = False
    after_turn: Callable[[], None] | None = None
    judged: bool = True


class Game(ABC):
    """The rules of one GAN variant.

    Attributes:
        networks: every network of the game, by name.
        sampled: names of the networks that samples need, the one that makes them first; a moving average of them may be
            kept.
        contests: who tells real from fake, by the contest's name; "" where there is one.
        codes: what of a sample can be chosen, by name, in the order in which the generator is given it.
        offers: metrics of `evaluate` that other games do not have.
    """

    networks: dict[str, nn.Module]
    sampled: tuple[str, ...] = ("generator",)
    contests: "Mapping[str, Contest]" = MappingProxyType({})
    codes: Mapping[str, Code] = MappingProxyType({})
    offers: tuple[str, ...] = ()

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """The networks that the game needs, by name, in the order in which they are made.

        Args:
            options: its own.
            dataset: what is real: its shape, and how many classes it has.
            latent_dim: size of the model's latent vectors; 0 for a model without.

        Raises:
            BadInput: it cannot be played on such data.
        """
        del options, latent_dim
        return plain(dataset.shape)

    @cached_property
    def memory(self) -> Mapping[str, Tensor]:
        """Numbers that the rules carry from turn to turn besides the networks, changed in place: its contests'."""
        return {f"{name}{key}": value for name, each in self.contests.items() for key, value in each.memory.items()}

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white are in generated samples and in batches."""
        return getattr(self.networks[self.sampled[0]], "output_range", None) or (-1.0, 1.0)

    @abstractmethod
    def players(self) -> dict[str, Player]:
        """The players in playing order."""

    def check_data(self) -> None:  # noqa: B027 - most games ask for nothing more
        """Called before a training begins.

        Raises:
            BadInput: the data have not what the rules need.
        """

    def begin_step(self, step: int) -> None:  # noqa: B027 - most games have nothing to do here
        """Called before the step number `step` (from 1): growth, fade-in, annealing."""

    def probe(self, batch: Batch, noise: torch.Generator) -> dict[str, Tensor]:
        """What a look at the gradients shows on real samples and as many generated from `noise`.

        Returns: scalars by tag; empty where the game has nothing to show. Changes nothing that training depends on.
        """
        del batch, noise
        return {}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """What `count` samples are generated from, the same for the same state of `noise`.

        Raises:
            NotImplementedError: the game makes no samples, as that of the classifier.
        """
        raise NotImplementedError(f"{count} samples: a {type(self).__name__} makes none")

    def generate(self, inputs: Inputs) -> Tensor:
        """Samples [N, *shape], as in a turn."""
        return self.networks[self.sampled[0]](*inputs.parts)

    def make(self, inputs: Inputs) -> Tensor:
        """Samples [N, *shape] in evaluation mode; changes nothing.

        Batch norm then uses its running statistics, so that an image does not depend on its neighbours.
        """
        with evaluating(*(self.networks[name] for name in self.sampled)):
            return self.generate(inputs)

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """What the game's own networks have to say for its metrics; changes nothing.

        Args:
            real: samples, held out from training where there are such.
            noise: random numbers.

        Returns: numbers by name, each [N] or [N, D], of which the metrics in `offers` are made.
        """
        del real, noise
        return {}

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated samples [count, *shape], the same for the same state of `noise`; changes nothing."""
        return self.make(self.draw(count, noise))


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Inside, the networks are in evaluation mode and no gradient is followed."""
    training = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for network, before in zip(networks, training, strict=True):
            network.train(before)
