"""The tables of docs/jg-ablation.md.

python docs/jg_ablation.py               prints them from the CSV files beside this script
python docs/jg_ablation.py COMPARISON    writes these files and the figures anew from a comparison's folder first
"""

import csv
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
CELLS, EPOCHS = HERE / "jg-ablation.csv", HERE / "jg-ablation-epochs.csv"
FIGURES = (
    "own_losses",
    "yardsticks",
    "scores",
    "gradient_norms",
    "evidence",
    "quality",
    "final_samples",
    "development",
)
PUBLISHED = {
    "minimax": ("1.160", "1.972"),
    "minimax_swapped": ("1.160", "1.972"),
    "nonsaturating": ("1.247", "0.815"),
}
SHOWN = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70)


def take_over(comparison: Path) -> None:
    """The comparison's CSV, the mean of every scalar over each epoch of each cell, and its figures."""
    shutil.copy(comparison / "comparison.csv", CELLS)
    for name in FIGURES:
        shutil.copy(comparison / "figures" / f"{name}.png", HERE / f"jg-ablation-{name.replace('_', '-')}.png")
    means = {}
    for run in sorted(comparison.glob("cells/*/seed-*")):
        sums: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for line in (run / "scalars.jsonl").read_text().splitlines():
            row = json.loads(line)
            epoch = max(1, -int(-row["epoch"] // 1))
            for tag in row.keys() - {"step", "epoch"}:
                sums[epoch][tag].append(row[tag])
        for epoch, found in sums.items():
            key = run.parent.name, run.name.removeprefix("seed-"), epoch
            means[key] = {tag: sum(values) / len(values) for tag, values in found.items()}
    tags = sorted({tag for row in means.values() for tag in row if not tag.startswith(("speed/", "term/"))})
    with EPOCHS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["arm", "seed", "epoch", *tags])
        for key, row in means.items():
            writer.writerow([*key, *(f"{row[tag]:.6g}" if tag in row else "" for tag in tags)])


def rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open() as opened:
        return list(csv.DictReader(opened))


def figure(text: str) -> str:
    """A number with four digits; very small ones as powers of ten."""
    value = float(text)
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.0e}"


def table(head: list[str], body: list[list[str]]) -> None:
    """Prints a Markdown table and an empty line."""
    print(f"| {' | '.join(head)} |\n| {' | '.join('---' for _ in head)} |")
    for line in body:
        print(f"| {' | '.join(line)} |")
    print()


def main() -> None:
    if len(sys.argv) > 1:
        take_over(Path(sys.argv[1]))
    cells, epochs = rows(CELLS), rows(EPOCHS)
    tags = ["loss/discriminator", "loss/generator", "score/real", "score/fake", "grad_norm/generator"]
    table(
        ["arm", "seed", "D loss", "published", "G loss", "published", "D(x)", "D(G(z))", "gradient of G", "verdict"],
        [
            [
                row["arm"], row["seed"], figure(row[tags[0]]), PUBLISHED[row["arm"]][0], figure(row[tags[1]]),
                PUBLISHED[row["arm"]][1], *(figure(row[tag]) for tag in tags[2:]), row["verdict"],
            ]
            for row in cells
        ],
    )  # fmt: skip
    for arm in PUBLISHED:
        print(f"`{arm}`:\n")
        found = [row for row in epochs if row["arm"] == arm and int(row["epoch"]) in SHOWN]
        columns = [
            *tags, "evidence/norm_minimax", "evidence/norm_nonsaturating", "evidence/cosine_minimax_nonsaturating",
            "evidence/sure_share",
        ]  # fmt: skip
        table(
            ["seed", "epoch", "D loss", "G loss", "D(x)", "D(G(z))", "gradient of G", "‖∇minimax‖", "‖∇nonsat.‖",
             "cosine", "D(G(z)) < 0.01"],
            [[row["seed"], row["epoch"], *(figure(row[tag]) if row[tag] else "–" for tag in columns)] for row in found],
        )  # fmt: skip


if __name__ == "__main__":
    main()
