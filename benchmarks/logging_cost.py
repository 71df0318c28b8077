"""What it costs to log every step instead of none.

    python benchmarks/logging_cost.py [--steps 10000] [--block 100] [--json FILE] [KEY=VALUE...]

Two runs of one configuration take turns, block by block of steps, in one process: one logs every step to scalars.jsonl
and TensorBoard and follows the diagnosis, one logs none. Their summed times are divided. Nothing else should run
meanwhile.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import measuring

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.store.events import EventFile
from ganctl.studies.run import create
from ganctl.training.loop import train
from ganctl.watching.diagnosis import Diagnosis
from ganctl.watching.hooks import Reports, ScalarLog, Watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--block", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    config = load([f"steps={given.steps + 1}", *given.words])
    runs = {"logged": build(config), "unlogged": build(config)}
    seconds = dict.fromkeys(runs, 0.0)
    with ExitStack() as stack:
        folder = create(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "run", config, runs["logged"])
        events = stack.enter_context(closing(EventFile(folder.tensorboard)))
        log = stack.enter_context(closing(ScalarLog(folder, events, 0, config.batch_size)))
        watch = Watch(Diagnosis(runs["logged"].log_odds), folder, 0, config.probe_every)
        hooks = {"logged": [watch, log, Reports(lambda *_: None, watch)], "unlogged": []}
        for until in range(0, given.steps + 1, given.block):
            for name, experiment in runs.items():
                began = time.perf_counter()
                # A budget that ends a step later, since the last step of a call is always logged.
                train(experiment.training, until + 1, 1 if name == "logged" else 10**9, hooks[name], lambda: False)
                if until:  # the first step is a warm-up
                    seconds[name] += time.perf_counter() - began
    ratio = seconds["logged"] / seconds["unlogged"]
    print(f"{given.steps:,} steps: logged {seconds['logged']:.1f} s, unlogged {seconds['unlogged']:.1f} s: {ratio:.3f}")
    measuring.write(given.json, {"steps": given.steps, "seconds": seconds, "ratio": ratio})


if __name__ == "__main__":
    main()
