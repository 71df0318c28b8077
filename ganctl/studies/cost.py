"""The cost of one step of an arm, and the turns and learning rates of its players, for the fairness table."""

import math
from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganctl.config.schema import Config, option
from ganctl.games.game import draws_at
from ganctl.training.experiment import Experiment
from ganctl.training.loop import Training


def cost(config: Config, experiment: Experiment) -> dict[str, Any]:
    """The cost of an arm, measured by playing some steps of `experiment`, which must not be used afterwards.

    Returns: `parameters` per network; `learning_rates` and `turns` per step, per player; `penalty` in words;
    `real_images_per_step` and `generated_images_per_step`, counted as they enter the discriminator;
    `flops_per_step`: multiplications and additions of matrix products and convolutions, forward and backward; None if
    a step fails. If steps differ, each is a mean over the steps of the budget.
    """
    training, total = experiment.training, experiment.total_steps
    players = training.players
    real = _mean(lambda step: draws_at(players.values(), step), training, total)
    generated = _mean(lambda step: sum(p.turns_at(step) for p in players.values() if p.judged), training, total)
    return {
        "parameters": {
            name: sum(parameter.numel() for parameter in network.parameters())
            for name, network in training.game.networks.items()
        },
        "learning_rates": {name: optimizer.param_groups[0]["lr"] for name, optimizer in training.optimizers.items()},
        "turns": {name: _mean(player.turns_at, training, total) for name, player in players.items()},
        "penalty": _penalty(config),
        "real_images_per_step": real * config.batch_size,
        "generated_images_per_step": generated * config.batch_size,
        "flops_per_step": _flops(training, total),
    }


def _constant(training: Training) -> bool:
    """Whether all steps have the same stage and the same turns."""
    return not training.game.stages and all(isinstance(player.turns, int) for player in training.players.values())


def _mean(count: Callable[[int], int], training: Training, total: int) -> float:
    """The mean of a count per step over the steps of the budget; a whole number if all steps are equal."""
    return count(1) if _constant(training) else sum(map(count, range(1, total + 1))) / total


def _penalty(config: Config) -> str:
    name, every = option(config.penalty, "name"), option(config.penalty, "every", 1)
    weight = option(config.penalty, "weight")
    words = [str(name)] + ([f"weight {weight:g}"] if weight is not None else [])
    return "; ".join([", ".join([*words, f"every {every} turns"] if every > 1 else words), *config.penalties])


class _Counter(TorchDispatchMode):
    """Counts the FLOPs of all operations in its context, by torch's own formulas.

    torch's FlopCounterMode is not used: its module hooks break second derivatives (pytorch issue 131753).
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        if formula:
            self.total += formula(*args, **kwargs, out_val=out)
        return out


def _flops(training: Training, total: int) -> int | None:
    """The mean FLOPs of a step over the budget: one step of each kind is played and weighted by its frequency.

    None if a step fails.
    """
    flops = 0.0
    kinds = _kinds(training, total)
    try:
        for step, share in kinds:
            training.arrive(step - 1)
            with _Counter() as counter:
                training.play_step(log=False)
            flops += share * counter.total
    except (Exception, SystemExit):  # the cell itself will report the error
        return None
    return round(flops)


def _kinds(training: Training, total: int) -> list[tuple[int, float]]:
    """The first step of each kind, and the share of steps of that kind.

    Kinds of steps differ in their stage, in the turns of each player, and in the penalties that are computed.
    """
    game, players = training.game, training.players
    everys = {pay.every for contest in game.contests.values() for pay in contest.payments if pay.costs}
    payer = players.get("discriminator")
    if _constant(training):  # only the penalties differ between steps, periodically
        turns = payer.turns_at(1) if payer else 1
        total = math.lcm(turns, *everys) // turns
    found: dict[Any, list[int]] = {}
    done = 0  # turns of the discriminator so far
    for step in range(1, total + 1):
        turns = payer.turns_at(step) if payer else 0
        paid = tuple(sum((turn - 1) % every == 0 for turn in range(done + 1, done + turns + 1)) for every in everys)
        stage = sum(first <= step for _, first in game.stages)
        kind = stage, paid, *(player.turns_at(step) for player in players.values())
        found.setdefault(kind, []).append(step)
        done += turns
    return [(steps[0], len(steps) / total) for steps in found.values()]
