"""Finds run folders: a new one, a named one, the latest one."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ganctl.errors import BadInput
from ganctl.store.files import refuse_links
from ganctl.store.places import unwritable
from ganctl.store.run import RunFolder


def new_path(output_dir: Path, name: str) -> Path:
    """Creates <output_dir>/<date>/<time>-<name>. If it exists, a number is appended: <time>-<name>-2.

    Raises:
        BadInput: the folder cannot be made.
    """
    moment = datetime.now()
    first = output_dir / moment.strftime("%Y-%m-%d") / f"{moment:%H%M%S}-{name}"
    path, number = first, 2
    while True:
        try:
            path.mkdir(parents=True)  # fails if it exists, so that two processes never share a folder
            return path
        except FileExistsError:
            path, number = first.with_name(f"{first.name}-{number}"), number + 1
        except OSError as error:
            raise unwritable(path, error) from None


def find(path: Path) -> RunFolder:
    """The run folder at `path`.

    Raises:
        BadInput: there is no run, or the folder contains a link.
    """
    folder = RunFolder(path, begun=True)
    if not path.is_dir():
        raise BadInput(f"{path}: is not a folder; name a run folder, such as outputs/<date>/<time>-<name>")
    if not folder.config.is_file():
        raise BadInput(f"{path}: holds no run (no config.yaml); name a folder that `ganctl train` made")
    refuse_links(path)
    return folder


def latest(output_dir: Path) -> RunFolder:
    """The run under `output_dir` that was started last; cells of comparisons count too.

    Raises:
        BadInput: there is no run.
    """
    files = [*output_dir.glob("*/*/run.json"), *output_dir.glob("comparisons/*/cells/*/*/run.json")]
    runs = [RunFolder(file.parent) for file in files if (file.parent / "config.yaml").is_file()]
    if not runs:
        raise BadInput(f"no run in {output_dir}/; make one with `ganctl train`, or name a run folder")
    return max(runs, key=lambda run: (_instant(run.info().get("started")), str(run.path)))


def _instant(text: Any) -> datetime:
    """The time in an ISO 8601 text, in this machine's zone if it names none; year 1 for any other value."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=timezone.utc)
