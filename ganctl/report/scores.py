"""An evaluation on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from ganctl.formats import number
from ganctl.schema import METRIC_NAMES


def print_scores(entry: dict[str, Any], title: str) -> None:
    """Prints a row for each metric of an entry of metrics.json, and the protocol below, on stderr."""
    console = Console(stderr=True)
    table = Table(title=title, title_justify="left")
    table.add_column("metric", no_wrap=True)
    for heading in ("value", "95 % interval", "real samples"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    for name, found in entry["metrics"].items():
        value, low, high, floor = (number(found[key], f"metric/{name}") for key in ("value", "low", "high", "floor"))
        direction = METRIC_NAMES[name][1] if name in METRIC_NAMES else ""
        table.add_row(name, value, low if found["low"] is None else f"{low} to {high}", floor, direction)
    console.print(table)
    if entry.get("classes"):
        console.print(_of_classes(entry["classes"]))
    console.print(protocol_line(entry), markup=False, highlight=False)


def _of_classes(found: dict[str, list[float | None]]) -> Table:
    """A row a class."""
    table = Table(title="by class asked for", title_justify="left")
    table.add_column("class", justify="right")
    for name in found:
        table.add_column(name, justify="right", no_wrap=True)
    for kind, values in enumerate(zip(*found.values(), strict=True)):
        table.add_row(str(kind), *(number(value, f"metric/{name}") for name, value in zip(found, values, strict=True)))
    return table


def protocol_line(entry: dict[str, Any]) -> str:
    """How it was measured, in one sentence."""
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
