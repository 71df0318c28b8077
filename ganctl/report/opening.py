"""The text on a report's first screen below the verdict: what happened, and why, as far as the numbers show it."""

from typing import Any

from ganctl.formats import number
from ganctl.report.collect import CellRecord
from ganctl.report.fairness import settings
from ganctl.report.further import would_tell
from ganctl.report.judgement import comparable, label_of, less_wins
from ganctl.report.saturation import Saturation, saturation
from ganctl.report.stories import probable

WEAK = "minimax"  # the form of J(G) whose gradient vanishes where D is sure
STRONG = {"minimax_swapped", "nonsaturating"}  # the two forms, with equal gradients, that were designed to keep it
MOST_NAMED = 4  # the largest number of arms that a sentence names
USUAL_EPS = 1e-8  # Adam's default (Kingma and Ba 2015, algorithm 1)
# Measured on seeds 0 to 5 (docs/log.md, 2026-11-29).
EQUAL_RATES = "ganctl compare-losses loss=minimax,nonsaturating optim.lr=0.001"


def opening(comparison: dict[str, Any], cells: list[CellRecord]) -> None:
    """Adds to the verdict "story" (two sentences), "rates" and "would_tell" (each a text or None)."""
    arms = {arm: [cell for cell in cells if cell.arm == arm] for arm in comparison["arms"]}
    comparison["verdict"] |= {
        "story": [_what(comparison, comparable(comparison, cells)), _why(comparison, arms)],
        "rates": rates(comparison),
        "would_tell": would_tell(comparison, cells),
    }


def _named(parts: list[str], joint: str = ", ") -> str:
    more = len(parts) - MOST_NAMED
    return joint.join(parts if more <= 0 else [*parts[:MOST_NAMED], f"and {more} more"])


def _what(comparison: dict[str, Any], one_scale: bool) -> str:
    """A sentence: the mean outcomes, at how many seeds each arm beat the first, and how many runs went wrong."""
    outcome, baseline = comparison["rules"]["outcome"], comparison["baseline"]
    summaries = {arm: values["summary"] for arm, values in comparison["arms"].items()}
    if not any(summary["seeds"] for summary in summaries.values()):
        return "No run has an outcome yet."
    label, better = label_of(comparison, outcome), "lower" if less_wins(comparison) else "higher"
    waits = comparison["verdict"]["broke_off"] > 0
    pairs = [pair for pair in comparison["pairs"] if pair["first"] == baseline and pair.get("seeds")]
    if len(summaries) == 2:
        means = " and ".join(f"{_mean(summary)} for {arm}" for arm, summary in summaries.items())
        told = "".join(f", and {_winner(pair)}" for pair in pairs)
    else:
        means = _named([f"{_mean(summary)} for {arm}" for arm, summary in summaries.items()])
        wins = [f"{pair['second']} at {_share(pair['wins'], pair['seeds'])}" for pair in pairs]
        told = f"; better than {baseline}: {_named(wins)}" if wins else ""
    words = f"On average the {label} came to {means} ({better} is better){told}"
    if waits:
        words = f"The {label} came to {means} on average of the cells that have an outcome, which is no verdict"
    elif not one_scale:
        words += "; each has its own data, so these do not compare"
    return f"{words}; {_health(summaries, waits)}."


def _winner(pair: dict[str, Any]) -> str:
    """Which of two arms was better at more seeds, and at how many."""
    if pair.get("equal"):
        return "both came to the same at every seed"
    if pair["wins"] == 0.5:
        return "neither was better at more seeds than the other"
    arm, share = (pair["second"], pair["wins"]) if pair["wins"] >= 0.5 else (pair["first"], 1 - pair["wins"])
    return f"{arm} was better at {_share(share, pair['seeds'])}"


def _share(share: float, seeds: int) -> str:
    """A share of wins as a number of seeds; a tie counts as half a win."""
    won = share * seeds
    tied = "" if abs(won - round(won)) < 0.25 else ", ties counting half"
    return f"{won:g} of {seeds} seed{'' if seeds == 1 else 's'}{tied}"


def _mean(summary: dict[str, Any]) -> str:
    spread, seeds = summary["outcome"], summary["seeds"]
    if not spread["count"]:
        return "none (every seed failed)" if seeds else "not run"
    part = f" (of the {spread['count']} of {seeds} seeds that did not fail)" if spread["count"] < seeds else ""
    return f"{number(spread['mean'])}{part}"


