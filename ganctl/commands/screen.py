"""What a command says to the person in front of the screen."""

import sys


def say(line: str) -> None:
    """One line on stderr, whatever line ends somebody else's words in it have; stdout is kept for the result."""
    print(" ".join(line.split("\n")), file=sys.stderr, flush=True)
