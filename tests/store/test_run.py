"""The run folder: atomic files, rows that survive a kill, the latest run."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ganctl.errors import BadInput
from ganctl.store.files import write_atomically
from ganctl.store.run import RunFolder
from ganctl.store.runs import find, latest, new_path
from tests.conftest import TINY


def made(path, **info):
    return RunFolder.create(path, "seed: 0\n", **info)


def test_an_atomic_write_leaves_the_old_file_where_it_fails(tmp_path, monkeypatch):
    file = tmp_path / "run.json"
    write_atomically(file, "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, "new")
    assert file.read_text() == "old"


def test_info_changes_key_by_key(tmp_path):
    folder = made(tmp_path / "a", seed=3)
    folder.update(status="completed")
    info = json.loads((tmp_path / "a" / "run.json").read_text())
    assert (info["seed"], info["status"], info["verdict"]) == (3, "completed", None)


def test_a_row_that_a_kill_cut_off_is_dropped_and_later_rows_are_cut(tmp_path):
    folder = made(tmp_path / "a")
    folder.scalars_file.write_text('{"step": 1}\n{"step": 2}\n{"step": 4}\n{"ste')
    assert [row["step"] for row in folder.scalars()] == [1, 2, 4]
    folder.cut_scalars(2)
    assert folder.scalars_file.read_text() == '{"step": 1}\n{"step": 2}\n'


@pytest.mark.parametrize("line", ["x", "5", "{}", '{"step": "x"}', "\x00"])
def test_a_damaged_row_in_the_middle_is_refused(tmp_path, line):
    folder = made(tmp_path / "a")
    folder.scalars_file.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(BadInput, match="line 2 is no row of scalars"):
        folder.scalars()


def test_the_latest_run_is_the_one_started_last_cells_included(tmp_path):
    runs = [
        tmp_path / "2026-01-02" / "a",
        tmp_path / "2026-01-01" / "b",
        tmp_path / "comparisons/c/cells/minimax/seed-0",
    ]
    for path, started in zip(runs, ("2026-01-02T10", "2026-01-01T10", "2026-01-03T10"), strict=True):
        made(path).update(started=started)
    assert latest(tmp_path).path == runs[2]
    (runs[2] / "config.yaml").unlink()
    assert latest(tmp_path).path == runs[0]


def test_the_latest_run_is_the_one_of_the_latest_instant_whatever_its_zone(tmp_path):
    # Begun in Tokyo, in Berlin an hour later, in New York another hour later, and one whose time nobody can read.
    times = ("2026-03-01T18:00:00+09:00", "2026-03-01T11:00:00+01:00", "2026-03-01T06:00:00-05:00", "yesterday", None)
    for name, started in zip("abcde", times, strict=True):
        made(tmp_path / "2026-03-01" / name).update(started=started)
    assert latest(tmp_path).path.name == "c"
    (tmp_path / "2026-03-01" / "c" / "config.yaml").unlink()
    assert latest(tmp_path).path.name == "b"


def test_runs_that_begin_at_once_have_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: new_path(tmp_path, "x"), range(40)))
    assert len(set(paths)) == 40 and all(path.is_dir() for path in paths)


def test_a_new_path_is_never_one_that_exists(tmp_path):
    first = new_path(tmp_path, "x")
    assert new_path(tmp_path, "x") != first


def test_what_is_no_run_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadInput):
            find(path)
    with pytest.raises(BadInput, match="no run in"):
        latest(tmp_path)


@pytest.mark.parametrize("name", [".reserve", ".lock"])
def test_what_is_in_the_way_of_a_run_is_named(tmp_path, call, name):
    made = call("train", *TINY, "steps=2", cwd=tmp_path)
    run = Path(made.stdout.splitlines()[-1])
    (tmp_path / run / name).unlink(missing_ok=True)
    (tmp_path / run / name).mkdir()
    done = call("train", "--resume", run, "steps=3", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{run / name} cannot be written (Is a directory); mend that" in done.stderr.splitlines()[-1]
