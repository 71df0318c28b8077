"""Which arm is better, by how much, how sure that is and what it cost: as numbers, and in words."""

import itertools
import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from ganctl.formats import clock, number
from ganctl.report import statistics
from ganctl.report.collect import CellRecord, ended
from ganctl.report.statistics import Difference
from ganctl.schema import OUTCOMES

LABELS = {
    "quality/sliced_wasserstein": "distance to the data (sliced Wasserstein)",
    "quality/diversity": "diversity of the samples",
    "modes/covered": "modes covered",
    "modes/high_quality": "share of high-quality samples",
    "modes/kl": "KL divergence of the modes' shares from equal ones",
}

Arms = dict[str, list[CellRecord]]


def judge(comparison: dict[str, Any], cells: list[CellRecord]) -> None:
    """Adds to `comparison` each arm's "summary", the "pairs", and the "verdict" in words."""
    rules = comparison["rules"]
    arms = {arm: [cell for cell in cells if cell.arm == arm and ended(cell)] for arm in comparison["arms"]}
    baseline = next(iter(arms))
    for arm, values in comparison["arms"].items():
        values["summary"] = _summary(arms[arm])
    found: dict[str, Difference] = {}
    if comparable(comparison):
        outcomes = {arm: {cell.seed: cell.outcome() for cell in members} for arm, members in arms.items()}
        found = statistics.compare(outcomes, baseline, OUTCOMES[rules["outcome"]])
    comparison["baseline"] = baseline
    comparison["pairs"] = _pairs(arms, baseline, found)
    comparison["verdict"] = {
        "headline": headline(baseline, found),
        "sentences": _sentences(comparison, arms, baseline, found),
    }


def comparable(comparison: dict[str, Any]) -> bool:
    """Whether one outcome means the same in every arm: they have the same data."""
    known = comparison["definition"].values()
    return all(one.get("data") == other.get("data") for one, other in itertools.pairwise(known))


def _summary(cells: list[CellRecord]) -> dict[str, Any]:
    """The outcome over the seeds of an arm, and how many went wrong: failed, or ended unhealthy."""
    wrong = sum(unhealthy(cell) for cell in cells)
    return {
        "outcome": statistics.spread([cell.outcome() for cell in cells]),
        "seeds": len(cells),
        "unhealthy": wrong,
        "unhealthy_interval": [*statistics.wilson(wrong, len(cells))],
        "verdicts": dict(Counter(str(cell.info.get("verdict") or cell.status) for cell in cells)),
        "seconds": float(np.median([cell.info.get("seconds") or 0.0 for cell in cells])) if cells else None,
    }


def unhealthy(cell: CellRecord) -> bool:
    """Whether the run failed or its diagnosis found something."""
    return cell.status == "failed" or cell.info.get("verdict") not in (None, "healthy")


def _pairs(arms: Arms, baseline: str, found: dict[str, Difference]) -> list[dict[str, Any]]:
    """For each pair of arms the differences at the same seed, second less first; with the baseline, the verdict too."""
    finals = {(cell.arm, cell.seed): cell.final() for cells in arms.values() for cell in cells}
    rows = []
    for first, second in itertools.combinations(arms, 2):
        seeds = sorted(seed for arm, seed in finals if arm == first and (second, seed) in finals)
        tags = (
            sorted(set.intersection(*(finals[first, s].keys() & finals[second, s].keys() for s in seeds)))
            if seeds
            else []
        )
        differences = {
            tag: {str(seed): finals[second, seed][tag] - finals[first, seed][tag] for seed in seeds}
            for tag in tags
            if tag.startswith(("yardstick/", "score/", "grad_norm/", "modes/", "quality/"))
        }
        judged = asdict(found[second]) if first == baseline and second in found else {}
        rows.append({"first": first, "second": second, **judged, "second_minus_first": differences})
    return rows


def headline(baseline: str, found: dict[str, Difference]) -> str:
    """The verdict in one sentence."""
    if not found:
        return "The arms have different data, so nothing can be said of which is better."
    seeds = min(difference.seeds for difference in found.values())
    with_seeds = f"with {seeds} seed{'' if seeds == 1 else 's'}"
    if len(found) == 1:
        ((arm, difference),) = found.items()
        if difference.verdict == "cannot tell":
            return f"Cannot tell {with_seeds} whether {baseline} or {arm} is better."
        better, worse = (arm, baseline) if difference.verdict == "better" else (baseline, arm)
        return f"{better} is better than {worse}."
    told = {
        word: [arm for arm, difference in found.items() if difference.verdict == word]
        for word in ("better", "worse", "cannot tell")
    }
    if len(told["cannot tell"]) == len(found):
        return f"Cannot tell {with_seeds} whether any arm is better or worse than {baseline}."
    parts = [f"{word.capitalize()} than {baseline}: {_list(told[word])}." for word in ("better", "worse") if told[word]]
    if told["cannot tell"]:
        parts.append(f"Cannot tell {with_seeds}: {_list(told['cannot tell'])}.")
    return " ".join(parts)


def _list(arms: list[str], most: int = 6) -> str:
    return ", ".join(arms) if len(arms) <= most else f"{', '.join(arms[:most])} and {len(arms) - most} more"


def _sentences(comparison: dict[str, Any], arms: Arms, baseline: str, found: dict[str, Difference]) -> list[str]:
    """By how much, how sure, what went wrong, what it cost."""
    return [
        *_outcome_words(comparison, arms, baseline, found),
        *_certainty_words(baseline, found),
        *_failure_words(comparison),
        _cost_words(comparison, arms, baseline),
    ]


