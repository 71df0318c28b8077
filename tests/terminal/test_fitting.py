"""Text that is made to fit: what matters is whole, and no word is cut."""

import io
import re

import pytest
from rich.console import Console

from ganctl.terminal.fitting import fitted, progress_line, shortened
from ganctl.terminal.table import Row, print_fitted

HEAD, LINE = "step  1,200/10,000  0:01:23 left", "D loss 1.350  G loss 0.710  D(x) 0.61  D(G(z)) 0.31  images/s 12,345"


@pytest.mark.parametrize("room", range(3, 25))
def test_a_long_name_loses_its_middle_and_keeps_both_ends(room):
    name = "nonsaturating_relativistic"
    found = shortened(name, room)
    first, dots, last = found.partition("…")
    assert len(found) == room and dots and name.startswith(first) and name.endswith(last)
    assert abs(len(first) - len(last)) <= 1


def test_a_name_that_fits_stays():
    assert shortened("hinge", 5) == "hinge" and shortened("hinge", 0) == ""


@pytest.mark.parametrize("room", range(90))
def test_parts_are_there_whole_or_not_at_all(room):
    found = fitted(LINE.split("  "), room)
    assert len(found) <= room
    words = found.removesuffix(" …")
    assert not words or (LINE.startswith(words) and set(words.split("  ")) <= set(LINE.split("  ")))
    assert (found == LINE) == (room >= len(LINE))


def test_without_a_width_everything_is_there():
    assert fitted(["a", "", "b" * 500], None) == "a  " + "b" * 500


@pytest.mark.parametrize("room", range(32, 140))
def test_the_head_of_a_progress_line_is_whole_and_the_bar_gives_way(room):
    found = progress_line(HEAD, 0.12, LINE, room).plain
    assert found.startswith(HEAD) and len(found) <= room
    assert ("─" in found) == (room >= len(HEAD) + 2 + 8)


def test_half_a_bar_is_half_full():
    assert progress_line("", 0.5, "", 40).plain.strip() == "━━━━────"


def printed(width, names=("short", "two words"), headings=("arm", "seed", "a heading", "more")):
    """A table of two rows at a width: its lines, and the headings that are left out."""
    console = Console(file=io.StringIO(), width=width, markup=False)
    rows = [Row((name, "0", f"0.{place}23", "12345.678")) for place, name in enumerate(names)]
    left = print_fitted(console, headings, rows, 3, lambda cells: f"{cells[0]} seed {cells[1]}: {cells[2]}")
    return console.file.getvalue().splitlines(), left


def test_columns_go_from_the_right():
    widths = {width: printed(width) for width in range(26, 80)}
    assert widths[79][1] == [] and widths[35][1] == ["more"]
    for width, (lines, _) in widths.items():
        text = "\n".join(lines)
        assert all(len(line) <= width for line in lines), width
        assert all(word in text for word in ("heading", "0.023", "0.123", "short", "two", "words")), width


def test_names_break_between_words_before_a_column_goes():
    lines, left = printed(47, names=("optim.lr=0.001 loss=hinge", "b"))
    assert (
        left == [] and any("optim.lr=0.001 │" in line for line in lines) and any("loss=hinge" in line for line in lines)
    )


def test_rows_become_lines_where_the_needed_columns_do_not_fit():
    lines, left = printed(30, names=("an_endless_name_of_an_arm_without_space", "b"))
    assert lines[0] == "arm seed seed: a heading" and lines[2] == "b seed 0: 0.123"
    assert len(lines[1]) == 30 and re.fullmatch(r"an_end\w*…\w*space seed 0: 0.023", lines[1])
    assert left == ["more"]


def test_brackets_in_a_name_are_shown():
    assert any("model.x=[red]" in line for line in printed(79, names=("model.x=[red]", "b"))[0])
