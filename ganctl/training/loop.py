"""The training loop: the only place that clears, computes and applies gradients. It never sees a formula."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_

from ganctl.errors import NotFinite, RunFailed
from ganctl.games import Batch, Player
from ganctl.games.contests import merged
from ganctl.training.state import State


class Training(State):
    """A game in progress: its state, and the training step that changes the state."""

    def play_step(self, log: bool) -> dict[str, Tensor]:
        """Plays one step, in which every player takes its turns. Returns the scalars to log, by tag, if `log`.

        Raises:
            NotFinite: a term or a gradient is not finite; its weights were not updated.
        """
        self.step += 1
        self.game.begin_step(self.step)
        self._set_learning_rates()
        self.latest = None  # so that a resumed run uses the same batches
        observed: dict[str, Tensor] = {}
        for name, player in self.players.items():
            turns = player.turns_at(self.step)
            for turn in range(1, turns + 1):
                self.turns[name] += 1
                with self.precision.turn():
                    self._play_turn(name, player, self.turns[name], observed if log and turn == turns else None)
        if self.average:
            self.average.update(self.step)
        return observed | merged(observed, self.game.contests) if log else observed

    def _set_learning_rates(self) -> None:
        if self.schedule is None:
            return
        factor = self.schedule(self.step)
        for name, optimizer in self.optimizers.items():
            for group, first in zip(optimizer.param_groups, self._first_rates[name], strict=True):
                group["lr"] = first * factor

    def _play_turn(self, name: str, player: Player, number: int, observed: dict[str, Tensor] | None = None) -> None:
        if player.fresh_batch or self.latest is None:
            self.latest = self.batches.draw()
        for network_name, parameters in self._parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(network_name in player.networks)
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()  # outputs of a turn's CUDA graphs stay valid until its end
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
        for moved in self._moved(player):  # instead of Optimizer.zero_grad, which takes longer than a small layer
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


class Hook(Protocol):
    """A callback between two steps. It may read the training and must not change it."""

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        """Called after each step; `scalars` are the logged values by tag, None for a step that is not logged."""


def train(training: Training, until: int, log_every: int, hooks: Sequence[Hook], stopped: Callable[[], bool]) -> None:
    """Trains until step `until` is done, or until `stopped()` returns True between two steps.

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
            # One transfer from the device for all scalars.
            scalars = dict(zip(observed, torch.stack([*observed.values()]).tolist(), strict=True))
            for tag, value in scalars.items():
                if not abs(value) < float("inf"):
                    raise NotFinite(f"step {following}: {tag} is {value}")
        for hook in hooks:
            hook.after_step(training, scalars)
