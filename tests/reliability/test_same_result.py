"""The same seed gives the same numbers, however often a run is looked at and however many cells run at once."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from ganctl.commands.evaluate import evaluate_run
from ganctl.commands.sample import sample
from ganctl.evaluation.wanted import Wanted
from ganctl.terminal.live import Activity
from tests.conftest import TINY, TINY_BUDGET, assert_same_weights, resume_run, scalars, train

WATCHED = ["log_every=1", "sample_every=1", "probe_every=1", "checkpoint_every=2", "keep_checkpoints=9"]


@pytest.mark.slow
@pytest.mark.parametrize("data", ["mnist5k", "ring8"])
def test_a_run_that_is_watched_at_every_step_is_the_one_that_nobody_watched(folder, data):
    words = [*TINY, f"data={data}", "model.dropout=0.2", "steps=8"]
    plain = train([*words, "name=plain", "log_every=8", "sample_every=8", "checkpoint_every=8"])
    watched = train([*words, "name=watched", *WATCHED, "steps=4"])
    metrics, features = ("modes", "auto") if data == "ring8" else ("kid", "pixels")
    sample(watched, 4, None, 2, None, False, None, [])
    with Activity() as activity:
        evaluate_run(watched, Wanted([metrics], features, num=50), None, activity)
    resume_run(
        watched, ["steps=8", f"metrics={metrics}", f"features={features}", "evaluate_every=2", "evaluate_num=50"]
    )
    assert_same_weights(plain, watched)
    rows = {row["step"]: row for row in scalars(watched)}
    for row in scalars(plain):
        assert row.items() <= rows[row["step"]].items()


def numbers(comparison):
    """A row a cell without what the clock decides."""
    with (comparison / "comparison.csv").open() as file:
        rows = [*csv.DictReader(file)]
    timed = [name for name in rows[0] if name.startswith(("speed/", "seconds"))]
    return [{name: value for name, value in row.items() if name not in timed} for row in rows]


@pytest.mark.long
@pytest.mark.parametrize(("seeds", "many"), [("0", 2), ("0,1", 4)])
def test_a_report_has_the_same_numbers_with_any_number_of_jobs(tmp_path, call, unillustrated, seeds, many):
    words = ["compare-losses", "loss=minimax,hinge", "data=ring8", f"seed={seeds}", *TINY_BUDGET, "steps=12"]
    found = []
    for place, jobs in (("one", 1), ("many", many)):
        (tmp_path / place).mkdir()
        done = call(*words, f"jobs={jobs}", "name=study", cwd=tmp_path / place)
        assert done.returncode == 0, done.stderr
        study = tmp_path / place / "outputs" / "comparisons" / "study"
        found.append((numbers(study), json.loads((study / "comparison.json").read_text())["pairs"]))
    assert len(found[0][0]) == many and found[0] == found[1]
    cell = next(tmp_path.glob("many/outputs/comparisons/study/cells/hinge/seed-0"))
    done = call("train", "--verify", cell, cwd=tmp_path)
    assert done.returncode == 0 and "equal: " in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.4])
def test_a_comparison_that_is_stopped_while_its_cells_begin_calls_no_cell_failed(tmp_path, number, seconds):
    words = ["compare-losses", "loss=minimax,hinge", "data=ring8", "seed=0", *TINY_BUDGET, "steps=100000", "jobs=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ganctl", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("outputs/comparisons/*/cells/*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in err, err
    infos = [json.loads(file.read_text()) for file in tmp_path.glob("outputs/comparisons/*/cells/*/*/run.json")]
    assert {info["status"] for info in infos} <= {"interrupted"}
