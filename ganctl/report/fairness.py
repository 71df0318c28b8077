"""The fairness table: which settings and costs are equal in all arms of a comparison, and which differ."""

import statistics
from dataclasses import dataclass
from typing import Any

from ganctl.formats import amount
from ganctl.report.collect import CellRecord

# Counts of a run's folder of pictures: {row of the table: key below "files" in run.json}.
FILES = {
    "pictures in the folder": "pictures",
    "transparent pictures": "transparent",
    "pictures that are the first of several": "first_of_several",
}
CLOSE = 1.1  # times never repeat exactly; above this ratio they count as unequal


@dataclass(frozen=True)
class Row:
    """One line of the fairness table.

    Attributes:
        name: the compared quantity.
        values: {arm: the value as text}.
        equal: whether the value is the same in every arm.
    """

    name: str
    values: dict[str, str]
    equal: bool


def fairness(comparison: dict[str, Any], cells: list[CellRecord]) -> list[Row]:
    """The table: the settings that differ, then images, optimizer steps and cost of one completed seed per arm."""
    arms = list(comparison["arms"])
    rows = [
        _row(key, values) for key, values in _settings({arm: settings(comparison, arm) for arm in arms}, arms).items()
    ]
    costs = {arm: comparison["arms"][arm].get("cost") or {} for arm in arms}
    members = {arm: [cell for cell in cells if cell.arm == arm and cell.status == "completed"] for arm in arms}
    steps = {arm: _single({int(cell.step[-1]) for cell in members[arm] if len(cell.step)}) for arm in arms}

    def each(name: str, of: Any) -> Row:
        return _row(name, {arm: of(arm, costs[arm]) if costs[arm] else None for arm in arms})

    def times_steps(arm: str, per_step: float | None) -> float | None:
        done = steps[arm]
        return None if per_step is None or done is None else per_step * done

    for title, key in FILES.items():
        read = {
            arm: _single({cell.info["files"].get(key, 0) for cell in members[arm] if cell.info.get("files")})
            for arm in arms
        }
        if any(read.values()):
            rows.append(_row(title, read))
    rows.append(each("real images D saw", lambda arm, cost: times_steps(arm, cost["real_images_per_step"])))
    rows.append(
        each("generated images D judged", lambda arm, cost: times_steps(arm, cost["generated_images_per_step"]))
    )
    for player in dict.fromkeys(name for cost in costs.values() for name in cost.get("turns", {})):
        rows.append(
            each(f"optimizer steps, {player}", lambda arm, cost, p=player: times_steps(arm, cost["turns"].get(p)))
        )
        rows.append(each(f"learning rate, {player}", lambda _, cost, p=player: str(cost["learning_rates"].get(p))))
    for network in dict.fromkeys(name for cost in costs.values() for name in cost.get("parameters", {})):
        rows.append(each(f"parameters, {network}", lambda _, cost, n=network: cost["parameters"].get(n)))
    rows.append(each("penalty", lambda _, cost: cost["penalty"]))
    rows.append(each("FLOPs", lambda arm, cost: times_steps(arm, cost["flops_per_step"])))
    return [*rows, _seconds(members)]


def settings(comparison: dict[str, Any], arm: str) -> dict[str, Any]:
    """The settings that the arm ran with, after tuning; those of the study's definition if none are recorded."""
    known = comparison["arms"][arm].get("settings") or comparison["definition"].get(arm, {})
    assert isinstance(known, dict)
    return known


def _single(values: set[int]) -> int | None:
    return values.pop() if len(values) == 1 else None


def _row(name: str, values: dict[str, Any]) -> Row:
    shown = {arm: value if isinstance(value, str) else amount(value) for arm, value in values.items()}
    # Values that are unknown in every arm do not count as equal.
    equal = len({str(value) for value in values.values()}) == 1 and None not in values.values()
    return Row(name, shown, equal)


def _seconds(members: dict[str, list[CellRecord]]) -> Row:
    medians = {
        arm: statistics.median([cell.info.get("seconds") or 0.0 for cell in cells]) if cells else None
        for arm, cells in members.items()
    }
    known = [value for value in medians.values() if value]
    equal = len(known) == len(medians) and max(known) <= CLOSE * min(known)
    return Row(
        "seconds (median)", {arm: "–" if value is None else f"{value:,.0f}" for arm, value in medians.items()}, equal
    )


def _settings(definition: dict[str, Any], arms: list[str]) -> dict[str, dict[str, str]]:
    """The settings in which arms differ: {key: {arm: value}}."""
    flat = {arm: dict(_leaves(definition.get(arm, {}), "")) for arm in arms}
    keys = dict.fromkeys(key for values in flat.values() for key in values)
    return {
        key: {arm: str(flat[arm].get(key, "–")) for arm in arms}
        for key in keys
        if len({str(flat[arm].get(key, "–")) for arm in arms}) > 1
    }


def _leaves(section: Any, prefix: str) -> Any:
    if isinstance(section, dict):
        for key, value in section.items():
            yield from _leaves(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), section
