"""Where the command line begins. Imports nothing that takes time before it knows what a Ctrl-C means."""

import signal

from ganctl.leaving import leave, leaving


def main() -> None:
    """Runs the command line; a Ctrl-C at any moment ends it without a traceback.

    Before this, while Python itself starts, a Ctrl-C is Python's.
    """
    try:
        with leaving():
            from ganctl.cli import main as run
        run()
    except KeyboardInterrupt:  # in between the two
        leave()
    finally:  # nothing is left but to end, which no traceback shall disturb
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
