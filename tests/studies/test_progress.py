"""What a person sees of the cells while they run."""

import re

import pytest

from ganctl.store.run import RunFolder
from ganctl.studies import planning
from ganctl.studies.progress import CellsDisplay
from ganctl.terminal.live import Pace


@pytest.fixture
def display(tmp_path, monkeypatch):
    """Four cells of 100 steps on a screen that is no terminal, and the time that passes."""
    plan = planning.plan(["steps=100", f"output_dir={tmp_path}", "name=shown", "seed=0,1"])
    clock = [1000.0]
    monkeypatch.setattr("ganctl.studies.progress.time.perf_counter", lambda: clock[0])
    monkeypatch.delenv("COLUMNS", raising=False)  # which a test runner may set
    return CellsDisplay(plan.cells, dict.fromkeys(plan.arms, 100)), plan.cells, clock


def lines(capsys):
    return capsys.readouterr().err.strip().splitlines()


def test_it_counts_cells_done_and_running_and_the_time_left(display, capsys):
    shown, cells, clock = display
    shown.show(cells[0], 10, "D loss 1.0")
    clock[0] += 20
    shown.show(cells[1], 30, "D loss 2.0")
    # 30 of 400 steps in 20 seconds since the first that was seen: 360 more take 240.
    assert lines(capsys)[-1] == (
        " 10%  0/4 cells done, 2 running, 0:04:00 left  |  nonsaturating seed=0 step 30  D loss 2.0"
    )
    RunFolder.create(cells[0].folder.path, "seed: 0\n").update(status="completed", seconds=65.0)
    shown.done(cells[0])
    assert lines(capsys) == ["minimax seed=0: completed after 0:01:05"]
    shown.show(cells[1], 90, "D loss 3.0")
    assert "1/4 cells done, 1 running" in lines(capsys)[-1]


def test_cells_at_their_last_step_are_finishing_and_no_time_is_left_to_tell(display, capsys):
    shown, cells, clock = display
    for cell in cells:
        shown.show(cell, 50, "")
    clock[0] += 20
    shown.show(cells[0], 100, "D loss 1.0")
    assert "0/4 cells done, 3 running, 1 finishing, 0:00:15 left" in lines(capsys)[-1]
    for cell in cells[1:]:
        shown.show(cell, 100, "D loss 1.0")
    told = lines(capsys)
    assert told[-1].startswith("100%  0/4 cells done, 4 finishing  |  ") and "0:00:00" not in " ".join(told)


def test_the_steps_that_a_failed_cell_did_not_do_are_not_waited_for(display, capsys):
    shown, cells, clock = display
    shown.show(cells[0], 50, "")
    clock[0] += 10
    shown.done(cells[0])
    for cell in cells[1:]:
        shown.show(cell, 100, "")
    assert lines(capsys)[-1].startswith("100%  1/4 cells done, 3 finishing  |  ")


def test_a_bar_that_is_full_says_what_is_still_done(display):
    shown, cells, _ = display
    for cell in cells:
        shown.show(cell, 100, "")
    assert str(shown._lines(60, 20)[0]).startswith("0/4 cells done, 4 finishing")
    for cell in cells:
        shown.done(cell)
    assert str(shown._lines(60, 20)[0]).startswith("4/4 cells done  ")


def test_how_a_cell_ended_says_what_was_found_and_why_it_failed(display, capsys):
    shown, cells, _ = display
    folder = RunFolder.create(cells[0].folder.path, "seed: 0\n")
    finding = {"verdict": "vanishing_gradient", "since": 1200, "because": "so"}
    folder.update(status="completed", seconds=1, findings=[finding])
    shown.done(cells[0])
    RunFolder.create(cells[1].folder.path, "seed: 0\n").update(status="failed", seconds=2, error="its disk is full")
    shown.done(cells[1])
    assert lines(capsys) == [
        "minimax seed=0: completed after 0:00:01, vanishing_gradient since step 1,200",
        "nonsaturating seed=0: failed after 0:00:02 (its disk is full)",
    ]


def test_a_resumed_cell_counts_from_its_checkpoint(display, capsys):
    shown, cells, clock = display
    (cells[2].folder.checkpoints_dir / "step-00000060").mkdir(parents=True)
    again = CellsDisplay(cells, dict.fromkeys(shown.steps, 100))
    again.show(cells[2], 70, "")
    clock[0] += 5
    again.show(cells[2], 100, "")
    assert re.match(r" 25%  0/4 cells done, 1 finishing, 0:00:50 left", lines(capsys)[-1])


def test_what_is_measured_meanwhile_takes_no_line_of_the_steps(display, capsys, monkeypatch):
    shown, cells, _ = display
    moment = [0.0]
    monkeypatch.setattr("ganctl.terminal.live.time.monotonic", lambda: moment[0])
    shown.pace = Pace()
    shown.show(cells[0], 40, "D loss 1.0")
    moment[0] = 4.0
    shown.show(cells[0], None, "kid, 1 of 2")  # too soon after the line before it
    shown.show(cells[1], None, "kid, 1 of 2")  # of which nothing is known yet
    moment[0] = 6.0
    shown.show(cells[0], None, "recall, 2 of 2")
    shown.show(cells[0], 80, "D loss 2.0")
    found = [line.partition("|  ")[2] for line in lines(capsys)]
    assert found == [
        "minimax seed=0 step 40  D loss 1.0",
        "minimax seed=0 step 40  recall, 2 of 2",
        "minimax seed=0 step 80  D loss 2.0",
    ]
