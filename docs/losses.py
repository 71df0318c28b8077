"""The table of docs/losses.md from the comparisons that it names.

python docs/losses.py COMPARISON...
"""

import csv
import sys
from pathlib import Path


def cells(folder: str) -> dict[str, list[dict[str, str]]]:
    """The rows of a comparison.csv by arm."""
    rows: dict[str, list[dict[str, str]]] = {}
    with (Path(folder) / "comparison.csv").open() as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["arm"], []).append(row)
    return rows


def line(arm: str, rows: list[dict[str, str]]) -> str:
    """A row of the table: each seed by itself."""
    failed = [row["status"] for row in rows if row["status"] != "completed"]
    columns = {"modes/covered": "{:.0f}", "modes/high_quality": "{:.2f}", "modes/kl": "{:.3f}"}
    shown = [
        ", ".join(form.format(float(row[tag])) if row[tag] else "–" for row in rows) for tag, form in columns.items()
    ]
    seconds = max(float(row["seconds"] or 0) for row in rows)
    return f"| {' | '.join([arm, *shown, f'{seconds:.0f}', ', '.join(failed) or 'completed'])} |"


for comparison in sys.argv[1:]:
    print(f"\n{comparison}\n")
    print(
        "| arm | modes covered | high quality | KL | longest run, s | status |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, found in cells(comparison).items():
        print(line(name, found))
