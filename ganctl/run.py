"""The run folder: its names, its small files, and how they are written. Imports no torch."""

import contextlib
import json
import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from ganctl.errors import BadInput, one_line
from ganctl.files import parse_json, read_json, refuse_links, write_atomically

if sys.platform != "win32":
    import resource

RESERVE = 65_536  # bytes
PACKAGES = ("ganctl", "torch", "torchvision", "numpy", "hydra-core", "safetensors", "tensorboard")


def now() -> str:
    """The time, in ISO 8601 with its zone."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def machine() -> dict[str, str]:
    """What a result depends on besides versions: the last digits of a sum may be others on another processor."""
    found = {"system": platform.platform(), "processor": platform.processor() or platform.machine()}
    with contextlib.suppress(OSError):  # Linux has its name there alone
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        found["processor"] = next(names, found["processor"])
    return found


def available_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> float:
    """Bytes that this process may have, or that nobody has now, where the system says."""
    limits = [float("inf")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if sys.platform != "win32":
        limits.append(float(resource.getrlimit(resource.RLIMIT_AS)[0]))
    with contextlib.suppress(OSError, ValueError, StopIteration):  # Linux: free, or in use only until somebody needs it
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(1024.0 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # the word max where there is no limit
            limits.append(float(Path(file).read_text()))
    return min(limit for limit in limits if limit > 0)  # -1 is no limit


def cache_dir() -> Path:
    """Where downloads and what can be made again go: $XDG_CACHE_HOME/ganctl, or ~/.cache/ganctl.

    Raises:
        BadInput: the user has no home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path.home() / ".cache") / "ganctl"
    except RuntimeError:
        raise BadInput(
            "this user has no home folder to keep files in; set XDG_CACHE_HOME=DIR, a folder you may write to"
        ) from None


def expanded(path: str, key: str) -> Path:
    """The path, whose ~ or ~user in front becomes that home folder.

    Raises:
        BadInput: there is no such home folder; `key` is what the user gave the path for.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise BadInput(f"{key}={path}: there is no such home folder; write the whole path") from None


def shown(path: Path) -> str:
    """The path as a person would type it into a shell."""
    return shlex.quote(str(path))


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


def unwritable(path: Path, error: OSError, begun: bool = False) -> BadInput:
    """The error for an output folder that cannot be written; it names what is in the way where something is.

    Args:
        begun: whether it is of a run that was there before, which stays where it is.
    """
    in_the_way = isinstance(error, (IsADirectoryError, NotADirectoryError, FileExistsError))
    place = (error.filename2 or error.filename or path) if in_the_way else path
    told = f"{place} cannot be written ({error.strerror or error}); mend that"
    if begun:
        return BadInput(f"{told}, then give the same command again")
    return BadInput(f"output_dir: {told}, or give output_dir=DIR, a folder you may write to")


def try_to_write(folder: Path) -> None:
    """Makes sure before the work that its result can be written; leaves nothing.

    Args:
        folder: which need not be there yet.

    Raises:
        OSError: nothing can be written there.
    """
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    probe = nearest / f".ganctl-{os.getpid()}.probe"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        error.filename = str(nearest)
        raise


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
