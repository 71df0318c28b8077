"""Writes the result of an evaluation: metrics.json, and the picture of nearest neighbours beside it."""

from pathlib import Path
from typing import Any

from ganctl.data.pictures import nearest_neighbours, to_png
from ganctl.errors import BadInput, RunFailed, one_line
from ganctl.evaluation import Evaluation
from ganctl.evaluation.kept import evaluations_in, keep
from ganctl.evaluation.wanted import Wanted
from ganctl.report.scores import print_scores
from ganctl.store.files import write_atomically
from ganctl.store.places import try_to_write
from ganctl.terminal.screen import say


def writable(place: Path, wanted: Wanted) -> Path | None:
    """Checks before the measurement that the folder's metrics.json can be written. Renames a damaged one.

    Returns: the file; None, with a note to the user, if it cannot be written but the result is printed anyway.

    Raises:
        BadInput: the file cannot be written, or is not ganctl's.
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


def finish(found: Evaluation, entry: dict[str, Any], file: Path | None, title: str, wanted: Wanted) -> Path | None:
    """Shows the table and the warnings, then writes the file and the picture of nearest neighbours beside it.

    Returns: the file; None if it could not be written but the result is printed anyway.

    Raises:
        RunFailed: the file could not be written; the table has been shown.
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
