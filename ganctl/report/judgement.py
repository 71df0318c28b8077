"""Which arm is better, by how much, how sure that is and what it cost: as numbers, and in words."""

import itertools
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from ganctl.config.metrics import METRIC_NAMES, lower_is_better, own_names
from ganctl.formats import clock, listed, number
from ganctl.report import statistics
from ganctl.report.collect import CellRecord, broke_off, ended, one_data_set
from ganctl.report.endings import failure_words, unhealthy, waiting
from ganctl.report.statistics import Difference
from ganctl.shares import wilson

LABELS = {
    "quality/sliced_wasserstein": "distance to the data (sliced Wasserstein)",
    "quality/diversity": "diversity of the samples",
    "modes/covered": "modes covered",
    "modes/high_quality": "share of high-quality samples",
    "modes/kl": "KL divergence of the modes' shares from equal ones",
    **{f"metric/{name}": label for name, (label, _) in METRIC_NAMES.items()},
}

Arms = dict[str, list[CellRecord]]


def label_of(comparison: dict[str, Any], tag: str) -> str:
    """What a scalar that arms are judged by is called."""
    name = tag.removeprefix("metric/")
    own = own_names(comparison).get(name)
    return LABELS.get(tag) or (own[0] if own else name.replace("_", " "))


def less_wins(comparison: dict[str, Any]) -> bool:
    """Whether a smaller outcome is a better one."""
    return lower_is_better(comparison["rules"]["outcome"], own_names(comparison))


def judge(comparison: dict[str, Any], cells: list[CellRecord]) -> None:
    """Adds to `comparison` each arm's "summary", the "pairs", the "looks" so far, and the "verdict" in words."""
    arms = {arm: [cell for cell in cells if cell.arm == arm and ended(cell)] for arm in comparison["arms"]}
    baseline = next(iter(arms))
    for arm, values in comparison["arms"].items():
        values["summary"] = _summary(arms[arm])
    broken = [cell for cell in cells if broke_off(cell)]
    found: dict[str, Difference] = {}
    if comparable(comparison, cells) and not broken:  # a verdict without them could depend on which cells were lost
        outcomes = {arm: {cell.seed: cell.outcome() for cell in members} for arm, members in arms.items()}
        found = statistics.compare(outcomes, baseline, less_wins(comparison))
    comparison["baseline"] = baseline
    comparison["pairs"] = _pairs(arms, baseline, found)
    seen = {arm: [cell.seed for cell in members] for arm, members in arms.items()}
    looks = comparison.setdefault("looks", [])
    if found and seen not in looks:
        looks.append(seen)
    comparison["verdict"] = {
        "headline": waiting(cells, broken[0]) if broken else headline(baseline, found),
        "broke_off": len(broken),
        "sentences": [
            *_outcome_words(comparison, arms, baseline, found),
            *_certainty_words(comparison, baseline, found),
            *failure_words(comparison, cells, broken),
            *_protocol_words(comparison),
            _cost_words(comparison, cells, baseline),
        ],
    }


def comparable(comparison: dict[str, Any], cells: list[CellRecord]) -> bool:
    """Whether outcomes of different arms can be compared, that is, whether all arms have the same data."""
    if any(cell.info.get("data_fingerprint") for cell in cells):
        return one_data_set(cells)
    sections = comparison["definition"].values()
    return all(one.get("data") == other.get("data") for one, other in itertools.pairwise(sections))


def _summary(cells: list[CellRecord]) -> dict[str, Any]:
    """The outcome over an arm's seeds, and how many went wrong: failed, or were diagnosed as unhealthy."""
    examined = [cell for cell in cells if cell.status == "failed" or cell.info.get("verdict")]
    wrong = [cell for cell in examined if unhealthy(cell)]
    seconds = [cell.info.get("seconds") or 0.0 for cell in cells if cell.status == "completed"]
    kinds = (cell.info.get("verdict") if cell.info.get("verdict") != "healthy" else None for cell in wrong)
    return {
        "outcome": statistics.spread([cell.outcome() for cell in cells]),
        "seeds": len(cells),
        "examined": len(examined),
        "unhealthy": len(wrong),
        "unhealthy_interval": [*wilson(len(wrong), len(examined))],
        "kinds": dict(Counter(kind or "failed" for kind in kinds)),
        "seconds": float(np.median(seconds)) if seconds else None,
    }


