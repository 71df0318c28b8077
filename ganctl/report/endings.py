"""How the cells of a comparison ended, in words: failures count for their arm, broken-off cells do not."""

import math
from typing import Any

from ganctl.formats import listed
from ganctl.report.collect import CellRecord, ended
from ganctl.watching.diagnosis import LASTING


def unhealthy(cell: CellRecord) -> bool:
    """Whether the run failed or its diagnosis found a fault."""
    return cell.status == "failed" or cell.info.get("verdict") not in (None, "healthy")


def waiting(cells: list[CellRecord], first: CellRecord) -> str:
    """The sentence that the verdict waits for cells without an outcome, with the reason why `first` broke off."""
    counted = sum(map(ended, cells))
    others = "the other" if len(cells) - counted == 1 else "the others"
    return (
        f"No verdict yet: {counted} of {len(cells)} cells {'has' if counted == 1 else 'have'} an outcome; the same "
        f"command tries {others} again ({_reason(first).partition('; ')[0]})."
    )


def _reason(cell: CellRecord) -> str:
    return f"{cell.arm} seed {cell.seed} broke off: {cell.info.get('error') or 'run.json does not say why'}"


def failure_words(comparison: dict[str, Any], cells: list[CellRecord], broken: list[CellRecord]) -> list[str]:
    """Sentences on cells that failed, were too short for a diagnosis, broke off (these do not count) or are missing."""
    summaries = {arm: values["summary"] for arm, values in comparison["arms"].items()}
    words = []
    ill = [
        f"{arm} {summary['unhealthy']} of {summary['examined']} "
        f"({', '.join(f'{kind} {count}' for kind, count in summary['kinds'].items())})"
        for arm, summary in summaries.items()
        if summary["unhealthy"]
    ]
    if ill:
        words.append(f"Went wrong: {listed(ill, joint='; ')}.")
    seeds, examined = (sum(summary[key] for summary in summaries.values()) for key in ("seeds", "examined"))
    if examined and not ill:
        words.append(f"{'No' if broken else 'No seed failed, and no'} diagnosis found anything.")
    if seeds > examined:
        words.append(
            f"{seeds - examined} of {seeds} runs were too short for a diagnosis, which takes more than {LASTING} steps."
        )
    if broken:
        words.append(f"What broke off says nothing of its arm: {listed([*map(_reason, broken)], joint='; ')}.")
    missing = sum(not ended(cell) for cell in cells)
    if missing and not broken:  # with broken-off cells the headline says it
        words.append(f"{missing} cell{' has' if missing == 1 else 's have'} no outcome yet; the same command goes on.")
    return words


def rate(summary: dict[str, Any]) -> str:
    """How many of the examined runs went wrong, with the Wilson interval of that share."""
    if not summary["examined"]:
        return "not diagnosed"
    low, high = summary["unhealthy_interval"]
    return f"{summary['unhealthy']} of {summary['examined']} [{low:.0%}, {math.ceil(100 * high) / 100:.0%}]"
