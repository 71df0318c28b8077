"""Where the command line begins. Imports nothing that takes time before it knows what a Ctrl-C means."""

import os
import signal


def main() -> None:
    """Runs the command line; a Ctrl-C at any moment ends it without a traceback.

    While modules are imported there is nothing to save, and an exception out of the middle of an import may become
    another one, so the process ends at once. Before that, while Python itself starts, a Ctrl-C is Python's.
    """
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:  # as in a shell's background
        signal.signal(signal.SIGINT, _leave)
    from ganctl.cli import main as run

    try:
        signal.signal(signal.SIGINT, before)
        run()
    except KeyboardInterrupt:  # in between the two
        _leave()
    finally:  # nothing is left but to end, which no traceback shall disturb
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _leave(*_: object) -> None:
    try:
        os.write(2, b"ganctl: interrupted\n")
    finally:  # without a screen too
        os._exit(130)
