"""Is one arm better than another, or can nobody tell? Paired by seed, with failures last.

A value is what one seed of one arm came to; NaN stands for a seed that failed, which is worse than any value. Every
distribution is scipy's or counted out; `docs/statistics.md` has how often these verdicts err.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

LEVEL = 0.05  # of every interval, as 1 - LEVEL
# Of every verdict. At 0.05 itself an exact test errs in up to 5 % of studies on average, and so in more than 5 % of a
# given thousand about every other time; at 0.04 it stays below in practically every thousand.
VERDICT_LEVEL = 0.04
POWER = 0.8  # with which `seeds_needed` finds the difference
EXACT = 14  # seeds up to which all sign flips are counted; beyond, that many random ones
MOST_SEEDS = 1000
FEWEST_FOR_INTERVAL = 5

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Difference:
    """One arm against the baseline at the same seeds.

    Attributes:
        seeds: how many both arms have, failures included.
        mean: of arm less baseline, over the seeds where neither failed; None without any.
        low: lower end of the interval of that mean; None with fewer than five such seeds.
        high: its upper end.
        p: of the test that arm and baseline do not differ.
        p_holm: the same, corrected for the number of arms tested against the baseline.
        wins: share of seeds at which the arm is better, a tie counting half.
        equal: whether the two came to the same at every seed, of which there is one at least.
        enough: whether so many seeds can tell anything at all in one of so many tests.
        verdict: of the arm: better, worse, or that nobody can tell.
        seeds_needed: roughly how many seeds would tell, if the difference is what it looks like; None where the
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
    """By how much the arm is better at each seed, float [seeds]: infinite where one of the two failed, 0 where both."""
    one, other = np.asarray(arm, float), np.asarray(baseline, float)
    gained = (other - one) if lower_is_better else (one - other)
    gained = np.where(np.isnan(one), -np.inf, np.where(np.isnan(other), np.inf, gained))
    return np.where(np.isnan(one) & np.isnan(other), 0.0, gained)


def signed_rank_p(gained: np.ndarray) -> float:
    """The two-sided p of Wilcoxon's signed-rank test (1945, doi:10.2307/3001968), by counting out every sign flip.

    Beyond `EXACT` seeds by 2^EXACT random flips, so that no p is below 2 / (2^EXACT + 1). Without a difference between
    the arms each sign is a fair coin, whatever the distribution, so that ties, zeros and
    infinite differences (ranked as the largest) are allowed. The smallest p of n seeds is 2 / 2^n.

    Args:
        gained: [seeds].
    """
    if len(gained) < 2 or not gained.any():  # scipy asks for two
        return 1.0
    ranks = np.sign(gained) * stats.rankdata(np.abs(gained))
    found = stats.permutation_test(
        (ranks, -ranks), lambda ours, _, axis: ours.sum(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=2**EXACT, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(found.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6, page 65)."""
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p, float)[order] * factors))
    return corrected.tolist()


def interval(values: np.ndarray) -> tuple[float, float] | None:
    """The bootstrap interval of the mean; None with fewer than `FEWEST_FOR_INTERVAL` values.

    A plain one is too narrow for a few seeds (BCa at five holds the truth in 84 % of studies, not in 95 %), so its
    level is widened by Student's t to the expanded percentile interval (Hesterberg 2015,
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
    """With fewer seeds no result of `tests` tests can be told from chance, for then 2 / 2^n > VERDICT_LEVEL / tests."""
    return math.ceil(math.log2(2 * tests / VERDICT_LEVEL))


def power(effect: float, seeds: int, tests: int) -> float:
    """Roughly how often the verdict finds a true difference.

    Of the t test's power, with seeds scaled by 3/pi, the signed-rank test's efficiency on normal differences (Hodges
    and Lehmann 1956, doi:10.1214/aoms/1177728261).

    Args:
        effect: mean of the paired differences over their standard deviation.
        seeds: of the study.
        tests: arms that are tested against the baseline.
    """
    if seeds < fewest_seeds(tests):
        return 0.0
    scaled = seeds * 3 / math.pi
    critical = stats.t.ppf(1 - VERDICT_LEVEL / tests / 2, scaled - 1)
    return float(stats.nct.sf(critical, scaled - 1, effect * math.sqrt(scaled)))


def seeds_needed(gained: np.ndarray, tests: int) -> int | None:
    """Roughly how many seeds would tell with a probability of `POWER`, if the difference is what it looks like.

    None with fewer than two finite differences, where seeds failed, of which this says nothing, or where it would take
    more than 1,000.
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
    # Power grows with the seeds, so the first that suffices is found by halving.
    low, high = fewest, MOST_SEEDS
    if power(effect, high, tests) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle, tests) >= POWER else (middle + 1, high)
    return low


def compare(arms: dict[str, dict[int, float]], baseline: str, lower_is_better: bool) -> dict[str, Difference]:
    """Every other arm against the baseline.

    Args:
        arms: {arm: {seed: value}}, NaN where a seed failed.
        baseline: one of the arms.
        lower_is_better: whether a smaller value is a better one.
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
    """Mean, standard deviation over seeds and number of the values that are there; NaN stands for a failed seed."""
    there = np.asarray([value for value in values if not math.isnan(value)])
    return {
        "mean": float(there.mean()) if len(there) else None,
        "std": float(there.std(ddof=1)) if len(there) > 1 else None,
        "count": len(there),
    }
