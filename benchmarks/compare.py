"""How long the cells of a study take, beside the same cells trained by themselves.

    python benchmarks/compare.py [--repeats 5] [--steps 300] [--seeds 2] [--json FILE]

In turns, each from its first import to its end:

- `alone`: one cell by `ganctl train` with one thread, and nothing else;
- `two`: two cells by two `ganctl train` at once, one thread each; two processes gain 2 * alone / two;
- `study`: all cells by `ganctl compare-losses`, to its last line, report included.

The study is divided by what its cells would take one after the other over that gain: cells * alone / gain. Then the
same cells with jobs=1, by one thread and by all, and the memory of each process of a study, its shared pages counted
once (Linux). Nothing else should run meanwhile.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import measuring

from ganctl.store.host import available_cores

GANCTL = [str(Path(sys.executable).with_name("ganctl"))]
LOSSES = ("minimax", "nonsaturating")


def wall(*commands: list[str]) -> float:
    """Wall time of processes that run at once."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        running = [
            subprocess.Popen([*command, f"output_dir={folder}/{place}"], stdout=-3, stderr=-3)
            for place, command in enumerate(commands)
        ]
        codes = [process.wait() for process in running]
        taken = time.perf_counter() - began
    assert not any(codes), f"exit codes {codes}"
    return taken


def unshared(process: int) -> float:
    """Megabytes that a process and its children have for themselves, by /proc; each shared page counts in part."""
    total, waiting = 0.0, [process]
    while waiting:
        number = waiting.pop()
        try:
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
            waiting += map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
        except OSError:  # it has just ended
            continue
        total += next(float(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return total


def peak_memory(words: list[str]) -> float:
    """Megabytes that a study has at most, all its processes together."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([*GANCTL, "compare-losses", *words, f"output_dir={folder}"], stdout=-3, stderr=-3)
        found = [0.0]

        def watch() -> None:
            while process.poll() is None:
                found.append(unshared(process.pid))
                time.sleep(0.5)

        watcher = threading.Thread(target=watch)
        watcher.start()
        watcher.join()
    return max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("words", nargs="*", help="overrides of every cell, such as model=dcgan")
    given = parser.parse_args()
    cells = len(LOSSES) * given.seeds
    shared = [f"steps={given.steps}", *given.words]
    cell = [[*GANCTL, "train", f"loss={loss}", "threads=1", *shared] for loss in LOSSES]
    study = [
        *GANCTL,
        "compare-losses",
        f"loss={','.join(LOSSES)}",
        "seed=" + ",".join(map(str, range(given.seeds))),
        *shared,
    ]
    times: dict[str, list[float]] = {}
    for repeat in range(given.repeats):
        alone = wall(cell[repeat % len(LOSSES)])
        for name, taken in {"alone": alone, "two": wall(*cell), "study": wall(study)}.items():
            times.setdefault(name, []).append(taken)
            print(f"{name}: {taken:.1f} s", file=sys.stderr, flush=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    gain = 2 * medians["alone"] / medians["two"]
    expected = cells * medians["alone"] / gain
    results = medians | {"gain of two processes": gain, "cells": cells, "ratio": medians["study"] / expected}
    for name, threads in {"jobs=1": available_cores(), "jobs=1 threads=1": 1}.items():
        results[name] = wall([*study, "jobs=1", f"threads={threads}"])
    for jobs in (1, 2):
        results[f"MB of jobs={jobs}"] = peak_memory([*study[2:], f"jobs={jobs}"])
    print(f"{cells} cells of {given.steps} steps, {available_cores()} cores, medians of {given.repeats}:")
    for name, value in results.items():
        print(f"  {name:24s}{value:10.2f}")
    measuring.write(given.json, results)


if __name__ == "__main__":
    main()
