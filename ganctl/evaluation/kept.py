"""Reads and writes the evaluations in a metrics.json."""

import json
from pathlib import Path
from typing import Any

from ganctl.store.files import locked, read_json, write_atomically


def keep(file: Path, entry: dict[str, Any]) -> None:
    """Adds an evaluation to metrics.json; it replaces one of the same weights with the same protocol and metrics."""
    with locked(file.parent, "writing metrics.json", wait=60, name=".metrics.lock"):  # two evaluations may end together
        evaluations = [other for other in evaluations_in(file) if _identity(other) != _identity(entry)]
        write_atomically(file, json.dumps({"evaluations": [*evaluations, entry]}, indent=2, allow_nan=False) + "\n")


def evaluations_in(file: Path) -> list[dict[str, Any]]:
    """The evaluations in a metrics.json, oldest first; empty if the file is missing or cannot be read."""
    try:
        found = read_json(file)["evaluations"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _identity(entry: dict[str, Any]) -> Any:
    what = (entry.get(key) for key in ("run", "checkpoint", "images_sha256", "fingerprint"))
    return *what, sorted(entry.get("metrics", {}))
