"""Every fault at every call of a short run, of its continuation, of what looks at it, and of a comparison.

`python -m tests.reliability faults` injects all of them; the tests a share of them, spread over all.
"""

import os
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ganctl.store.run import RunFolder
from tests.conftest import TINY
from tests.reliability.checks import (
    Result,
    assert_ended_cleanly,
    assert_failure_is_recorded,
    assert_readable,
    contents,
    the_run,
)  # fmt: skip
from tests.reliability.long import BROKEN, Found, paced
from tests.reliability.processes import Fault, Run, Server, served

# Three checkpoints, of which one stays; grids at 1, 4 and 5.
WORDS = [*TINY, "steps=5", "checkpoint_every=2", "keep_checkpoints=1", "name=run"]

# Which calls a kind concerns, as in faults.c.
CONCERNS = {
    "enospc": ("open", "write", "mkdir"),
    "torn": ("open", "write", "mkdir"),
    "eio": ("write", "fsync"),
    "short": ("write",),
    "rename": ("rename",),
    "refused": ("open", "mkdir", "unlink", "truncate"),
    "readonly": ("open", "write", "fsync", "rename", "mkdir", "unlink", "truncate"),
    "kill": ("open", "write", "fsync", "rename", "mkdir", "unlink", "truncate"),
}
LASTING = {"enospc", "torn", "readonly"}  # in which nothing can be written afterwards either


class NoCompiler(Exception):
    """There is no gcc, so there is no file layer that fails."""


