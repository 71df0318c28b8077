"""A comparison that is killed, or one of its cells: the same command completes it, bit for bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ganctl.store.files import read_json
from tests.conftest import TINY, ganctl
from tests.reliability.checks import Result, assert_readable
from tests.reliability.processes import descendants, until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a cell's process is found in Linux's /proc"),
]


STUDY = ["compare-losses", *TINY, "data=ring8", "steps=60", "seed=0", "jobs=2", "name=both"]


def cells(folder: Path) -> list[Path]:
    return sorted(folder.glob("outputs/comparisons/*/cells/*/*"))


def begin(folder: Path) -> subprocess.Popen:
    """The comparison, once every cell has a checkpoint."""
    with (folder / "err").open("w") as err:
        process = subprocess.Popen([sys.executable, "-m", "ganctl", *STUDY], cwd=folder, stderr=err, stdout=err)
    saved = "outputs/comparisons/*/cells/*/*/checkpoints/step-*"
    assert until(lambda: len({path.parent for path in folder.glob(saved)}) == 2 or process.poll() is not None, 90)
    assert process.poll() is None, (folder / "err").read_text()
    return process


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The cells of a comparison that nobody killed."""
    folder = tmp_path_factory.mktemp("study")
    done = ganctl(*STUDY, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [Result(cell) for cell in cells(folder)]


@pytest.mark.parametrize("who", ["the command", "a cell"])
def test_a_killed_comparison_goes_on_with_the_same_command(tmp_path, study, who):
    process = begin(tmp_path)
    trainers = [pid for pid in descendants(process.pid) if holds_a_log(pid)]
    assert len(trainers) == 2
    if who == "a cell":
        os.kill(trainers[0], signal.SIGKILL)
        assert process.wait(timeout=120) == 1  # the other one completed, so there is a report, without a verdict
        statuses = sorted(read_json(cell / "run.json")["status"] for cell in cells(tmp_path))
        assert statuses == ["completed", "failed"]
        assert "code -9" in " ".join(str(read_json(cell / "run.json")["error"]) for cell in cells(tmp_path))
    else:
        process.kill()
        process.wait()
    for cell in cells(tmp_path):
        assert_readable(cell)
    done = ganctl(*STUDY, cwd=tmp_path)  # which waits for cells that still save and stop
    assert done.returncode == 0, done.stderr
    for cell, expected in zip(cells(tmp_path), study, strict=True):
        Result(cell).assert_same(expected)


def holds_a_log(pid: int) -> bool:
    """Whether the process is a cell's: its output goes to a log.txt."""
    try:
        return Path(f"/proc/{pid}/fd/1").readlink().name == "log.txt"
    except OSError:
        return False
