"""What is being done, said to whoever waits."""

from collections.abc import Callable

Told = Callable[[str], None]


def silent(text: str) -> None:
    """Says nothing."""
    del text


def counted(what: str, done: int, of: int) -> str:
    """Something with how much of it is done: generated images, 1,500 of 10,000."""
    return f"{what}, {done:,} of {of:,}"
