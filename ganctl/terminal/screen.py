"""What a command says to the person in front of the screen."""

import os
import sys
from pathlib import Path

from ganctl.errors import printable


def say(line: str) -> None:
    """One line on stderr, whatever somebody else's words in it hold; stdout is kept for the result."""
    print(printable(line), file=sys.stderr, flush=True)


def open_closed_streams() -> None:
    """Puts the null device in the place of a standard stream that this process was started without.

    Else the next file that is opened would have the stream's number, and whatever C code and other processes write to
    the stream would go into that file.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # which gets the lowest number that is free
            os.set_inheritable(number, True)
    # Python has None there. These files are open as long as the process.
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
