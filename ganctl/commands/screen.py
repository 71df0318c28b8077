"""What a command says to the person in front of the screen."""

import sys

from ganctl.errors import printable


def say(line: str) -> None:
    """One line on stderr, whatever somebody else's words in it hold; stdout is kept for the result."""
    print(printable(line), file=sys.stderr, flush=True)