def compiled(folder: Path) -> Path:
    """The library of faults.

    Raises:
        NoCompiler: it cannot be made here.
    """
    library = folder / "faults.so"
    if shutil.which("gcc") is None:
        raise NoCompiler("there is no gcc on this machine, which the failing file layer is compiled with")
    source = Path(__file__).with_name("faults.c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        raise NoCompiler(f"gcc does not make the failing file layer here: {made.stderr.splitlines()[0]}")
    return library


@dataclass(frozen=True)
class Point:
    """One fault: its kind, and which of the calls that it concerns."""

    kind: str
    nth: int

    def __str__(self) -> str:
        return f"{self.kind} {self.nth}"


def points(calls: list[tuple[str, str]], kinds: Sequence[str] = tuple(CONCERNS)) -> list[Point]:
    """Every kind at every one of the counted calls."""
    totals = Counter(call for call, _ in calls)
    return [
        Point(kind, nth) for kind in kinds for nth in range(1, 1 + sum(totals[call] for call in CONCERNS[kind]))
    ]  # fmt: skip


def spread(all_points: list[Point], count: int) -> list[Point]:
    """So many of them, spread evenly over all."""
    return [
        all_points[(2 * index + 1) * len(all_points) // (2 * count)] for index in range(min(count, len(all_points)))
    ]


class Faults:
    """The undisturbed runs, and what happens to disturbed ones.

    Args:
        server: with the library preloaded.
        scratch: for everything.
    """

    def __init__(self, server: Server, scratch: Path) -> None:
        self.server, self.scratch = server, scratch
        self.made = 0
        folder = self.fresh()
        server.warm_up(["train", *WORDS], cwd=folder)
        self.whole = the_run(folder)
        self.expected = Result(self.whole)
        # One that was killed after its first checkpoint, when it was about to draw the grid of step 4.
        drawing = next(number for number, (_, path) in enumerate(self.calls_of_a_run, 1) if "step-00000004" in path)
        self.interrupted_run = self.fresh()
        assert self.run(["train", *WORDS], self.interrupted_run, Point("kill", drawing)).code == -9

    def all_of_them(self) -> Iterator[tuple[str, Callable[[], list[Point]], Callable[[Point], str]]]:
        """What is disturbed: its name, its points, and what disturbs it at one."""
        yield "a run", self.of_a_run, self.disturb_a_run
        yield "its continuation", self.of_its_continuation, self.disturb_a_continuation
        for name, (words, outputs) in LOOKS.items():
            yield name, partial(self.of_a_look, words), partial(self.disturb_a_look, words, outputs)

    def of_a_look(self, words: list[str]) -> list[Point]:
        folder = self.fresh()
        shutil.copytree(self.whole, folder / "run")
        return points(self.counted([*words, "run"], folder))

    def fresh(self) -> Path:
        """An empty working folder."""
        self.made += 1
        folder = self.scratch / f"{self.made}"
        folder.mkdir()
        return folder

    def run(self, words: Sequence[str], folder: Path, point: Point | None = None) -> Run:
        """A command in a working folder, with a fault or without."""
        return self.server.run(words, folder, fault=self.fault(folder, point) if point else None)

    def fault(self, folder: Path, point: Point) -> Fault:
        return Fault(folder, point.kind, point.nth, self.scratch / "trace.txt")

    def counted(self, words: Sequence[str], folder: Path) -> list[tuple[str, str]]:
        """The calls of an undisturbed command."""
        fault = self.fault(folder, Point("count", 0))
        run = self.server.run(words, folder, fault=fault)
        assert run.code == 0, run.err
        return fault.calls()

    @cached_property
    def calls_of_a_run(self) -> list[tuple[str, str]]:
        """The calls of an undisturbed run, which are the same each time."""
        folder = self.fresh()
        found = self.counted(["train", *WORDS], folder)
        shutil.rmtree(folder)
        return found

    def of_a_run(self) -> list[Point]:
        return points(self.calls_of_a_run)

    def of_its_continuation(self) -> list[Point]:
        folder = self.interrupted()
        found = points(self.counted(["train", "--resume", the_run(folder)], folder))
        shutil.rmtree(folder)
        return found

    def interrupted(self) -> Path:
        """A working folder with a run that was stopped half way."""
        folder = self.fresh()
        shutil.copytree(self.interrupted_run, folder, dirs_exist_ok=True)
        return folder

    def disturb_a_run(self, point: Point) -> str:
        """A run with this fault, then what everybody would do: go on with it. Gives how it ended."""
        folder = self.fresh()
        return self._disturb(["train", *WORDS], folder, point)

    def disturb_a_continuation(self, point: Point) -> str:
        """The same of a run that goes on."""
        folder = self.interrupted()
        return self._disturb(["train", "--resume", str(the_run(folder))], folder, point)

    def _disturb(self, words: list[str], folder: Path, point: Point) -> str:
        before = the_run(folder) and RunFolder(the_run(folder)).info()
        run = self.run(words, folder, point)
        struck = self.fault(folder, point).struck()
        path = the_run(folder)
        context = f"{point} at {struck}: exit {run.code}\n{run.err}"
        try:
            assert struck is not None
            if point.kind == "kill":
                assert run.code == -9
            else:
                assert_ended_cleanly(run.code, run.err)
            if path is not None:
                assert_readable(path)
                if run.code in (1, 2) and point.kind not in LASTING and may_say_so(path, struck, before):
                    assert_failure_is_recorded(path)
            ending = "unharmed" if run.code == 0 else self._go_on(folder, path, run.code)
            found = Result(the_run(folder))
            if ending == "unharmed" and ".reserve" in found.left:
                found.left.remove(".reserve")  # what could not be removed, and harms nobody
            found.assert_same(self.expected)
        except AssertionError as error:
            raise AssertionError(f"{context}\n{error}") from error
        shutil.rmtree(folder)
        return ending

    def _go_on(self, folder: Path, path: Path | None, code: int | None) -> str:
        if path is not None:
            again = self.run(["train", "--resume", str(path)], folder)
            assert_ended_cleanly(again.code, again.err)
            if again.code == 0:
                return "killed, resumed" if code == -9 else "failed, resumed" if code == 1 else "refused, resumed"
            # Only what never became a run may be refused; it holds nothing to lose.
            assert again.code == 2 and not (path / "config.yaml").exists(), again.err
            shutil.rmtree(path)
        run = self.run(["train", *WORDS], folder)
        assert run.code == 0, run.err
        return "never a run, begun anew"

    def disturb_a_look(self, words: list[str], outputs: tuple[str, ...], point: Point) -> str:
        """`sample` or `evaluate` with this fault: the run stays as it was, and a second try succeeds.

        Args:
            outputs: what the command may write into the run folder.
        """
        folder = self.fresh()
        shutil.copytree(self.whole, folder / "run")
        before = contents(folder / "run")
        run = self.run([*words, "run"], folder, point)
        struck = self.fault(folder, point).struck()
        context = f"{point} at {struck}: exit {run.code}\n{run.err}"
        try:
            if point.kind == "kill":
                assert run.code == -9
            else:
                assert_ended_cleanly(run.code, run.err)
            assert_readable(folder / "run")
            after = contents(folder / "run")
            assert {name: after.get(name) for name in before} == before
            new = {name for name in after.keys() - before.keys() if not name.startswith(outputs)}
            # Who is killed, or may remove nothing, leaves what it was writing, under a name that no command reads.
            left = point.kind in ("kill", "readonly") or str(struck).startswith("unlink ")
            assert all(name.rsplit("/")[-1].startswith(".") for name in new) and (not new or left), new
            again = self.run([*words, "run"], folder)
            assert again.code == 0, again.err
        except AssertionError as error:
            raise AssertionError(f"{context}\n{error}") from error
        shutil.rmtree(folder)
        return "killed, repeated" if run.code == -9 else "unharmed" if run.code == 0 else "refused, repeated"


def may_say_so(path: Path, struck: str | None, before: dict | None) -> bool:
    """Whether run.json had to say it: it is there, was not itself what the fault struck, and the run had gone on."""
    return (path / "run.json").exists() and "run.json" not in str(struck) and RunFolder(path).info() != before


def told(endings: Counter) -> str:
    """A table's cell: each ending and how often."""
    return ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))


LOOKS = {
    "sample": (["sample", "--num", "4"], ("sample",)),
    "evaluate": (
        ["evaluate", "--metrics", "precision", "--features", "pixels", "--num", "50"],
        ("metrics.json", ".metrics.lock", "nearest.png"),
    ),
}


def long_form() -> dict[str, int | str]:
    """Every fault at every call; how many, and how each kind ended."""
    table: dict[str, int | str] = {}
    found = Found()
    with TemporaryDirectory() as scratch, served(Path(scratch), compiled(Path(scratch))) as server:
        faults = Faults(server, Path(scratch))
        for what, points_of, disturb in faults.all_of_them():
            endings: dict[str, Counter] = defaultdict(Counter)
            for point in paced(share(points_of()), f"faults, {what}"):
                try:
                    endings[point.kind][disturb(point)] += 1
                except AssertionError as error:
                    found.append(f"{what}: {error}")
            table[f"faults, {what}"] = sum(sum(each.values()) for each in endings.values())
            for kind, counted in endings.items():
                table[f"faults, {what}: {kind}"] = told(counted)
    return table | {BROKEN: len(found)}


def share(chosen: list[Point]) -> list[Point]:
    """All of them, or every so many-th where GANCTL_RELIABILITY_EVERY says so."""
    return chosen[:: int(os.environ.get("GANCTL_RELIABILITY_EVERY", "1"))]
