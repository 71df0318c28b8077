"""The final values of a comparison as a table on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from ganctl.report.comparison import HEADLINE, headline, number

# The columns that fit a terminal of 80 characters, first of points, where modes count, and then of images;
# report.html and comparison.csv have all of them.
POINTS = ("modes/covered", "modes/high_quality", "modes/kl")
IMAGES = ("loss/discriminator", "loss/generator", "score/real", "score/fake", "grad_norm/generator")


def print_table(comparison: dict[str, Any]) -> None:
    """Prints a row for each cell, and one for each published result, on stderr."""
    table = Table(title=f"Final values: {comparison['final']}", title_justify="left")
    table.add_column("arm", overflow="fold")
    table.add_column("seed", justify="right")
    columns = POINTS if set(POINTS) & headline(comparison).keys() else IMAGES
    for tag in columns:
        table.add_column(HEADLINE[tag], justify="right", no_wrap=True)
    for arm, values in comparison["arms"].items():
        for seed, cell in values["seeds"].items():
            status = "" if cell["status"] == "completed" else f" ({cell['status']})"
            table.add_row(f"{arm}{status}", seed, *(number(cell["final"].get(tag), tag) for tag in columns))
        published = comparison["published"].get(arm)
        if published:
            table.add_row(f"{arm} (published)", "", *(number(published.get(tag)) for tag in columns), style="italic")
        table.add_section()
    Console(stderr=True).print(table)
