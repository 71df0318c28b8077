"""What an output stream can show: it may be a terminal that redraws lines, a dumb terminal, a file or a pipe."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

UNBOUNDED = 100_000  # the width in characters that rich assumes for a file or a pipe


def width(stream: Any) -> int | None:
    """The width of a line in characters: COLUMNS if set, else the terminal's; None (no limit) for a file or a pipe.

    Args:
        stream: standard error or output, or a stream in its place.
    """
    return _size(stream, "COLUMNS", 0, 80)


def height(stream: Any) -> int | None:
    """The number of lines of the screen: LINES if set, else the terminal's; None for a file or a pipe."""
    return _size(stream, "LINES", 1, 25)


def _size(stream: Any, variable: str, place: int, otherwise: int) -> int | None:
    asked = os.environ.get(variable, "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if not _is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno())[place] or otherwise  # 0 means unknown
    except (OSError, ValueError):
        return otherwise


def lively(stream: Any) -> bool:
    """Whether lines can be redrawn, that is, whether the stream is a terminal and not a dumb one."""
    return _is_terminal(stream) and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is no stream, or it is closed
        return False


def console(stream: Any) -> "Console":
    """A rich console that writes to the stream, within its width, and takes text literally, without markup.

    It writes escape codes only if lines can be redrawn, and colours only if NO_COLOR is not set.
    """
    from rich.console import Console  # imported here: importing it takes longer than printing a list of choices

    able, columns = lively(stream), width(stream)
    return Console(
        file=stream, width=columns or UNBOUNDED, height=height(stream) or 25, force_terminal=able,
        force_interactive=able, soft_wrap=columns is None, markup=False, emoji=False, highlight=False,
    )  # fmt: skip
