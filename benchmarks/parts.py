"""What a training step of `mlp` spends besides its matrix products: the same training with a part of it left out.

    python benchmarks/parts.py [--repeats 40] [--threads 2] [--json FILE]

All ways take turns, forwards and backwards, 20 steps each time; medians. The whole step, the textbook's and the floor
are those of `train.py`. Nothing else should run meanwhile.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import measuring
import torch
import train as steps

from ganctl.build import build
from ganctl.config import load
from ganctl.loop import Training, train
from ganctl.models.layers import Dropout

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


def ways(threads: int) -> dict[str, Callable[[], None]]:
    """What takes turns, each of it `STEPS` steps."""
    words = (*steps.MLP, "loss=nonsaturating", "device=cpu", f"threads={threads}")

    def way(*left_out: Callable[[Training], None]) -> Callable[[], None]:
        training = build(load(["steps=1000000", *words])).training
        for leave_out in left_out:
            leave_out(training)
        return lambda: train(training, training.step + STEPS, 10, [], lambda: False)

    single = {f"without {name}": way(part) for name, part in PARTS.items()}
    whole = steps.ways(steps.Case(words, STEPS))
    return {
        "the step": whole["ganctl"],
        **single,
        "without all of these": way(*PARTS.values()),
        "its products alone": whole["floor"],
        "the textbook's step": whole["textbook"],
    }


def measured(threads: int, repeats: int) -> dict[str, dict[str, float]]:
    """The median time of a step in each way, in milliseconds, and as a share of the whole step's."""
    torch.set_flush_denormal(True)
    played = ways(threads)
    times: dict[str, list[float]] = {name: [] for name in played}
    for repeat in range(repeats + 2):
        for name in [*played] if repeat % 2 else [*played][::-1]:
            began = time.perf_counter()
            played[name]()
            if repeat > 1:  # the first times are a warm-up
                times[name].append((time.perf_counter() - began) / STEPS * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {name: {"ms": median, "share": median / medians["the step"]} for name, median in medians.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = measured(given.threads, given.repeats)
    for name, found in results.items():
        print(f"{name:36s}{found['ms']:8.2f} ms  {found['share']:.3f}")
    measuring.write(given.json, {"threads": given.threads} | results)


if __name__ == "__main__":
    main()