def _outcome_words(comparison: dict[str, Any], arms: Arms, baseline: str, found: dict[str, Difference]) -> list[str]:
    rules = comparison["rules"]
    label, lower = LABELS[rules["outcome"]], OUTCOMES[rules["outcome"]]
    means = {arm: comparison["arms"][arm]["summary"]["outcome"]["mean"] for arm in arms}
    there = {arm: mean for arm, mean in means.items() if mean is not None}
    if not there or not found:
        return []
    best = (min if lower else max)(there, key=lambda arm: there[arm])
    floors = [cell.info.get("floor", {}).get(rules["outcome"]) for cells in arms.values() for cell in cells]
    floor = next((value for value in floors if value is not None), None)
    words = f"By the {label}, {'lower' if lower else 'higher'} being better, {best} came out best"
    others = [arm for arm in there if arm != best]
    if len(there) <= 4 and others:
        words += f": {number(there[best])} on average against " + ", ".join(
            f"{number(there[arm])} ({arm})" for arm in others
        )
    else:
        words += f" with {number(there[best])} on average"
    words += "." if floor is None else f"; two halves of the real data are {number(floor)} apart."
    if found and baseline in there and len(found) == 1:
        ((arm, difference),) = found.items()
        if difference.mean is not None:
            words += f" {arm} less {baseline}: {signed(difference)}, better at {wins(difference)} seeds."
    return [words]


def signed(difference: Difference) -> str:
    """The mean difference with its interval."""
    if difference.mean is None:
        return "–"
    words = f"{number(difference.mean, sign=True)}"
    if difference.low is None:
        return words
    return f"{words} [{number(difference.low, sign=True)}, {number(difference.high, sign=True)}]"


def wins(difference: Difference) -> str:
    """At how many seeds the arm was better, such as 4 of 5."""
    return f"{difference.wins * difference.seeds:g} of {difference.seeds}"


def _certainty_words(baseline: str, found: dict[str, Difference]) -> list[str]:
    if not found:
        return []
    tests = len(found)
    fewest = statistics.fewest_seeds(tests)
    seeds = min(difference.seeds for difference in found.values())
    if all(difference.p == 1 and difference.wins == 0.5 and difference.seeds for difference in found.values()):
        return [f"At every seed the arms came to the same outcome as {baseline}."]
    if seeds < fewest:
        return [
            f"{seeds} seed{'' if seeds == 1 else 's'} cannot tell anything from chance, whatever came out: it takes at "
            f"least {fewest} for {tests} comparison{'' if tests == 1 else 's'} at the {statistics.LEVEL:.0%} level."
        ]
    told = [difference for difference in found.values() if difference.verdict != "cannot tell"]
    open_ = {arm: difference for arm, difference in found.items() if difference.verdict == "cannot tell"}
    words = []
    if told:
        largest = max(difference.p_holm for difference in told)
        words.append(
            f"The chance of such a difference between equal arms is at most {largest:.2g} (exact paired test over "
            f"{seeds} seeds{', Holm-corrected' if tests > 1 else ''})."
        )
    needed = [f"{arm} roughly {d.seeds_needed:,}" for arm, d in open_.items() if d.seeds_needed]
    if open_:
        words.append(
            "Seeds that would tell, if the differences are what they look like: "
            + (", ".join(needed[:6]) if needed else "more than 1,000")
            + "."
        )
    return words


def _failure_words(comparison: dict[str, Any]) -> list[str]:
    words = []
    for arm, values in comparison["arms"].items():
        summary = values["summary"]
        if summary["unhealthy"]:
            kinds = [f"{verdict} {count}" for verdict, count in summary["verdicts"].items() if verdict != "healthy"]
            words.append(f"{arm}: {summary['unhealthy']} of {summary['seeds']} ({', '.join(kinds)})")
    if not words:
        return (
            ["No seed failed and no diagnosis found anything."]
            if any(values["summary"]["seeds"] for values in comparison["arms"].values())
            else []
        )
    return [f"Went wrong: {'; '.join(words[:6])}{f'; and {len(words) - 6} more arms' if len(words) > 6 else ''}."]


def _cost_words(comparison: dict[str, Any], arms: Arms, baseline: str) -> str:
    cells = [cell for members in arms.values() for cell in members]
    total = sum(cell.info.get("seconds") or 0.0 for cell in cells)
    words = f"It cost {clock(total)} of training in {len(cells)} cell{'' if len(cells) == 1 else 's'}"
    seconds = {arm: comparison["arms"][arm]["summary"]["seconds"] for arm in arms}
    first = seconds[baseline]
    others = [arm for arm in arms if arm != baseline and seconds[arm]]
    if first and others:
        ratios = [seconds[arm] / first for arm in others]
        if len(others) == 1:
            words += f"; a seed of {others[0]} took {ratios[0]:.2f} times as long as one of {baseline}"
        else:
            words += f"; a seed took {min(ratios):.2f} to {max(ratios):.2f} times as long as one of {baseline}"
    return f"{words}."


def rate(summary: dict[str, Any]) -> str:
    """The share that went wrong, with its Wilson interval."""
    low, high = summary["unhealthy_interval"]
    return f"{summary['unhealthy']} of {summary['seeds']} [{low:.0%}, {math.ceil(100 * high) / 100:.0%}]"