def _pairs(arms: Arms, baseline: str, found: dict[str, Difference]) -> list[dict[str, Any]]:
    """For each pair of arms, second minus first at the same seed; for pairs with the baseline also the verdict."""
    finals = {(cell.arm, cell.seed): cell.final() for cells in arms.values() for cell in cells}
    rows = []
    for first, second in itertools.combinations(arms, 2):
        seeds = sorted(seed for arm, seed in finals if arm == first and (second, seed) in finals)
        both = [finals[first, seed].keys() & finals[second, seed].keys() for seed in seeds]
        tags = sorted(set.intersection(*both)) if both else []
        measured = ("yardstick/", "score/", "grad_norm/", *(("modes/", "quality/") if found else ()))
        differences = {
            tag: {str(seed): finals[second, seed][tag] - finals[first, seed][tag] for seed in seeds}
            for tag in tags
            if tag.startswith(measured)
        }
        judged = asdict(found[second]) if first == baseline and second in found else {}
        rows.append({"first": first, "second": second, **judged, "second_minus_first": differences})
    return rows


def _seeds(counts: list[int]) -> str:
    """The number of seeds of several arms in words: 1 seed, 5 seeds, 5 to 8 seeds."""
    low, high = min(counts), max(counts)
    return f"{low if low == high else f'{low} to {high}'} seed{'' if low == high == 1 else 's'}"


def headline(baseline: str, found: dict[str, Difference]) -> str:
    """The verdict in one sentence."""
    if not found:
        return "The arms have different data, so nothing can be said of which is better."
    with_seeds = f"with {_seeds([difference.seeds for difference in found.values()])}"
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
    parts = [
        f"{word.capitalize()} than {baseline}: {listed(told[word])}." for word in ("better", "worse") if told[word]
    ]
    if told["cannot tell"]:
        parts.append(f"Cannot tell {with_seeds}: {listed(told['cannot tell'])}.")
    return " ".join(parts)


def _outcome_words(comparison: dict[str, Any], arms: Arms, baseline: str, found: dict[str, Difference]) -> list[str]:
    """Sentences on the mean outcome of each arm, and on its difference to the baseline."""
    rules = comparison["rules"]
    lower = less_wins(comparison)
    spreads = {arm: comparison["arms"][arm]["summary"]["outcome"] for arm in arms}
    if not found or not any(values["count"] for values in spreads.values()):
        return []
    means = [_mean_words(arm, spreads[arm], len(arms[arm])) for arm in arms]
    label = label_of(comparison, rules["outcome"])
    words = f"The {label}, {'lower' if lower else 'higher'} being better: {listed(means, joint='; ')}."
    floors = [cell.info.get("floor", {}).get(rules["outcome"]) for cells in arms.values() for cell in cells]
    name = rules["outcome"].removeprefix("metric/")
    floors.append(comparison.get("metrics", {}).get("floors", {}).get(name))
    floor = next((value for value in floors if value is not None), None)
    if floor is not None:
        words += f" Real samples: {number(floor)}."
    differences = [_difference_words(arm, difference, lower) for arm, difference in found.items() if difference.seeds]
    return (
        [words, f"Against {baseline} at the same seed: {listed(differences, joint='; ')}."] if differences else [words]
    )


def _protocol_words(comparison: dict[str, Any]) -> list[str]:
    """Sentences on why there is no table of metrics, and on the step at which each arm reached the first arm's end."""
    words = [comparison["metrics"]["refused"]] if "refused" in comparison.get("metrics", {}) else []
    found = comparison.get("reach")
    if found:
        told = []
        for arm, steps in found["steps"].items():
            known = sorted(step for step in steps.values() if step is not None)
            seeds = f"{len(known)} of {len(steps)} seeds"
            told.append(f"{arm} step {known[(len(known) - 1) // 2]:,} ({seeds})" if known else f"{arm} never ({seeds})")
        first = next(iter(found["steps"]))
        label = label_of(comparison, found["tag"])
        bound = f"{label} {number(found['threshold'])}"
        words.append(f"As good as {first} ended ({bound}), in the median: {listed(told, joint='; ')}.")
    return words


