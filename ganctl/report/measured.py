"""The metrics that `evaluate` measured for the cells of a comparison, tabulated only if all have one protocol."""

import math
from typing import Any

import numpy as np

from ganctl.config.metrics import METRIC_NAMES, lower_is_better
from ganctl.report import statistics
from ganctl.report.collect import CellRecord, own_metrics


def unify(comparison: dict[str, Any], cells: list[CellRecord]) -> None:
    """Adds "metrics" to the comparison: the protocol, the values of real samples, and each arm's over its seeds.

    Numbers of different protocols are not comparable: with several protocols the values are removed from the cells,
    and "metrics" says so instead. The protocols may differ in which weights were measured (raw or EMA) if the arms
    differ in `ema_decay`.
    """
    measured = [cell for cell in cells if cell.evaluation]
    if not measured:
        return
    averaging = {str(arm.get("ema_decay")) for arm in comparison["definition"].values()}
    apart = {"weights"} if len(averaging) > 1 else set()
    protocols = {repr(sorted(_flat(cell.evaluation["protocol"], apart))) for cell in measured}  # type: ignore[index]
    if len(protocols) > 1:
        for cell in cells:
            for tag in [tag for tag in cell.series if tag.startswith("metric/")]:
                del cell.series[tag]
        comparison["metrics"] = {
            "refused": f"The cells were measured by {len(protocols)} different protocols, which do not compare, so "
            "their metrics are left out; the same command with metrics= measures all of them by one.",
        }
        return
    entry = measured[-1].evaluation
    assert entry is not None
    known = [*METRIC_NAMES, *own_metrics(measured)]
    names = [name for name in known if any(name in cell.evaluation["metrics"] for cell in measured)]  # type: ignore[index]
    comparison["metrics"] = {
        "fingerprint": entry["fingerprint"],
        "protocol": entry["protocol"],
        "floors": {name: entry["metrics"].get(name, {}).get("floor") for name in names},
        "arms": {arm: {name: _spread(measured, arm, name) for name in names} for arm in comparison["arms"]},
        "warnings": entry.get("warnings", []),
    }


def _flat(protocol: dict[str, Any], apart: set[str]) -> list[tuple[str, str]]:
    return [(key, repr(value)) for key, value in protocol.items() if key not in apart]


def _spread(cells: list[CellRecord], arm: str, name: str) -> dict[str, Any]:
    """Mean and deviation over the seeds of an arm, and the largest error that one seed's value has from sampling."""
    found = [cell.evaluation["metrics"].get(name, {}) for cell in cells if cell.arm == arm]  # type: ignore[index]
    values = [math.nan if row.get("value") is None else row["value"] for row in found]
    errors = [row["standard_error"] for row in found if row.get("standard_error") is not None]
    return {**statistics.spread(values), "sampling_error": max(errors, default=None)}


def reach(comparison: dict[str, Any], cells: list[CellRecord]) -> None:
    """Adds "reach" to the comparison: the first step at which each cell was as good as the first arm was at its end.

    It is taken from the outcome if that is a metric measured during training, or else from the Fréchet distance; null
    for a cell that never got there. It shows losses that differ in speed rather than in their final values.
    """
    several = {tag for cell in cells for tag, values in cell.series.items() if np.isfinite(values).sum() > 1}
    outcome = comparison["rules"]["outcome"]
    tag = next((tag for tag in (outcome, "metric/fid") if tag.startswith("metric/") and tag in several), None)
    if tag is None:
        return
    baseline = next(iter(comparison["arms"]))
    ends = [cell.final().get(tag, math.nan) for cell in cells if cell.arm == baseline]
    threshold = statistics.spread(ends)["mean"]
    if threshold is None:
        return
    lower = lower_is_better(tag, own_metrics(cells))
    steps: dict[str, dict[str, int | None]] = {arm: {} for arm in comparison["arms"]}
    for cell in cells:
        values = cell.series.get(tag, np.zeros(0))
        there = np.isfinite(values)
        good = there & ((values <= threshold) if lower else (values >= threshold))
        steps[cell.arm][str(cell.seed)] = int(cell.step[good][0]) if good.any() else None
    comparison["reach"] = {"tag": tag, "threshold": threshold, "steps": steps}
