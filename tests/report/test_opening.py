"""The two sentences of the first screen, the command that would tell, and the seed whose samples are shown."""

from pathlib import Path

import numpy as np
import pytest

from ganctl.formats import roughly
from ganctl.report.collect import CellRecord
from ganctl.report.first_screen import shown_seed
from ganctl.report.judgement import comparable, judge
from ganctl.report.opening import opening
from ganctl.report.saturation import saturation
from ganctl.report.stories import reason
from ganctl.store.run import RunFolder

RULES = {"outcome": "quality/sliced_wasserstein", "checkpoint": "last"}


def cell(arm, seed, outcome, ratio=None, fake=0.4, verdict="healthy", status="completed", log_odds=True, seconds=30.0):
    """A run of ten steps with a probe at each; `ratio` is that of the two gradients, a number or one per probe."""
    measured = np.full(10, np.nan)
    measured[-1] = np.nan if outcome is None else outcome
    series = {"quality/sliced_wasserstein": measured, "score/fake": np.full(10, fake)}
    if ratio is not None:
        series |= {"evidence/norm_nonsaturating": np.full(10, 2.0), "evidence/norm_minimax": 2.0 * np.resize(ratio, 10)}
        series |= {"evidence/norm_own": np.full(10, 2.0), "evidence/sure_share": np.zeros(10)}
    findings = [] if verdict in (None, "healthy") else [{"verdict": verdict, "since": 1, "because": "so"}]
    info = {
        "status": status, "verdict": verdict, "seconds": seconds, "log_odds": log_odds, "findings": findings,
        "data_fingerprint": "1",
    }  # fmt: skip
    return CellRecord(
        arm, seed, RunFolder(Path("nowhere")), info, np.arange(1, 11), np.arange(1, 11) / 5, series, {}, RULES
    )


def study(
    cells,
    losses=None,
    rates=(0.001, None),
    eps=1e-8,
    data="mnist5k",
    commands=("ganctl compare-losses",),
    **arm_settings,
):
    """The verdict of these cells, with the words of the first screen."""
    arms = list(dict.fromkeys(each.arm for each in cells))
    comparison = {
        "rules": RULES,
        "commands": [*commands],
        "definition": {
            arm: {
                "data": {"name": data},
                "model": {"name": "dcgan_small"},
                "loss": {"name": (losses or {}).get(arm, arm)},
                "optim": {"name": "adam", "lr": rates[0], "discriminator_lr": rates[1], "eps": eps},
                **arm_settings.get(arm, {}),
            }
            for arm in arms
        },
        "arms": {arm: {"seeds": {}, "overrides": []} for arm in arms},
    }
    judge(comparison, cells)
    assert comparable(comparison, cells)
    opening(comparison, cells)
    return comparison["verdict"]


def test_arms_that_were_trained_with_other_labels_do_not_compare():
    cells = [cell("minimax", 0, 0.1), cell("hinge", 0, 0.2), cell("hinge", 1, 0.2)]
    comparison = {"definition": {}}
    for each, labels in zip(
        cells, ("a", None, "a"), strict=True
    ):  # a cell from before they were written down says nothing
        each.info["labels_fingerprint"] = labels
    assert comparable(comparison, cells)
    cells[1].info["labels_fingerprint"] = "b"
    assert not comparable(comparison, cells)


def forms(minimax, other, ratio, count=6, **options):
    """Minimax and non-saturating arms; the minimax runs have this ratio, the others 0.7."""
    weak = [cell("minimax", seed, minimax + 0.001 * seed, ratio, **options) for seed in range(count)]
    return [*weak, *(cell("nonsaturating", seed, other + 0.002 * seed, 0.7, **options) for seed in range(count))]


