"""Decides whether one arm is better than another, or whether the seeds cannot tell. Arms are paired by seed.

A value is the outcome of one seed of one arm. NaN stands for a failed seed, which is worse than any value.
Distributions are scipy's or enumerated exactly; `docs/statistics.md` reports how often these verdicts err.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

LEVEL = 0.05  # every interval has the confidence level 1 - LEVEL
# The significance level of every verdict. At 0.05 an exact test errs in up to 5 % of studies on average, so in a given
# thousand studies it errs in more than 5 % about every other time; at 0.04 that practically never happens.
VERDICT_LEVEL = 0.04
POWER = 0.8  # the power that `seeds_needed` asks for
EXACT = 14  # with at most this many seeds all sign flips are enumerated; with more, 2^EXACT random ones are drawn
MOST_SEEDS = 1000
FEWEST_FOR_INTERVAL = 5

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Difference:
    """One arm against the baseline at the same seeds.

    Attributes:
        seeds: number of seeds that both arms have, failed ones included.
        mean: mean of arm minus baseline over the seeds where neither failed; None if there is none.
        low: lower end of the confidence interval of that mean; None with fewer than five such seeds.
        high: its upper end.
        p: p-value of the test that arm and baseline do not differ.
        p_holm: the p-value corrected for the number of arms tested against the baseline.
        wins: share of seeds at which the arm is better; a tie counts half.
        equal: whether the two have the same outcome at every seed, and at least one seed.
        enough: whether a verdict is possible at all with this number of seeds and of tests.
        verdict: whether the arm is better, worse, or the seeds cannot tell.
        seeds_needed: roughly how many seeds would tell, if the true difference is the observed one; None if the
            verdict is clear or more than 1,000 would be needed.
    """

    seeds: int
    mean: float | None
    low: float | None
    high: float | None
    p: float
    p_holm: float
    wins: float
    equal: bool
    enough: bool
    verdict: Verdict
    seeds_needed: int | None


def differences(arm: Sequence[float], baseline: Sequence[float], lower_is_better: bool) -> np.ndarray:
    """By how much the arm is better at each seed: float [seeds], ±inf where one of the two failed, 0 where both did."""
    one, other = np.asarray(arm, float), np.asarray(baseline, float)
    gained = (other - one) if lower_is_better else (one - other)
    gained = np.where(np.isnan(one), -np.inf, np.where(np.isnan(other), np.inf, gained))
    return np.where(np.isnan(one) & np.isnan(other), 0.0, gained)


def signed_rank_p(gained: np.ndarray) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test (1945, doi:10.2307/3001968), over all sign flips.

    With more than `EXACT` seeds 2^EXACT random flips are drawn, so p is at least 2 / (2^EXACT + 1). If the arms do not
    differ, each sign is a fair coin for any distribution, so ties, zeros and infinite differences (ranked as the
    largest) are allowed. The smallest p of n seeds is 2 / 2^n.

    Args:
        gained: by how much the arm is better, [seeds].
    """
    if len(gained) < 2 or not gained.any():  # scipy needs two
        return 1.0
    ranks = np.sign(gained) * stats.rankdata(np.abs(gained))
    found = stats.permutation_test(
        (ranks, -ranks), lambda ours, _, axis: ours.sum(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=2**EXACT, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(found.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values corrected for multiple tests (Holm 1979, Scandinavian Journal of Statistics 6, page 65)."""
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p, float)[order] * factors))
    return corrected.tolist()


def interval(values: np.ndarray) -> tuple[float, float] | None:
    """The bootstrap confidence interval of the mean; None with fewer than `FEWEST_FOR_INTERVAL` values.

    A plain bootstrap interval is too narrow for a few seeds (BCa with five covers the truth in 84 % of studies, not in
    95 %). So this is the expanded percentile interval, whose level is widened by Student's t (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789, section 5.3).
    """
    count = len(values)
    if count < FEWEST_FOR_INTERVAL:
        return None
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    tail = stats.norm.cdf(-math.sqrt(count / (count - 1)) * stats.t.ppf(1 - LEVEL / 2, count - 1))
    found = stats.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * tail, n_resamples=9999, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def fewest_seeds(tests: int) -> int:
    """The smallest number n of seeds with which `tests` tests can give a verdict: 2 / 2^n <= VERDICT_LEVEL / tests."""
    return math.ceil(math.log2(2 * tests / VERDICT_LEVEL))


def power(effect: float, seeds: int, tests: int) -> float:
    """Roughly how often the verdict finds a true difference: 0 to 1.

    It is the power of the t test with 3/pi times the seeds: the signed-rank test's efficiency on normal differences
    (Hodges and Lehmann 1956, doi:10.1214/aoms/1177728261).

    Args:
        effect: mean of the paired differences over their standard deviation.
        seeds: number of seeds of the study.
        tests: number of arms that are tested against the baseline.
    """
    if seeds < fewest_seeds(tests):
        return 0.0
    scaled = seeds * 3 / math.pi
    critical = stats.t.ppf(1 - VERDICT_LEVEL / tests / 2, scaled - 1)
    return float(stats.nct.sf(critical, scaled - 1, effect * math.sqrt(scaled)))


def seeds_needed(gained: np.ndarray, tests: int) -> int | None:
    """Roughly how many seeds would tell with probability `POWER`, if the true difference is the observed one.

    None with fewer than two differences, with failed seeds (the estimate does not cover them), or if it would take
    more than 1,000 seeds.
    """
    if not np.isfinite(gained).all():
        return None
    finite = gained[np.isfinite(gained)]
    if len(finite) < 2 or not finite.any():
        return None
    spread = finite.std(ddof=1)
    effect = abs(finite.mean()) / spread if spread else math.inf
    fewest = fewest_seeds(tests)
    if effect > 5:
        return fewest
    # Power grows with the number of seeds, so bisection finds the smallest that suffices.
    low, high = fewest, MOST_SEEDS
    if power(effect, high, tests) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle, tests) >= POWER else (middle + 1, high)
    return low


def compare(arms: dict[str, dict[int, float]], baseline: str, lower_is_better: bool) -> dict[str, Difference]:
    """Compares every other arm with the baseline.

    Args:
        arms: {arm: {seed: value}}, NaN for a failed seed.
        baseline: name of one of the arms.
        lower_is_better: whether smaller values are better.
    """
    others = [arm for arm in arms if arm != baseline]
    shared = {arm: sorted(arms[arm].keys() & arms[baseline].keys()) for arm in others}
    gained = {
        arm: differences([arms[arm][s] for s in seeds], [arms[baseline][s] for s in seeds], lower_is_better)
        for arm, seeds in shared.items()
    }
    both_failed = {
        arm: any(math.isnan(arms[arm][s]) and math.isnan(arms[baseline][s]) for s in seeds)
        for arm, seeds in shared.items()
    }
    p = {arm: signed_rank_p(values) for arm, values in gained.items()}
    corrected = dict(zip(others, holm(list(p.values())), strict=True))
    return {
        arm: _difference(
            gained[arm], both_failed[arm], p[arm], corrected[arm], len(others), -1 if lower_is_better else 1
        )
        for arm in others
    }


def _difference(gained: np.ndarray, both_failed: bool, p: float, corrected: float, tests: int, sign: int) -> Difference:
    finite = gained[np.isfinite(gained)]
    found = interval(sign * finite)
    wins = float(((gained > 0) + 0.5 * (gained == 0)).mean()) if len(gained) else 0.5
    ranks = np.sign(gained) @ stats.rankdata(np.abs(gained)) if len(gained) else 0.0
    verdict: Verdict = "cannot tell" if corrected > VERDICT_LEVEL else "better" if ranks > 0 else "worse"
    return Difference(
        seeds=len(gained),
        mean=float(sign * finite.mean()) if len(finite) else None,
        low=found[0] if found else None,
        high=found[1] if found else None,
        p=p,
        p_holm=corrected,
        wins=wins,
        equal=bool(len(gained) and not gained.any()) and not both_failed,
        enough=len(gained) >= fewest_seeds(tests),
        verdict=verdict,
        seeds_needed=seeds_needed(gained, tests) if verdict == "cannot tell" and not both_failed else None,
    )


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation over seeds and count of the values; NaN stands for a failed seed and is left out."""
    there = np.asarray([value for value in values if not math.isnan(value)])
    return {
        "mean": float(there.mean()) if len(there) else None,
        "std": float(there.std(ddof=1)) if len(there) > 1 else None,
        "count": len(there),
    }
