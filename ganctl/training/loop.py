"""The training loop: the only place where gradients are dropped, computed and followed. It never sees a formula."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer

from ganctl.data import Batches, Samples
from ganctl.errors import NotFinite, RunFailed
from ganctl.games import Batch, Game, Player
from ganctl.numerics.precision import FP32, Precision
from ganctl.numerics.streams import Streams
from ganctl.training.average import Average
from ganctl.training.finiteness import Guard
from ganctl.training.optimizers import SLOTS


class Training:
    """A game in progress: everything that a checkpoint holds.

    Args:
        game: who plays what.
        optimizers: one a player, by the player's name.
        batches: the real data.
        streams: the run's random streams.
        average: of the sampled networks, or None.
        precision: what the players' turns compute in.
        schedule: step number -> factor of every learning rate, or None where they stay.
        clip_norm: largest norm of a player's gradient; a longer one is scaled down to it. None: no limit.
        compiled: whether the networks run compiled in the players' turns; elsewhere they never do.
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
        self.latest = Samples(torch.empty(0))
        # Listed once: walking through the modules takes longer than a small network's arithmetic.
        self._parameters = {name: list(network.parameters()) for name, network in game.networks.items()}

    def play_step(self, log: bool) -> dict[str, Tensor]:
        """One step: every player has its turns. Gives the observed scalars by tag where `log`, else nothing.

        Raises:
            NotFinite: a term or a gradient is not; no weight has followed it.
        """
        self.step += 1
        self.game.begin_step(self.step)
        self._set_learning_rates()
        observed: dict[str, Tensor] = {}
        for name, player in self.players.items():
            for turn in range(1, player.turns + 1):
                number = (self.step - 1) * player.turns + turn
                with self.precision.turn():
                    self._play_turn(name, player, number, observed if log and turn == player.turns else None)
        if self.average:
            self.average.update(self.step)
        return observed

    def _set_learning_rates(self) -> None:
        if self.schedule is None:
            return
        factor = self.schedule(self.step)
        for name, optimizer in self.optimizers.items():
            for group, first in zip(optimizer.param_groups, self._first_rates[name], strict=True):
                group["lr"] = first * factor

    def _play_turn(self, name: str, player: Player, number: int, observed: dict[str, Tensor] | None = None) -> None:
        if player.fresh_batch:
            self.latest = self.batches.draw()
        for network_name, parameters in self._parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(network_name in player.networks)
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()  # what a turn's graphs give is kept until its end
        compiling = torch.compiler.set_stance("default") if self.compiled else nullcontext()
        with compiling, self.precision.forward():
            terms = player.loss(Batch(self.latest, observed, number))
        for term, value in terms.items():
            if value.ndim:
                raise RunFailed(
                    f"{name}: its term {term} has shape {tuple(value.shape)}; it must be one number, a mean"
                )
        values = list(terms.values())
        loss = torch.stack(values).sum() if len(values) > 1 else values[0]
        for moved in self._moved(player):  # in place of Optimizer.zero_grad, which takes longer than a small layer
            moved.grad = None
        loss.backward()
        norm = self.guard.norm([p.grad for p in self._moved(player) if p.grad is not None])
        self.guard.look(self.step, name, terms, loss, norm)
        if self.clip_norm is not None:
            clip_grads_with_norm_(self._moved(player), self.clip_norm, norm)
        if observed is not None:
            observed[f"loss/{name}"] = loss.detach()
            for term, value in terms.items():
                observed[f"term/{name}/{term}"] = value.detach()
            observed[f"grad_norm/{name}"] = norm
        self.optimizers[name].step()
        if player.after_turn:
            player.after_turn()

    def _moved(self, player: Player) -> list[Tensor]:
        return [parameter for name in player.networks for parameter in self._parameters[name]]

    def check_weights(self) -> None:
        """Raises NotFinite where the last update, which nothing looked at since, left weights that are not finite."""
        self.guard.report()
        for name, parameters in self._parameters.items():
            if not all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
                raise NotFinite(f"step {self.step}: the last update left weights of the {name} that are not finite")

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """Generated samples [count, *shape], from the averaged weights where there is an average."""
        # Preserved, in case a plugin's generator draws from torch's own stream even when it is only looked at.
        with self.streams.preserved(), self.average.in_place() if self.average else nullcontext():
            return self.game.sample(count, noise)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The whole state but two counts, as named tensors in two parts: "networks", and what only training needs."""
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
        """Puts training where `tensors()` and `counts()` were taken; the next step is the one that came next then."""
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
        self.step, self.batches.drawn = counts["step"], counts["batches_drawn"]


def restore_networks(game: Game, average: Average | None, tensors: dict[str, Tensor]) -> None:
    """Loads the weights of the game's networks and of their average.

    Raises:
        RuntimeError: names or shapes are not those of these networks.
    """
    for name, network in game.networks.items():
        network.load_state_dict(_below(name, tensors))
    if average:
        for name, network in average.networks.items():
            network.load_state_dict(_below(f"average.{name}", tensors))


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}


def _check_slots(player: str, optimizer: Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    """Raises ValueError where a state is none of this optimizer's: it would only be missed at the next step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, slots in state.items():
        if not 0 <= index < len(parameters):
            raise ValueError(
                f"the {player}'s optimizer has {len(parameters)} parameters and the checkpoint number {index}"
            )
        known = SLOTS.get(type(optimizer))
        if known is None:  # a plugin's
            continue
        if slots.keys() != known.keys():
            raise ValueError(f"the {player}'s optimizer keeps {', '.join(known)} and the checkpoint {', '.join(slots)}")
        for name, value in slots.items():
            if value.shape != (parameters[index].shape if known[name] else ()):
                raise ValueError(
                    f"the {player}'s optimizer: {name} of parameter {index} has shape {tuple(value.shape)}"
                )


def _align(optimizer: Optimizer) -> None:
    """Lays the optimizer's state out in memory as its parameters are; fused kernels take for granted that it is."""
    for parameter, state in optimizer.state.items():
        for slot, value in state.items():
            if value.shape == parameter.shape:
                state[slot] = torch.empty_like(parameter).copy_(value)


class Hook(Protocol):
    """What happens between two steps. It may look at training and must not change it."""

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Called after each step; `scalars` by tag on the steps that are logged."""


def train(training: Training, until: int, log_every: int, hooks: Sequence[Hook], stopped: Callable[[], bool]) -> None:
    """Plays until step number `until`, or until `stopped()` says so between two steps.

    Raises:
        NotFinite: a term, a gradient or a logged scalar is not finite.
    """
    while training.step < until and not stopped():
        following = training.step + 1
        log = following == 1 or following % log_every == 0 or following == until
        observed = training.play_step(log)
        scalars = None
        if log:
            training.guard.report()
            # One transfer from the device for all of them.
            scalars = dict(zip(observed, torch.stack([*observed.values()]).tolist(), strict=True))
            for tag, value in scalars.items():
                if not abs(value) < float("inf"):
                    raise NotFinite(f"step {following}: {tag} is {value}")
        for hook in hooks:
            hook.after_step(training, scalars)
