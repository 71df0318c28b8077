"""Tables whose first columns stay whole, however narrow the screen is."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganctl.terminal.fitting import shortened

FRAME = 3  # characters that a column takes besides its own, and one more for all of them


@dataclass(frozen=True)
class Row:
    """The cells of a row, the first of which is a name.

    Attributes:
        cells: one a column.
        style: of rich.
        last: whether a line is drawn below.
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
    """Prints a table of as many columns as there is room for, the first ones first.

    Names break between words, and so do headings; numbers never do. Where the needed columns have no room beside each
    other, each row is a line.

    Args:
        console: where.
        headings: of the columns, the ones that matter first.
        rows: of the table.
        needed: columns that are never left out.
        line: the needed cells of a row as a line, and the headings too.
        words: headings of further columns that hold words.

    Returns: the headings that are left out.
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
    """The narrowest that each cell can be: a name is as wide as its longest word, a number as wide as it is."""
    return [_longest_word(cell) if name else cell_len(cell) for cell in cells] or [0]


def _print_lines(console: Console, rows: Sequence[Sequence[str]], line: Callable[[tuple[str, ...]], str]) -> None:
    for name, *cells in rows:
        rest = cell_len(line(("", *cells)))
        console.print(Text(line((shortened(name, max(1, console.width - rest)), *cells))))