def _mean_words(arm: str, spread: dict[str, Any], seeds: int) -> str:
    if not spread["count"]:
        return f"{arm} none" if seeds else f"{arm} not run"
    failed = f" (mean of the {spread['count']} of {seeds} seeds that did not fail)" if spread["count"] < seeds else ""
    return f"{arm} {number(spread['mean'])}{failed}"


def _difference_words(arm: str, difference: Difference, lower: bool) -> str:
    at = f"better at {difference.wins * difference.seeds:g} of {difference.seeds}"
    if difference.mean is None:
        return f"{arm} {at}"
    better = (difference.mean < 0) == lower if difference.mean else None
    size = (
        "equal on average" if better is None else f"{'better' if better else 'worse'} by {number(abs(difference.mean))}"
    )
    if difference.low is not None and difference.high is not None:
        side = -1 if difference.mean < 0 else 1  # the interval has the sign that the words give the mean
        low, high = sorted((side * difference.low, side * difference.high))
        size += f" [{number(low)}, {number(high)}]"
    split = difference.verdict != "cannot tell" and better is not None and better != (difference.verdict == "better")
    return f"{arm} {size} on average, {at}" + (
        " (few large differences move the mean against most seeds)" if split else ""
    )


def _certainty_words(comparison: dict[str, Any], baseline: str, found: dict[str, Difference]) -> list[str]:
    """Sentences on how sure the verdict is, how many seeds would tell, and what weakens it."""
    if not any(difference.seeds for difference in found.values()):
        return []
    tests = len(found)
    words = []
    equal = [arm for arm, difference in found.items() if difference.equal]
    if equal:
        words.append(f"{listed(equal)} and {baseline} came to the same outcome at every seed.")
    told = [difference for difference in found.values() if difference.verdict != "cannot tell"]
    if told:
        largest = max(difference.p_holm for difference in told)
        words.append(
            f"Equal arms would differ so in at most {largest:.2g} of studies "
            f"(signed-rank test paired by seed{', Holm-corrected' if tests > 1 else ''})."
        )
    few = {arm: difference for arm, difference in found.items() if not difference.enough}
    if few:
        seeds = _seeds([difference.seeds for difference in few.values()])
        words.append(
            f"{seeds} cannot tell anything from chance, "
            f"whatever came out{f' ({listed([*few])})' if len(few) < tests else ''}: it takes at least "
            f"{statistics.fewest_seeds(tests)} for {tests} comparison{'' if tests == 1 else 's'}."
        )
    needed = [f"{arm} roughly {d.seeds_needed:,}" for arm, d in found.items() if d.seeds_needed and d.enough]
    if needed:
        words.append(
            f"Seeds that would tell in {statistics.POWER:.0%} of studies, if the differences are what they look like: "
            f"{listed(needed)}."
        )
    looks = len(comparison["looks"])
    if looks > 1:
        words.append(
            f"This study was judged {looks} times as it grew; who looks until something shows errs more often than "
            f"{statistics.LEVEL:.0%} (docs/statistics.md)."
        )
    return words


def _cost_words(comparison: dict[str, Any], cells: list[CellRecord], baseline: str) -> str:
    """A sentence on the time of the whole study, and on the cost of each arm's seed relative to the baseline's."""
    arms = comparison["arms"]
    total = sum(cell.info.get("seconds") or 0.0 for cell in cells)
    trials = sum(values["tuning"]["seconds"] for values in arms.values() if "tuning" in values)
    words = f"It cost {clock(total)} of training in {len(cells)} cell{'' if len(cells) == 1 else 's'}"
    if trials:
        words += f" and {clock(trials)} in the trials of the tuning"
    flops = {arm: (values.get("cost") or {}).get("flops_per_step") for arm, values in arms.items()}
    seconds = {arm: values["summary"]["seconds"] for arm, values in arms.items()}
    parts = [
        _ratios({arm: value / known[baseline] for arm, value in known.items() if value and arm != baseline}, unit)
        for known, unit in ((seconds, "the time"), (flops, "the arithmetic a step"))
        if known.get(baseline) and any(value and arm != baseline for arm, value in known.items())
    ]
    return f"{words}{f'; against a seed of {baseline}: ' if parts else ''}{', '.join(parts)}."


def _ratios(ratios: dict[str, float], unit: str) -> str:
    low, high = min(ratios.values()), max(ratios.values())
    shown = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    return f"{shown} times {unit}"
