"""What one sees on terminals of 60, 80 and 120 columns, on a dumb one and in a pipe: what matters is always there."""

import re
import time
from contextlib import closing
from itertools import pairwise

import pytest

from ganctl.report.scores import print_scores
from ganctl.report.table import print_table
from ganctl.studies import planning
from ganctl.studies.progress import CellsDisplay, ProgressDisplay
from ganctl.terminal.live import Activity, Pace
from tests.conftest import TINY, ganctl
from tests.screens import ganctl_on_terminal, terminal

WIDTHS = [60, 80, 120]
SCALARS = "D loss 1.350  G loss 0.710  D(x) 0.61  D(G(z)) 0.31  images/s 12,345"
LONG = "nonsaturating_with_a_name_beyond_all_measure"


def whole(line, parts):
    """Whether a line ends in parts that are there whole."""
    return all(part in parts for part in line.removesuffix(" …").split("  ") if part)


def shown_run():
    with closing(ProgressDisplay(10_000, 0)) as display:
        display.show(1200, SCALARS)


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_run_shows_step_total_and_time_left_before_scalars(columns):
    with terminal(columns) as screen:
        shown_run()
    found = re.match(r"step  1,200/10,000  \d:\d\d:\d\d left(  [━╸─]{8,24})(.*)$", screen.lines[-1])
    assert found and "━" in found[1] and whole(found[2], SCALARS.split("  ")) and "D loss 1.350" in found[2]
    assert all(len(line) <= columns for line in screen.lines)
    assert ("G loss 0.710" in found[2]) == (columns > 60) and ("images/s 12,345" in found[2]) == (columns == 120)


@pytest.mark.parametrize("columns", WIDTHS)
def test_what_is_wrong_comes_before_bar_and_scalars(columns):
    with terminal(columns) as screen, closing(ProgressDisplay(10_000, 0)) as display:
        display.show(1200, f"vanishing_gradient  since step 1,000  {SCALARS}")
    assert re.match(r"step  1,200/10,000  \d:\d\d:\d\d left  ([━╸─]+  )?vanishing_gradient", screen.lines[-1])
    assert all(len(line) <= columns for line in screen.lines)


def test_on_a_tiny_screen_the_bar_goes_first():
    with terminal(38) as screen:
        shown_run()
    assert re.fullmatch(r"step  1,200/10,000  \d:\d\d:\d\d left", screen.lines[-1])


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_plain_lines_within_its_width(term, tmp_path):
    with terminal(60, term=term) as screen:
        shown_run()
        shown_cells(tmp_path, ["minimax", "nonsaturating"])
        print_table(compared({"minimax": "healthy", "nonsaturating": "vanishing_gradient"}))
        print_scores(EVALUATED, "a run")
    assert "\x1b" not in screen.raw and all(len(line) <= 60 for line in screen.lines)
    assert re.match(r"step 1,200/10,000  \d:\d\d:\d\d left  D loss 1.350", screen.lines[0])
    assert "0/4 cells done, 4 running" in screen.raw and "0.101" in screen.raw and "12.711 to 13.664" in screen.raw


def shown_cells(home, arms, seeds="0,1"):
    plan = planning.plan([f"loss={','.join(arms)}", f"seed={seeds}", "steps=5000", f"output_dir={home}", "name=shown"])
    with closing(CellsDisplay(plan.cells, dict.fromkeys(plan.arms, 5000))) as display:
        for cell in plan.cells:
            display.show(cell, 1200, SCALARS)
        time.sleep(0.3)  # a live screen is drawn four times a second


@pytest.mark.parametrize("columns", WIDTHS)
def test_all_cells_and_each_running_one_have_a_whole_line(columns, tmp_path):
    with terminal(columns) as screen:
        shown_cells(tmp_path, ["minimax", "nonsaturating"])
    first, *cells = screen.lines[-5:]
    assert re.match(r"0/4 cells done, 4 running, \d:\d\d:\d\d left  [━╸─]{8,24}$", first)
    for cell, title in zip(
        cells, ["minimax seed=0", "nonsaturating seed=0", "minimax seed=1", "nonsaturating seed=1"], strict=True
    ):
        found = re.match(rf"{title} +step 1,200/5,000  [━╸─]{{8,24}}(.*)$", cell)
        assert found and whole(found[1], SCALARS.split("  "))
    assert all(len(line) <= columns for line in screen.lines)


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_cell_of_a_long_name_keeps_both_ends_step_and_bar(columns, tmp_path, monkeypatch):
    monkeypatch.setattr("ganctl.studies.study.Cell.title", property(lambda cell: f"{LONG}_{cell.arm} seed={cell.seed}"))
    with terminal(columns) as screen:
        shown_cells(tmp_path, ["minimax", "hinge"])
    for line, end in zip(
        screen.lines[-4:], ["minimax seed=0", "hinge seed=0", "minimax seed=1", "hinge seed=1"], strict=True
    ):
        assert re.match(rf"nonsa\w*(…\w*)?{end[-9:]} +step 1,200/5,000  [━╸─]{{8,24}}", line), line
    assert all(len(line) <= columns for line in screen.lines)


