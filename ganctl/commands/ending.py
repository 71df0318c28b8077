"""How a command ends: its result on stdout, its exit code, and at most one line on stderr. Imports no torch."""

import contextlib
import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

from ganctl.errors import BadInput, Interrupted, RunFailed, one_line, printable
from ganctl.studies.stopping import ending
from ganctl.terminal.screen import open_closed_streams

# What the parser raises for an unknown command, option or value; typer has no public name for it.
UsageError: Any = typer.BadParameter.__base__


def print_result(text: object, end: str = "\n") -> None:
    """Prints the result of a command on stdout.

    Raises:
        BrokenPipeError: nobody reads it any more.
        RunFailed: it cannot be written.
    """
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise RunFailed(f"standard output: {error.strerror}; what the command made is whole") from None


def carry_out(command: Callable[[], Any]) -> None:
    """Runs a command and ends the process; every expected ending has its exit code and at most one line.

    Args:
        command: returns the exit code.
    """
    open_closed_streams()
    warnings.formatwarning = lambda message, *_: f"ganctl: warning: {printable(str(message))}\n"
    before = {number: signal.signal(number, _interrupt) for number in ending()}
    try:
        _run(command)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> NoReturn:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: what it was writing aside goes away."""
    raise KeyboardInterrupt


def _run(command: Callable[[], Any]) -> NoReturn:
    sys.stderr = _Screen(sys.stderr)
    try:
        _check_place()
        code = command()
        if code == 130:
            _end(code, "interrupted")
        sys.exit(code)
    except UsageError as error:
        dashed = "No such option" in error.format_message()
        hint = "; a setting is written without dashes, as in steps=1000" if dashed else ""
        _end(2, f"{' '.join(error.format_message().split())}{hint}; see ganctl --help")
    except BadInput as error:
        _end(2, str(error))
    except RunFailed as error:
        _end(1, f"failed: {error}")
    except (Interrupted, KeyboardInterrupt) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of which more may come
        _end(130, "interrupted" if isinstance(error, KeyboardInterrupt) else None)
    except BrokenPipeError:  # whoever read what is printed is gone
        _drop_output()
        _end(1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # of a file or folder that was asked for
            _end(2, f"{one_line(error)}; give a shorter one")
        _end(1, f"failed: {one_line(error)}; what is on the disk is whole, so the same command may be given again")
    except MemoryError:
        _end(1, "failed: there is not enough memory; use a smaller model or batch_size, or fewer jobs")
    except Exception as error:
        _end(1, f"failed: {one_line(error)}; {_reported()}")


def _end(code: int, line: str | None = None) -> NoReturn:
    if line is not None:
        with contextlib.suppress(OSError):
            print(f"ganctl: {printable(line)}", file=sys.stderr)
    sys.exit(code)


class _Screen:
    """Standard error, which may be closed, or full, without an end to the work that is told of there."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _check_place() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInput("the current folder is gone; cd to one that is there") from None


def _drop_output() -> None:
    """What is left of the output must not be tried again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reported() -> str:
    """Where the traceback of what nobody expected is."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="ganctl-", suffix=".txt", delete=False) as file:
            traceback.print_exc(file=file)
        return f"this is a bug of ganctl: please report it with {file.name}"
    except OSError:
        return "this is a bug of ganctl: please report it"
