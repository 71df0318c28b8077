"""Commands in a process of their own that costs milliseconds, watched for what no file may make them do."""

import contextlib
import json
import os
import random
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.calling import Ending, run

MOST_MEMORY = 12 * 2**30  # bytes of address space, torch's libraries among them
MOST_USED = 3 * 2**30  # bytes in memory at once
FORBIDDEN = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "marshal.loads.code",
    "socket.connect",
}


@dataclass(frozen=True)
class Watched:
    """What a process did that ran one or more commands.

    Attributes:
        endings: of each command; empty where it never came back.
        deeds: what it should not have done: a pickle looked up, a program started, a file opened elsewhere.
        died: how it ended where it did not come back; None: it did.
        used: bytes in memory at most.
    """

    endings: list[Ending]
    deeds: list[str]
    died: str | None
    used: int


def watched(
    commands: Sequence[Sequence[str]],
    cwd: Path,
    allowed: Sequence[Path],
    before: Callable[[], Any] | None = None,
    seconds: float = 60.0,
) -> Watched:
    """Runs the commands one after another in a fork of this process.

    Args:
        allowed: folders that files may be opened for writing in.
        before: called in the fork first.
        seconds: after which it is killed.
    """
    answer = cwd.parent / f".answer-{os.getpid()}-{random.getrandbits(40):x}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: the runner's own only wait
        child = os.fork()
    if child == 0:
        _child(commands, cwd, [*allowed, answer], before, answer)
    died, end = None, time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            died, status = f"hung for {seconds:.0f} s", 0
            break
        time.sleep(0.002)
    if died is None and (os.WIFSIGNALED(status) or not answer.exists()):
        died = f"died of status {status}"
    found: dict[str, Any] = {"endings": [], "deeds": [], "used": 0}
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(answer.read_text())
    answer.unlink(missing_ok=True)
    return Watched([Ending(*each) for each in found["endings"]], found["deeds"], died, found["used"])


def _child(
    commands: Sequence[Sequence[str]],
    cwd: Path,
    allowed: Sequence[Path],
    before: Callable[[], Any] | None,
    answer: Path,
) -> None:
    """Never returns."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        _alone()
        if before is not None:
            before()
        deeds: list[str] = []
        sys.addaudithook(_Watch(deeds, [os.path.realpath(path) for path in allowed]))
        endings = [run(*words, cwd=cwd) for words in commands]
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        values = {
            "endings": [[e.code, e.out[-500:], e.err, e.seconds] for e in endings],
            "deeds": deeds[:20],
            "used": used,
        }
        answer.write_text(json.dumps(values))
    finally:
        os._exit(0)


def _alone() -> None:
    """One thread only: the others of the process that this one was forked from are not here, and are waited for."""
    import torch

    from ganctl.numerics import machine

    torch.set_num_threads(1)
    machine.available_cores = lambda: 1


class _Watch:
    """An audit hook that writes down what no file may bring about."""

    def __init__(self, deeds: list[str], allowed: list[str]) -> None:
        self.deeds, self.allowed, self.busy = deeds, [*allowed, "/dev/null", "/dev/shm"], False

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            if event in FORBIDDEN:
                self.deeds.append(f"{event} {given!r:.200}")
            elif event == "open" and isinstance(given[0], (str, bytes)):
                self._opened(os.path.realpath(os.fsdecode(given[0])), given[2])
        except ValueError:  # of a name that is none
            pass
        finally:
            self.busy = False

    def _opened(self, path: str, flags: int) -> None:
        written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        inside = any(path == place or path.startswith(f"{place}/") for place in self.allowed)
        if (written and not inside) or "/secret" in path:
            self.deeds.append(f"opened {path} {'to write' if written else 'to read'}")
