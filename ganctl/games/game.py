"""The base class of games: networks, and players that take turns. A game never sees an optimizer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ganctl.data import Dataset, Samples, scaled
from ganctl.games.inputs import Code, Inputs
from ganctl.games.metric import GameMetric
from ganctl.games.payment import WeightedPenalty
from ganctl.losses import AdversarialLoss
from ganctl.models import Role, Roles, plain
from ganctl.numerics.streams import Streams

if TYPE_CHECKING:
    from ganctl.games.contest import Contest


@dataclass
class Batch:
    """The input of one turn.

    Attributes:
        samples: real samples, float32 [N, *shape], with their labels and whatever else belongs to each.
        observed: {tag: scalar tensor}, to which the game adds values to log; None in turns that are not logged.
        turn: number of this player's turn in the whole run, from 1.
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
        """The class of each real sample, int64 [N]; None if unknown."""
        return self.samples.labels


@dataclass(frozen=True)
class Parts:
    """The parts from which a game is built.

    Attributes:
        networks: the networks by name.
        loss: the pair of objectives.
        penalties: regularization terms of J(D), and constraints on the discriminator's weights.
        streams: the run's random streams.
        roles: the role of each network that the game asked for, by the network's name.
        dataset: the training data, for a game that needs more than its batches. It is missing if a run is only sampled,
            unless the game draws from held-out data; reading it then raises `BadInput`.
        held_out: samples not used in training, or the whole data set if it has no such split. It is missing, in the
            same way, unless the game draws from held-out data.
    """

    networks: dict[str, nn.Module]
    loss: AdversarialLoss
    penalties: tuple[WeightedPenalty, ...]
    streams: Streams
    roles: Roles = field(default_factory=dict)
    dataset: Dataset | None = None
    held_out: Dataset | None = None


@dataclass(frozen=True)
class Player:
    """Networks that are updated together, and the loss that they minimize.

    Attributes:
        networks: names of the networks that a turn updates; all others are frozen during the turn.
        loss: batch -> {term: scalar}; the turn minimizes their sum.
        turns: turns per step, or a function of the step's number (from 1); 0: the player skips that step.
        fresh_batch: whether each turn draws a new batch, instead of using the latest one of the step. The first turn of
            a step always draws one.
        after_turn: called after the networks were updated.
        judged: whether a discriminator is applied to generated samples in its turn.
    """

    networks: tuple[str, ...]
    loss: Callable[[Batch], dict[str, Tensor]]
    turns: int | Callable[[int], int] = 1
    fresh_batch: bool = False
    after_turn: Callable[[], None] | None = None
    judged: bool = True

    def turns_at(self, step: int) -> int:
        """The number of turns in step `step`."""
        return self.turns if isinstance(self.turns, int) else self.turns(step)

    def turns_until(self, step: int) -> int:
        """The number of turns in the first `step` steps together."""
        return self.turns * step if isinstance(self.turns, int) else sum(map(self.turns, range(1, step + 1)))


def draws_at(players: Iterable[Player], step: int) -> int:
    """The number of batches that step `step` draws."""
    drawn = 0
    for player in players:
        turns = player.turns_at(step)
        drawn += turns if player.fresh_batch else int(turns > 0 and not drawn)
    return drawn


