"""Runs of ganctl in processes of their own, by the hundred: forked, with faults, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Fault:
    """A fault of `faults.c`: the nth call of its kind below the folder."""

    folder: Path
    kind: str
    nth: int
    trace: Path

    def words(self) -> list:
        self.trace.unlink(missing_ok=True)
        return [str(self.folder), self.kind, self.nth, str(self.trace)]

    def calls(self) -> list[tuple[str, str]]:
        """What was called, in order, and of which path; a call that was made to fail ends in "!"."""
        if not self.trace.exists():
            return []
        return [(call, path) for call, _, path in (line.partition(" ") for line in self.trace.read_text().splitlines())]

    def struck(self) -> str | None:
        """The first call that was made to fail and its path; None where there was none."""
        return next((f"{call[:-1]} {path}" for call, path in self.calls() if call.endswith("!")), None)


@dataclass
class Run:
    """A process that runs one command."""

    server: "Server"
    pid: int
    out_file: Path
    err_file: Path
    code: int | None = field(default=None)

    def kill(self) -> None:
        """SIGKILL, and nobody can say anything any more."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)  # until somebody has waited for it, the number is nobody else's

    def ended(self) -> bool:
        """Whether it has ended by now."""
        if self.code is None:
            self.code = self.server.ask(wait=self.pid, poll=True)
        return self.code is not None

    def wait(self) -> int:
        """The exit code, minus the signal's number where one ended it."""
        if self.code is None:
            self.code = self.server.ask(wait=self.pid, poll=False)
        assert self.code is not None
        return self.code

    @property
    def out(self) -> str:
        return self.out_file.read_text()

    @property
    def err(self) -> str:
        return self.err_file.read_text()


class Server:
    """A process that has imported ganctl and forks one for each run.

    Args:
        scratch: where the runs' output goes, and the cache.
        library: of faults, preloaded; None: runs without faults.
    """

    def __init__(self, scratch: Path, library: Path | None = None) -> None:
        self.scratch = scratch
        self.count = 0
        self.environment = {"XDG_CACHE_HOME": str(scratch / "cache"), "OMP_NUM_THREADS": "1"}
        preload = {"LD_PRELOAD": str(library)} if library else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment, **preload, "PYTHONPATH": str(ROOT)},
        )

    def warm_up(self, *commands: Sequence[str], cwd: Path) -> None:
        """Runs some commands and imports in the server what they imported, so that later ones need not."""
        for words in commands:
            modules = self.scratch / "modules.json"
            run = self.start(words, cwd, environment={"GANCTL_MODULES": str(modules)})
            assert run.wait() == 0, run.err
            self.ask(**{"import": json.loads(modules.read_text())})

    def ask(self, **request) -> int | None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(
        self,
        words: Sequence[str],
        cwd: Path,
        fault: Fault | None = None,
        limit: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Begins `ganctl WORDS` in the folder `cwd`, with a fault or with a limit to the bytes of a file."""
        self.count += 1
        out, err = self.scratch / f"{self.count}.out", self.scratch / f"{self.count}.err"
        pid = self.ask(
            words=[*map(str, words)],
            cwd=str(cwd),
            out=str(out),
            err=str(err),
            environment=environment or {},
            limit=limit,
            fault=fault.words() if fault else None,
        )
        assert pid
        return Run(self, pid, out, err)

    def run(self, words: Sequence[str], cwd: Path, **options) -> Run:
        """The same, and waits until it has ended."""
        run = self.start(words, cwd, **options)
        run.wait()
        return run

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=30)
        assert self.process.stdout
        self.process.stdout.close()


@contextmanager
def served(scratch: Path, library: Path | None = None) -> Iterator[Server]:
    """A server for as long as it is needed."""
    server = Server(scratch, library)
    try:
        yield server
    finally:
        server.close()


def descendants(pid: int) -> list[int]:
    """The processes that the process has made, and those that they have."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if folder.name.isdigit() and parent == pid:
                found += [int(folder.name), *descendants(int(folder.name))]
    return found


def until(condition, seconds: float = 60.0, pause: float = 0.002) -> bool:
    """Waits until the condition holds, and whether it came to hold in so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