@pytest.mark.parametrize(
    ("minimax", "other", "ratio", "words"),
    [
        (
            0.4,
            0.1,
            0.3,
            "more than half of it was lost at every seed, and minimax came out worse, as saturation predicts",
        ),
        (0.1, 0.4, 0.3, "yet minimax came out better, so saturation did not decide this study"),
        (0.4, 0.1, 0.6, "minimax kept at least half of it, so saturation does not explain why it came out worse"),
        (0.1, 0.4, 0.6, "minimax kept at least half of it, and came out better"),
    ],
)
def test_a_lost_gradient_explains_the_outcome_only_where_the_two_agree(minimax, other, ratio, words):
    for cells in (forms(minimax, other, ratio), forms(minimax, other, ratio)[::-1]):  # whichever is the baseline
        what, why = study(cells)["story"]
        assert words in why and f"{ratio:.2f} times the non-saturating" in why
        assert ("saturation predicts" in why) == (ratio < 0.5 and minimax > other)
        assert f"{'minimax' if minimax < other else 'nonsaturating'} was better at 6 of 6 seeds" in what


def test_a_gradient_lost_at_half_of_the_seeds_explains_a_part():
    cells = [cell("minimax", seed, 0.4 + 0.001 * seed, 0.3 if seed < 3 else 0.6) for seed in range(6)]
    cells += [cell("nonsaturating", seed, 0.1 + 0.002 * seed, 0.7) for seed in range(6)]
    why = study(cells)["story"][1]
    assert "lost at 3 of 6 seeds" in why and "at other seeds too, so saturation explains a part of it" in why
    assert "predicts" not in why


@pytest.mark.parametrize(("ratio", "words"), [(0.3, "cannot tell whether that mattered"), (0.9, "shows little of")])
def test_where_the_outcomes_cannot_tell_the_gradient_explains_nothing(ratio, words):
    why = study(forms(0.1, 0.2, ratio, count=3))["story"][1]
    assert words in why and "predicts" not in why


def test_the_share_of_seeds_that_lost_half_is_counted():
    cells = forms(0.4, 0.1, 0.3)
    cells[0] = cell("minimax", 0, 0.4, 0.8)
    assert "lost at 5 of 6 seeds" in study(cells)["story"][1]


def test_untrained_networks_do_not_count():
    # The first half of each run has 0.1, the second 0.9: the median over all probes would say 0.5.
    found = saturation([cell("minimax", seed, 0.1, [0.1] * 5 + [0.9] * 5) for seed in range(3)])
    assert found.ratio == pytest.approx(0.9) and not found.saturated and found.halved == 0
    assert saturation([cell("hinge", 0, 0.1)]) is None


def test_where_every_run_collapsed_the_outcome_ranks_failures():
    what, why = study(forms(0.4, 0.1, 0.3, verdict="mode_collapse"))["story"]
    assert "every run went wrong, so this compares failures: 6 of 6 runs of minimax (mode collapse 6)" in what
    assert "the outcome ranks failures" in why and "predicts" not in why


def test_failed_seeds_are_told_beside_the_mean():
    cells = forms(0.4, 0.1, 0.3)
    cells[:2] = [cell("minimax", seed, None, 0.3, status="failed", verdict="diverged") for seed in (0, 1)]
    what = study(cells)["story"][0]
    assert "(of the 4 of 6 seeds that did not fail) for minimax" in what
    assert "2 of 6 runs of minimax (diverged 2), none of nonsaturating" in what
    cells[:6] = [cell("minimax", seed, None, 0.3, status="failed", verdict="diverged") for seed in range(6)]
    assert "none (every seed failed) for minimax" in study(cells)["story"][0]


def test_where_cells_broke_off_nothing_is_said_of_who_is_better():
    cells = forms(0.4, 0.1, 0.3)
    cells[0] = cell("minimax", 0, None, 0.3, status="failed", verdict=None)
    verdict = study(cells)
    what, why = verdict["story"]
    assert "on average of the cells that have an outcome, which is no verdict; no diagnosis found anything" in what
    assert "better" not in what and "worse" not in what and verdict["would_tell"] is None
    assert "cells broke off, so what that did to the outcome is open" in why and "predicts" not in why