def _health(summaries: dict[str, dict[str, Any]], waits: bool) -> str:
    """How many runs of each arm went wrong, with the diagnosis. `waits`: whether other runs broke off."""
    examined = sum(summary["examined"] for summary in summaries.values())
    wrong = {arm: summary for arm, summary in summaries.items() if summary["unhealthy"]}
    if not examined:
        return "the runs were too short for a diagnosis"
    if not wrong:
        return "no diagnosis found anything" if waits else "no run failed, and no diagnosis found anything"
    parts = [
        f"{summary['unhealthy']} of {summary['examined']} runs of {arm} "
        f"({', '.join(f'{_plain(kind)} {count}' for kind, count in summary['kinds'].items())})"
        for arm, summary in wrong.items()
    ]
    if _all_wrong(summaries) and not waits:
        return f"every run went wrong, so this compares failures: {_named(parts)}"
    healthy = [arm for arm, summary in summaries.items() if summary["examined"] and not summary["unhealthy"]]
    return f"went wrong: {_named(parts)}{f', none of {_named(healthy)}' if healthy else ''}"


def _all_wrong(summaries: dict[str, dict[str, Any]]) -> bool:
    """Whether every run failed or was diagnosed as unhealthy; a run too short for a diagnosis is neither."""
    seeds, unhealthy = (sum(summary[key] for summary in summaries.values()) for key in ("seeds", "unhealthy"))
    return seeds > 0 and unhealthy == seeds


def _plain(kind: str) -> str:
    """The name of a diagnosis with spaces: mode_collapse becomes "mode collapse"."""
    return kind.replace("_", " ")


def _why(comparison: dict[str, Any], arms: dict[str, list[CellRecord]]) -> str:
    """A sentence: what the probes show about the forms of J(G), and whether that explains the outcome."""
    found = {arm: numbers for arm, cells in arms.items() if (numbers := saturation(cells))}
    losses = {arm: _loss(comparison, arm) for arm in arms}
    if not found:
        return _unprobed(arms)
    if _same_gradient(losses) and len({repr(settings(comparison, arm).get("game")) for arm in arms}) == 1:
        names = " and ".join(dict.fromkeys(str(loss.get("name")) for loss in losses.values()))
        opinions = _named([f"{arm} {_digits(numbers.fake)}" for arm, numbers in found.items()])
        return (
            f"All arms give the generator the gradient of the same J(G) ({names}), so its form explains no difference "
            f"between them; D(G(z)) in the second half of the runs, median over seeds: {opinions}."
        )
    weak, strong = ([arm for arm in arms if losses[arm].get("name") in forms] for forms in ({WEAK}, STRONG))
    if len(arms) == 2 and len(weak) == len(strong) == 1 and _only_loss(comparison) and weak[0] in found:
        return _two_forms(comparison, weak[0], strong[0], found)
    ratios = _named(
        [f"{arm} {_digits(numbers.ratio)} times at {_digits(numbers.fake)}" for arm, numbers in found.items()]
    )
    missing = [arm for arm in arms if arm not in found]
    words = (
        "The minimax form's gradient relative to the non-saturating form's at the same weights, and D(G(z)) there, in "
        f"the second half of the runs, medians over seeds: {ratios}"
        f"{f' (not probed: {_named(missing)})' if missing else ''}"
    )
    if weak and strong and len(weak) + len(strong) == len(arms) and _only_loss(comparison) and not missing:
        return f"{words}."
    return f"{words}; the arms differ in more than the form of J(G), so this does not explain their outcomes."


def _two_forms(comparison: dict[str, Any], weak: str, strong: str, found: dict[str, Saturation]) -> str:
    """The sentence for two arms that differ only in the form of J(G)."""
    numbers = found[weak]
    beside = ""
    if strong in found:
        beside = f"in the {strong} runs {_digits(found[strong].fake)} and {_digits(found[strong].ratio)} times; "
    return (
        f"In the {weak} runs D(G(z)) was {_digits(numbers.fake)}, and there the minimax form's gradient was "
        f"{_digits(numbers.ratio)} times the non-saturating form's ({beside}second half of the runs, medians over "
        f"seeds): {_bearing(comparison, weak, strong, numbers)}."
    )


