"""Reads the files that the cells of a comparison wrote, and gives them as arrays."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganctl.config.metrics import METRIC_NAMES, Names, is_named, lower_is_better, own_names
from ganctl.errors import BadInput
from ganctl.store.files import read_json
from ganctl.store.run import RunFolder, broke_down, is_number

MEASURED = (
    "quality/",
    "selection/",
    "modes/",
    "metric/",
)  # prefixes of tags that are measured on samples at intervals, not logged in every turn
LOGGED = ("epoch", "loss/", "score/", "grad_norm/")  # prefixes of tags that every row has
LONGEST = 1e10  # seconds; a run.json that claims more is damaged


@dataclass(frozen=True)
class CellRecord:
    """One finished, failed or half-done cell.

    Attributes:
        info: its run.json.
        step: int [rows], the logged steps.
        epoch: float [rows].
        series: {tag: float [rows]}, NaN where a row lacks the tag.
        grids: its sample grids by step, oldest first.
        rules: how it is judged: `outcome`, the tag of the deciding scalar, and `checkpoint`, last or best.
        evaluation: the entry of metrics.json for its last weights; None if they were not measured.
    """

    arm: str
    seed: int
    folder: RunFolder
    info: dict[str, Any]
    step: np.ndarray
    epoch: np.ndarray
    series: dict[str, np.ndarray]
    grids: dict[int, Path]
    rules: dict[str, Any]
    evaluation: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        return str(self.info.get("status", "not begun"))

    @property
    def ending(self) -> str:
        """The word that the report uses for the end of the cell: its status, or "broke off"."""
        return "broke off" if broke_off(self) else self.status

    def last_epoch(self) -> np.ndarray:
        """Mask of the rows within one epoch of the end: bool [rows]."""
        return self.epoch > self.epoch[-1] - 1 if len(self.epoch) else np.zeros(0, bool)

    def judged(self) -> int | None:
        """Index of the row at which the cell is judged: the last measured row, or the best one on the selection split.

        None if the cell has no such row.
        """
        outcome = self.series.get(self.rules["outcome"])
        rows = np.flatnonzero(np.isfinite(outcome)) if outcome is not None else np.zeros(0, int)
        if not len(rows) or (self.status == "completed" and rows[-1] < len(outcome) - 1):  # type: ignore[arg-type]
            return None
        chosen = self.series.get("selection/sliced_wasserstein")
        if self.rules["checkpoint"] == "best" and chosen is not None:
            both = rows[np.isfinite(chosen[rows])]
            return int(both[np.argmin(chosen[both])]) if len(both) else None
        return int(rows[-1])

    def outcome(self) -> float:
        """The deciding scalar at the judged row; NaN if the cell diverged or has no outcome yet."""
        row = self.judged()
        return (
            float("nan")
            if row is None or self.status != "completed"
            else float(self.series[self.rules["outcome"]][row])
        )

    def final(self) -> dict[str, float]:
        """Each scalar at the end of the run.

        A logged scalar is averaged over the last epoch; a measured one has its value at the judged row.
        """
        rows, at = self.last_epoch(), self.judged()
        found = {}
        for tag, values in self.series.items():
            if tag.startswith(MEASURED):
                there = np.flatnonzero(np.isfinite(values[: None if at is None else at + 1]))
                if len(there):
                    found[tag] = float(values[there[-1]])
            elif np.isfinite(values[rows]).any():
                found[tag] = float(values[rows & np.isfinite(values)].mean())
        return found


def own_metrics(cells: Iterable[CellRecord]) -> Names:
    """The metrics that the games of the cells brought; where two say otherwise of one, the first is heard."""
    found: dict[str, tuple[str, str]] = {}
    for cell in cells:
        found = {**own_names(cell.info), **_measured(cell), **found}
    return found


def _measured(cell: CellRecord) -> Names:
    rows = cell.evaluation["metrics"].items() if cell.evaluation else []
    return {name: (row["label"], row["better"]) for name, row in rows if name not in METRIC_NAMES}


def less_is_better(cells: Sequence[CellRecord]) -> bool:
    """Whether a smaller outcome is a better one."""
    return lower_is_better(cells[0].rules["outcome"], own_metrics(cells)) if cells else True


def one_data_set(cells: Sequence[CellRecord]) -> bool:
    """Whether all cells that state a fingerprint of their data, or of its labels, state the same one."""
    said = [
        {cell.info[key] for cell in cells if cell.info.get(key)} for key in ("data_fingerprint", "labels_fingerprint")
    ]
    return max(map(len, said)) <= 1


def ended(cell: CellRecord) -> bool:
    """Whether the cell counts: it completed and has an outcome, or it diverged."""
    return broke_down(cell.info) or (cell.status == "completed" and cell.judged() is not None)


def broke_off(cell: CellRecord) -> bool:
    """Whether the cell failed, but not by divergence. Such a cell has no outcome and says nothing about its arm."""
    return cell.status == "failed" and not broke_down(cell.info)


def collect(path: Path) -> tuple[dict[str, Any], list[CellRecord]]:
    """Reads comparison.json in the folder `path`, and all cells: arm by arm, each arm's cells ordered by seed."""
    comparison = read_json(path / "comparison.json")
    comparison.setdefault("rules", {"outcome": "quality/sliced_wasserstein", "checkpoint": "last"})
    cells = [
        read_cell(arm, int(seed), RunFolder(path / entry["folder"]), comparison["rules"])
        for arm, values in comparison["arms"].items()
        for seed, entry in sorted(values["seeds"].items(), key=lambda item: int(item[0]))
    ]
    return comparison, cells