def test_more_cells_than_the_screen_has_lines_are_counted(tmp_path):
    with terminal(80, rows=8) as screen:
        shown_cells(tmp_path, ["minimax", "nonsaturating", "hinge"], "0,1,2,3")
    assert screen.tallest <= 7 and screen.lines[-1] == "and 7 more" and "12 running" in screen.lines[-7]


def compared(verdicts, outcome="quality/sliced_wasserstein", **more):
    """A comparison of arms with two seeds each, whose outcomes are 0.100, 0.101, ..."""
    places = iter(range(100, 1000))
    others = {"loss/discriminator": 1.25, "loss/generator": 0.75, "score/real": 0.625, "score/fake": 0.375}
    arms = {
        arm: {
            "seeds": {
                str(seed): {
                    "status": "completed", "verdict": verdict, "broke_off": False,
                    "final": {**others, **more, outcome: next(places) / 1000},
                }
                for seed in (0, 1)
            }
        }
        for arm, verdict in verdicts.items()
    }  # fmt: skip
    sentences = ["A sentence that is longer than any of the screens that it is shown on, " * 3]
    return {
        "final": "mean over the logged steps within one epoch of the end; of measurements, where the cell is judged",
        "rules": {"outcome": outcome},
        "arms": arms,
        "published": {},
        "verdict": {"headline": "Cannot tell.", "would_tell": None, "sentences": sentences},
    }


ILL = {"minimax": "vanishing_gradient", "nonsaturating": "healthy", "relativistic_paired": "mode_collapse"}
TABLES = {
    "distance": (compared(ILL), "distance"),
    "fid infinity (evaluate)": (
        compared(ILL, "metric/fid_infinity", **{"metric/fid": 3.0, "metric/kid": 0.5, "metric/recall": 0.25}),
        "fid infinity (evaluate)",
    ),
    "coverage (evaluate)": (
        compared(ILL, "metric/coverage", **{f"metric/{name}": 0.5 for name in ("fid", "kid", "precision", "recall")}),
        "coverage (evaluate)",
    ),
}


@pytest.mark.parametrize("columns", [44, *WIDTHS])
@pytest.mark.parametrize("what", TABLES)
def test_what_decides_is_in_the_table_at_every_width(what, columns):
    comparison, heading = TABLES[what]
    with terminal(columns) as screen:
        print_table(comparison)
    text = "\n".join(screen.lines)
    assert all(f"0.{place}" in text for place in range(100, 106))
    assert all(re.search(rf"(?<![\w]){re.escape(word)}", text) for word in heading.split())
    words = {word for arm, ill in ILL.items() for word in (arm, f"({ill})" if ill != "healthy" else arm)}
    assert all(re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text) for word in words)
    assert all(len(line) <= columns for line in screen.lines)


def test_what_is_left_out_is_said():
    for columns in WIDTHS:
        with terminal(columns) as screen:
            print_table(compared(ILL))
        rest = " ".join(" ".join(screen.lines).partition("report.html also has: ")[2].split())
        shown = " ".join(line for line in screen.lines if "┃" in line or "│" in line)
        for heading, value in (("D(x)", "0.625"), ("D(G(z))", "0.375")):
            assert (value in shown) != (heading in rest), columns
    with terminal(120) as screen:
        print_table(compared(dict.fromkeys(ILL, "healthy")))
    assert "also has" not in screen.raw


@pytest.mark.parametrize("columns", [28, 36])
def test_rows_become_lines_where_the_table_has_no_room(columns):
    with terminal(columns) as screen:
        print_table(compared({LONG: "healthy", "hinge": "healthy"}))
    assert "hinge seed 0: 0.102" in screen.lines and all(len(line) <= columns for line in screen.lines)
    assert any(re.fullmatch(r"nons\w*…\w*sure seed 1: 0.101", line) for line in screen.lines)
    assert "arm: distance" in screen.lines


