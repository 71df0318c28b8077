"""What the cells of a comparison wrote, read back as arrays."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganctl.run import RunFolder


@dataclass(frozen=True)
class CellRecord:
    """One finished, failed or half-done cell.

    Attributes:
        info: its run.json.
        step: int [rows], the logged steps.
        epoch: float [rows].
        series: {tag: float [rows]}, NaN where a row lacks the tag.
        grids: its sample grids by step, oldest first.
    """

    arm: str
    seed: int
    folder: RunFolder
    info: dict[str, Any]
    step: np.ndarray
    epoch: np.ndarray
    series: dict[str, np.ndarray]
    grids: dict[int, Path]

    @property
    def status(self) -> str:
        return str(self.info.get("status", "not begun"))

    def last_epoch(self) -> np.ndarray:
        """Which rows lie within one epoch of the end: bool [rows]."""
        return self.epoch > self.epoch[-1] - 1 if len(self.epoch) else np.zeros(0, bool)

    def final(self) -> dict[str, float]:
        """The mean of every scalar over the logged steps of the last epoch that have it; of modes, the last count."""
        rows = self.last_epoch()
        last = {tag: values[rows & np.isfinite(values)] for tag, values in self.series.items()}
        return {
            tag: float(values[-1] if tag.startswith("modes/") else values.mean())
            for tag, values in last.items()
            if len(values)
        }


def collect(path: Path) -> tuple[dict[str, Any], list[CellRecord]]:
    """The comparison.json in the folder `path`, and its cells, seed by seed within each arm."""
    comparison = json.loads((path / "comparison.json").read_text())
    cells = [
        read_cell(arm, int(seed), RunFolder(path / entry["folder"]))
        for arm, values in comparison["arms"].items()
        for seed, entry in sorted(values["seeds"].items(), key=lambda item: int(item[0]))
    ]
    return comparison, cells


def read_cell(arm: str, seed: int, folder: RunFolder) -> CellRecord:
    """The cell in a run folder, which may be empty."""
    rows = folder.scalars()
    tags = sorted({tag for row in rows for tag in row} - {"step", "epoch"})
    return CellRecord(
        arm,
        seed,
        folder,
        folder.info(),
        np.array([row["step"] for row in rows], dtype=int),
        np.array([row["epoch"] for row in rows], dtype=float),
        {tag: np.array([row.get(tag, np.nan) for row in rows], dtype=float) for tag in tags},
        {int(file.stem.removeprefix("step-")): file for file in folder.grids()},
    )
