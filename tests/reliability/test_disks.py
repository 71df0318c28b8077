"""Disks that are full, small or gone, and folders that two processes want: with the system's own means."""

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganctl.store.files import read_json
from tests.conftest import TINY
from tests.reliability.checks import (
    Result,
    assert_ended_cleanly,
    assert_failure_is_recorded,
    assert_readable,
    the_run,
)  # fmt: skip
from tests.reliability.faults import WORDS, Point
from tests.reliability.processes import until

pytestmark = pytest.mark.slow


@contextmanager
def small_disk(folder: Path, size: str):
    """A file system of that size, in memory."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("free", [24, 90, 250, 600])
def test_a_full_disk_ends_the_run_with_status_failed_and_room_makes_it_go_on(faults, tmp_path, free):
    with small_disk(tmp_path / "disk", "2m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(2 * 2**20 - free * 1024))
        run = faults.run(["train", *WORDS], disk)
        assert_ended_cleanly(run.code, run.err)
        assert run.code in (1, 2) and "No space left on device" in run.err
        path = the_run(disk)
        assert_readable(path)
        if run.code == 1:
            assert_failure_is_recorded(path)
        ballast.unlink()
        if (path / "config.yaml").exists():
            again = faults.run(["train", "--resume", path], disk)
        else:
            shutil.rmtree(path)
            again = faults.run(["train", *WORDS], disk)
        assert again.code == 0, again.err
        Result(the_run(disk)).assert_same(faults.expected)


ENDLESS = [*TINY, "steps=1000000", "checkpoint_every=50", "sample_every=1000000", "log_every=10", "name=run"]


def begun(folder: Path):
    """Whether the run has its first checkpoint."""
    return lambda: bool(list(folder.glob("outputs/*/*/checkpoints/step-*")))


def test_a_run_on_a_disk_that_became_read_only_is_refused_in_one_line(faults, tmp_path):
    with small_disk(tmp_path / "disk", "8m") as disk:
        run = faults.server.start(["train", *ENDLESS], disk)
        assert until(begun(disk))
        run.kill()
        run.wait()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        refused = faults.run(["train", "--resume", the_run(disk)], disk)
        assert refused.code == 2 and "Read-only file system" in refused.err
        assert_ended_cleanly(refused.code, refused.err)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        step = int(sorted(the_run(disk).glob("checkpoints/step-*"))[-1].name[5:])
        assert faults.run(["train", "--resume", the_run(disk), f"steps={step + 10}"], disk).code == 0


def test_a_limit_to_the_size_of_files_ends_the_run_in_one_line(faults, tmp_path):
    run = faults.server.run(["train", *WORDS], tmp_path, limit=70_000)  # the reserve goes in, a checkpoint does not
    assert_ended_cleanly(run.code, run.err)
    assert run.code == 1 and "File too large" in run.err
    path = the_run(tmp_path)
    assert_readable(path)
    assert_failure_is_recorded(path)
    assert faults.run(["train", "--resume", path], tmp_path).code == 0
    Result(path).assert_same(faults.expected)


def pictures(folder: Path) -> Path:
    """A folder of a few small pictures."""
    from PIL import Image

    folder.mkdir()
    for number in range(60):
        Image.new("L", (8, 8), 4 * number).save(folder / f"{number}.png")
    return folder


def test_a_data_folder_that_vanishes_is_said_in_one_line_and_put_back_the_run_goes_on(faults, tmp_path):
    data = pictures(tmp_path / "data")
    words = [*TINY, "data=folder", f"data.root={data}", "data.image_size=8", "checkpoint_every=50", "sample_every=1000"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    assert faults.run(["train", *words, "steps=400", "name=run"], whole).code == 0
    run = faults.server.start(["train", *words, "steps=400", "name=run"], cut)
    assert until(begun(cut))
    data.rename(tmp_path / "elsewhere")
    run.wait()
    assert run.code == 0 or "Traceback" not in run.err  # the pictures may all be in memory by now
    path = the_run(cut)
    for newest in sorted(path.glob("checkpoints/step-*"))[1:]:
        shutil.rmtree(newest)
    refused = faults.run(["train", "--resume", path], cut)
    assert_ended_cleanly(refused.code, refused.err)
    assert refused.code == 2 and str(data) in refused.err
    (tmp_path / "elsewhere").rename(data)
    assert faults.run(["train", "--resume", path], cut).code == 0
    assert Result(path).rows == Result(the_run(whole)).rows


def test_two_processes_never_train_in_one_folder_and_a_kill_opens_the_lock(faults, tmp_path):
    first = faults.server.start(["train", *ENDLESS], tmp_path)
    assert until(begun(tmp_path))
    path = the_run(tmp_path)
    second = faults.run(["train", "--resume", path], tmp_path)
    assert_ended_cleanly(second.code, second.err)
    assert second.code == 2 and "another process is training this run" in second.err
    first.kill()
    assert first.wait() == -9
    step = int(sorted(path.glob("checkpoints/step-*"))[-1].name[5:])
    third = faults.run(["train", "--resume", path, f"steps={step + 10}"], tmp_path)
    assert third.code == 0, third.err
    with (path / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


COMPARISON = ["compare-losses", *TINY, "data=ring8", "steps=4", "sample_every=4", "seed=0", "jobs=2", "name=both"]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "nth"), [("eio", 40), ("enospc", 25)])
def test_a_comparison_whose_disk_fails_says_so_and_the_same_command_completes_it(faults, tmp_path, kind, nth):
    # The faults reach the processes of cells too, each of which counts its own calls.
    run = faults.run(COMPARISON, tmp_path, Point(kind, nth))
    assert faults.fault(tmp_path, Point(kind, nth)).struck()
    assert_ended_cleanly(run.code, run.err)
    (folder,) = tmp_path.glob("outputs/comparisons/*")
    for cell in folder.glob("cells/*/*"):
        assert_readable(cell)
    again = faults.run(COMPARISON, tmp_path)
    assert again.code == 0, again.err
    assert {read_json(file)["status"] for file in folder.glob("cells/*/*/run.json")} == {"completed"}
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.long
def test_a_full_shared_memory_is_no_obstacle(faults, tmp_path):
    if str(tmp_path).startswith("/dev/shm"):
        pytest.skip("the test's own folder is in /dev/shm")
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here")
    script = "mount -t tmpfs -o size=4k none /dev/shm && { cat /dev/zero > /dev/shm/full || true; }"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"/dev/shm cannot be made small here: {tried.stderr.strip()}")
    command = f"{script}; exec python -m ganctl {' '.join(COMPARISON)} >out 2>err"
    environment = {**os.environ, **faults.server.environment, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], cwd=tmp_path, env=environment, timeout=200)
    assert_ended_cleanly(done.returncode, (tmp_path / "err").read_text())
    assert done.returncode == 0, (tmp_path / "err").read_text()
