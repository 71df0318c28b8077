"""What a training step spends besides its matrix products: the same training with a part of it left out.

    python benchmarks/parts.py [--case mlp] [--repeats 40] [--threads 2] [--json FILE]

All ways take turns, forwards and backwards, 20 steps each time; medians. The whole step, the textbook's and the floor
are those of `train.py`, for its case `mlp` or `default`. Then come the shares of a step by kind of operation, each the
number of calls times their median time by `torch.profiler`. Nothing else should run meanwhile.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import measuring
import torch
import train as steps
from torch.profiler import ProfilerActivity, profile

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.models.layers import Dropout
from ganctl.training.loop import Training, train

STEPS = 20


def no_dropout(training: Training) -> None:
    for layer in training.game.networks["discriminator"].modules():
        if isinstance(layer, Dropout):
            layer.kept = 65536


def no_optimizers(training: Training) -> None:
    for optimizer in training.optimizers.values():
        optimizer.step = lambda: None  # type: ignore[method-assign, assignment]


def no_average(training: Training) -> None:
    training.average = None


def no_look(training: Training) -> None:
    training.guard.norm = lambda _: torch.ones(())  # type: ignore[method-assign]


PARTS = {
    "dropout": no_dropout,
    "the optimizers": no_optimizers,
    "the average": no_average,
    "the look at the gradients": no_look,
}
# Kinds of operations, by what their names contain; the first that fits counts.
KINDS = {
    "matrix products and convolutions": "mm$|convolution|col2im|im2col",
    "batch norm": "batch_norm",
    "activations": "relu|threshold|tanh|clamp_min",
    "the optimizers and the average": "[aA]dam|lerp",
    "autograd": "Backward|autograd::",
    "everything else": "",
}


def words_of(case: str, threads: int) -> tuple[str, ...]:
    return (*(steps.MLP if case == "mlp" else steps.SMALL), "loss=nonsaturating", "device=cpu", f"threads={threads}")


def ways(words: tuple[str, ...]) -> dict[str, Callable[[], None]]:
    """What takes turns, each of it `STEPS` steps."""

    def way(*left_out: Callable[[Training], None]) -> Callable[[], None]:
        training = build(load(["steps=1000000", *words])).training
        for leave_out in left_out:
            leave_out(training)
        return lambda: train(training, training.step + STEPS, 10, [], lambda: False)

    parts = {name: part for name, part in PARTS.items() if name != "dropout" or "model=mlp" in words}
    single = {f"without {name}": way(part) for name, part in parts.items()}
    whole = steps.ways(steps.Case(words, STEPS))
    return {
        "the step": whole["ganctl"],
        **single,
        "without all of these": way(*parts.values()),
        "its products alone": whole["floor"],
        "the textbook's step": whole["textbook"],
    }


def measured(words: tuple[str, ...], repeats: int) -> dict[str, dict[str, float]]:
    """The median time of a step in each way, in milliseconds, and as a share of the whole step's."""
    torch.set_flush_denormal(True)
    played = ways(words)
    times: dict[str, list[float]] = {name: [] for name in played}
    for repeat in range(repeats + 2):
        for name in [*played] if repeat % 2 else [*played][::-1]:
            began = time.perf_counter()
            played[name]()
            if repeat > 1:  # the first times are a warm-up
                times[name].append((time.perf_counter() - began) / STEPS * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {name: {"ms": median, "share": median / medians["the step"]} for name, median in medians.items()}


def kinds(words: tuple[str, ...]) -> dict[str, float]:
    """The share of each kind of operation in the time of a step's operations."""
    training = build(load(["steps=1000000", *words])).training
    train(training, STEPS, 10, [], lambda: False)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        train(training, 3 * STEPS, 10, [], lambda: False)
    times: dict[tuple[str, str], list[float]] = {}
    for event in profiled.events():
        times.setdefault((event.name, str(event.input_shapes)), []).append(event.self_cpu_time_total)
    found = dict.fromkeys(KINDS, 0.0)
    for (name, _), each in times.items():
        kind = next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))
        found[kind] += len(each) * statistics.median(each)
    return {kind: time / sum(found.values()) for kind, time in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=("mlp", "default"), default="mlp")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    words = words_of(given.case, given.threads)
    results = measured(words, given.repeats)
    for name, found in results.items():
        print(f"{name:36s}{found['ms']:8.2f} ms  {found['share']:.3f}")
    shares = kinds(words)
    for name, share in shares.items():
        print(f"{name:36s}{share:8.1%}")
    measuring.write(given.json, {"threads": given.threads} | results | {"kinds": shares})


if __name__ == "__main__":
    main()
