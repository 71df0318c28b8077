"""The verdict in words, the summaries and the fairness table, from cells made by hand."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganctl.report.collect import CellRecord
from ganctl.report.fairness import fairness
from ganctl.report.judgement import judge
from ganctl.store.run import RunFolder

RULES = {"outcome": "quality/sliced_wasserstein", "checkpoint": "last"}
COST = {
    "parameters": {"generator": 10, "discriminator": 20}, "learning_rates": {"discriminator": 0.1, "generator": 0.1},
    "turns": {"discriminator": 1, "generator": 1}, "penalty": "none", "real_images_per_step": 5,
    "generated_images_per_step": 10, "flops_per_step": 1e6,
}  # fmt: skip


def cell(arm, seed, outcome, status="completed", verdict="healthy", seconds=10.0, **series):
    """A run of ten logged steps whose outcome is measured at the last one; a list gives it at every step."""
    measured = np.full(10, np.nan)
    measured[:] = outcome if isinstance(outcome, list) else [*[np.nan] * 9, np.nan if outcome is None else outcome]
    info = {
        "status": status, "verdict": verdict, "seconds": seconds, "floor": {"quality/sliced_wasserstein": 0.05},
        "findings": [] if verdict == "healthy" else [{"verdict": verdict, "since": 7, "because": "so"}],
    }  # fmt: skip
    step = np.arange(1, 11)
    series = {"quality/sliced_wasserstein": measured, "score/fake": np.ones(10), **series}
    return CellRecord(arm, seed, RunFolder(Path("nowhere")), info, step, step / 5, series, {}, RULES)


def judged(cells, **definition):
    """The comparison of these cells, judged."""
    arms = dict.fromkeys(cell.arm for cell in cells)
    same = {"data": {"name": "ring8"}}
    comparison = {
        "rules": cells[0].rules,
        "definition": {arm: {**same, "loss": {"name": arm}, **definition.get(arm, {})} for arm in arms},
        "arms": {arm: {"seeds": {}, "overrides": [], "cost": COST} for arm in arms},
    }
    judge(comparison, cells)
    return comparison


def words(comparison):
    return " ".join([comparison["verdict"]["headline"], *comparison["verdict"]["sentences"]])


def pair(first, second, count=6):
    """Cells of two arms, `second` of which lies above `first` by a difference that grows with the seed."""
    return [
        *(cell("one", seed, first + 0.001 * seed) for seed in range(count)),
        *(cell("two", seed, second + 0.002 * seed) for seed in range(count)),
    ]


def test_the_better_arm_is_named_with_how_much_how_sure_and_what_it_cost():
    said = words(judged(pair(0.1, 0.3)))
    assert said.startswith("one is better than two.")
    assert "lower being better: one 0.102; two 0.305. Real samples: 0.050." in said
    assert "Against one at the same seed: two worse by 0.203 [0.20" in said and "better at 0 of 6." in said
    assert "in at most 0.031 of studies (signed-rank test paired by seed)" in said
    assert "0:02:00 of training in 12 cells; against a seed of one: 1.00 times the time, 1.00 times" in said
    assert "cannot tell anything" not in said and "looks" not in said
    said = words(judged(pair(0.3, 0.1)))
    assert said.startswith("two is better than one.")
    # of what the words say: a gain is no negative number, and its interval lies around it
    low, high = map(float, re.search(r"two better by 0.197 \[([\d.]+), ([\d.]+)\]", said).groups())
    assert low < 0.1975 < high


def test_few_seeds_cannot_tell_and_it_says_how_many_would():
    said = words(judged(pair(0.1, 0.3, count=5)))
    assert said.startswith("Cannot tell with 5 seeds whether one or two is better.")
    assert "5 seeds cannot tell anything from chance, whatever came out: it takes at least 6 for 1 comparison." in said
    assert "with 1 seed whether" in words(judged(pair(0.1, 0.3, count=1)))


def test_a_difference_lost_in_the_spread_names_the_seeds_it_would_take():
    gains = [0.3, -0.1, 0.2, 0.1, -0.15, 0.25, -0.05, 0.02]
    cells = [
        *(cell("one", seed, 1.0) for seed in range(8)),
        *(cell("two", s, 1 - gain) for s, gain in enumerate(gains)),
    ]
    said = words(judged(cells))
    assert said.startswith("Cannot tell with 8 seeds") and "two roughly" in said


def test_three_arms_are_each_judged_against_the_first():
    cells = [*pair(0.2, 0.4, 8), *(cell("three", seed, 0.1 - 0.001 * seed) for seed in range(8))]
    comparison = judged(cells)
    assert comparison["verdict"]["headline"] == "Better than one: three. Worse than one: two."
    verdicts = {row["second"]: row.get("verdict") for row in comparison["pairs"] if row["first"] == "one"}
    assert verdicts == {"two": "worse", "three": "better"}
    (other,) = [row for row in comparison["pairs"] if row["first"] == "two"]
    assert "verdict" not in other and other["second_minus_first"]["quality/sliced_wasserstein"]["0"] == pytest.approx(
        -0.3
    )


def test_failed_seeds_stay_in():
    cells = [
        *(cell("one", seed, 0.1 + 0.001 * seed) for seed in range(6)),
        *(cell("two", seed, None, status="failed", verdict="diverged") for seed in range(6)),
    ]
    comparison = judged(cells)
    assert comparison["verdict"]["headline"] == "one is better than two."
    assert comparison["arms"]["two"]["summary"]["outcome"] == {"mean": None, "std": None, "count": 0}
    assert comparison["arms"]["two"]["summary"]["unhealthy"] == 6
    assert "Went wrong: two 6 of 6 (diverged 6)." in words(comparison)
    unfinished = [cell_ if cell_.arm == "one" else cell("two", cell_.seed, 0.2, "interrupted") for cell_ in cells]
    assert judged(unfinished)["arms"]["two"]["summary"]["seeds"] == 0


KILLED = "its process ended with code -9; a/log.txt may say more"


def lost(arm, seed, **info):
    """A cell that the system killed before it was measured."""
    made = cell(arm, seed, None, "failed", verdict=None)
    made.info.update({"not_finite": False, "error": KILLED, "findings": [], **info})
    return made


def test_a_cell_that_broke_off_is_no_outcome_and_the_verdict_waits():
    cells = [*pair(0.1, 0.3)[:-1], lost("two", 5)]
    comparison = judged(cells)
    said = comparison["verdict"]["headline"]
    assert said == (
        "No verdict yet: 11 of 12 cells have an outcome; the same command tries the other again "
        "(two seed 5 broke off: its process ended with code -9)."
    )
    assert f"What broke off says nothing of its arm: two seed 5 broke off: {KILLED}." in words(comparison)
    assert "No diagnosis found anything." in words(comparison) and "failed" not in words(comparison)
    assert all("verdict" not in row for row in comparison["pairs"]) and comparison["looks"] == []
    summary = comparison["arms"]["two"]["summary"]
    assert (summary["seeds"], summary["examined"], summary["unhealthy"], summary["kinds"]) == (5, 5, 0, {})
    # Whatever it was diagnosed with before it was killed.
    ill = judged([*pair(0.1, 0.3)[:-1], lost("two", 5, verdict="mode_collapse")])
    assert ill["arms"]["two"]["summary"]["unhealthy"] == 0 and "Went wrong" not in words(ill)
    # Once it has an outcome, the study is judged as if nothing had happened.
    judge(comparison, pair(0.1, 0.3))
    assert comparison["verdict"]["headline"] == "one is better than two." and len(comparison["looks"]) == 1


def test_several_that_broke_off_are_counted_and_told_with_their_reasons():
    full = {"error": "a/run.json: No space left on device"}
    comparison = judged([*pair(0.1, 0.3)[1:-1], lost("one", 0, **full), lost("two", 5)])
    assert comparison["verdict"]["headline"].startswith("No verdict yet: 10 of 12 cells have an outcome; the same")
    assert "tries the others again (one seed 0 broke off: a/run.json: No space" in comparison["verdict"]["headline"]
    assert "device; two seed 5 broke off: its process" in words(comparison)
    alone = judged([lost("one", 0), lost("two", 0)])
    assert alone["verdict"]["headline"].startswith("No verdict yet: 0 of 2 cells have an outcome; the same command")


@pytest.mark.parametrize("info", [{"not_finite": True}, {}])  # as it is written now, and as it was
def test_numbers_that_broke_down_are_an_outcome(info):
    failed = cell("two", 5, None, "failed", verdict="diverged")
    failed.info.update(info)
    assert judged([*pair(0.1, 0.3)[:-1], failed])["verdict"]["headline"] == "one is better than two."
    assert judged([*pair(0.1, 0.3)[:-1], failed])["arms"]["two"]["summary"]["unhealthy"] == 1


def test_arms_with_other_data_are_not_judged():
    comparison = judged(pair(0.1, 0.3), two={"data": {"name": "grid25"}})
    assert "different data" in comparison["verdict"]["headline"]
    assert all("verdict" not in row for row in comparison["pairs"])


def test_equal_arms_are_called_equal():
    cells = [cell(arm, seed, 0.1 * seed) for arm in ("one", "two") for seed in range(7)]
    said = words(judged(cells))
    assert "two and one came to the same outcome at every seed." in said and "cannot tell anything" not in said
    # One win and one loss also give p = 1, and are no equality.
    mixed = [cell("one", 0, 1.0), cell("one", 1, 1.2), cell("two", 0, 0.5), cell("two", 1, 5.0)]
    assert "same outcome" not in words(judged(mixed)) and "2 seeds cannot tell anything" in words(judged(mixed))


def test_arms_with_other_numbers_of_seeds_are_each_judged_by_their_own():
    cells = [*pair(0.3, 0.1, 8), cell("three", 0, 0.2)]
    comparison = judged(cells)
    assert comparison["verdict"]["headline"] == "Better than one: two. Cannot tell with 1 to 8 seeds: three."
    said = words(comparison)
    assert "1 seed cannot tell anything from chance, whatever came out (three): it takes at least 7" in said
    assert "in at most 0.016 of studies" in said


def test_the_mean_of_survivors_is_called_that():
    cells = [
        *(cell("one", seed, 1.0) for seed in range(7)), cell("two", 0, 0.1),
        *(cell("two", seed, None, status="failed", verdict="diverged") for seed in range(1, 7)),
    ]  # fmt: skip
    said = words(judged(cells))
    assert said.startswith("one is better than two.")
    assert "two 0.100 (mean of the 1 of 7 seeds that did not fail)" in said
    assert "two better by 0.900 on average, better at 1 of 7 (few large differences" in said


def test_a_study_that_grew_says_how_often_it_was_judged():
    cells = pair(0.1, 0.3, 7)
    comparison = judged(cells[:6] + cells[7:13])
    assert "was judged" not in words(comparison)
    judge(comparison, cells)
    judge(comparison, cells)  # the same cells again are no further look
    assert "was judged 2 times as it grew" in words(comparison)


def test_runs_too_short_for_a_diagnosis_are_not_called_healthy():
    said = words(judged([cell(arm, seed, 0.1 + seed, verdict=None) for arm in ("one", "two") for seed in range(2)]))
    assert "4 of 4 runs were too short for a diagnosis" in said and "No seed failed" not in said


def test_a_finished_cell_without_an_outcome_is_not_a_failure():
    cells = [*pair(0.1, 0.3), cell("one", 9, None)]
    comparison = judged(cells)
    assert comparison["arms"]["one"]["summary"]["seeds"] == 6
    assert "1 cell has no outcome yet" in words(comparison)


def test_the_best_checkpoint_is_chosen_by_other_samples_than_it_is_judged_by():
    rules = {"outcome": "quality/sliced_wasserstein", "checkpoint": "best"}
    distance, chosen = [0.9, 0.1, 0.5, *[0.7] * 7], np.array([0.8, 0.4, 0.3, *[0.6] * 7])
    made = cell("one", 0, distance, **{"selection/sliced_wasserstein": chosen})
    last = made.outcome()
    best = replace(made, rules=rules)
    assert last == 0.7
    assert best.outcome() == 0.5 and best.step[best.judged()] == 3  # not 0.1, which the reported samples would choose
    assert best.final()["quality/sliced_wasserstein"] == 0.5


def test_the_best_checkpoint_is_one_that_was_measured():
    rules = {"outcome": "metric/fid", "checkpoint": "best"}
    chosen = np.array([np.nan, 0.2, 0.1, *[0.6] * 7])  # chosen by what was not measured at the first row
    made = cell("one", 0, [0.9] * 10, **{"selection/sliced_wasserstein": chosen})
    fid = np.array([50.0, 10.0, np.nan, *[40.0] * 7])
    best = replace(made, rules=rules, series={**made.series, "metric/fid": fid})
    assert best.outcome() == 10


def rows(comparison, cells):
    return {row.name: row for row in fairness(comparison, cells)}


def test_the_fairness_table_marks_what_differs_and_nothing_else():
    cells = pair(0.1, 0.3)
    table = rows(judged(cells), cells)
    assert {name for name, row in table.items() if not row.equal} == {"loss.name"}
    assert table["real images D saw"].values == {"one": "50", "two": "50"}
    assert table["generated images D judged"].values == {"one": "100", "two": "100"}
    assert table["FLOPs"].values == {"one": "10 M", "two": "10 M"}
    assert table["optimizer steps, generator"].values["one"] == "10"


def test_an_arm_that_gets_more_is_marked():
    cells = [*pair(0.1, 0.3)[:6], *(cell("two", seed, 0.3, seconds=11.1) for seed in range(6))]
    comparison = judged(cells)
    comparison["arms"]["two"]["cost"] = {
        **COST, "turns": {"discriminator": 5, "generator": 1}, "flops_per_step": 3e6,
        "learning_rates": {"discriminator": 0.2, "generator": 0.1},
    }  # fmt: skip
    unequal = {name for name, row in rows(comparison, cells).items() if not row.equal}
    assert unequal == {
        "loss.name", "optimizer steps, discriminator", "learning rate, discriminator", "FLOPs", "seconds (median)",
    }  # fmt: skip
    cells = [*pair(0.1, 0.3)[:6], *(cell("two", seed, 0.3, seconds=10.9) for seed in range(6))]
    assert rows(judged(cells), cells)["seconds (median)"].equal
