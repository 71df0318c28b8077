"""A run in stages, in which a player sits one out: its rows are those of one run."""

import json

import pytest

from ganctl.report.collect import read_cell
from ganctl.store.run import RunFolder

RULES = {"outcome": "quality/sliced_wasserstein", "checkpoint": "last"}


def cell(folder, stages):
    """A run of four rows, in whose second half only the generator moves."""
    both = {"loss/discriminator": 1.0, "grad_norm/discriminator": 1.0, "score/real": 0.5}
    rows = [
        {"step": step, "epoch": step / 100, "loss/generator": 1.0, **(both if step < 25 else {})}
        for step in range(10, 50, 10)
    ]
    rows[-1]["quality/sliced_wasserstein"] = 0.1
    (folder / "scalars.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.json").write_text(json.dumps({"status": "completed", "stages": stages}))
    return read_cell("arm", 0, RunFolder(folder), RULES)


@pytest.mark.parametrize("stages", [[["game", 1], ["without D", 21]], [["game", 1], ["without D", 11]]])
def test_a_player_that_sits_out_a_stage_breaks_no_cell(tmp_path, stages):
    found = cell(tmp_path, stages)
    expected = "completed" if stages[1][1] == 21 else "failed"  # the control: its rows change within a stage
    assert found.status == expected
    if expected == "completed":
        assert found.outcome() == pytest.approx(0.1) and len(found.step) == 4


def test_stages_that_are_none_are_left_out_and_the_rows_are_judged_as_before(tmp_path):
    assert cell(tmp_path, "often").status == "failed"