def test_a_pipe_gets_whole_lines_without_escape_codes(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    comparison = compared({f"{LONG} loss=nonsaturating": "vanishing_gradient", "hinge": "healthy"})
    print_table(comparison)
    print_scores(EVALUATED, "a run")
    shown_run()
    shown_cells(tmp_path, ["minimax", "nonsaturating"])
    text = capsys.readouterr().err
    lines = text.splitlines()
    assert "\x1b" not in text and comparison["verdict"]["sentences"][0] in lines
    assert f"Final values: {comparison['final']}" in lines
    assert sum(f"{LONG} loss=nonsaturating (vanishing_gradient)" in line for line in lines) == 2
    assert any(line.endswith(SCALARS) and line.startswith("step 1,200/10,000") for line in lines)


EVALUATED = {
    "metrics": {
        name: {"value": 13.1879, "low": 12.711, "high": 13.664, "floor": 6.5641}
        for name in ("fid", "fid_infinity", "classifier_accuracy", "reconstruction_error")
    },
    "classes": {"label_agreement": [0.5, 0.75], "class_fid": [1.5, 2.5], "diversity": [0.25, 0.125]},
    "protocol": {
        "features": {"name": "pixels", "dimensions": 784}, "weights": "averaged", "seed": 0, "split": "test",
        "num_fake": 300, "num_real": 2500,
    },
    "fingerprint": "030f621537b72fab",
}  # fmt: skip


@pytest.mark.parametrize("columns", [40, *WIDTHS])
def test_metric_value_and_interval_are_whole_at_every_width(columns):
    with terminal(columns) as screen:
        print_scores(EVALUATED, "outputs/2026-11-29/114307-nonsaturating-mnist5k, step 300")
    text = "\n".join(screen.lines)
    rows = [line for line in screen.lines if "12.711 to 13.664" in line]
    names = [re.search(r"[\w…]+", row)[0] for row in rows]
    assert columns < 60 or names == [*EVALUATED["metrics"]]
    assert names[1] == "fid_infinity" and names[2][:4] + names[2][-4:] == "clasracy"
    assert all("13.188" in row for row in rows) and "95 % interval" in text
    assert "label_agreement" in text and "0.750" in text
    # A title may hold a path, which the terminal breaks and no line break does.
    assert all(len(line) <= columns for line in screen.lines[1:])


@pytest.mark.parametrize("columns", [40, *WIDTHS])
def test_classes_have_their_names_at_every_width(columns):
    with terminal(columns) as screen:
        print_scores(EVALUATED | {"class_names": ["Ankle boot", "x[bold]\x1b[31m" + "long" * 30]}, "outputs/run")
    text = "\n".join(screen.lines)
    assert "Ankle boot" in text and "x[bold]" in text and "\x1b[31mlong" not in screen.raw
    assert all(len(line) <= columns for line in screen.lines)


@pytest.mark.parametrize("columns", WIDTHS)
def test_what_is_being_done_is_one_line_that_goes_away(columns):
    with terminal(columns) as screen, Activity() as activity:
        activity.tell("cell 3 of 12, 0:01:40 left  fid, 3 of 9  nonsaturating seed=0 with a name that is very long")
        time.sleep(0.6)
    drawn = [line for line in screen.lines if "fid, 3 of 9" in line]
    assert drawn and re.match(r"0:00:0\d  cell 3 of 12, 0:01:40 left  fid, 3 of 9", drawn[0])
    assert screen.tallest <= 2 and all(len(line) <= columns for line in screen.lines)
    assert screen.raw.rstrip("\r\n").endswith("\x1b[2K") or "\x1b[2K" in screen.raw.rpartition("fid, 3 of 9")[2]


def test_elsewhere_it_is_a_plain_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(Pace, "PAUSE", 0.5)
    with Activity() as activity:
        for place in range(20):
            activity.tell(f"generated images, {place} of 20")
            time.sleep(0.06)
        before = time.monotonic()
        activity.tell("fid, 1 of 2")
        time.sleep(1.2)
        assert time.monotonic() - before < 3
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 5 and all(re.match(r"0:00:0\d  \w", line) for line in lines)
    assert lines[-1].endswith("fid, 1 of 2") and sum("fid" in line for line in lines) == 1


def test_what_is_quick_is_not_worth_a_plain_line(capsys):
    with Activity() as activity:
        activity.tell("fid, 1 of 2")
        time.sleep(0.5)
    assert capsys.readouterr().err == ""
    assert Pace.PAUSE == 5.0


def test_plain_lines_become_rarer(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("ganctl.terminal.live.time.monotonic", lambda: now[0])
    monkeypatch.setattr("ganctl.terminal.live.print_plain", lambda parts: None)
    pace, printed = Pace(), []
    for second in range(3600):
        now[0] = float(second)
        if pace.due():
            pace.print(["a line"])
            printed.append(second)
    assert printed[:4] == [5, 10, 15, 20] and len(printed) < 60
    assert all(later - earlier >= 5 for earlier, later in pairwise(printed))


def test_a_list_in_a_pipe_has_a_line_a_choice(call, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    from ganctl.config.choices import choices

    assert len(call("list", "loss").stdout.splitlines()) == 1 + len(choices("loss"))


@pytest.mark.slow
@pytest.mark.parametrize("term", ["xterm", pytest.param("dumb", marks=pytest.mark.long)])
def test_a_real_run_on_a_terminal_of_60_columns(term, tmp_path):
    words = ["train", *TINY, "data=ring8", "steps=40"]
    code, screen = ganctl_on_terminal(*words, columns=60, cwd=tmp_path, term=term)
    assert code == 0, screen.raw
    assert any(re.match(r"step 40/40  \d:\d\d:\d\d left  ", line) for line in screen.lines)
    assert ("\x1b" in screen.raw) == (term == "xterm")
    assert all(len(line) <= 60 for line in screen.lines if line.startswith("step "))


@pytest.mark.slow
@pytest.mark.long
def test_a_real_run_in_a_pipe_has_no_escape_codes(tmp_path):
    done = ganctl("train", *TINY, "data=ring8", "steps=40", cwd=tmp_path, FORCE_COLOR="1", TERM="xterm")
    assert done.returncode == 0 and "\x1b" not in done.stderr
    assert any(re.match(r"step 40/40  \d:\d\d:\d\d left  D loss", line) for line in done.stderr.splitlines())
