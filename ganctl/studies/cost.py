"""The cost of one step of an arm, and the turns and learning rates of its players, for the fairness table."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganctl.config.schema import Config, option
from ganctl.training.experiment import Experiment


def cost(config: Config, experiment: Experiment) -> dict[str, Any]:
    """The cost of an arm, measured by playing the first steps of `experiment`, which must not be used afterwards.

    Returns: `parameters` per network; `learning_rates` and `turns` per step, per player; `penalty` in words;
    `real_images_per_step` and `generated_images_per_step`, counted as they enter the discriminator;
    `flops_per_step`: multiplications and additions of matrix products and convolutions, forward and backward, averaged
    over the penalty's interval; None if the first step fails.
    """
    training = experiment.training
    turns = {name: player.turns for name, player in training.players.items()}
    fresh = sum(player.turns for player in training.players.values() if player.fresh_batch)
    return {
        "parameters": {
            name: sum(parameter.numel() for parameter in network.parameters())
            for name, network in training.game.networks.items()
        },
        "learning_rates": {name: optimizer.param_groups[0]["lr"] for name, optimizer in training.optimizers.items()},
        "turns": turns,
        "penalty": _penalty(config),
        "real_images_per_step": fresh * config.batch_size,
        "generated_images_per_step": sum(p.turns for p in training.players.values() if p.judged) * config.batch_size,
        "flops_per_step": _flops(experiment, option(config.penalty, "every", 1), fresh),
    }


def _penalty(config: Config) -> str:
    name, every = option(config.penalty, "name"), option(config.penalty, "every", 1)
    weight = option(config.penalty, "weight")
    words = [str(name)] + ([f"weight {weight:g}"] if weight is not None else [])
    return ", ".join([*words, f"every {every} turns"] if every > 1 else words)


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


def _flops(experiment: Experiment, every: int, turns: int) -> int | None:
    """The average FLOPs of a step with `turns` turns; the penalty is computed in the first of every `every` turns.

    None if a step fails.
    """

    def payments(step: int) -> int:
        return sum(turn % every == 0 for turn in range(step * turns, (step + 1) * turns))

    counted: dict[int, int] = {}  # {penalties in a step: FLOPs}; the number of penalties has at most two values
    step = 0
    try:
        while len(counted) < (1 if turns % every == 0 else 2):
            with _Counter() as counter:
                experiment.training.play_step(log=False)
            counted[payments(step)] = counter.total
            step += 1
    except (Exception, SystemExit):  # the cell itself will report the error
        return None
    if len(counted) == 1:
        return next(iter(counted.values()))
    few, many = sorted(counted)
    return round(counted[few] + (turns / every - few) / (many - few) * (counted[many] - counted[few]))
