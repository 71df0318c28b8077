"""Messages to the user on standard error."""

import os
import sys
from pathlib import Path

from ganctl.errors import printable


def say(line: str) -> None:
    """Prints one line on stderr, with control characters escaped. stdout is kept for results."""
    print(printable(line), file=sys.stderr, flush=True)


def open_closed_streams() -> None:
    """Opens the null device for each standard stream that this process was started without.

    Otherwise the next opened file would get the stream's file descriptor, and output of C code or child processes would
    go into that file.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free descriptor, which is `number`
            os.set_inheritable(number, True)
    # Python's own streams are None then. These files stay open until the process ends.
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
