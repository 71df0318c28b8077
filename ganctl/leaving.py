"""Handles Ctrl-C while modules are imported: there is nothing to save, so the process ends at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def leave(*_: object) -> None:
    """Ends the process with one line on stderr and exit code 130, as for a Ctrl-C."""
    try:
        os.write(2, b"ganctl: interrupted\n")
    finally:  # even if stderr is closed
        os._exit(130)


@contextmanager
def leaving() -> Iterator[None]:
    """A context in which Ctrl-C ends the process. As an exception within an import it could be changed or swallowed."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:  # for example in the background of a shell
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
