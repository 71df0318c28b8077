"""Whatever call fails: the run ends in one line, its folder stays readable, and it goes on as if nothing had been."""

import fcntl
import os
import shutil
import subprocess
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganctl.files import read_json
from tests.conftest import TINY
from tests.reliability.checks import (
    Result,
    assert_ended_cleanly,
    assert_failure_is_recorded,
    assert_readable,
    the_run,
)  # fmt: skip
from tests.reliability.faults import CONCERNS, LOOKS, WORDS, Faults, NoCompiler, Point, compiled, spread
from tests.reliability.processes import served, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """The undisturbed runs, in processes with the failing file layer."""
    scratch = tmp_path_factory.mktemp("faults")
    try:
        library = compiled(scratch)
    except NoCompiler as error:
        pytest.skip(str(error))
    with served(scratch, library) as server:
        yield Faults(server, scratch)


@pytest.mark.parametrize("kind", CONCERNS)
def test_a_fault_of_each_kind_leaves_a_readable_run_that_goes_on_bit_for_bit(faults, kind):
    chosen = spread([point for point in faults.of_a_run() if point.kind == kind], 2)
    assert all(faults.disturb_a_run(point) for point in chosen)


def test_a_run_that_fails_while_it_goes_on_goes_on_once_more(faults):
    endings = Counter(faults.disturb_a_continuation(point) for point in spread(faults.of_its_continuation(), 7))
    assert endings["failed, resumed"] and endings["killed, resumed"]


@pytest.mark.parametrize("name", LOOKS)
def test_who_looks_at_a_run_while_the_disk_fails_does_it_no_harm(faults, name):
    words, outputs = LOOKS[name]
    for point in spread(faults.of_a_look(words), 4):
        faults.disturb_a_look(words, outputs, point)


def test_a_run_that_fails_in_the_step_of_its_first_checkpoint_begins_again(faults):
    # Of the reading "its step is that of a checkpoint, so it must have had one".
    calls = faults.counted(["train", *WORDS], faults.fresh())
    written = [path for call, path in calls if call in CONCERNS["eio"]]
    first = next(index for index, path in enumerate(written, 1) if ".step-00000002.tmp" in path)
    assert faults.disturb_a_run(Point("eio", first)) == "failed, resumed"


def test_a_kill_between_a_checkpoint_and_its_mention_forgets_no_best_step(faults):
    calls = [f"{call} {path.rpartition('/')[2]}" for call, path in faults.counted(["train", *WORDS], faults.fresh())]
    renamed = calls.index("rename .step-00000005.tmp") + 1
    assert faults.disturb_a_run(Point("kill", renamed + 1)) == "killed, resumed"


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


def test_a_disk_that_becomes_read_only_ends_the_run_in_one_line(faults, tmp_path):
    with small_disk(tmp_path / "disk", "8m") as disk:
        run = faults.server.start(["train", *ENDLESS], disk)
        assert until(begun(disk))
        # A file system with files that are open for writing refuses, so it is tried at the moment between two.
        changed = until(lambda: not subprocess.call(["mount", "-o", "remount,ro", disk], stderr=subprocess.DEVNULL), 5)
        if not changed:
            run.kill()
            run.wait()
            pytest.skip("a file system in use cannot be made read-only here")
        run.wait()
        assert run.code == 1 and "Read-only file system" in run.err
        assert_ended_cleanly(run.code, run.err)
        assert_readable(the_run(disk))
        refused = faults.run(["train", "--resume", the_run(disk)], disk)
        assert refused.code == 2 and "Read-only file system" in refused.err
        assert_ended_cleanly(refused.code, refused.err)


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


@pytest.mark.parametrize(("kind", "nth"), [("eio", 40), ("enospc", 60)])
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


def test_a_full_shared_memory_is_no_obstacle(faults, tmp_path):
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
