"""Prints the result of an evaluation on the terminal."""

import sys
from collections.abc import Sequence
from typing import Any

from ganctl.config.metrics import METRIC_NAMES
from ganctl.errors import printable
from ganctl.formats import number
from ganctl.terminal.abilities import console
from ganctl.terminal.fitting import shortened
from ganctl.terminal.table import Row, print_fitted

LONGEST_NAME = 24  # characters of a class in a table


def print_scores(entry: dict[str, Any], title: str) -> None:
    """Prints one row per metric of an entry of metrics.json, and the protocol below, on stderr.

    Metric, value and interval are shown even on a narrow screen.
    """
    screen, rows = console(sys.stderr), []
    for name, found in entry["metrics"].items():
        value, low, high, floor = (number(found[key], f"metric/{name}") for key in ("value", "low", "high", "floor"))
        direction = METRIC_NAMES[name][1] if name in METRIC_NAMES else found.get("better", "")
        beside = [number(other, f"metric/{name}") for other in found.get("rivals", {}).values()]
        rows.append(Row((name, value, low if found["low"] is None else f"{low} to {high}", *beside, floor, direction)))
    screen.print(title, style="italic", soft_wrap=True)
    rivals = [*next(iter(entry["metrics"].values())).get("rivals", {})] if entry["metrics"] else []
    headings = ["metric", "value", "95 % interval", *rivals, "real samples", "better"]
    print_fitted(
        screen, headings, rows, 3 + len(rivals), lambda cells: f"{cells[0]}: {cells[1]} ({cells[2]})", {"better"}
    )
    if entry.get("classes"):
        screen.print("by class asked for", style="italic")
        headings, rows = _of_classes(entry["classes"], entry.get("class_names", []))
        print_fitted(screen, headings, rows, 2, lambda cells: f"{cells[0]}: {cells[1]}")
    screen.print(protocol_line(entry))


def _of_classes(found: dict[str, list[float | None]], names: Sequence[str]) -> tuple[list[str], list[Row]]:
    """The headings, and one row per class, named or else numbered."""
    kinds = range(len(next(iter(found.values()))))
    of = [[number(values[kind], f"metric/{name}") for name, values in found.items()] for kind in kinds]
    called = [shortened(printable(name), LONGEST_NAME) for name in names] + [str(kind) for kind in kinds][len(names) :]
    return ["class", *found], [Row((called[kind], *of[kind])) for kind in kinds]


def protocol_line(entry: dict[str, Any]) -> str:
    """The protocol of an evaluation in one sentence."""
    protocol = entry["protocol"]
    features = protocol["features"]
    known = f", {features['accuracy']:.1%} right" if features.get("accuracy") else ""
    made = f"{protocol['weights']} weights, seed {protocol['seed']}; "
    weights = "" if protocol["weights"] == "none" else made
    against = {
        "test": "images of the test split", "train": "training images", "half": "images, one half of all there are",
        "whole": "images, all there are", "exact": "exact samples",
    }[protocol["split"]]  # fmt: skip
    return (
        f"{protocol['num_fake']:,} generated against {protocol['num_real']:,} {against}; features: {features['name']} "
        f"({features['dimensions']}{known}); {weights}protocol {entry['fingerprint']}"
    )
