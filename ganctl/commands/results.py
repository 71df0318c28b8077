"""Where evaluations are kept: metrics.json, and the picture of nearest neighbours beside it."""

import json
from pathlib import Path
from typing import Any

from ganctl.commands.screen import say
from ganctl.commands.wanted import Wanted
from ganctl.errors import BadInput, RunFailed, one_line
from ganctl.evaluation import Evaluation
from ganctl.files import locked, read_json, write_atomically
from ganctl.pictures import nearest_neighbours, to_png
from ganctl.report.scores import print_scores
from ganctl.run import try_to_write


def keep(file: Path, entry: dict[str, Any]) -> None:
    """Adds an evaluation to metrics.json, in the place of one of the same weights by the same protocol and metrics."""
    with locked(file.parent, "writing metrics.json", wait=60, name=".metrics.lock"):  # two may end at once
        evaluations = [other for other in evaluations_in(file) if _identity(other) != _identity(entry)]
        write_atomically(file, json.dumps({"evaluations": [*evaluations, entry]}, indent=2, allow_nan=False) + "\n")


def writable(place: Path, wanted: Wanted) -> Path | None:
    """The metrics.json in the folder; one that is damaged is set aside.

    Returns: None where it cannot be written and the result is printed anyway, which is said.

    Raises:
        BadInput: it could not be written after the measurement.
    """
    file = place / "metrics.json"
    try:
        if file.is_file() and not evaluations_in(file) and wanted.out is not None:
            raise BadInput(f"--out {place}: its metrics.json is not ganctl's, or damaged; name another folder")
        if file.exists() and not evaluations_in(file):
            file.replace(file.with_name(f"{file.name}.damaged"))
            say(f"{file}: could not be read, so it is now {file.name}.damaged")
        try_to_write(place)
        if file.is_dir():
            raise IsADirectoryError(21, "is a folder")
    except OSError as error:
        if wanted.printed and wanted.out is None:
            say(f"note: {file} cannot be written ({error.strerror}), so the result is printed alone")
            return None
        raise _unwritable(file, error, wanted) from None
    return file


def _unwritable(file: Path, error: OSError, wanted: Wanted) -> BadInput:
    other = "" if wanted.out is None else "other "
    printed = " or --json to have the result printed" if wanted.out is None else ""
    return BadInput(
        f"{file}: cannot be written ({error.strerror}); give --out DIR, an{other} folder you may write to,{printed}"
    )


def evaluations_in(file: Path) -> list[dict[str, Any]]:
    """The evaluations in a metrics.json, oldest first; none where it is not there or cannot be read."""
    try:
        found = read_json(file)["evaluations"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _identity(entry: dict[str, Any]) -> Any:
    what = (entry.get(key) for key in ("run", "checkpoint", "images_sha256", "fingerprint"))
    return *what, sorted(entry.get("metrics", {}))


def finish(found: Evaluation, entry: dict[str, Any], file: Path | None, title: str, wanted: Wanted) -> Path | None:
    """Shows the table and the warnings, then writes the file and the picture of nearest neighbours beside it.

    Returns: the file; None where it could not be written and the result is printed anyway.

    Raises:
        RunFailed: it could not be written; the table has been shown.
    """
    print_scores(entry, title)
    for warning in found.warnings:
        say(f"warning: {warning}")
    if file is None:
        return None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        keep(file, entry)
        if found.pictures:
            picture = nearest_neighbours(
                {name: [strip.numpy() for strip in strips] for name, strips in found.pictures.items()}
            )
            write_atomically(file.with_name("nearest.png"), to_png(picture))
            say(f"nearest neighbours: {file.with_name('nearest.png')}")
    except OSError as error:
        if not wanted.printed:
            raise RunFailed(f"{one_line(error)}; the table above is the result") from None
        say(f"note: {one_line(error)}; the result is printed alone")
        return None
    return file
