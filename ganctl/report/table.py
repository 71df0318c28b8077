"""Prints a comparison's verdict and final values on the terminal."""

import sys
from dataclasses import replace
from typing import Any

from rich.console import Console

from ganctl.formats import number
from ganctl.report.pages import columns, headings
from ganctl.terminal.abilities import console
from ganctl.terminal.table import Row, print_fitted

# The columns besides the deciding one: for points, whose modes are counted, and for images. A narrow screen drops the
# last columns first; report.html and comparison.csv have all of them.
POINTS = ("quality/sliced_wasserstein", "modes/covered", "modes/high_quality", "modes/kl")
IMAGES = ("quality/sliced_wasserstein", "loss/discriminator", "loss/generator", "score/real", "score/fake")
NEEDED = 3  # columns that are always shown: arm, seed and the deciding value


def print_table(comparison: dict[str, Any]) -> None:
    """Prints one row per cell and per published result, and the verdict below, on stderr."""
    screen = console(sys.stderr)
    screen.print(f"Final values: {comparison['final']}", style="italic")
    shown = _shown(comparison)
    called = headings(comparison)
    top = ["arm", "seed", *(called.get(tag, tag) for tag in shown)]
    left_out = print_fitted(screen, top, _rows(comparison, shown), NEEDED, _line)
    if left_out:
        screen.print(f"report.html also has: {', '.join(left_out)}")
    _print_verdict(screen, comparison["verdict"])


def _shown(comparison: dict[str, Any]) -> list[str]:
    """The tags of the columns, the deciding one first and the least important last."""
    there = columns(comparison)
    usual = [tag for tag in (POINTS if "modes/covered" in there else IMAGES) if tag in there]
    metrics = [tag for tag in there if tag.startswith("metric/")][:3]
    outcome = comparison["rules"]["outcome"]
    tags = dict.fromkeys([outcome, *metrics, *usual])
    return [*tags][: len(IMAGES) - bool(metrics)]  # names of metrics are longer


def _rows(comparison: dict[str, Any], shown: list[str]) -> list[Row]:
    rows = []
    for arm, values in comparison["arms"].items():
        own = []
        for seed, cell in values["seeds"].items():
            ill = cell["verdict"] if cell["verdict"] != "healthy" else None
            status = "broke off" if cell["broke_off"] else ill if cell["status"] == "completed" else cell["status"]
            name = f"{arm} ({status})" if status else arm
            own.append(Row((name, seed, *(number(cell["final"].get(tag), tag) for tag in shown))))
        published = comparison["published"].get(arm)
        if published:
            cells = (f"{arm} (published)", "", *(number(published.get(tag)) for tag in shown))
            own.append(Row(cells, style="italic"))
        rows += [*own[:-1], *(replace(row, last=True) for row in own[-1:])]
    return rows


def _line(cells: tuple[str, ...]) -> str:
    """A row as one line of text, for a screen too narrow for columns: "nonsaturating seed 0: 0.112"."""
    arm, seed, value = cells
    known = f" seed {seed}" if seed.lstrip("-").isdecimal() else ""
    return f"{arm}{known}: {value}"


def _print_verdict(screen: Console, verdict: dict[str, Any]) -> None:
    screen.print(verdict["headline"], style="bold")
    if verdict["would_tell"]:  # it contains a command, which a line break would spoil
        screen.print(verdict["would_tell"], soft_wrap=True)
    for sentence in verdict["sentences"]:
        screen.print(sentence)
