"""The tables of docs/evaluation.md.

python docs/evaluation.py            prints them from docs/evaluation.csv
python docs/evaluation.py RUN...     writes that file anew from the newest evaluation of each run folder first
"""

import csv
import json
import sys
from pathlib import Path

FILE = Path(__file__).parent / "evaluation.csv"
SHOWN = ("fid", "kid", "precision", "recall", "coverage", "modes", "diversity")
REST = ("fid_infinity", "inception_score", "density", "class_kl", "memorization")


def take_over(runs: list[Path]) -> None:
    """A row for each metric of each run."""
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "steps", "metric", "value", "low", "high", "floor", "protocol"])
        for run in runs:
            entry = json.loads((run / "metrics.json").read_text())["evaluations"][-1]
            for name, found in entry["metrics"].items():
                numbers = (
                    "" if found[key] is None else f"{found[key]:.6g}" for key in ("value", "low", "high", "floor")
                )
                writer.writerow([run.name, entry["step"], name, *numbers, entry["fingerprint"]])


def short(text: str, metric: str) -> str:
    """A number as the tables show it."""
    if not text:
        return "–"
    value = float(text)
    whole = metric == "modes" and value == round(value)
    return f"{value:g}" if whole else f"{value:.1f}" if abs(value) >= 10 or metric == "modes" else f"{value:.2f}"


def table(rows: list[dict[str, str]], metrics: tuple[str, ...]) -> None:
    """A row a run and a column a metric, the best run first, and real images last."""
    print("| run | " + " | ".join(metrics) + " |")
    print("| --- |" + " --- |" * len(metrics))
    found = {(row["run"], row["metric"]): row for row in rows}
    runs = sorted({row["run"] for row in rows}, key=lambda run: float(found[run, "fid"]["value"]))
    for run in runs:
        cells = []
        for metric in metrics:
            row = found.get((run, metric))
            if row is None:  # memorization, where the run was trained on other images
                cells.append("–")
                continue
            low, high = (short(row[key], metric) for key in ("low", "high"))
            cells.append(f"{short(row['value'], metric)}{'' if low == high else f' [{low}, {high}]'}")
        print(f"| `{run}` ({int(found[run, metrics[0]]['steps']):,} steps) | " + " | ".join(cells) + " |")
    floors = (next(short(row["floor"], metric) for row in rows if row["metric"] == metric) for metric in metrics)
    print("| real images (the floor) | " + " | ".join(floors) + " |")


def main() -> None:
    if len(sys.argv) > 1:
        take_over([Path(word) for word in sys.argv[1:]])
    with FILE.open() as file:
        rows = [*csv.DictReader(file)]
    for metrics in (SHOWN, REST):
        table(rows, metrics)
        print()


if __name__ == "__main__":
    main()
