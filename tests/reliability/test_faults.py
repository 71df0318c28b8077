"""Whatever call fails: the run ends in one line, its folder stays readable, and it goes on as if nothing had been."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.reliability.faults import CONCERNS, LOOKS, Point, spread

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", CONCERNS)
def test_a_fault_of_each_kind_leaves_a_readable_run_that_goes_on_bit_for_bit(faults, kind):
    chosen = spread([point for point in faults.of_a_run() if point.kind == kind], 1)
    assert all(faults.disturb_a_run(point) for point in chosen)


def test_a_run_that_fails_while_it_goes_on_goes_on_once_more(faults):
    endings = Counter(faults.disturb_a_continuation(point) for point in spread(faults.of_its_continuation(), 5))
    assert endings["failed, resumed"] and endings["killed, resumed"]


@pytest.mark.parametrize("name", LOOKS)
def test_who_looks_at_a_run_while_the_disk_fails_does_it_no_harm(faults, name):
    words, outputs = LOOKS[name]
    for point in spread(faults.of_a_look(words), 2):
        faults.disturb_a_look(words, outputs, point)


def test_a_run_that_fails_in_the_step_of_its_first_checkpoint_begins_again(faults):
    # Of the reading "its step is that of a checkpoint, so it must have had one".
    written = [path for call, path in faults.calls_of_a_run if call in CONCERNS["eio"]]
    first = next(index for index, path in enumerate(written, 1) if ".step-00000002.tmp" in path)
    assert faults.disturb_a_run(Point("eio", first)) == "failed, resumed"


def test_a_new_run_whose_lock_cannot_be_opened_is_no_run_in_progress(faults):
    refusable = [path for call, path in faults.calls_of_a_run if call in CONCERNS["refused"]]
    lock = next(number for number, path in enumerate(refusable, 1) if path.endswith(".lock"))
    assert faults.disturb_a_run(Point("refused", lock)) == "refused, resumed"


def test_a_kill_between_a_checkpoint_and_its_mention_forgets_no_best_step(faults):
    calls = [f"{call} {path.rpartition('/')[2]}" for call, path in faults.calls_of_a_run]
    renamed = calls.index("rename .step-00000005.tmp") + 1
    assert faults.disturb_a_run(Point("kill", renamed + 1)) == "killed, resumed"


def test_a_kill_inside_the_last_checkpoint_finds_the_one_before_it(faults):
    calls = enumerate(faults.calls_of_a_run, 1)
    inside = [number for number, (_, path) in calls if "step-00000005/" in path or "-00000005.tmp" in path]
    for number in (inside[1], inside[len(inside) // 2], inside[-1]):
        assert faults.disturb_a_run(Point("kill", number)) == "killed, resumed"


@pytest.mark.parametrize("name", ["run.json", "scalars.jsonl", "step-00000004.png"])
def test_a_kill_inside_a_small_file_leaves_it_as_it_was(faults, name):
    calls = enumerate(faults.calls_of_a_run, 1)
    numbers = [number for number, (call, path) in calls if call == "write" and name in path]
    assert faults.disturb_a_run(Point("kill", numbers[-1])) == "killed, resumed"


def test_a_power_cut_finds_every_file_whole_under_its_name(faults):
    # No test can cut the power; but what is flushed before it gets its name, with its folder after, outlives that.
    calls = [(call, path, path.rpartition("/")[0]) for call, path in faults.calls_of_a_run]
    unflushed, renames = set(), 0
    for (call, path, folder), (then, then_path, _) in pairwise(calls):
        if call == "write":
            unflushed.add(path)
        elif call == "fsync":
            unflushed.discard(path)
        elif call == "rename" and path.endswith(".tmp"):
            assert not any(each == path or each.startswith(f"{path}/") for each in unflushed), path
            assert (then, then_path) == ("fsync", folder), f"{folder} is not flushed after {path} was renamed"
            renames += 1
            if "/.step-" in path and "checkpoints" in folder:  # and the rows up to there
                assert not any(each.endswith("scalars.jsonl") for each in unflushed)
    assert renames > 20