def read_cell(arm: str, seed: int, folder: RunFolder, rules: dict[str, Any]) -> CellRecord:
    """Reads the cell in a run folder, which may be empty. A cell with damaged rows counts as broken off."""
    info = _sound(folder.info())
    try:
        rows = folder.scalars()
        _check_rows(folder, rows, info.get("stages", []))
    except (BadInput, OSError) as error:
        why = f"{error}; or remove {folder.path}, and the same command trains the cell anew"
        rows, info = [], {**info, "not_finite": broke_down(info), "status": "failed", "error": why}
    evaluation = _evaluation(folder, int(rows[-1]["step"])) if rows else None
    if evaluation:
        if info.get("protocol") not in (None, evaluation["protocol"]):  # training measured by another protocol
            rows = [{tag: value for tag, value in row.items() if not tag.startswith("metric/")} for row in rows]
        values = {f"metric/{name}": found["value"] for name, found in evaluation["metrics"].items()}
        rows[-1] = {**rows[-1], **{tag: value for tag, value in values.items() if value is not None}}
    tags = sorted({tag for row in rows for tag in row} - {"step", "epoch"})
    return CellRecord(
        arm,
        seed,
        folder,
        info,
        np.array([row["step"] for row in rows], dtype=int),
        np.array([row.get("epoch", np.nan) for row in rows], dtype=float),
        {tag: np.array([row.get(tag, np.nan) for row in rows], dtype=float) for tag in tags},
        {int(file.stem.removeprefix("step-")): file for file in folder.grids()},
        rules,
        evaluation,
    )


def _check_rows(folder: RunFolder, rows: list[dict[str, float]], stages: list[tuple[str, int]]) -> None:
    """Raises BadInput unless the rows are those of one run: steps increase, and each row has all tags of its stage.

    Args:
        stages: names and first steps of the run's stages; a player may sit one out.
    """
    logged: dict[int, set[str]] = {}  # {stage: tags that its rows have}
    before = 0.0
    for row in rows:
        stage = sum(first <= row["step"] for _, first in stages)
        expected = logged.setdefault(stage, {tag for tag in row if tag.startswith(LOGGED)})
        if row["step"] <= before or not expected <= row.keys():
            raise BadInput(
                f"{folder.scalars_file}: the row of step {row['step']} belongs to another run than the rows before it; "
                "mend or remove the file"
            )
        before = row["step"]


def _sound(info: dict[str, Any]) -> dict[str, Any]:
    """Removes the entries of a run.json whose values are not of the type that ganctl writes."""
    return {key: value for key, value in info.items() if key not in KINDS or KINDS[key](value)}


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return value is None or is_number(value)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _protocol(value: Any) -> bool:
    features = value["features"]
    known = value["split"] in ("test", "train", "half", "whole", "exact") and {"name", "dimensions"} <= features.keys()
    counted = _count(value["num_fake"]) and _count(value["num_real"]) and _number(features.get("accuracy"))
    return known and counted and {"weights", "seed"} <= value.keys()


def _finding(value: Any) -> bool:
    known = isinstance(value, dict) and _text(value.get("verdict")) and _text(value.get("because"))
    return known and _count(value.get("since"))


def _stage(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _text(value[0]) and _count(value[1])


# The entries of a run.json that the report reads, each with the check of its type.
KINDS: dict[str, Callable[[Any], bool]] = {
    "status": _text,
    "verdict": lambda value: value is None or _text(value),
    "findings": lambda value: isinstance(value, list) and all(map(_finding, value)),
    "error": lambda value: value is None or _text(value),
    "not_finite": lambda value: type(value) is bool,
    "seconds": lambda value: is_number(value) and 0 <= value < LONGEST,
    "images_seen": _count,
    "device": _text,
    "data_fingerprint": _text,
    "labels_fingerprint": _text,
    "files": lambda value: (
        isinstance(value, dict)
        and all(map(_count, (value.get("pictures"), value.get("transparent", 0), value.get("first_of_several", 0))))
    ),
    "stages": lambda value: isinstance(value, list) and all(map(_stage, value)),
    "sample_shape": lambda value: isinstance(value, list) and all(map(_count, value)) and 0 not in value,
    "shown_beside": lambda value: isinstance(value, list) and all(map(_text, value)),
    "papers": lambda value: isinstance(value, dict) and all(map(_text, value.values())),
    "floor": lambda value: isinstance(value, dict) and all(map(is_number, value.values())),
}


def _evaluation(folder: RunFolder, step: int) -> dict[str, Any] | None:
    """The newest evaluation of the weights after `step`; None if there is none or the file is damaged."""
    try:
        entries = read_json(folder.metrics_file)["evaluations"]
        entry = [entry for entry in entries if entry["step"] == step][-1]
        return entry if _is_evaluation(entry) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _is_evaluation(entry: Any) -> bool:
    figures = ("value", "standard_error", "low", "high", "floor")
    return (
        all(
            (name in METRIC_NAMES or is_named(found))
            and "value" in found
            and all(_number(found.get(key)) for key in figures)
            for name, found in entry["metrics"].items()
        )
        and _text(entry["fingerprint"])
        and bool(entry["fingerprint"])
        and _protocol(entry["protocol"])
        and all(map(_text, entry.get("warnings", [])))
    )
