"""Where runs are: a new folder for one, a named one, the latest one."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ganctl.errors import BadInput
from ganctl.store.files import refuse_links
from ganctl.store.places import unwritable
from ganctl.store.run import RunFolder


def new_path(output_dir: Path, name: str) -> Path:
    """Makes outputs/<date>/<time>-<name>, with a number behind it where another run, even of this second, has that.

    Raises:
        BadInput: the folder cannot be made.
    """
    moment = datetime.now()
    first = output_dir / moment.strftime("%Y-%m-%d") / f"{moment:%H%M%S}-{name}"
    path, number = first, 2
    while True:
        try:
            path.mkdir(parents=True)  # fails where it exists, so that two processes never share one
            return path
        except FileExistsError:
            path, number = first.with_name(f"{first.name}-{number}"), number + 1
        except OSError as error:
            raise unwritable(path, error) from None


def find(path: Path) -> RunFolder:
    """The run folder at `path`.

    Raises:
        BadInput: it holds no run, or a link to something outside of it.
    """
    folder = RunFolder(path, begun=True)
    if not path.is_dir():
        raise BadInput(f"{path}: is not a folder; name a run folder, such as outputs/<date>/<time>-<name>")
    if not folder.config.is_file():
        raise BadInput(f"{path}: holds no run (no config.yaml); name a folder that `ganctl train` made")
    refuse_links(path)
    return folder


def latest(output_dir: Path) -> RunFolder:
    """The run under `output_dir` that was started last, comparisons' cells among them.

    Raises:
        BadInput: there is none.
    """
    files = [*output_dir.glob("*/*/run.json"), *output_dir.glob("comparisons/*/cells/*/*/run.json")]
    runs = [RunFolder(file.parent) for file in files if (file.parent / "config.yaml").is_file()]
    if not runs:
        raise BadInput(f"no run in {output_dir}/; make one with `ganctl train`, or name a run folder")
    return max(runs, key=lambda run: (_instant(run.info().get("started")), str(run.path)))


def _instant(text: Any) -> datetime:
    """The instant that an ISO 8601 text names, by this machine's zone where it names none; else long ago."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=timezone.utc)
