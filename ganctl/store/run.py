"""The run folder: its names, its small files, and how they are written. Imports no torch."""

import contextlib
import json
import os
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ganctl.errors import BadInput, one_line
from ganctl.store.files import parse_json, read_json, write_atomically
from ganctl.store.host import versions
from ganctl.store.places import unwritable

RESERVE = 65_536  # bytes


def now() -> str:
    """The time, in ISO 8601 with its zone."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def command_line() -> str:
    """The command as a person would type it."""
    return shlex.join(["ganctl", *sys.argv[1:]])


def broke_down(info: dict[str, Any]) -> bool:
    """Whether a run failed because its numbers left the range of floating point, by its run.json.

    That is what its configuration came to, and would come to again. Any other failure, of the machine (a kill, a full
    disk, no memory) or of somebody's code, says nothing of it. A run.json without `not_finite` is older than that key.
    """
    return info.get("status") == "failed" and info.get("not_finite", info.get("verdict") == "diverged") is True


class RunFolder:
    """One run on the disk, readable without ganctl.

    Args:
        path: the folder; `create` makes it.
        begun: whether it was there before this command, for which another folder is no way out then.
    """

    def __init__(self, path: Path, begun: bool = False) -> None:
        self.path = path
        self.begun = begun
        self.config = path / "config.yaml"
        self.info_file = path / "run.json"
        self.scalars_file = path / "scalars.jsonl"
        self.tensorboard = path / "tb"
        self.samples = path / "samples"
        self.checkpoints_dir = path / "checkpoints"
        self.metrics_file = path / "metrics.json"
        self.reserve = path / ".reserve"

    @classmethod
    def create(cls, path: Path, config: str, **info: Any) -> "RunFolder":
        """Makes the folder, with its configuration and a run.json of status "running".

        Raises:
            BadInput: the folder cannot be written.
        """
        folder = cls(path)
        try:
            folder.make_folders()
            write_atomically(folder.config, config)
            folder.scalars_file.touch()
            folder.update(
                status="running",
                verdict=None,
                command=command_line(),
                started=now(),
                versions=versions(),
                **info,
            )
        except OSError as error:
            raise folder.refused(error) from None
        return folder

    def refused(self, error: OSError) -> BadInput:
        """The error for a run that cannot begin here; where run.json says that it did, it says this instead."""
        self.free_reserve()
        if self.info().get("status") == "running":
            with contextlib.suppress(OSError):
                self.update(status="failed", error=one_line(error))
        return unwritable(self.path, error, self.begun)

    def info(self) -> dict[str, Any]:
        """What run.json says; empty where it cannot be read."""
        try:
            values = read_json(self.info_file)
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """[C, H, W] of the run's images, [2] of its points; None where run.json does not say."""
        sizes = self.info().get("sample_shape")
        if isinstance(sizes, list) and all(type(size) is int and 0 < size <= 4096 for size in sizes):
            return tuple(sizes) or None
        return None

    @property
    def class_names(self) -> list[str] | None:
        """What the classes of the run's data are called, in the order of their numbers; None: run.json has no names."""
        info = self.info()
        files = info.get("files")
        earlier = files.get("classes") if isinstance(files, dict) else None
        names = info.get("class_names", earlier)
        if not isinstance(names, list) or len(names) != info.get("classes"):
            return None
        return names if all(isinstance(name, str) for name in names) else None

    def update(self, **changes: Any) -> None:
        """Changes some of run.json."""
        write_atomically(self.info_file, json.dumps({**self.info(), **changes}, indent=2) + "\n")

    def make_folders(self) -> None:
        """Makes the folders in it, of which somebody may have removed one to save space."""
        for path in (self.samples, self.checkpoints_dir):
            path.mkdir(parents=True, exist_ok=True)

    def set_reserve(self) -> None:
        """Takes up the space that run.json needs once more, so that a full disk can still be written down.

        Raises:
            OSError: there is none.
        """
        write_atomically(self.reserve, os.urandom(RESERVE))  # which no file system can compress

    def remove_unfinished(self) -> None:
        """Removes what a killed process was writing aside; only who has the folder's lock may."""
        own = (self.config, self.info_file, self.scalars_file, self.reserve, self.samples / "step-*.png")
        for path in own:
            for aside in path.parent.glob(f".{path.name}.*.tmp"):
                if aside.is_file():  # whoever put a folder there, it is none of ganctl's
                    aside.unlink(missing_ok=True)

    def free_reserve(self) -> None:
        """Gives that space back."""
        with contextlib.suppress(OSError):
            self.reserve.unlink(missing_ok=True)

    def scalars(self) -> list[dict[str, float]]:
        """The logged rows in order; a last line that a killed process left unfinished is not among them.

        Raises:
            BadInput: another line is no row.
        """
        rows: list[dict[str, float]] = []
        lines = self.scalars_file.read_text(errors="replace").splitlines() if self.scalars_file.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                row = parse_json(line)
            except ValueError:
                row = None
            if isinstance(row, dict) and type(row.get("step")) is int and all(map(is_number, row.values())):
                rows.append(row)
            elif number < len(lines):
                raise BadInput(f"{self.scalars_file}: line {number} is no row of scalars; mend or remove the file")
        return rows

    def cut_scalars(self, step: int) -> None:
        """Drops the rows after `step`: a run that resumes there writes them anew."""
        rows = [row for row in self.scalars() if row["step"] <= step]
        write_atomically(self.scalars_file, "".join(json.dumps(row) + "\n" for row in rows))

    def drop_scalars(self, prefix: str) -> None:
        """Takes the tags that begin with `prefix` out of every row."""
        rows = [{tag: value for tag, value in row.items() if not tag.startswith(prefix)} for row in self.scalars()]
        write_atomically(self.scalars_file, "".join(json.dumps(row) + "\n" for row in rows))

    def grids(self) -> list[Path]:
        """The sample grids, oldest first."""
        return sorted(path for path in self.samples.glob("step-*.png") if _is_count(path.stem[5:]))

    def checkpoints(self) -> list[Path]:
        """The checkpoint folders, oldest first."""
        return sorted(
            path for path in self.checkpoints_dir.glob("step-*") if path.is_dir() and _is_count(path.name[5:])
        )

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint of that step is, or will be."""
        return self.checkpoints_dir / f"step-{step:08d}"


def _is_count(text: str) -> bool:
    """Whether it is digits; those of other scripts, and more than a count of steps has, are nobody's of ganctl."""
    return text.isascii() and text.isdigit() and len(text) < 13


def is_number(value: object) -> bool:
    """Whether a file may hold it as a scalar: a number that single precision could hold, so that sums are finite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e39
