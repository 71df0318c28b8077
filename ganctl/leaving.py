"""What a Ctrl-C means while modules are imported: there is nothing to save, so the process ends at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def leave(*_: object) -> None:
    """Ends the process with one line and the exit code of a Ctrl-C."""
    try:
        os.write(2, b"ganctl: interrupted\n")
    finally:  # without a screen too
        os._exit(130)


@contextmanager
def leaving() -> Iterator[None]:
    """Inside, a Ctrl-C ends the process: raised in the middle of an import it may become another error, or nothing."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:  # as in a shell's background
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
