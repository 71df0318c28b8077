"""The judgement of arms: exact tests, intervals and power against theory, and by simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats

from ganctl.report.statistics import (
    compare,
    differences,
    fewest_seeds,
    holm,
    interval,
    power,
    seeds_needed,
    signed_rank_p,
    spread,
)
from ganctl.shares import wilson

NAN = float("nan")


@pytest.mark.parametrize("count", range(1, 15))
def test_the_smallest_p_of_n_seeds_is_two_over_two_to_the_n(count):
    gained = np.arange(1.0, count + 1)
    assert signed_rank_p(gained) == pytest.approx(2 / 2**count)
    assert signed_rank_p(-gained) == pytest.approx(2 / 2**count)


def test_it_is_wilcoxons_exact_test_where_that_is_defined():
    rng = np.random.default_rng(0)
    for count in (5, 8, 11):
        gained = rng.normal(0.4, 1, count)
        assert signed_rank_p(gained) == pytest.approx(stats.wilcoxon(gained, method="exact").pvalue)


def test_ties_zeros_and_failures_are_counted_out_too():
    assert signed_rank_p(np.zeros(6)) == 1 and signed_rank_p(np.array([])) == 1
    # Ranks 1.5, 1.5, 3 and two signs each: of eight sums, +-6 are the extreme ones.
    assert signed_rank_p(np.array([2.0, 2.0, 5.0])) == pytest.approx(2 / 8)
    # A failure of the baseline is the largest gain: the same as any number beyond the others.
    gained = np.array([0.3, -0.1, 0.7, np.inf, 0.5, 0.2])
    assert signed_rank_p(gained) == signed_rank_p(np.where(np.isinf(gained), 99.0, gained))
    # Two failures tie for the last rank.
    assert signed_rank_p(np.array([np.inf, -np.inf, 0.0])) == 1


def test_a_gain_is_positive_where_the_arm_is_better_and_failures_are_worst():
    assert differences([1.0, 5.0], [2.0, 2.0], lower_is_better=True).tolist() == [1, -3]
    assert differences([1.0, 5.0], [2.0, 2.0], lower_is_better=False).tolist() == [-1, 3]
    for lower in (True, False):
        assert differences([NAN, 1.0, NAN], [1.0, NAN, NAN], lower).tolist() == [-np.inf, np.inf, 0]


def test_holm_steps_down_and_keeps_the_order():
    # By hand: 0.01 * 4, max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), max(0.06, 0.9 * 1).
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.2]) == [0.2] and holm([]) == [] and holm([0.6, 0.7]) == [1, 1]


def test_an_interval_needs_five_values_holds_their_mean_and_moves_with_them():
    values = np.array([0.2, 0.5, 0.9, 1.4, 2.0, 0.1])
    low, high = interval(values)
    assert low < values.mean() < high
    assert interval(10 * values + 3) == pytest.approx((10 * low + 3, 10 * high + 3))
    assert interval(values[:4]) is None
    assert interval(np.full(5, 0.7)) == (0.7, 0.7)


def test_fewer_seeds_than_six_can_tell_nothing_and_more_arms_need_more():
    assert [fewest_seeds(tests) for tests in (1, 2, 3, 21)] == [6, 7, 8, 11]
    for tests in (1, 2, 3, 21):
        fewest = fewest_seeds(tests)
        assert 2 / 2**fewest <= 0.04 / tests < 2 / 2 ** (fewest - 1)


def test_power_grows_with_effect_and_seeds_and_is_the_level_without_effect():
    assert power(3.0, 5, 1) == 0
    assert power(0.0, 30, 1) == pytest.approx(0.02, abs=0.001)  # one of the two sides
    assert power(0.5, 10, 1) < power(1.0, 10, 1) < power(1.0, 20, 1) < power(2.0, 20, 1) <= 1
    assert power(1.0, 12, 3) < power(1.0, 12, 1)


def test_the_seeds_that_would_tell_give_the_claimed_power():
    rng = np.random.default_rng(3)
    gained = rng.normal(size=9)
    gained = (gained - gained.mean()) / gained.std(ddof=1) + 0.6  # an effect of exactly 0.6
    found = seeds_needed(gained, 1)
    assert power(0.6, found, 1) >= 0.8 > power(0.6, found - 1, 1)
    assert seeds_needed(np.array([1.0, 1.0, 1.0]), 1) == 6  # no spread at all: the fewest that can tell
    assert seeds_needed(np.array([1.0]), 1) is None and seeds_needed(np.zeros(4), 1) is None
    assert seeds_needed(np.array([1.0, -1.0001] * 50), 1) is None


def seeds(*values):
    return dict(enumerate(values))


def test_a_verdict_says_which_way():
    base = seeds(1.0, 1.1, 0.9, 1.2, 1.05, 0.95)
    low = {seed: value - 0.5 - 0.01 * seed for seed, value in base.items()}
    found = compare({"base": base, "low": low}, "base", lower_is_better=True)["low"]
    assert (found.verdict, found.seeds, found.wins, found.seeds_needed) == ("better", 6, 1, None)
    assert found.mean == pytest.approx(-0.525) and found.low < -0.525 < found.high < 0
    assert compare({"base": base, "low": low}, "base", lower_is_better=False)["low"].verdict == "worse"
    assert compare({"low": low, "base": base}, "low", lower_is_better=True)["base"].verdict == "worse"


def test_more_arms_make_each_verdict_harder():
    base = seeds(*[0.0] * 6)
    arms = {"base": base, "a": seeds(*[1.0, 2, 3, 4, 5, 6])}
    assert compare(arms, "base", False)["a"].verdict == "better"
    arms["b"] = seeds(*[1.0, -2, 3, -4, 5, -6])
    found = compare(arms, "base", False)
    assert found["a"].verdict == "cannot tell" and found["a"].p_holm == pytest.approx(2 * 2 / 64)
    assert found["a"].seeds_needed >= fewest_seeds(2)


def test_an_arm_that_fails_at_every_seed_is_worse_and_has_no_mean():
    found = compare({"base": seeds(*range(6)), "dead": seeds(*[NAN] * 6)}, "base", True)["dead"]
    assert (found.verdict, found.mean, found.low, found.wins) == ("worse", None, None, 0)


def test_seeds_at_which_both_arms_failed_are_no_equal_outcomes_and_estimate_nothing():
    nan = float("nan")
    found = compare({"a": {0: nan, 1: nan}, "b": {0: nan, 1: nan}}, "a", True)["b"]
    assert not found.equal and found.wins == 0.5 and found.seeds_needed is None
    found = compare({"a": {0: nan, 1: 1.0, 2: 1.0}, "b": {0: nan, 1: 2.0, 2: 0.5}}, "a", True)["b"]
    assert found.seeds_needed is None and found.verdict == "cannot tell"


def test_only_seeds_that_both_arms_have_are_paired():
    found = compare({"base": {0: 1.0, 1: 2.0}, "a": {1: 1.5, 2: 9.0}}, "base", True)["a"]
    assert (found.seeds, found.mean, found.verdict) == (1, -0.5, "cannot tell")
    none = compare({"base": {0: 1.0}, "a": {1: 1.0}}, "base", True)["a"]
    assert (none.seeds, none.mean, none.p, none.wins) == (0, None, 1, 0.5)


def test_the_spread_leaves_failures_out_and_says_how_many_there_are():
    assert spread([1.0, 3.0, NAN]) == {"mean": 2, "std": pytest.approx(math.sqrt(2)), "count": 2}
    assert spread([NAN]) == {"mean": None, "std": None, "count": 0}


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "lognormal", "failures"])
@pytest.mark.parametrize(("count", "arms"), [(6, 2), (8, 3)])
def test_without_a_true_difference_at_most_one_study_in_twenty_has_a_verdict(noise, count, arms):
    # The whole simulation is benchmarks/verdicts.py; its output is in docs/statistics.md.
    rng = np.random.default_rng(count)

    def value():
        if noise == "failures" and rng.random() < 0.2:
            return NAN
        return rng.lognormal() if noise == "lognormal" else rng.normal()

    wrong = 0
    for _ in range(200):
        study = {f"arm {arm}": seeds(*[value() for _ in range(count)]) for arm in range(arms)}
        found = compare(study, "arm 0", lower_is_better=True)
        wrong += any(difference.verdict != "cannot tell" for difference in found.values())
    print(f"{wrong} of 200 studies")
    assert wrong <= 0.05 * 200


@pytest.mark.slow
@pytest.mark.parametrize(("effect", "count"), [(1.0, 12), (2.0, 8)])
def test_a_true_difference_is_found_as_often_as_claimed(effect, count):
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        base = rng.normal(size=count)
        arm = base + rng.normal(-effect, 1, count)
        found += compare({"base": seeds(*base), "arm": seeds(*arm)}, "base", True)["arm"].verdict == "better"
    claimed = power(effect, count, 1)
    low, high = wilson(found, 200)
    assert low - 0.06 <= claimed <= high + 0.06, (found, claimed)
