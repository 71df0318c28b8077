"""Tables that keep their first columns on a narrow screen."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganctl.terminal.fitting import shortened

FRAME = 3  # characters of frame per column; the whole table takes one more


@dataclass(frozen=True)
class Row:
    """One row of a table. Its first cell is a name.

    Attributes:
        cells: one text per column.
        style: a style of rich.
        last: whether to draw a line below the row.
    """

    cells: tuple[str, ...]
    style: str = ""
    last: bool = False


def print_fitted(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Row],
    needed: int,
    line: Callable[[tuple[str, ...]], str],
    words: Collection[str] = (),
) -> list[str]:
    """Prints a table with as many of the first columns as fit.

    Names and headings may wrap between words, numbers never. If even the needed columns do not fit beside each other,
    each row is printed as a line of text.

    Args:
        console: the console to print on.
        headings: headings of the columns, the most important first.
        rows: rows of the table.
        needed: number of columns that are never left out.
        line: makes a line of text from the needed cells of a row, or from their headings.
        words: headings of further columns that contain words; they are left-aligned.

    Returns: the headings of the columns that were left out.
    """
    texts = list(zip(headings, *(row.cells for row in rows), strict=True))
    least = [max(_longest_word(column[0]), *_breakable(column[1:], place == 0)) for place, column in enumerate(texts)]
    room, count = console.width - 1, len(headings)
    while count > needed and sum(least[:count]) + FRAME * count > room:
        count -= 1
    free = room - sum(least[:count]) - FRAME * count
    if free < 0:
        _print_lines(console, [headings[:needed], *(row.cells[:needed] for row in rows)], line)
        return [*headings[needed:]]
    table = Table()
    for place, heading in enumerate(headings[:count]):
        more = min(free, max(map(cell_len, texts[place])) - least[place])
        free -= more
        table.add_column(
            Text(heading), justify="left" if place == 0 or heading in words else "right",
            width=least[place] + more, overflow="fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*map(Text, row.cells[:count]), style=row.style, end_section=row.last)
    console.print(table)
    return [*headings[count:]]


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _breakable(cells: Sequence[str], name: bool) -> list[int]:
    """The smallest width of each cell: the longest word of a name, or the whole of a number."""
    return [_longest_word(cell) if name else cell_len(cell) for cell in cells] or [0]


def _print_lines(console: Console, rows: Sequence[Sequence[str]], line: Callable[[tuple[str, ...]], str]) -> None:
    for name, *cells in rows:
        rest = cell_len(line(("", *cells)))
        console.print(Text(line((shortened(name, max(1, console.width - rest)), *cells))))
