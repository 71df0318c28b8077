"""SIGKILL at random moments of a run, over and over, until it ends; and then it must be the run that nobody killed.

`python -m tests.reliability kills` does two hundred; the tests fewer. GANCTL_RELIABILITY_ROUNDS=N sets the number.
"""

import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import TINY
from tests.reliability.checks import Result, assert_ended_cleanly, assert_readable, the_run
from tests.reliability.processes import Run, Server, served

ROUNDS = 200  # of the long form
SEED = 0

# Short enough to be run hundreds of times, and with all that a run does: rows, grids, measuring, checkpoints thrown
# away and kept.
EVERYTHING = [
    "steps=24", "checkpoint_every=3", "keep_checkpoints=2", "sample_every=6", "log_every=2", "evaluate_every=12",
    "metrics=[precision,recall]", "evaluate_num=100", "features=pixels", "name=run",
]  # fmt: skip
STUDIES = {"mnist5k": [*TINY, *EVERYTHING], "ring8": [*TINY, *EVERYTHING[:5], "data=ring8", "ema_start=2", "name=run"]}
AIMS = ("any moment", "a checkpoint", "a grid", "the start", "the end")


# What is seen in the run folder when a process is at it.
SIGHTS = {"a checkpoint": "checkpoints/.step-*.tmp", "a grid": "samples/.step-*.tmp", "the end": "checkpoints/step-*24"}


@dataclass(frozen=True)
class Aim:
    """When a process is killed: so many seconds after its start, or after a sight of that step or a later one."""

    at: str
    after: float
    step: int

    def reached(self, folder: Path, began: float) -> bool:
        if self.at not in SIGHTS:
            return time.monotonic() >= began + self.after
        run = the_run(folder)
        seen = run.glob(SIGHTS[self.at]) if run else ()
        return any(int(path.name.lstrip(".")[5:13]) >= self.step for path in seen)


def stage(folder: Path, rows_before: int) -> str:
    """What a killed process was at, from what it left."""
    run = the_run(folder)
    if run is None or not (run / "config.yaml").is_file():
        return "before the folder"
    if any(run.glob("checkpoints/.step-*.tmp")):
        return "inside a checkpoint"
    if any(run.glob("samples/.*.tmp")):
        return "inside a grid"
    if any(run.glob("checkpoints/.step-*.old")):
        return "removing a checkpoint"
    if any(run.glob(".*.tmp")):
        return "inside a small file"
    if any(run.glob("checkpoints/step-*24")):
        return "at the end"
    file = run / "scalars.jsonl"
    return "stepping" if file.is_file() and file.read_text().count("\n") != rows_before else "building or resuming"


class Kills:
    """Runs that are killed, beside the same that are not.

    Args:
        server: forks the runs.
        scratch: for everything.
        seed: of the moments.
    """

    def __init__(self, server: Server, scratch: Path, seed: int = SEED) -> None:
        self.server, self.scratch, self.seed = server, scratch, seed
        self.moments = random.Random(seed)
        self.stages, self.resumed, self.runs = Counter[str](), 0, 0
        self.expected: dict[str, Result] = {}
        self.seconds: dict[str, float] = {}
        for name, words in STUDIES.items():
            folder = self._fresh(f"whole-{name}")
            server.warm_up(["train", *words], cwd=folder)
            self.expected[name] = Result(the_run(folder))
            shutil.rmtree(folder)
            folder.mkdir()
            began = time.monotonic()
            again = server.run(["train", *words], folder)
            self.seconds[name] = time.monotonic() - began
            assert again.code == 0
            Result(the_run(folder)).assert_same(self.expected[name])

    def _fresh(self, name: str) -> Path:
        folder = self.scratch / name
        folder.mkdir()
        return folder

    @property
    def killed(self) -> int:
        """How many processes were killed so far."""
        return sum(self.stages.values())

    def rounds(self, count: int, at_most: int = 8) -> None:
        """Runs until so many processes were killed, each run at most so often, and compares each in the end."""
        while self.killed < count:
            name = [*STUDIES][self.runs % len(STUDIES)]
            self.runs += 1
            folder = self._fresh(f"killed-{self.runs}")
            try:
                self._until_it_ends(name, folder, min(count - self.killed, self.moments.randint(1, at_most)))
                Result(the_run(folder)).assert_same(self.expected[name])
            except AssertionError as error:
                raise AssertionError(f"seed {self.seed}, run {self.runs} of {name}, {folder}: {error}") from error
            shutil.rmtree(folder)

    def _until_it_ends(self, name: str, folder: Path, kills: int) -> None:
        while True:
            words = self._command(name, folder)
            self.resumed += words[1] == "--resume"
            run = self.server.start(words, folder)
            if kills and self._killed_at(self._aim(name), run, folder):
                kills -= 1
                path = the_run(folder)
                if path is not None:
                    assert_readable(path)
                continue
            run.wait()
            assert_ended_cleanly(run.code, run.err)
            assert run.code == 0, run.err
            return

    def _command(self, name: str, folder: Path) -> list[str]:
        """What a person does: go on with the run; begin it where it never came to be one."""
        path = the_run(folder)
        if path is not None and (path / "config.yaml").is_file():
            return ["train", "--resume", str(path)]
        if path is not None:
            shutil.rmtree(path)
        return ["train", *STUDIES[name]]

    def _aim(self, name: str) -> Aim:
        at = self.moments.choice(AIMS)
        spread = {"any moment": self.seconds[name], "the start": self.seconds[name] / 3}.get(at, 0.01)
        return Aim(at, self.moments.uniform(0, spread), self.moments.randint(1, 24))

    def _killed_at(self, aim: Aim, run: Run, folder: Path) -> bool:
        """Kills the run at its moment; False where it ended before."""
        rows = the_run(folder) and the_run(folder) / "scalars.jsonl"
        before = rows.read_text().count("\n") if rows and rows.is_file() else 0
        began = time.monotonic()
        while not aim.reached(folder, began):
            if run.ended():
                return False
            time.sleep(0.0005)
        if aim.at in SIGHTS:
            time.sleep(aim.after)
        run.kill()
        if run.wait() != -9:
            return False
        self.stages[stage(folder, before)] += 1
        return True


def rounds_wanted(default: int) -> int:
    """The number of kills: GANCTL_RELIABILITY_ROUNDS, or the given one."""
    return int(os.environ.get("GANCTL_RELIABILITY_ROUNDS", default))


def long_form() -> dict[str, int | str]:
    """Two hundred kills; how many processes were killed at what, and what became of their runs."""
    with TemporaryDirectory() as scratch, served(Path(scratch)) as server:
        kills = Kills(server, Path(scratch))
        kills.rounds(rounds_wanted(ROUNDS))
    return {
        "kills": kills.killed,
        **{f"kills, {what}": count for what, count in sorted(kills.stages.items())},
        "kills: times that a run went on": kills.resumed,
        "kills: runs, each the same in the end as one that nobody killed": kills.runs,
    }
