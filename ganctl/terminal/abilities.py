"""What can be shown where output goes: a terminal that draws again, a dumb one, or a file or pipe."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

UNBOUNDED = 100_000  # characters of a line in a file or pipe


def width(stream: Any) -> int | None:
    """The characters of a line: COLUMNS if it is set, else the terminal's; None in a file or a pipe, where none ends.

    Args:
        stream: standard error or output, or what stands for one of them.
    """
    return _size(stream, "COLUMNS", 0, 80)


def height(stream: Any) -> int | None:
    """The lines of the screen, in the same way."""
    return _size(stream, "LINES", 1, 25)


def _size(stream: Any, variable: str, place: int, otherwise: int) -> int | None:
    asked = os.environ.get(variable, "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if not _is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno())[place] or otherwise  # one that does not know says 0
    except (OSError, ValueError):
        return otherwise


def lively(stream: Any) -> bool:
    """Whether lines can be drawn again: it is a terminal, and not a dumb one. All others get plain lines."""
    return _is_terminal(stream) and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # it is none, or closed
        return False


def console(stream: Any) -> "Console":
    """What writes there: with escape codes only where lines can be drawn again (colours unless NO_COLOR is set),
    within the width, and of text that is meant as it stands.
    """
    from rich.console import Console  # which takes longer to import than a list of choices to print

    able, columns = lively(stream), width(stream)
    return Console(
        file=stream, width=columns or UNBOUNDED, height=height(stream) or 25, force_terminal=able,
        force_interactive=able, soft_wrap=columns is None, markup=False, emoji=False, highlight=False,
    )  # fmt: skip
