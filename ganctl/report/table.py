"""A comparison's verdict and final values on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from ganctl.formats import number
from ganctl.report.pages import HEADLINE, columns

# The columns that fit a terminal of 80 characters, first of points, where modes count, and then of images;
# report.html and comparison.csv have all of them.
POINTS = ("quality/sliced_wasserstein", "modes/covered", "modes/high_quality", "modes/kl")
IMAGES = ("quality/sliced_wasserstein", "loss/discriminator", "loss/generator", "score/real", "score/fake")
NARROWEST = 12  # characters of an arm's name on a line


def print_table(comparison: dict[str, Any]) -> None:
    """Prints a row for each cell, one for each published result, and the verdict below, on stderr."""
    console = Console(stderr=True)
    table = Table(title=f"Final values: {comparison['final']}", title_justify="left")
    table.add_column("arm", overflow="fold", min_width=NARROWEST)
    table.add_column("seed", justify="right", min_width=4)
    there = columns(comparison)
    usual = [tag for tag in (POINTS if "modes/covered" in there else IMAGES) if tag in there]
    metrics = [tag for tag in there if tag.startswith("metric/")][:3]
    shown = [*metrics, *usual][: len(IMAGES) - bool(metrics)]  # whose names are longer
    for tag in shown:
        table.add_column(HEADLINE[tag], justify="right", min_width=8)
    for arm, values in comparison["arms"].items():
        for seed, cell in values["seeds"].items():
            ill = cell["verdict"] if cell["verdict"] != "healthy" else None
            status = "broke off" if cell["broke_off"] else ill if cell["status"] == "completed" else cell["status"]
            name = f"{arm} ({status})" if status else arm
            table.add_row(name, seed, *(number(cell["final"].get(tag), tag) for tag in shown))
        published = comparison["published"].get(arm)
        if published:
            table.add_row(f"{arm} (published)", "", *(number(published.get(tag)) for tag in shown), style="italic")
        table.add_section()
    console.print(table)
    console.print(comparison["verdict"]["headline"], style="bold", markup=False, highlight=False)
    verdict = comparison["verdict"]
    if verdict["would_tell"]:  # has a command, which a line break would spoil
        console.print(verdict["would_tell"], markup=False, highlight=False, soft_wrap=True)
    for sentence in verdict["sentences"]:
        console.print(sentence, markup=False, highlight=False)
