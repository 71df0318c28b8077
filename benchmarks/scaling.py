"""How the time of a step grows with the batch, the width, the side of the images; and that of a study with its cells.

    python benchmarks/scaling.py [--repeats 5] [--json FILE] [KEY=VALUE...]

The sizes of a row take turns in one process; each median is divided by that of the row's first. Studies run once each,
from the first import to the report. Nothing else should run meanwhile.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring
import torch
from torch.nn.functional import interpolate

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.data import ImageSet
from ganctl.training.loop import Training, train

MLP, DCGAN = ["model=mlp", "batch_size=100"], ["model=dcgan", "batch_size=32", "model.width=32"]
ROWS = {
    "mlp: batch": [[*MLP, f"batch_size={size}"] for size in (25, 50, 100, 200)],
    "mlp: penalty": [[*MLP, f"penalty={name}"] for name in ("none", "gradient", "r1", "r1r2")],
    "dcgan: batch": [[*DCGAN, f"batch_size={size}"] for size in (16, 32, 64)],
    "dcgan: width": [[*DCGAN, f"model.width={width}"] for width in (16, 32, 64)],
    "dcgan: side": [[*DCGAN, f"side={side}"] for side in (28, 32, 64)],
    "mlp: precision, compile": [[*MLP, *words] for words in ([], ["precision=bf16"], ["compile=true"])],
}
STEPS = 4
GANCTL = [str(Path(sys.executable).with_name("ganctl"))]


def training(words: list[str]) -> Training:
    """Of these words, on digits enlarged to `side`."""
    side = next((int(word.split("=")[1]) for word in words if word.startswith("side=")), 28)
    config = load(["steps=1000000", *(word for word in words if not word.startswith("side="))])
    dataset = None
    if side != 28:
        pixels = interpolate(build(config).dataset.pixels[:1000].cpu().float(), side).to(torch.uint8)  # type: ignore[attr-defined]
        dataset = ImageSet(pixels)
    return build(config, dataset).training


def studies() -> dict[str, dict[str, float]]:
    """Wall time of `ganctl compare-losses` with more and more seeds."""
    found: dict[str, dict[str, float]] = {}
    print("study: cells")
    for seeds in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder:
            words = ["seed=" + ",".join(map(str, range(seeds))), f"output_dir={folder}", "steps=100"]
            began = time.perf_counter()
            subprocess.run([*GANCTL, "compare-losses", *words], check=True, capture_output=True)
            taken = time.perf_counter() - began
        name = f"{2 * seeds} cells of 100 steps"
        times = taken / next(iter(found.values()))["seconds"] if found else 1.0
        found[name] = {"seconds": taken, "times": times}
        print(f"  {name:32s}{1000 * taken:9.1f} ms{times:8.2f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="of every row, such as threads=1")
    given = parser.parse_args()
    results = {}
    for name, sizes in ROWS.items():
        played = [training([*given.words, *words]) for words in sizes]
        times: list[list[float]] = [[] for _ in played]
        for repeat in range(given.repeats + 1):
            for place, each in enumerate(played):
                began = time.perf_counter()
                train(each, each.step + STEPS, 10**9, [], lambda: False)
                if repeat:
                    times[place].append((time.perf_counter() - began) / STEPS)
        medians = [statistics.median(values) for values in times]
        print(name)
        for words, median in zip(sizes, medians, strict=True):
            shown = " ".join(words[len(sizes[0]) - 1 :]) or "as it is"
            results[f"{name}: {' '.join(words)}"] = {"seconds": median, "times": median / medians[0]}
            print(f"  {shown:32s}{1000 * median:9.1f} ms{median / medians[0]:8.2f}", flush=True)
    measuring.write(given.json, results | studies())


if __name__ == "__main__":
    main()