def test_losses_without_probabilities_show_what_happened_and_not_why():
    cells = [cell(arm, seed, 0.1 + seed, log_odds=False) for arm in ("hinge", "wasserstein") for seed in range(6)]
    verdict = study(cells)
    assert "D's output is no probability" in verdict["story"][1] and "minimax" not in verdict["story"][1]
    assert verdict["rates"] is None
    assert "too short" not in verdict["story"][0]


def test_runs_that_were_not_probed_are_not_explained():
    why = study([cell(arm, seed, 0.1) for arm in ("minimax", "nonsaturating") for seed in (0, 1)])["story"][1]
    assert why == "No run was probed in its second half: the report shows what happened, not why."


def test_penalties_under_one_loss_are_no_matter_of_the_form():
    cells = [cell(arm, seed, 0.1 + seed, 0.2, fake) for arm, fake in (("none", 0.1), ("r1", 0.45)) for seed in range(6)]
    verdict = study(cells, losses={"none": "nonsaturating", "r1": "nonsaturating"}, r1={"penalty": {"name": "r1"}})
    why = verdict["story"][1]
    assert "the same J(G) (nonsaturating), so its form explains no difference" in why
    assert "none 0.10, r1 0.45" in why and "times" not in why and verdict["rates"] is None


def test_the_two_forms_of_equal_gradient_are_no_difference():
    cells = [cell(arm, seed, 0.1 + seed, 0.2) for arm in ("minimax_swapped", "nonsaturating") for seed in range(6)]
    assert "so its form explains no difference" in study(cells)["story"][1]


def test_arms_that_differ_in_more_than_the_form_are_not_explained_by_it():
    cells = forms(0.4, 0.1, 0.3)
    verdict = study(cells, minimax={"penalty": {"name": "r1"}})
    assert "differ in more than the form of J(G)" in verdict["story"][1] and "predicts" not in verdict["story"][1]
    assert verdict["rates"] is None
    beside = [*cells[:6], *(cell("hinge", seed, 0.1, log_odds=False) for seed in range(6))]
    why = study(beside)["story"][1]
    assert "minimax 0.30 times at 0.40 (not probed: hinge)" in why and "differ in more" in why


def test_several_arms_get_their_numbers_and_no_cause():
    cells = [*forms(0.4, 0.1, 0.3), *(cell("minimax_swapped", seed, 0.1, 0.6, 0.3) for seed in range(6))]
    what, why = study(cells)["story"]
    assert "better than minimax: nonsaturating at 6 of 6 seeds, minimax_swapped at 6 of 6 seeds" in what
    assert "minimax 0.30 times at 0.40, nonsaturating 0.70 times at 0.40, minimax_swapped 0.60 times at 0.30." in why
    assert "predicts" not in why


def test_how_fast_d_learns_comes_from_the_settings():
    cells = forms(0.4, 0.1, 0.3)
    ahead, equal = study(cells, rates=(0.001, 0.002))["rates"], study(cells)["rates"]
    assert ahead.startswith("D learns at 2 times the generator's rate here (0.002 against 0.001)")
    command = "ganctl compare-losses loss=minimax,nonsaturating optim.lr=0.001"
    same = f"six seeds cannot tell the two forms apart, in `{command}`"
    assert f"; at equal rates {same}" in ahead and "eps" not in ahead
    large = study(cells, rates=(0.001, 0.002), eps=0.003)["rates"]
    assert "with Adam's eps at 0.003 a small gradient makes a small step" in large
    assert f"; at equal rates and the usual eps {same}" in large
    assert "at the generator's rate here (0.001); `ganctl compare-losses`, where D learns faster" in equal
    assert study(cells, rates=(0.001, 0.001))["rates"] == equal
    assert study(cells, rates=(0.002, 0.001))["rates"] is None
    # What was measured on one data set is not claimed of another.
    elsewhere = study(cells, rates=(0.001, 0.002), data="ring8")["rates"]
    assert "cannot tell" not in elsewhere and "optim.discriminator_lr=0.001" in elsewhere