def _digits(value: float) -> str:
    """A ratio or a probability with two digits, however small it is."""
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def _bearing(comparison: dict[str, Any], weak: str, strong: str, numbers: Saturation) -> str:
    """The clause that says whether the outcome agrees with the lost gradient. No probe can show that it caused it."""
    if comparison["verdict"]["broke_off"]:
        return "cells broke off, so what that did to the outcome is open"
    if _all_wrong({arm: values["summary"] for arm, values in comparison["arms"].items()}):
        return "every run went wrong, so the outcome ranks failures and cannot say what that gradient did"
    lost = "more than half of it was lost" + (
        f" at {numbers.halved} of {numbers.seeds} seeds" if numbers.halved < numbers.seeds else " at every seed"
    )
    better = _better(comparison)
    if numbers.saturated:
        return {
            strong: f"{lost}, and minimax came out worse, as saturation predicts"
            if 2 * numbers.halved > numbers.seeds
            else f"{lost}, and minimax came out worse, at other seeds too, so saturation explains a part of it",
            weak: f"{lost}, yet minimax came out better, so saturation did not decide this study",
        }.get(better or "", f"{lost}, but the outcomes cannot tell whether that mattered")
    least = numbers.seeds - numbers.halved
    kept = "minimax kept at least half of it" + (f" at {least} of {numbers.seeds} seeds" if numbers.halved else "")
    return {
        strong: f"{kept}, so saturation does not explain why it came out worse",
        weak: f"{kept}, and came out better",
    }.get(better or "", f"{kept}, so this study shows little of where the two forms differ")


def _better(comparison: dict[str, Any]) -> str | None:
    """The better of two arms; None if the verdict is "cannot tell"."""
    (pair,) = comparison["pairs"]
    verdict = pair.get("verdict")
    return {"better": pair["second"], "worse": pair["first"]}.get(verdict)


def _unprobed(arms: dict[str, list[CellRecord]]) -> str:
    """A sentence on why there are no probes."""
    cells = [cell for members in arms.values() for cell in members if len(cell.step)]
    if cells and not any(map(probable, cells)):
        return (
            "No form of J(G) was probed, because under these losses D's output is no probability: the report shows "
            "what happened, not why."
        )
    return "No run was probed in its second half: the report shows what happened, not why."


def _loss(comparison: dict[str, Any], arm: str) -> dict[str, Any]:
    loss = settings(comparison, arm).get("loss")
    return loss if isinstance(loss, dict) else {}


def _same_gradient(losses: dict[str, dict[str, Any]]) -> bool:
    """Whether all arms have the same gradient of J(G): one loss, or the two strong forms, with the same options."""
    names = {loss.get("name") for loss in losses.values()}
    options = {repr({**loss, "name": None}) for loss in losses.values()}
    return len(options) == 1 and (len(names) == 1 or names == STRONG)


def _only_loss(comparison: dict[str, Any]) -> bool:
    """Whether the arms differ only in the name of the loss."""
    rest = [settings(comparison, arm) for arm in comparison["arms"]]
    return len({repr({**each, "loss": {**_loss(comparison, arm), "name": None}})
                for arm, each in zip(comparison["arms"], rest, strict=True)}) == 1  # fmt: skip


def rates(comparison: dict[str, Any]) -> str | None:
    """For a study of only the two forms of J(G): D's learning rate, and the command that shows the other case."""
    names = {_loss(comparison, arm).get("name") for arm in comparison["arms"]}
    if not (WEAK in names and names & STRONG and names <= {WEAK} | STRONG and _only_loss(comparison)):
        return None
    optim = settings(comparison, comparison["baseline"]).get("optim", {})
    lr, ahead = optim.get("lr"), optim.get("discriminator_lr")
    if lr is None:
        return None
    if ahead is None or ahead == lr:
        return (
            f"D learns at the generator's rate here ({lr:g}); `ganctl compare-losses`, where D learns faster, shows "
            "where the two forms differ."
        )
    if ahead > lr:
        here = f"D learns at {ahead / lr:.3g} times the generator's rate here ({ahead:g} against {lr:g})"
        usual = ""
        if optim.get("eps", USUAL_EPS) > 100 * USUAL_EPS:
            here += f", and with Adam's eps at {optim['eps']:g} a small gradient makes a small step"
            usual = " and the usual eps"
        used = settings(comparison, comparison["baseline"])
        if [used.get(part, {}).get("name") for part in ("data", "model")] == ["mnist5k", "dcgan_small"]:
            return f"{here}; at equal rates{usual} six seeds cannot tell the two forms apart, in `{EQUAL_RATES}`."
        return f"{here}; the same command with optim.discriminator_lr={lr:g} shows how the forms do at equal rates."
    return None
