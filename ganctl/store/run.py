"""The run folder: the names of its files, and how the small ones are read and written. Imports no torch."""

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

RESERVE = 65_536  # bytes of the file that `set_reserve` writes


def now() -> str:
    """The current time in ISO 8601, with the time zone."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def command_line() -> str:
    """The command of this process as a person would type it."""
    return shlex.join(["ganctl", *sys.argv[1:]])


def broke_down(info: dict[str, Any]) -> bool:
    """Whether a run failed because its numbers became nan or infinite.

    Such a failure is a result of the run's configuration and would repeat. Other failures, of the machine (a kill, a
    full disk, no memory) or of code, say nothing about the configuration. An old run.json has no key `not_finite`; its
    verdict decides then.

    Args:
        info: the content of run.json.
    """
    return info.get("status") == "failed" and info.get("not_finite", info.get("verdict") == "diverged") is True


class RunFolder:
    """The folder of one run on disk. Its files are readable without ganctl.

    Args:
        path: the folder; `create` makes it.
        begun: whether the run existed before this command; an error then does not suggest another folder.
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
        """Creates the folder with config.yaml and a run.json with the status "running" and the given entries.

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
        """The error for a run that cannot begin here. If run.json has the status "running", it becomes "failed"."""
        self.free_reserve()
        if self.info().get("status") == "running":
            with contextlib.suppress(OSError):
                self.update(status="failed", error=one_line(error))
        return unwritable(self.path, error, self.begun)

    def info(self) -> dict[str, Any]:
        """The content of run.json; empty if it cannot be read."""
        try:
            values = read_json(self.info_file)
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample: (C, H, W) for images, (2,) for points; None if run.json does not contain it."""
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
        """Sets the given entries of run.json and keeps the others."""
        write_atomically(self.info_file, json.dumps({**self.info(), **changes}, indent=2) + "\n")

    def make_folders(self) -> None:
        """Creates the subfolders that are missing; a user may have removed one to save space."""
        for path in (self.samples, self.checkpoints_dir):
            path.mkdir(parents=True, exist_ok=True)

    def set_reserve(self) -> None:
        """Reserves space on the disk, so that run.json can record the failure of a run that filled the disk.

        Raises:
            OSError: there is no space.
        """
        write_atomically(self.reserve, os.urandom(RESERVE))  # random, so that no file system compresses it

    def remove_unfinished(self) -> None:
        """Removes the temporary files of a killed process. The caller must hold the folder's lock."""
        own = (self.config, self.info_file, self.scalars_file, self.reserve, self.samples / "step-*.png")
        for path in own:
            for aside in path.parent.glob(f".{path.name}.*.tmp"):
                if aside.is_file():  # a folder of this name is not ganctl's
                    aside.unlink(missing_ok=True)

    def free_reserve(self) -> None:
        """Frees the space that `set_reserve` took."""
        with contextlib.suppress(OSError):
            self.reserve.unlink(missing_ok=True)

    def scalars(self) -> list[dict[str, float]]:
        """The logged rows in order, without an unfinished last line of a killed process.

        Raises:
            BadInput: any other line is not a row of scalars.
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
        """Removes the rows after `step`; a run that resumes there writes them again."""
        rows = [row for row in self.scalars() if row["step"] <= step]
        write_atomically(self.scalars_file, "".join(json.dumps(row) + "\n" for row in rows))

    def drop_scalars(self, prefix: str) -> None:
        """Removes the tags that begin with `prefix` from every row."""
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
        """The folder for the checkpoint of that step, whether or not it exists."""
        return self.checkpoints_dir / f"step-{step:08d}"


def _is_count(text: str) -> bool:
    """Whether the text is a step's number as ganctl writes it: at most 12 ASCII digits."""
    return text.isascii() and text.isdigit() and len(text) < 13


def is_number(value: object) -> bool:
    """Whether `value` is allowed as a scalar: a number about in the range of float32, so that sums stay finite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e39