def test_the_command_that_would_tell_continues_the_study_and_says_how_long():
    command = "ganctl compare-losses loss=minimax,nonsaturating steps=9 jobs=2"
    said = study(forms(0.1, 0.3, 0.9, count=2), commands=[f"{command} seed=0", f"{command} seed=0,1"])["would_tell"]
    # Four further seeds of two arms, half a minute each: 8 * 30 s = 4 minutes.
    assert f"`{command} seed=0,1,2,3,4,5` (about 4 minutes, 8 further cells; finished cells are kept)" in said
    assert said.startswith("Fewer than 6 seeds can tell nothing") and said.count("`") == 2


def test_jobs_divide_the_time_and_seeds_that_are_there_stay():
    cells = [cell(arm, seed, 0.1 * (arm == "one") + 0.01 * seed) for arm in ("one", "two") for seed in (4, 9)]
    comparison = {
        "rules": RULES, "commands": ["ganctl compare-losses seed=4,9"], "jobs": 4,
        "definition": {arm: {"loss": {"name": arm}} for arm in ("one", "two")},
        "arms": {arm: {"seeds": {}, "overrides": []} for arm in ("one", "two")},
    }  # fmt: skip
    judge(comparison, cells)
    opening(comparison, cells)
    said = comparison["verdict"]["would_tell"]
    assert "seed=0,1,2,3,4,9` (about 1 minute, 8 further cells, 4 at a time;" in said


def test_one_seed_needs_the_fewest_and_whether_they_suffice_is_not_known():
    said = study(forms(0.1, 0.3, 0.9, count=1))["would_tell"]
    assert said.startswith("Fewer than 6 seeds can tell nothing, and whether 6 would is not known: `ganctl")


def test_two_seeds_that_disagree_ask_for_the_fewest_and_estimate_nothing():
    values = {"minimax": (0.1, 0.3), "nonsaturating": (0.3, 0.101)}
    said = study([cell(arm, seed, value[seed]) for arm, value in values.items() for seed in (0, 1)])["would_tell"]
    assert said.startswith("Fewer than 6 seeds can tell nothing, and whether 6 would is not known: `ganctl")


def test_a_run_too_short_for_a_diagnosis_has_not_gone_wrong():
    cells = forms(0.1, 0.3, 0.9, count=2)
    for each in cells:
        failed = each.arm == "nonsaturating"
        each.info.update(status="failed" if failed else "completed", verdict="diverged" if failed else None)
    what, why = study(cells)["story"]
    assert "went wrong: 2 of 2 runs of nonsaturating" in what and "every run" not in what + why


def test_ties_are_no_wins():
    values = {"minimax": (0.1, 0.2, 0.3), "nonsaturating": (0.1, 0.3, 0.2)}
    what = study([cell(arm, seed, value[seed]) for arm, value in values.items() for seed in range(3)])["story"][0]
    assert "neither was better at more seeds than the other" in what
    values["nonsaturating"] = (0.1, 0.1, 0.2)
    what = study([cell(arm, seed, value[seed]) for arm, value in values.items() for seed in range(3)])["story"][0]
    assert "nonsaturating was better at 2.5 of 3 seeds, ties counting half" in what


def test_the_same_loss_in_another_game_is_another_objective():
    cells = forms(0.1, 0.2, 0.9)
    losses = dict.fromkeys(("minimax", "nonsaturating"), "nonsaturating")
    why = study(cells, losses=losses, nonsaturating={"game": {"name": "acgan"}})["story"][1]
    assert "All arms give" not in why and "All arms give" in study(cells, losses=losses)["story"][1]


def test_a_clear_verdict_needs_no_command():
    assert study(forms(0.4, 0.1, 0.3))["would_tell"] is None


def test_where_no_number_of_seeds_is_known_to_tell_it_says_so():
    equal = [cell(arm, seed, 0.1 + seed) for arm in ("one", "two") for seed in range(6)]
    assert study(equal)["would_tell"].endswith("tell two from one: they came to the same outcome at every seed.")
    assert "`" not in study([each for each in equal if each.seed < 2])["would_tell"]  # and so did no number of seeds
    noise = np.tile([1.0, -1.0], 4)
    tiny = [cell("one", s, 5.0) for s in range(8)] + [cell("two", s, 5.001 + noise[s]) for s in range(8)]
    assert "take more than 1,000" in study(tiny)["would_tell"]
    failed = [*tiny[:8], cell("two", 0, None, status="failed", verdict="diverged"), *tiny[9:]]
    assert "seeds failed, and the estimate covers finite differences only" in study(failed)["would_tell"]
    assert "`" not in study(failed)["would_tell"]


