"""The state of a training: everything that a checkpoint holds, and how it is restored."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganctl.data import Batches, Samples
from ganctl.errors import NotFinite
from ganctl.games import Game
from ganctl.numerics.precision import FP32, Precision
from ganctl.numerics.streams import Streams
from ganctl.training.average import Average
from ganctl.training.finiteness import Guard
from ganctl.training.optimizers import SLOTS


class State:
    """A game in progress: everything that a checkpoint holds.

    Args:
        game: the game, with its networks and players.
        optimizers: one optimizer per player, by the player's name.
        batches: batches of real data.
        streams: the run's random streams.
        average: moving average of the sampled networks, or None.
        precision: floating-point precision of the players' turns.
        schedule: step number -> factor of every learning rate; None if constant.
        clip_norm: largest norm of a player's gradient; larger gradients are scaled down to it. None: no limit.
        compiled: whether the networks run compiled in the players' turns; they never do elsewhere.
    """

    def __init__(
        self,
        game: Game,
        optimizers: dict[str, Optimizer],
        batches: Batches,
        streams: Streams,
        average: Average | None = None,
        precision: Precision = FP32,
        schedule: Callable[[int], float] | None = None,
        clip_norm: float | None = None,
        compiled: bool = False,
    ) -> None:
        self.game = game
        self.players = game.players()
        self.optimizers = optimizers
        self.batches = batches
        self.streams = streams
        self.average = average
        self.precision = precision
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.compiled = compiled
        self._first_rates = {
            name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in optimizers.items()
        }
        self.guard = Guard(streams.device, optimizers)
        self.step = 0
        self.turns = dict.fromkeys(self.players, 0)  # turns that each player has taken so far
        self.latest: Samples | None = None  # the batch drawn last in this step
        # Listed once: walking through the modules takes longer than a small network's arithmetic.
        self._parameters = {name: list(network.parameters()) for name, network in game.networks.items()}

    def check_weights(self) -> None:
        """Raises NotFinite if weights are not finite after the last update, which no turn has checked."""
        self.guard.report()
        for name, parameters in self._parameters.items():
            if not all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
                raise NotFinite(f"step {self.step}: the last update left weights of the {name} that are not finite")

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """Generated samples [count, *shape], from the averaged weights if there are any."""
        # Streams are preserved, since a plugin's generator may draw from torch's own stream even in evaluation mode.
        with self.streams.preserved(), self.average.in_place() if self.average else nullcontext():
            return self.game.sample(count, noise)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The state without `counts`, as named tensors: "networks", and "training" for what only training needs."""
        networks = {
            f"{n}.{key}": value for n, net in self.game.networks.items() for key, value in net.state_dict().items()
        }
        if self.average:
            for name, network in self.average.networks.items():
                networks |= {f"average.{name}.{key}": value for key, value in network.state_dict().items()}
        training = {f"stream.{name}": state for name, state in self.streams.state().items()}
        training |= {f"memory.{name}": value for name, value in self.game.memory.items()}
        for player, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                training |= {f"optimizer.{player}.{index}.{slot}": value for slot, value in slots.items()}
        return {"networks": networks, "training": training}

    def counts(self) -> dict[str, int]:
        """The rest of the state: steps done and batches drawn."""
        return {"step": self.step, "batches_drawn": self.batches.drawn}

    def restore(self, tensors: dict[str, dict[str, Tensor]], counts: dict[str, int]) -> None:
        """Restores the state that `tensors()` and `counts()` returned; training then continues with the next step."""
        restore_networks(self.game, self.average, tensors["networks"])
        training = tensors["training"]
        self.streams.restore(_below("stream", training))
        for name, value in _below("memory", training).items():
            self.game.memory[name].copy_(value)
        for player, optimizer in self.optimizers.items():
            slots = _below(f"optimizer.{player}", training)
            indices = sorted({int(key.split(".")[0]) for key in slots})
            state = {i: _below(str(i), slots) for i in indices}
            _check_slots(player, optimizer, state)
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
            _align(optimizer)
        self.batches.drawn = counts["batches_drawn"]
        self.arrive(counts["step"])

    def arrive(self, step: int) -> None:
        """Sets the number of completed steps, for weights that are loaded already; the next step is `step` + 1."""
        self.step = step
        for name, player in self.players.items():
            self.turns[name] = player.turns_until(step)
        if step:
            self.game.begin_step(step)  # samples drawn before the next step belong to the stage of this one


def restore_networks(game: Game, average: Average | None, tensors: dict[str, Tensor]) -> None:
    """Loads the weights of the game's networks and of their moving average.

    Raises:
        RuntimeError: names or shapes do not match these networks.
    """
    for name, network in game.networks.items():
        network.load_state_dict(_below(name, tensors))
    if average:
        for name, network in average.networks.items():
            network.load_state_dict(_below(f"average.{name}", tensors))


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}


def _check_slots(player: str, optimizer: Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    """Raises ValueError if a state does not fit this optimizer, which would only be noticed in the next step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, slots in state.items():
        if not 0 <= index < len(parameters):
            raise ValueError(
                f"the {player}'s optimizer has {len(parameters)} parameters and the checkpoint number {index}"
            )
        known = SLOTS.get(type(optimizer))
        if known is None:  # a plugin's optimizer
            continue
        if slots.keys() != known.keys():
            raise ValueError(f"the {player}'s optimizer keeps {', '.join(known)} and the checkpoint {', '.join(slots)}")
        for name, value in slots.items():
            if value.shape != (parameters[index].shape if known[name] else ()):
                raise ValueError(
                    f"the {player}'s optimizer: {name} of parameter {index} has shape {tuple(value.shape)}"
                )


def _align(optimizer: Optimizer) -> None:
    """Gives the optimizer's state the memory format of its parameters, which fused kernels rely on."""
    for parameter, state in optimizer.state.items():
        for slot, value in state.items():
            if value.shape == parameter.shape:
                state[slot] = torch.empty_like(parameter).copy_(value)
