"""Shortens text so that it fits into a width."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

GAP = "  "  # between the parts of a line
WIDEST_BAR, NARROWEST_BAR = 24, 8


def shortened(text: str, room: int) -> str:
    """The text; if it has more than `room` characters, its middle is left out: nonsat…ing."""
    if cell_len(text) <= room:
        return text
    if room < 1:
        return ""
    tail = (room - 1) // 2
    return f"{set_cell_size(text, room - 1 - tail)}…{set_cell_size(text[::-1], tail)[::-1] if tail else ''}"


def fitted(parts: Sequence[str], room: int | None) -> str:
    """The first parts, as many as fit into `room` characters (None: all), and an ellipsis for the others."""
    there = [part for part in parts if part]
    whole = GAP.join(there)
    if room is None or cell_len(whole) <= room:
        return whole
    while there:
        there.pop()
        line = GAP.join(there) + " …"
        if cell_len(line) <= room:
            return line if there else ""
    return ""


def bar(share: float, length: int) -> Text:
    """A progress bar of `length` characters, filled up to `share` in [0, 1]."""
    halves = round(min(max(share, 0.0), 1.0) * length * 2)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return Text.assemble((done, "bar.complete"), ("─" * (length - len(done)), "bar.back"))


def progress_line(head: str, share: float, line: str, room: int, yielding: bool = False) -> Text:
    """The head, a bar, and as many parts of `line` as fit. The head is never cut; without room the bar is left out.

    Args:
        head: the most important text.
        share: the filled share of the bar, in [0, 1].
        line: parts separated by two spaces, the most important first.
        room: the whole width in characters.
        yielding: whether to leave the bar out too if the first part fits only without it.
    """
    left = room - cell_len(head) - len(GAP)
    length = min(WIDEST_BAR, max(NARROWEST_BAR, left // 6)) if left >= NARROWEST_BAR else 0
    rest = fitted(line.split(GAP), left - length - (len(GAP) if length else 0))
    if yielding and not rest and (alone := fitted(line.split(GAP), left)):
        length, rest = 0, alone
    pieces = [Text(head), *([bar(share, length)] if length else []), *([Text(rest)] if rest else [])]
    return Text(GAP).join(pieces)