def test_enough_seeds_that_did_not_tell_are_not_recommended_again():
    gains = [0.2, 0.2, 0.2, 0.2, 0.2, -0.01]  # p = 2 * 2 / 64 = 0.0625, and yet a mean of nearly two deviations
    cells = [cell("one", s, 1.0) for s in range(6)] + [cell("two", s, 1.0 - gain) for s, gain in enumerate(gains)]
    said = study(cells)["would_tell"]
    assert said.startswith("No number of seeds is known") and "and this one has 6" in said and "`" not in said


def test_a_study_that_grows_is_warned_of_looking_again():
    gains = [0.2, 0.1, 0.1, -0.1, 0.2, -0.15]
    cells = [cell("one", s, 1.0) for s in range(6)] + [cell("two", s, 1.0 - gain) for s, gain in enumerate(gains)]
    assert "judged again as it grows errs more often" in study(cells)["would_tell"]
    assert "judged again" not in study(forms(0.1, 0.3, 0.9, count=2))["would_tell"]  # which could not err yet


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2, "about 5 seconds"), (42, "about 40 seconds"), (58, "about 1 minute"), (240, "about 4 minutes"),
        (5400, "about 1.5 hours"), (72000, "about 20 hours"), (259200, "about 3 days"),
    ],
)  # fmt: skip
def test_a_time_is_told_as_roughly_as_it_is_known(seconds, words):
    assert roughly(seconds) == words


def test_a_story_calls_no_form_unsaturated_beside_a_ratio_that_says_otherwise():
    # D is never sure of a sample here, and yet the minimax form kept 0.41 of the gradient.
    assert "At no probe" not in reason(cell("minimax", 0, 0.1, [0.9, 0.41]))
    assert "At no probe was one form's gradient less than half" in reason(cell("minimax", 0, 0.1, [0.9, 0.6]))
    assert "At no probe" not in reason(cell("minimax", 0, 0.1, [0.9, 2.5]))  # the other one lost it


def with_grids(cells):
    for each in cells:
        each.grids[10] = Path("grid.png")
    return cells


def test_the_shown_seed_is_the_median_one_and_never_the_prettiest():
    outcomes = [0.9, 0.1, 0.5, 0.3, 0.7]
    arms = {
        "one": with_grids([cell("one", seed, 1.0) for seed in range(5)]),
        "two": with_grids([cell("two", seed, value) for seed, value in enumerate(outcomes)]),
    }
    seed, rule = shown_seed(arms, one_scale=True)
    assert seed == 2 and rule.startswith("of 5 seeds the one with the median difference")
    arms["one"][2].grids.clear()  # of the four that are left, 0.3 and 0.7 are the middle ones
    seed, rule = shown_seed(arms, one_scale=True)
    assert seed == 3 and "of the two middle ones, the lower seed" in rule
    assert shown_seed(arms, one_scale=False)[0] == 0
    assert shown_seed({"one": arms["one"], "two": []}, one_scale=True) is None


@pytest.mark.parametrize("words", ["name=a`b", "name=a\x1bb", "`open 'quote"])
def test_a_command_that_a_code_span_cannot_hold_is_pointed_at(words):
    said = study(forms(0.1, 0.3, 0.9, count=2), commands=[f"ganctl compare-losses {words}"])["would_tell"]
    assert "the command at the end of the report, with `seed=0,1,2,3,4,5`" in said
    assert said.count("`") % 2 == 0 and said.isprintable()


def test_a_command_with_an_open_quote_is_told_all_the_same():
    said = study(forms(0.1, 0.3, 0.9, count=2), commands=["ganctl compare-losses name='open"])["would_tell"]
    assert "seed=0,1,2,3,4,5`" in said
