"""Trains the cells of a comparison, several at a time, each in its own process."""

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
    ready: bool = False  # whether its process can handle a signal
    told: bool = False  # whether it was asked to stop
    ended: bool = False


def train_cells(cells: list[Cell], jobs: int, show: Show, done: Callable[[Cell], None]) -> bool:
    """Trains the cells, at most `jobs` at once. A failure is recorded in the cell's run.json; the other cells go on.

    Args:
        cells: the cells, in the order in which they start.
        jobs: the largest number of cells that run at once.
        show: called on every logged step with the cell, the step and a line of its scalars; while a cell is measured,
            called with None for the step.
        done: called when a cell has ended in any way.

    Returns: whether all cells ran to their end; False if the user stopped (every started cell has a checkpoint).
    """
    context = start_server()
    waiting, working = list(cells), list[_Worker]()
    with _forwarded_signals(working) as stopped, _closed_in_the_end(working):
        while working or (waiting and not stopped()):
            while waiting and len(working) < jobs and not stopped():
                working.append(_start(context, waiting.pop(0)))
                if stopped():  # the signal came while the process was being created, so it was not told
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
    # A process that the system killed could not record its end itself.
    if folder.info().get("status") in ("running", None):
        why = f"its process ended with code {code}; {folder.path}/log.txt may say more"
        changes = {"status": "interrupted"} if worker.told else {"status": "failed", "error": why}
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.update(**changes)
        except OSError as error:
            say(f"{worker.cell.title}: {why}; {folder.info_file} cannot be written ({error.strerror})")


def _tell(worker: _Worker) -> None:
    """Asks a cell to finish its step and save; if its process is still starting, it is asked once it is ready."""
    worker.told = True
    if worker.ready:
        _signal(worker, signal.SIGINT)


def _signal(worker: _Worker, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.process.pid or 0, number)


@contextlib.contextmanager
def _closed_in_the_end(working: list[_Worker]) -> Iterator[None]:
    """Closes the pipes of all cells at the end, even after an error: a cell whose pipe is closed saves and stops."""
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
    """The main function of a cell's process. It reports progress through the pipe and its end in run.json."""
    os.setpgrp()  # a Ctrl-C on the terminal reaches only the comparison's process, which forwards it once
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        connection.send(None)  # ready: from here on it handles a signal to stop
        sys.exit(_logged(config, path, connection))
    except KeyboardInterrupt:
        sys.exit(130)


def _logged(config: Config, path: Path, connection: Connection) -> int:
    """Trains the cell, with its whole output in log.txt. Returns the exit code."""
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
        except BrokenPipeError:  # the comparison's process is gone; stop as if it had asked
            os.kill(os.getpid(), signal.SIGINT)

    return run_cell(config, path, send)