def steps_of(players: Iterable[Player], draws: int) -> int:
    """The smallest number of steps, at least one, that together draw at least `draws` batches."""
    players = [*players]
    if all(isinstance(player.turns, int) for player in players):
        return max(1, -(-draws // draws_at(players, 1)))
    step = 0
    while draws > 0 or not step:
        step += 1
        draws -= draws_at(players, step)
    return step


class Game(ABC):
    """The rules of one GAN variant.

    Attributes:
        networks: every network of the game, by name.
        sampled: names of the networks used for sampling, the generator first. A moving average is kept of these.
        contests: the discriminators with their losses, by the contest's name; "" if there is only one.
        draws_from: the source of generated samples: "noise" alone, or "held_out" images too. Held-out images are then
            available whenever the run is trained, sampled or evaluated.
        stages: (name, first step) of each phase of a run with rules of its own; the first phase begins at step 1. Empty
            if the rules do not change.
        codes: the inputs of the generator that a user can choose, by name, in the order of the generator's condition.
        offers: names of metrics that `evaluate` has for this kind of game and not for every game.
        metrics: the game's own metrics, by name: means of what `own_figures` returns.
        rivals: other ways to generate samples from the same inputs, by name, which do without the generator or use
            earlier weights of it. `evaluate` shows their metrics beside those of the game.
    """

    networks: dict[str, nn.Module]
    sampled: tuple[str, ...] = ("generator",)
    contests: "Mapping[str, Contest]" = MappingProxyType({})
    draws_from: Literal["noise", "held_out"] = "noise"
    stages: tuple[tuple[str, int], ...] = ()
    codes: Mapping[str, Code] = MappingProxyType({})
    offers: tuple[str, ...] = ()
    metrics: Mapping[str, GameMetric] = MappingProxyType({})
    rivals: Mapping[str, Callable[[Inputs], Tensor]] = MappingProxyType({})

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """The roles of the networks that the game needs, by name, in the order in which they are built.

        Args:
            options: the game's own options.
            dataset: the training data, for its shape and its number of classes.
            latent_dim: size of the model's latent vectors; 0 for a model without any.

        Raises:
            BadInput: the game cannot use such data.
        """
        del options, latent_dim
        return plain(dataset.shape)

    @cached_property
    def memory(self) -> Mapping[str, Tensor]:
        """Numbers that the contests keep from turn to turn, by name; updated in place and saved in checkpoints."""
        return {f"{name}{key}": value for name, each in self.contests.items() for key, value in each.memory.items()}

    @property
    def value_range(self) -> tuple[float, float]:
        """The values of black and white in generated samples and in batches."""
        return getattr(self.networks[self.sampled[0]], "output_range", None) or (-1.0, 1.0)

    @abstractmethod
    def players(self) -> dict[str, Player]:
        """The players in playing order."""

    def check_data(self) -> None:  # noqa: B027 - most games ask for nothing more
        """Checks the data set; called before training.

        Raises:
            BadInput: the data set lacks something that the game needs.
        """

    def begin_step(self, step: int) -> None:  # noqa: B027 - most games have nothing to do here
        """Called before step `step` (from 1), for growth, fade-in or annealing.

        It is called again with the last step when a run is resumed or opened for sampling, so its effect must depend
        only on `step`.
        """

    def probe(self, batch: Batch, noise: torch.Generator) -> dict[str, Tensor]:
        """Measures gradients on real samples and as many samples generated from `noise`; training is not affected.

        Returns: scalars by tag; empty if the game measures nothing.
        """
        del batch, noise
        return {}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """Draws the inputs of `count` samples; they depend only on the state of `noise`.

        Raises:
            NotImplementedError: the game generates no samples, like `Classification`.
        """
        raise NotImplementedError(f"{count} samples: a {type(self).__name__} makes none")

    def generate(self, inputs: Inputs) -> Tensor:
        """Generates samples [N, *shape] in the mode of the networks, as in a turn."""
        return self.networks[self.sampled[0]](*inputs.parts)

    def make(self, inputs: Inputs) -> Tensor:
        """Generates samples [N, *shape] in evaluation mode, without gradients; no state changes.

        Batch norm then uses its running statistics, so that a sample does not depend on the others.
        """
        with evaluating(*(self.networks[name] for name in self.sampled)):
            return self.generate(inputs)

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """What the game's own networks have to say for its metrics; changes nothing.

        Args:
            real: samples, held out from training where there are such.
            noise: random numbers.

        Returns: numbers by name, [N] for each of the metrics, and [N, ...] of which those in `offers` are made. Those
            of a rival have its name and a slash before theirs.
        """
        del real, noise
        return {}

    def compare(self, real: Samples) -> dict[str, Tensor]:
        """Real samples, and samples computed from them, such as their reconstructions; no state changes.

        Returns: {label of a row of the picture: samples [N, *shape]}, from the top; empty if the game computes none.
        """
        del real
        return {}

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated samples [count, *shape]; they depend only on the state of `noise`. No state changes."""
        return self.make(self.draw(count, noise))


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Within this context the networks are in evaluation mode and gradients are disabled."""
    training = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for network, before in zip(networks, training, strict=True):
            network.train(before)


def chosen_from(dataset: Dataset, count: int, noise: torch.Generator, value_range: tuple[float, float]) -> Samples:
    """`count` samples of a data set, chosen at random with replacement; they depend only on the state of `noise`.

    Returns: float32 samples within the value range, on the device of the data set.
    """
    rows = torch.randint(dataset.epoch_size, (count,), generator=noise, device=noise.device)
    return scaled(dataset.take(rows), value_range)
