"""Training the cells of a comparison, several at a time, each in a process of its own."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ganctl.config.schema import Config
from ganctl.studies.stopping import StopAsked, handled
from ganctl.studies.study import Cell
from ganctl.studies.workers import start_server
from ganctl.terminal.screen import say

Show = Callable[[Cell, int | None, str], None]


@dataclass
class _Worker:
    cell: Cell
    process: BaseProcess
    connection: Connection
    ready: bool = False  # whether its process can take a signal
    told: bool = False  # to stop
    ended: bool = False


def train_cells(cells: list[Cell], jobs: int, show: Show, done: Callable[[Cell], None]) -> bool:
    """Trains the cells, at most `jobs` at once; a cell that fails is recorded in its run.json and the rest goes on.

    Args:
        cells: in the order in which they are begun.
        jobs: how many at once.
        show: called with the cell, its step and a line that says how it is, on every logged step, and without a step
            while it is measured.
        done: called when a cell has ended, however it did.

    Returns: whether all were begun and ended; False where the user stopped it (every cell has its checkpoint).
    """
    context = start_server()
    waiting, working = list(cells), list[_Worker]()
    with _forwarded_signals(working) as stopped, _closed_in_the_end(working):
        while working or (waiting and not stopped()):
            while waiting and len(working) < jobs and not stopped():
                working.append(_start(context, waiting.pop(0)))
                if stopped():  # asked while the process was being made, so it was not told
                    _tell(working[-1])
            for ready in wait([worker.connection for worker in working], timeout=0.5):
                worker = next(worker for worker in working if worker.connection is ready)
                _receive(worker, show)
                if worker.ended:
                    working.remove(worker)
                    _finish(worker)
                    done(worker.cell)
    return not stopped()


def _start(context: Any, cell: Cell) -> _Worker:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(cell.config, cell.folder.path, theirs), daemon=False)
    process.start()
    theirs.close()
    return _Worker(cell, process, ours)


def _receive(worker: _Worker, show: Show) -> None:
    try:
        message = worker.connection.recv()
    except EOFError:
        worker.ended = True
        return
    if message is not None:
        show(worker.cell, *message)
        return
    worker.ready = True
    if worker.told:
        _signal(worker, signal.SIGINT)


def _finish(worker: _Worker) -> None:
    worker.process.join()
    worker.connection.close()
    folder, code = worker.cell.folder, worker.process.exitcode
    # A process that the system killed could not say so itself.
    if folder.info().get("status") in ("running", None):
        why = f"its process ended with code {code}; {folder.path}/log.txt may say more"
        changes = {"status": "interrupted"} if worker.told else {"status": "failed", "error": why}
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.update(**changes)
        except OSError as error:
            say(f"{worker.cell.title}: {why}; {folder.info_file} cannot be written ({error.strerror})")


def _tell(worker: _Worker) -> None:
    """Asks a cell to finish its step and save; one whose process is still beginning is asked when it has begun."""
    worker.told = True
    if worker.ready:
        _signal(worker, signal.SIGINT)


def _signal(worker: _Worker, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.process.pid or 0, number)


@contextlib.contextmanager
def _closed_in_the_end(working: list[_Worker]) -> Iterator[None]:
    """However it ends, no cell goes on unseen: one whose pipe is closed saves and stops."""
    try:
        yield
    finally:
        for worker in working:
            worker.connection.close()


@contextlib.contextmanager
def _forwarded_signals(working: list[_Worker]) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C, SIGTERM or SIGHUP asks every cell to finish its step and save; a second one kills them."""
    asked = StopAsked()

    def ask(number: int, frame: Any) -> None:
        del number, frame
        first, again = not asked(), asked.again()
        for worker in working:
            if again:
                _signal(worker, signal.SIGKILL)
            elif first:
                _tell(worker)
        if first:
            say("finishing the step of every cell, then saving (again to stop at once)")

    with handled(ask):
        yield asked


def _work(config: Config, path: Path, connection: Connection) -> None:
    """What a cell's process does. It reports by the pipe, and by run.json how it ended."""
    os.setpgrp()  # a Ctrl-C on the terminal reaches the comparison alone, which passes it on once
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        connection.send(None)  # from here on it can be told to stop
        sys.exit(_logged(config, path, connection))
    except KeyboardInterrupt:
        sys.exit(130)


def _logged(config: Config, path: Path, connection: Connection) -> int:
    """Trains the cell, with all that it prints in log.txt; gives the exit code."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        log = os.open(path / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
    except OSError as error:
        say(f"{path}: cannot be written ({error.strerror}); the cell does not run")
        return 1
    os.dup2(log, 1)
    os.dup2(log, 2)
    from ganctl.studies.run import run_cell

    def send(step: int | None, line: str) -> None:
        try:
            connection.send((step, line))
        except BrokenPipeError:  # the comparison is gone; stop as it would have asked
            os.kill(os.getpid(), signal.SIGINT)

    return run_cell(config, path, send)
