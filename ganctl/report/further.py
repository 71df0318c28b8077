"""For a comparison that cannot tell its arms apart: the command that adds seeds, and about how long it takes."""

import shlex
import statistics as stdlib
from typing import Any

from ganctl.formats import roughly
from ganctl.report import statistics
from ganctl.report.collect import CellRecord, ended

MOST_LISTED = 20  # a command lists at most this many seeds one by one; more are written as a range
# Settings that do not change a study: two commands that differ only in these count as one.
INCIDENTAL = ("seed=", "jobs=", "threads=", "device=")


def would_tell(comparison: dict[str, Any], cells: list[CellRecord]) -> str | None:
    """The command that would tell the open pairs apart and its time, or why none is known; None if no pair is open."""
    baseline = comparison["baseline"]
    judged = [pair for pair in comparison["pairs"] if pair["first"] == baseline and "verdict" in pair]
    open_pairs = [pair for pair in judged if pair["verdict"] == "cannot tell"]
    if not open_pairs:
        return None
    fewest = statistics.fewest_seeds(len(judged))
    counts = {pair["second"]: _seeds_for(pair, fewest) for pair in open_pairs}
    words = [
        f"No number of seeds is known to tell {pair['second']} from {baseline}: {_obstacle(comparison, pair)}."
        for pair in open_pairs
        if counts[pair["second"]] is None
    ]
    known = [count for count in counts.values() if count is not None]
    if known:
        estimated = all(pair["enough"] for pair in open_pairs if counts[pair["second"]])
        words.insert(0, f"{_promise(max(known), estimated)}: {_continuation(comparison, cells, max(known))}")
        if any(pair["enough"] and counts[pair["second"]] for pair in open_pairs):
            words.append("A study that is judged again as it grows errs more often (docs/statistics.md).")
    return " ".join(words)


def _seeds_for(pair: dict[str, Any], fewest: int) -> int | None:
    """How many seeds would tell this pair apart; None if unknown."""
    needed: int | None = pair["seeds_needed"]
    if pair["equal"]:
        return None
    if not pair["enough"]:  # an estimate from so few seeds is worth nothing
        return fewest
    return needed if needed and needed > pair["seeds"] else None


def _obstacle(comparison: dict[str, Any], pair: dict[str, Any]) -> str:
    """Why no sufficient number of seeds is known for a pair: its arms are equal, or it already has enough seeds."""
    if pair["equal"]:
        return "they came to the same outcome at every seed"
    summaries = [comparison["arms"][pair[side]]["summary"] for side in ("first", "second")]
    if any(summary["outcome"]["count"] < summary["seeds"] for summary in summaries):
        return "seeds failed, and the estimate covers finite differences only"
    if pair["seeds_needed"]:
        return (
            f"if the difference is what it looks like, {pair['seeds_needed']:,} seeds tell in {statistics.POWER:.0%} "
            f"of studies, and this one has {pair['seeds']:,}"
        )
    return f"the difference is so small beside its spread that it would take more than {statistics.MOST_SEEDS:,}"


def _promise(count: int, estimated: bool) -> str:
    if estimated:
        return (
            f"Roughly {count:,} seeds would tell in {statistics.POWER:.0%} of studies, if the difference is what it "
            "looks like"
        )
    return f"Fewer than {count:,} seeds can tell nothing, and whether {count:,} would is not known"


def _continuation(comparison: dict[str, Any], cells: list[CellRecord], count: int) -> str:
    """The commands, with their expected time in brackets."""
    seeds = _grown({cell.seed for cell in cells}, count)
    commands = " and ".join(_shown(line, seeds) for line in _commands(comparison, seeds))
    missing = {
        arm: len({*seeds} - {cell.seed for cell in cells if cell.arm == arm and ended(cell)})
        for arm in comparison["arms"]
    }
    further, jobs = sum(missing.values()), comparison.get("jobs", 1)
    seconds = _seconds(comparison, missing)
    time = f"{roughly(seconds / min(jobs, further))}, " if seconds else ""
    cells_words = f"{further:,} further cell{'s' if further > 1 else ''}{f', {jobs} at a time' if jobs > 1 else ''}"
    return f"{commands} ({time}{cells_words}; finished cells are kept)."


def _shown(line: str, seeds: list[int]) -> str:
    """The command between backticks; a command with a backtick or a control character is referred to instead."""
    if line.isprintable() and "`" not in line:
        return f"`{line}`"
    return f"the command at the end of the report, with `seed={_listed(seeds)}`"


def _listed(seeds: list[int]) -> str:
    """The seeds as the value of an override."""
    if len(seeds) > MOST_LISTED and seeds == [*range(len(seeds))]:
        return f"range(0,{len(seeds)})"
    return ",".join(map(str, seeds))


def _grown(seeds: set[int], count: int) -> list[int]:
    """The given seeds and the smallest other ones, `count` in all."""
    grown, seed = {*seeds}, 0
    while len(grown) < count:
        grown.add(seed)
        seed += 1
    return sorted(grown)


def _commands(comparison: dict[str, Any], seeds: list[int]) -> list[str]:
    """The study's own commands with these seeds; of commands that differ only in INCIDENTAL settings, the newest."""
    found: dict[tuple[str, ...], str] = {}
    for line in comparison["commands"]:
        words = [word for word in _words(line) if not word.startswith("seed=")]
        same = tuple(word for word in words if not word.startswith(INCIDENTAL))
        found[same] = shlex.join([*words, f"seed={_listed(seeds)}"])
    return [*found.values()] or [f"ganctl compare-losses seed={_listed(seeds)}"]


def _words(line: str) -> list[str]:
    """A command's words as a shell splits them; split at spaces if a shell could not read it."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _seconds(comparison: dict[str, Any], missing: dict[str, int]) -> float:
    """Seconds of training for all missing cells, one after another; 0 if no cell was timed yet."""
    medians = {arm: values["summary"]["seconds"] for arm, values in comparison["arms"].items()}
    known = [seconds for seconds in medians.values() if seconds]
    if not known:
        return 0.0
    return sum(count * (medians[arm] or stdlib.median(known)) for arm, count in missing.items())
