"""Callbacks that tell a waiting user about the current work."""

from collections.abc import Callable

Told = Callable[[str], None]


def silent(text: str) -> None:
    """A callback that ignores the text."""
    del text


def counted(what: str, done: int, of: int) -> str:
    """A description of progress: "generated images, 1,500 of 10,000"."""
    return f"{what}, {done:,} of {of:,}"
