"""How long the cells of a comparison take together: side by side, or one after the other.

    python benchmarks/jobs.py

Trains the same `mlp` cells three ways in a temporary folder, interleaved and repeated, and prints the ratios of the
medians. Only ratios of one run mean something; nothing else should run meanwhile.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

WAYS = {
    "jobs=cores": [],
    "one after the other, all threads": ["jobs=1"],
    "one after the other, one thread": ["jobs=1", "threads=1"],
}


def seconds(words: list[str], steps: int, cells: int) -> float:
    """How long the training of the cells takes, from the first line of the comparison to its report."""
    seeds = ",".join(map(str, range(cells // 2)))
    command = [sys.executable, "-m", "ganctl", "compare-losses", f"seed={seeds}", f"steps={steps}", *words]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, f"output_dir={folder}", f"sample_every={steps}"], stderr=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        began = ended = 0.0
        assert process.stderr
        for line in process.stderr:
            if "cells to train" in line:
                began = time.perf_counter()
            if "writing the report" in line:
                ended = time.perf_counter()
        assert process.wait() == 0
    return ended - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(given.repeats):
        for way, words in WAYS.items():
            found[way].append(seconds(words, given.steps, given.cells))
            print(f"{way}: {found[way][-1]:.1f} s", file=sys.stderr, flush=True)
    medians = {way: statistics.median(values) for way, values in found.items()}
    ours = medians["jobs=cores"]
    cores = len(os.sched_getaffinity(0))
    print(f"{given.cells} cells of {given.steps} steps on {cores} cores, median of {given.repeats}:")
    for way, median in medians.items():
        print(f"  {way:34s} {median:7.1f} s   jobs=cores takes {ours / median:.2f} of it")


if __name__ == "__main__":
    main()
