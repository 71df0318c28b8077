"""The sample grids of a comparison side by side. Each function draws one figure and returns it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ganctl.report.collect import CellRecord
from ganctl.report.drawing import Arms, wrapped
from ganctl.store.files import read_picture


def _pictures(rows: Sequence[Sequence[tuple[str, Image.Image | None]]], labels: Sequence[str], inches: float) -> Figure:
    """Pictures in rows, each with its title; the place of a missing one says "no samples"."""
    columns = max(len(row) for row in rows)
    shapes = [image.height / image.width for row in rows for _, image in row if image]
    height = inches * max(shapes, default=1.0) + 0.35
    figure = Figure(figsize=(inches * columns + 0.4, height * len(rows)), dpi=110, layout="constrained")
    for y, (row, label) in enumerate(zip(rows, labels, strict=True)):
        for x, (title, image) in enumerate(row):
            panel = figure.add_subplot(len(rows), columns, y * columns + x + 1)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            panel.set_title(title, fontsize=9)
            if x == 0:
                panel.set_ylabel(label, fontsize=9)
            if image:
                panel.imshow(np.asarray(image), interpolation="nearest")
            else:
                panel.text(0.5, 0.5, "no samples", ha="center", va="center", transform=panel.transAxes)
    return figure


def final_samples(arms: Arms) -> Figure:
    """The last grids, with the same noise in every cell of a seed: one row per seed and one column per arm.

    More than four arms are the rows instead.
    """
    seeds = sorted({cell.seed for cells in arms.values() for cell in cells})
    rows = [[_last_grid(arm, cells, seed) for arm, cells in arms.items()] for seed in seeds]
    if len(arms) <= 4:
        return _pictures(rows, [f"seed {seed}" for seed in seeds], 3.4)
    columns = zip(*rows, strict=True)
    by_arm = [[(f"seed {seed}", cell[1]) for seed, cell in zip(seeds, column, strict=True)] for column in columns]
    return _pictures(by_arm, [wrapped(arm) for arm in arms], 2.3)


def _last_grid(arm: str, cells: list[CellRecord], seed: int) -> tuple[str, Image.Image | None]:
    cell = next((cell for cell in cells if cell.seed == seed), None)
    if not cell or not cell.grids:
        return arm, None
    return f"{arm}, step {max(cell.grids):,}", _open(cell.grids[max(cell.grids)])


def development(arms: Arms) -> Figure:
    """The first seed's samples as training went on, with the same noise: one row per arm, one column per step."""
    first = {arm: cells[0] for arm, cells in arms.items() if cells}
    steps = sorted({step for cell in first.values() for step in cell.grids})
    chosen = [steps[round(place)] for place in np.linspace(0, len(steps) - 1, min(5, len(steps)))] if steps else []
    rows = [
        [(f"step {step:,}", _top(_open(cell.grids[step])) if step in cell.grids else None) for step in chosen]
        for cell in first.values()
    ]
    return _pictures(rows, [wrapped(arm) for arm in first], 2.3)


def _open(file: Path) -> Image.Image | None:
    """The grid in a file; None if it cannot be read."""
    try:
        return read_picture(file)
    except ValueError:
        return None


def _top(image: Image.Image | None) -> Image.Image | None:
    """The upper half of a grid of images; a scatter plot stays whole."""
    return image if image is None or image.width > 400 else image.crop((0, 0, image.width, image.height // 2))
