"""What must hold of a run folder at any moment, and of two runs that should be the same."""

import contextlib
import hashlib
import io
import warnings
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganctl.store import checkpoint
from ganctl.store.files import read_json
from ganctl.store.run import RunFolder
from tests.conftest import scalars

CODES = {0, 1, 2, 130}
PARTS = ("networks", "training")


def assert_ended_cleanly(code: int, err: str) -> None:
    """An exit code that ganctl promises, no traceback, and one line that says why where it did not succeed."""
    assert code in CODES, (code, err)
    assert "Traceback" not in err and "Exception ignored" not in err, err
    lines = err.splitlines()
    said = [line for line in lines if line.startswith("ganctl: ") and not line.startswith("ganctl: warning: ")]
    assert len(said) == (code in (1, 2)), err
    assert not said or lines[-1] == said[0], err


def assert_readable(run: Path) -> None:
    """Whatever happened: small files are whole or absent, checkpoints are, and rows can be read in order."""
    for file in (run / "run.json", run / "metrics.json"):
        assert not file.exists() or isinstance(read_json(file), dict), file
    for path in run.glob("checkpoints/step-*"):
        checkpoint.read(path, PARTS)  # compares every file's hash
    for picture in run.glob("samples/step-*.png"):
        assert picture.read_bytes().endswith(b"IEND\xaeB`\x82"), picture
    steps = [row["step"] for row in RunFolder(run).scalars()]
    assert steps == sorted(set(steps)), steps


def assert_failure_is_recorded(run: Path) -> None:
    """run.json says that the run failed, and of what."""
    info = read_json(run / "run.json")
    said = {key: info.get(key) for key in ("status", "error")}
    assert said["status"] == "failed" and said["error"], said


class Result:
    """What a run came to: the tensors of its newest checkpoint, its rows, its grids and TensorBoard's events."""

    def __init__(self, run: Path) -> None:
        info = read_json(run / "run.json")
        self.ending = {key: info[key] for key in ("status", "error", "step", "images_seen", "best_step")}
        newest = RunFolder(run).checkpoints()[-1]
        self.tensors = {
            name: tensor for part in PARTS for name, tensor in load_file(newest / f"{part}.safetensors").items()
        }
        self.checkpoints = [path.name for path in RunFolder(run).checkpoints()]
        self.counts = read_json(newest / "checkpoint.json")["counts"]
        self.rows = scalars(run)
        self.grids = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (run / "samples").iterdir()}
        self.events = logged_events(run)
        self.left = sorted(
            str(path.relative_to(run)) for path in run.rglob("*") if path.name.endswith((".tmp", ".old", ".reserve"))
        )

    def assert_same(self, other: "Result") -> None:
        """Every tensor bit for bit, every row once, every grid byte for byte, every event once; nothing left over."""
        for what in ("ending", "checkpoints", "counts", "rows", "grids", "events", "left"):
            assert getattr(self, what) == getattr(other, what), f"{what}: {_first_difference(self, other, what)}"
        assert self.tensors.keys() == other.tensors.keys()
        for name, tensor in self.tensors.items():
            assert torch.equal(tensor, other.tensors[name]), name
        assert max(self.events.values()) == 1, "an event is there twice"
        assert self.left == [], "something is left over"


def _first_difference(one: Result, other: Result, what: str) -> str:
    first, second = (
        [*each.items()] if isinstance(each, dict) else each for each in (getattr(one, what), getattr(other, what))
    )
    return (
        f"{[each for each in first if each not in second]} instead of {[each for each in second if each not in first]}"
    )


def logged_events(run: Path) -> Counter:
    """How often TensorBoard shows each tag at each step."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        events = EventAccumulator(str(run / "tb"), size_guidance={"scalars": 0, "images": 0})
        events.Reload()
    found = Counter((tag, event.step) for tag in events.Tags()["scalars"] for event in events.Scalars(tag))
    # The time from row to row begins anew with each process, so its first row has none.
    found = Counter({(tag, step): count for (tag, step), count in found.items() if not tag.startswith("speed/")})
    found.update((tag, event.step) for tag in events.Tags()["images"] for event in events.Images(tag))
    return found


def contents(folder: Path) -> dict[str, str]:
    """Every file below the folder with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def the_run(folder: Path) -> Path | None:
    """The run folder below a working folder, if there is one by now."""
    runs = [path for path in folder.glob("outputs/*/*") if path.is_dir()]
    assert len(runs) <= 1, runs
    return runs[0] if runs else None
