"""How long the command line takes to answer, beside the imports that it cannot do without.

    python benchmarks/startup.py [--repeats 7] [--json FILE]

Each command is a process of its own; they take turns, and the medians of their wall times are divided. Files are in the
page cache after the first turn, which does not count.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring

PYTHON = [sys.executable, "-c"]
GANCTL = [str(Path(sys.executable).with_name("ganctl"))]
IMPORTS, TORCH = "import typer, rich", "import torch, torchvision"
READING = (
    "from ganctl.config.load import load; from ganctl.data import DATASETS; config = load([]); "
    "import time; began = time.perf_counter(); DATASETS['mnist5k'](config.data); print(time.perf_counter() - began)"
)
# What is timed, and what it is divided by.
COMMANDS = {
    IMPORTS: ([*PYTHON, IMPORTS], None),
    "ganctl --help": ([*GANCTL, "--help"], IMPORTS),
    "ganctl list": ([*GANCTL, "list"], IMPORTS),
    "ganctl train loss=nope (refused)": ([*GANCTL, "train", "loss=nope"], IMPORTS),
    "import torch": ([*PYTHON, "import torch"], None),
    TORCH: ([*PYTHON, TORCH], None),
    "ganctl train steps=1": ([*GANCTL, "train", "steps=1"], TORCH),
}


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(given.repeats + 1):
            for name, (command, _) in COMMANDS.items():
                taken = seconds(command, folder)
                if repeat:
                    times[name].append(taken)
        reading = float(subprocess.run([*PYTHON, READING], capture_output=True, text=True, check=True).stdout)
    medians = {name: statistics.median(values) for name, values in times.items()}
    results = {}
    for name, (_, base) in COMMANDS.items():
        results[name] = {"seconds": medians[name], "times": medians[name] / medians[base] if base else None}
        beside = f"   {results[name]['times']:.2f} times {base}" if base else ""
        print(f"{name:36s}{medians[name]:8.3f} s{beside}")
    results["reading mnist5k"] = {"seconds": reading, "times": None}
    print(f"{'reading mnist5k':36s}{reading:8.3f} s")
    measuring.write(given.json, results)


if __name__ == "__main__":
    main()
