"""The entry point of the command line. Handles Ctrl-C before it imports anything slow."""

import signal

from ganctl.leaving import leave, leaving


def main() -> None:
    """Runs the command line. A Ctrl-C at any moment ends it without a traceback.

    Only while Python itself starts, before this function, Python handles a Ctrl-C.
    """
    try:
        with leaving():
            from ganctl.cli import main as run
        run()
    except KeyboardInterrupt:  # between `leaving` and the handlers of the command line
        leave()
    finally:  # from here on a Ctrl-C ends the process without a traceback
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
