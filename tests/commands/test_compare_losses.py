"""`ganctl compare-losses`: paired cells, whatever happens to one of them; a report of what they show."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganctl.studies import cells, planning
from tests.conftest import TINY, assert_same_weights, called, ganctl, scalars

WORDS = [*TINY, "seed=0,1", "steps=6", "name=tiny"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A finished tiny comparison: its folder and what the command printed."""
    folder = tmp_path_factory.mktemp("compared")
    done = called("compare-losses", *WORDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip().splitlines()[-1], done


def cell(path, arm, seed):
    return path / "cells" / arm / f"seed-{seed}"


@pytest.mark.slow
def test_cells_of_one_seed_share_initial_weights_data_and_noise(compared):
    path, _ = compared
    for seed in (0, 1):
        first = [scalars(cell(path, arm, seed))[0] for arm in ("minimax", "nonsaturating")]
        for tag in (
            "loss/discriminator",
            "grad_norm/discriminator",
            "yardstick/minus_log_d_fake",
            "score/real",
        ):
            assert first[0][tag] == first[1][tag], tag
        assert first[0]["loss/generator"] != first[1]["loss/generator"]
    assert (
        scalars(cell(path, "minimax", 0))[0]["loss/discriminator"]
        != scalars(cell(path, "minimax", 1))[0]["loss/discriminator"]
    )


@pytest.mark.slow
def test_the_folder_holds_everything(compared):
    path, done = compared
    comparison = json.loads((path / "comparison.json").read_text())
    assert list(comparison["arms"]) == ["minimax", "nonsaturating"]
    for arm, values in comparison["arms"].items():
        assert values["overrides"] == [f"loss={arm}"] and list(values["seeds"]) == ["0", "1"]
        for seed, entry in values["seeds"].items():
            assert (entry["status"], entry["steps"], entry["error"]) == ("completed", 6, None)
            rows = scalars(path / entry["folder"])
            expected = sum(row["score/fake"] for row in rows) / len(rows)  # six steps are less than an epoch: all rows
            assert entry["final"]["score/fake"] == pytest.approx(expected)
            assert entry["folder"] == f"cells/{arm}/seed-{seed}"
    (pair,) = comparison["pairs"]
    finals = [comparison["arms"][arm]["seeds"]["1"]["final"]["score/real"] for arm in ("minimax", "nonsaturating")]
    assert pair["second_minus_first"]["score/real"]["1"] == pytest.approx(finals[1] - finals[0])
    rows = list(csv.DictReader((path / "comparison.csv").read_text().splitlines()))
    assert [(row["arm"], row["seed"], row["status"]) for row in rows] == [
        (arm, seed, "completed") for arm in ("minimax", "nonsaturating") for seed in ("0", "1")
    ]
    assert float(rows[0]["loss/generator"]) == comparison["arms"]["minimax"]["seeds"]["0"]["final"]["loss/generator"]
    assert "nonsaturating" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_report_carries_its_pictures_and_nothing_from_outside(compared):
    path, _ = compared
    page = (path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list((path / "figures").glob("*.png"))) == 11
    assert 'src="http' not in page and page.count("href=") == 1 and 'href="data:,"' in page and "<script" not in page


@pytest.fixture
def copied(compared, tmp_path):
    """The finished comparison once more, to work on."""
    return shutil.copytree(compared[0], tmp_path / "outputs" / "comparisons" / "tiny")


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_the_same_command_again_trains_nothing(copied, call):
    path = copied
    before = {file: file.stat().st_mtime_ns for file in path.glob("cells/*/*/**/*")}
    again = call("compare-losses", *WORDS, cwd=path.parents[2])
    assert again.returncode == 0 and "4 of 4 cells are finished already" in again.stderr
    assert before == {file: file.stat().st_mtime_ns for file in path.glob("cells/*/*/**/*")}


@pytest.mark.slow
def test_another_study_under_the_name_is_refused(compared, call):
    path, _ = compared
    other = call("compare-losses", *WORDS[:-2], "steps=7", "name=tiny", cwd=path.parents[2])
    assert other.returncode == 2
    assert other.stderr.strip().endswith("(steps is 6 there and 7 here); choose another name=")


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_a_cell_is_the_same_whatever_runs_beside_it(compared, tmp_path, call):
    path, _ = compared
    alone = call("compare-losses", *WORDS, "seed=1", "jobs=1", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    for arm in ("minimax", "nonsaturating"):
        assert_same_weights(cell(path, arm, 1), cell(tmp_path / alone.stdout.strip(), arm, 1))


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_more_seeds_join_a_comparison_and_a_failed_cell_does_not_end_it(tmp_path, call):
    words = [*TINY, "steps=6", "name=joined", "optim.lr=0.001,1e30"]
    first = call("compare-losses", *words, "seed=0", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "optim.lr=1e+30 seed=0: failed after" in first.stderr and "diverged since step" in first.stderr
    path = tmp_path / first.stdout.strip()
    assert call("compare-losses", *words, "seed=2", cwd=tmp_path).returncode == 0
    arms = json.loads((path / "comparison.json").read_text())["arms"]
    assert {
        arm: {seed: entry["status"] for seed, entry in values["seeds"].items()} for arm, values in arms.items()
    } == {
        "optim.lr=0.001": {"0": "completed", "2": "completed"},
        "optim.lr=1e+30": {"0": "failed", "2": "failed"},
    }
    assert "is nan" in (path / "report.html").read_text() or "is inf" in (path / "report.html").read_text()


def start(folder, *words):
    command = [sys.executable, "-m", "ganctl", "compare-losses", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_a_killed_cell_is_recorded_and_taken_up_again(tmp_path, call):
    words = [
        *TINY,
        "steps=150",
        "sample_every=150",
        "checkpoint_every=10",
        "name=killed",
        "seed=0",
        "jobs=1",
    ]
    process = start(tmp_path, *words)
    path = tmp_path / "outputs" / "comparisons" / "killed"
    killed = cell(path, "minimax", 0)
    while not list(killed.glob("checkpoints/step-*/checkpoint.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    pid = int(
        subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "forkserver"], capture_output=True, text=True
        ).stdout.split()[0]
    )
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 1, err
    assert "minimax seed=0: failed after" in err and "its process ended with code" in err
    headline = "No verdict yet: 1 of 2 cells has an outcome; the same command tries the other again (minimax seed 0"
    assert headline in " ".join(err.split())
    assert err.splitlines()[-1].startswith(
        "ganctl: failed: 1 of 2 cells broke off, so there is no verdict yet: minimax"
    )
    assert err.splitlines()[-1].endswith("; the same command tries it again") and (path / "report.html").is_file()
    again = call("compare-losses", *words, cwd=tmp_path)
    assert again.returncode == 0 and "1 of 2 cells are finished already" in again.stderr
    info = json.loads((killed / "run.json").read_text())
    assert (info["status"], info["step"]) == ("completed", 150)
    assert "Cannot tell with 1 seed" in again.stderr


def test_a_cell_that_was_killed_before_it_had_a_folder_is_recorded(tmp_path):
    config = planning.plan([*WORDS, f"output_dir={tmp_path}"]).cells[0]
    process = SimpleNamespace(join=lambda: None, exitcode=-9)
    cells._finish(cells._Worker(config, process, SimpleNamespace(close=lambda: None)))
    info = config.folder.info()
    assert info["status"] == "failed" and "code -9" in info["error"] and not config.settled


@pytest.mark.slow
def test_ctrl_c_saves_every_cell_and_the_same_command_goes_on(tmp_path):
    words = [*TINY, "steps=100000", "sample_every=100000", "name=stopped", "seed=0"]
    process = start(tmp_path, *words)
    path = tmp_path / "outputs" / "comparisons" / "stopped"
    runs = [cell(path, arm, 0) for arm in ("minimax", "nonsaturating")]
    while not all((run / "scalars.jsonl").exists() and scalars(run) for run in runs):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on" in err and "Traceback" not in err
    for run in runs:
        info = json.loads((run / "run.json").read_text())
        assert info["status"] == "interrupted"
        assert (run / "checkpoints" / f"step-{info['step']:08d}").is_dir()


@pytest.mark.slow
def test_a_ctrl_c_on_the_terminal_while_the_server_of_the_cells_begins_is_one_line(tmp_path):
    # A terminal sends it to every process of the group. A shell's background ignores it, which these tests may be in.
    code = """
import signal, sys
from ganctl.start import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["ganctl", "compare-losses", "data=ring8", "seed=0", "steps=2000"]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "forkserver"], stdout=subprocess.DEVNULL
        ).returncode:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(1)  # it imports torch now
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:  # one whose interrupt was swallowed by an import must not train beside the other tests
        process.kill()
    assert (process.returncode, err) == (130, "ganctl: interrupted\n")


def settled(path):
    """comparison.json without what the clock says."""

    def timeless(value):
        if isinstance(value, dict):
            clock = ("created", "seconds", "speed/images_per_second")
            return {key: timeless(inner) for key, inner in value.items() if key not in clock}
        if isinstance(value, list):  # of the sentences, all but the one about the cost
            return [timeless(inner) for inner in value if not str(inner).startswith("It cost")]
        return value

    return timeless(json.loads((path / "comparison.json").read_text()))


@pytest.mark.long
def test_a_study_killed_three_times_ends_as_one_left_alone(tmp_path):
    words = [
        *TINY, "loss=minimax,minimax_swapped,nonsaturating", "seed=0,1", "steps=600", "log_every=10",
        "sample_every=100", "checkpoint_every=50", "name=study",
    ]  # fmt: skip
    (tmp_path / "alone").mkdir()
    (tmp_path / "killed").mkdir()
    alone = ganctl("compare-losses", *words, cwd=tmp_path / "alone", timeout=600)
    assert alone.returncode == 0, alone.stderr
    path = tmp_path / "killed" / "outputs" / "comparisons" / "study"
    for share in (0.1, 0.55, 0.8):  # at the first none of the cells is done, at the last some are
        process = start(tmp_path / "killed", *words)
        # Two checkpoints of each cell stay, so 12 are there at the end.
        while len(list(path.glob("cells/*/*/checkpoints/step-*/checkpoint.json"))) < share * 12:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.kill()
        process.communicate()
        time.sleep(1)  # its cells notice that it is gone, save and stop
    done = ganctl("compare-losses", *words, cwd=tmp_path / "killed", timeout=600)
    assert done.returncode == 0 and "cells are finished already" in done.stderr, done.stderr
    first, second = settled(tmp_path / "alone" / "outputs" / "comparisons" / "study"), settled(path)
    assert first == second
    entries = [seed for arm in first["arms"].values() for seed in arm["seeds"].values()]
    assert len(entries) == 6 and all(entry["verdict"] for entry in entries)


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_arms_and_seeds_join_a_study_that_is_there(tmp_path, call):
    words = [*TINY, "steps=6", "name=grown"]
    first = call("compare-losses", *words, "loss=minimax,nonsaturating", "seed=0", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    path = tmp_path / first.stdout.strip()
    before = {file: file.stat().st_mtime_ns for file in path.glob("cells/*/*/checkpoints/*/*")}
    more = call("compare-losses", *words, "loss=nonsaturating,hinge", "seed=0,1", cwd=tmp_path)
    assert more.returncode == 0 and "1 of 4 cells are finished already" in more.stderr, more.stderr
    assert "the baseline stays minimax" in more.stderr and "baseline stays" not in first.stderr
    comparison = json.loads((path / "comparison.json").read_text())
    assert {arm: list(values["seeds"]) for arm, values in comparison["arms"].items()} == {
        "minimax": ["0"], "nonsaturating": ["0", "1"], "hinge": ["0", "1"],
    }  # fmt: skip
    assert comparison["baseline"] == "minimax" and list(comparison["definition"]) == list(comparison["arms"])
    assert before == {file: file.stat().st_mtime_ns for file in before}
    assert len(comparison["commands"]) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_tuning_tries_every_arm_alike_and_says_what_it_chose(tmp_path, call):
    grid = 'tune=["optim.lr=0.001,1e30"]'
    words = [*TINY, "steps=6", "name=tuned", grid, "loss=minimax,nonsaturating", "seed=0"]
    done = call("compare-losses", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / done.stdout.strip()
    arms = json.loads((path / "comparison.json").read_text())["arms"]
    for arm, values in arms.items():
        assert values["tuning"]["chosen"] == "optim.lr=0.001"  # the other point's numbers break down: last
        assert values["tuning"]["trials"]["optim.lr=1e+30"] == [None]
        assert values["tuning"]["trials"]["optim.lr=0.001"][0] > 0
        assert values["overrides"] == [f"loss={arm}", "optim.lr=0.001"]
        assert "lr: 0.001" in (cell(path, arm, 0) / "config.yaml").read_text()
    page = (path / "report.html").read_text()
    assert "Every arm was tuned first" in page and "<td>optim.lr=1e+30</td><td>failed</td>" in page
    again = call("compare-losses", *words, cwd=tmp_path)
    assert again.returncode == 0 and "2 of 2 cells are finished already" in again.stderr
    assert "tuning:" not in again.stderr  # no trial runs twice


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_threads_are_the_studys_whatever_jobs_and_the_machine(tmp_path, call, monkeypatch):
    # Sums that a second thread would take in another order: with TINY's networks nothing is large enough to share.
    words = ["model=mlp", "data=ring8", "batch_size=2000", "steps=3", "log_every=1", "name=shared"]
    studies = [tmp_path / place / "outputs" / "comparisons" / "shared" for place in ("one", "two")]
    for jobs, cores, path in ((1, 2, studies[0]), (2, 7, studies[1])):
        path.parents[2].mkdir()
        monkeypatch.setattr("ganctl.commands.compare_losses.available_cores", lambda cores=cores: cores)
        done = call("compare-losses", *words, "seed=0", f"jobs={jobs}", cwd=path.parents[2])
        assert done.returncode == 0, done.stderr
        assert json.loads((path / "comparison.json").read_text())["threads"] == 1
    for arm in ("minimax", "nonsaturating"):
        assert [json.loads((cell(path, arm, 0) / "run.json").read_text())["threads"] for path in studies] == [1, 1]
        assert scalars(cell(studies[0], arm, 0)) == scalars(cell(studies[1], arm, 0))
        assert_same_weights(cell(studies[0], arm, 0), cell(studies[1], arm, 0))
    reports = [settled(path) for path in studies]
    assert all(reports[0][part] == reports[1][part] for part in ("arms", "pairs"))
    # One that began with another number, as studies did that were begun before, keeps it.
    file = studies[0] / "comparison.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "threads": 2}))
    assert call("compare-losses", *words, "seed=1", "jobs=2", cwd=studies[0].parents[2]).returncode == 0
    assert json.loads((cell(studies[0], "minimax", 1) / "run.json").read_text())["threads"] == 2
    other = call("compare-losses", *words, "seed=1", "threads=1", cwd=studies[0].parents[2])
    assert other.returncode == 2 and "(threads is 2 there and 1 here); choose another name=" in other.stderr
    same = call("compare-losses", *words, "seed=1", "threads=2", cwd=studies[0].parents[2])
    assert same.returncode == 0 and "2 of 2 cells are finished already" in same.stderr


@pytest.mark.slow
def test_damaged_files_of_one_cell_do_not_take_the_report_from_the_others(copied, tmp_path, call, request):
    path = copied
    (cell(path, "minimax", 0) / "scalars.jsonl").write_text('{"step": 1}\ngarbage\n{"step": 3}\n')
    (cell(path, "minimax", 1) / "samples" / "step-best.png").write_bytes(b"no grid")
    done = call("compare-losses", *WORDS, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "No verdict yet: 3 of 4 cells have an outcome" in done.stderr
    comparison = json.loads((path / "comparison.json").read_text())
    entry = comparison["arms"]["minimax"]["seeds"]["0"]
    assert entry["status"] == "failed" and "line 2 is no row of scalars" in entry["error"]
    assert f"remove {Path(*path.parts[-3:])}/cells/minimax/seed-0, and the same command trains" in entry["error"]
    assert comparison["arms"]["minimax"]["summary"]["unhealthy"] == 0
    shutil.rmtree(cell(path, "minimax", 0))
    request.getfixturevalue("unillustrated")
    again = call("compare-losses", *WORDS, cwd=tmp_path)
    assert again.returncode == 0 and "Cannot tell with 2 seeds" in again.stderr


@pytest.mark.parametrize("content", ['{"arms": nul', "[]", '{"arms": null}', '{"arms": {"a": {}}, "definition": {}}'])
def test_a_comparison_that_cannot_be_read_is_refused_with_the_way_out(content, call, tmp_path):
    path = tmp_path / "outputs" / "comparisons" / "tiny"
    path.mkdir(parents=True)
    (path / "comparison.json").write_text(content)
    done = call("compare-losses", *WORDS, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert "cannot be read as a comparison; remove it, and the same command takes up the cells" in done.stderr


@pytest.mark.long
def test_a_loss_that_exits_costs_only_its_own_cells(tmp_path):
    (tmp_path / "exits.py").write_text(
        "import sys\nfrom ganctl.losses import LOSSES, AdversarialLoss\n"
        "def bad(real, fake):\n    sys.exit(3)\n"
        "LOSSES['exits'] = AdversarialLoss(bad, bad, 'mine')\n"
    )
    words = [*TINY, "steps=6", "plugins=[exits]", "loss=minimax,exits", "seed=0", "name=exits"]
    done = ganctl("compare-losses", *words, cwd=tmp_path)
    assert done.returncode == 1 and "exits seed=0: SystemExit: 3; the same command" in done.stderr, done.stderr
    path = tmp_path / "outputs" / "comparisons" / "exits"
    arms = json.loads((path / "comparison.json").read_text())["arms"]
    assert {arm: values["seeds"]["0"]["status"] for arm, values in arms.items()} == {
        "minimax": "completed", "exits": "failed",
    }  # fmt: skip
    assert arms["exits"]["cost"]["flops_per_step"] is None


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(call, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("ganctl.commands.compare_losses._prepared", lambda *_: pytest.fail("prepared"))
    done = call("compare-losses", *WORDS, "output_dir=file", cwd=tmp_path)
    assert done.returncode == 2 and "file cannot be written (Not a directory)" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and [*tmp_path.iterdir()] == [tmp_path / "file"]
