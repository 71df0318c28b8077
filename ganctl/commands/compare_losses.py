"""`ganctl compare-losses`: arms x seeds in, one comparison folder with a report out."""

import json
import re
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch

from ganctl.build import build
from ganctl.commands.cells import train_cells
from ganctl.commands.cost import cost
from ganctl.commands.evaluation import CellEvaluators
from ganctl.commands.progress import CellsDisplay
from ganctl.commands.screen import say
from ganctl.commands.study import Cell, Study, refuse_other_study
from ganctl.data import Density
from ganctl.errors import BadInput, Interrupted, RunFailed
from ganctl.experiment import Experiment
from ganctl.files import locked, read_json, refuse_links, write_atomically
from ganctl.report.collect import read_cell
from ganctl.run import available_cores, command_line, now, unwritable, versions
from ganctl.terminal.live import Activity


def compare_losses(study: Study) -> Path:
    """Trains every cell that is not finished, writes the report and gives the comparison's folder.

    Raises:
        BadInput: a cell cannot be built, or the folder holds another study or cannot be written.
        Interrupted: the user stopped it; the same command goes on.
        RunFailed: no cell was completed.
    """
    if study.path.exists():
        refuse_links(study.path)
    before = _before(study)
    if before is not None:
        refuse_other_study(study, before)
    # One build an arm, so that what cannot be is refused before anything runs.
    evaluators = CellEvaluators()
    prepared = _prepared(study, evaluators)
    with ExitStack() as stack:
        try:
            study.path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(study.path, "running this comparison"))
        except OSError as error:
            raise unwritable(study.path, error) from None
        return _run(study, evaluators, *prepared)


def _run(study: Study, evaluators: CellEvaluators, steps: dict[str, int], costs: dict[str, Any], on_cpu: bool) -> Path:
    before = _before(study) or {}  # whoever had the lock may have changed it
    baseline = next(iter(before.get("arms") or study.arms))
    if baseline != next(iter(study.arms)):
        say(f"note: the baseline stays {baseline}, as this comparison began; for another give another name=")
    threads, room = _shared_out(study, before, on_cpu)
    jobs = min(room, max(1, sum(not cell.settled for cell in study.cells)))
    study = study.with_threads(threads)
    _write(study, before, costs, threads, room)
    if study.trials:
        study = study.tuned(_tune(study, jobs, steps, evaluators)).with_threads(threads)
        steps, costs, _ = _prepared(study, evaluators)
        _note(
            study,
            {
                arm: {"overrides": words, "settings": study.settings[arm], "cost": costs[arm]}
                for arm, words in study.arms.items()
            },
        )
    _train(study, study.cells, jobs, steps)
    try:
        evaluators.evaluate(study.cells)
        _report(study)
    except KeyboardInterrupt:
        raise _stopped() from None
    if not any(cell.folder.info().get("status") == "completed" for cell in study.cells):
        raise RunFailed(f"no cell was completed; {study.path}/cells/ says why")
    say(f"report: {study.path / 'report.html'}")
    say(f"curves: tensorboard --logdir {study.path / 'cells'}")
    return study.path


def _report(study: Study) -> None:
    """Writes the report and shows its table."""
    say("writing the report")
    # What draws and judges takes a second to import, which no cell should wait for.
    from ganctl.report.comparison import write_report
    from ganctl.report.table import print_table

    try:
        comparison = write_report(study.path)
    except OSError as error:
        raise unwritable(Path(error.filename or study.path), error) from None
    print_table(comparison)


def _prepared(study: Study, evaluators: CellEvaluators) -> tuple[dict[str, int], dict[str, Any], bool]:
    """Steps and cost of each arm's cells, and whether they run on a CPU."""
    steps, costs, on_cpu = {}, {}, True
    with Activity() as activity:
        for place, cell in enumerate(study.cells[: len(study.arms)], 1):
            activity.tell(f"arm {place} of {len(study.arms)}, {cell.arm}")
            experiment = build(cell.config)
            _check_outcome(study, experiment)
            evaluators.prepare(cell.config, experiment, activity.tell)
            steps[cell.arm] = experiment.total_steps
            on_cpu = experiment.training.streams.device.type == "cpu"
            costs[cell.arm] = cost(cell.config, experiment)
    torch.cuda.empty_cache()  # a GPU's memory is for the cells from now on; without one nothing happens
    return steps, costs, on_cpu


def _before(study: Study) -> dict[str, Any] | None:
    """The comparison.json that is there already; None where there is none.

    Raises:
        BadInput: it cannot be read, or is none of ganctl's.
    """
    file = study.path / "comparison.json"
    if not file.exists():
        return None
    try:
        before = read_json(file)
        known = _is_comparison(before)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        known = False
    if not known:
        raise BadInput(
            f"{file}: cannot be read as a comparison; remove it, and the same command takes up the cells beside it"
        )
    assert isinstance(before, dict)
    return before


def _is_comparison(values: Any) -> bool:
    """Whether it can be a comparison.json; raises what a missing key or a wrong kind raises where it cannot."""
    return (
        isinstance(values, dict)
        and all(map(_is_arm, values["arms"].values()))
        and all(map(_is_text, values.get("commands", [])))
        and all(isinstance(settings, dict) for settings in values["definition"].values())
        and all(type(values.get(key, 1)) is int and values.get(key, 1) > 0 for key in ("threads", "jobs"))
        and _is_text(values.get("created", ""))
        and isinstance(values.get("rules", {}), dict)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_arm(values: Any) -> bool:
    """The same of an arm, with cells in the comparison's own folder."""
    folders = [cell["folder"] for cell in values["seeds"].values()]
    return (
        all(int(seed) == float(seed) for seed in values["seeds"])
        and isinstance(values["overrides"], list)
        and all(map(_is_text, [*values["overrides"], *folders]))
        and all(re.fullmatch(r"cells/[^/]+/seed--?\d+", each) and "/../" not in each for each in folders)
        and isinstance(values.get("settings", {}), dict)
        and isinstance(values.get("cost", {}), dict)
        and ("tuning" not in values or _is_tuning(values["tuning"]))
    )


def _is_tuning(values: Any) -> bool:
    outcomes = [value for row in values["trials"].values() for value in row]
    return (
        values["chosen"] in values["trials"]
        and type(values["seconds"]) in (int, float)
        and all(value is None or type(value) in (int, float) for value in outcomes)
    )


def _check_outcome(study: Study, experiment: Experiment) -> None:
    outcome = study.rules["outcome"]
    if outcome.startswith("modes/") and not isinstance(experiment.dataset, Density):
        raise BadInput(
            f"compare.outcome={outcome}: only a density such as ring8 has modes; "
            "use compare.outcome=quality/sliced_wasserstein"
        )


def _shared_out(study: Study, before: dict[str, Any], on_cpu: bool) -> tuple[int, int]:
    """Threads a cell, and how many cells there is room for at once.

    Cells side by side use the cores better than threads of one cell do, so there are as many as there are cores. The
    number of threads changes the last digits of every sum, so a study keeps the number that it began with.
    """
    waiting = sum(not cell.settled for cell in study.cells)
    cores = available_cores()
    threads = study.base.threads or before.get("threads", 1 if before else None)
    if threads is None:
        jobs = study.base.jobs or (min(cores, waiting) if on_cpu else 1)
        threads = max(1, cores // max(1, min(jobs, waiting)))
    return threads, study.base.jobs or (max(1, cores // threads) if on_cpu else 1)


def _write(study: Study, before: dict[str, Any], costs: dict[str, Any], threads: int, room: int) -> None:
    """Makes the comparison's folder or takes up the one that is there, with the arms and seeds that it had."""
    arms: dict[str, Any] = before.get("arms", {})
    for cell in study.cells:
        arm = arms.setdefault(cell.arm, {"overrides": study.arms[cell.arm], "seeds": {}})
        if "tuning" not in arm:  # which has set both already
            arm |= {"settings": study.settings[cell.arm], "cost": costs[cell.arm]}
        arm["seeds"].setdefault(str(cell.seed), {"folder": str(cell.folder.path.relative_to(study.path))})
    commands = [line for line in before.get("commands", []) if line != command_line()]
    comparison = {
        **before,
        "name": study.path.name,
        "commands": [*commands, command_line()],
        "created": before.get("created") or now(),
        "versions": versions(),
        "threads": threads,
        "jobs": room,
        "rules": study.rules,
        "published": study.base.compare.published,
        "source": study.base.compare.source,
        "definition": {**before.get("definition", {}), **study.definition},
        "arms": arms,
    }
    try:
        write_atomically(study.path / "comparison.json", json.dumps(comparison, indent=2) + "\n")
    except OSError as error:
        raise unwritable(study.path, error) from None


def _note(study: Study, changes: dict[str, dict[str, Any]]) -> None:
    """Adds what became known of the arms to comparison.json."""
    comparison = _before(study) or {}
    for arm, values in changes.items():
        comparison["arms"][arm] |= values
    write_atomically(study.path / "comparison.json", json.dumps(comparison, indent=2) + "\n")


def _tune(study: Study, jobs: int, steps: dict[str, int], evaluators: CellEvaluators) -> dict[str, str]:
    """Trains the trials and gives the point of the grid with the best mean outcome for each arm, failures last.

    What was chosen once stays: the cells that are there were trained with it.

    Raises:
        RunFailed: a trial was killed or broke off, so that its point cannot be judged; the same command tries it again.
    """
    known = (_before(study) or {}).get("arms", {})
    if all("tuning" in known[arm] for arm in study.arms):
        return {arm: known[arm]["tuning"]["chosen"] for arm in study.arms}
    say(f"tuning: {sum(map(len, study.trials.values()))} points over seeds {study.rules['tune_seeds']}")
    _train(study, [cell for grid in study.trials.values() for cells in grid.values() for cell in cells], jobs, steps)
    evaluators.evaluate([cell for grid in study.trials.values() for cells in grid.values() for cell in cells])
    broken = [cell for grid in study.trials.values() for cells in grid.values() for cell in cells if not cell.settled]
    if broken:
        raise RunFailed(
            f"{len(broken)} trials broke off, {broken[0].title} among them; the same command tries them again"
        )
    found = {
        arm: {
            point: [read_cell(arm, cell.seed, cell.folder, study.rules).outcome() for cell in cells]
            for point, cells in grid.items()
        }
        for arm, grid in study.trials.items()
    }
    spent = {
        arm: sum(cell.folder.info().get("seconds") or 0.0 for cells in grid.values() for cell in cells)
        for arm, grid in study.trials.items()
    }
    chosen = {
        arm: known[arm]["tuning"]["chosen"] if "tuning" in known[arm] else best_point(points, study.lower_is_better)
        for arm, points in found.items()
    }
    _note(
        study,
        {
            arm: {
                "tuning": {
                    "trials": {point: [None if v != v else v for v in values] for point, values in points.items()},
                    "chosen": chosen[arm],
                    "seconds": spent[arm],
                }
            }
            for arm, points in found.items()
        },
    )  # fmt: skip
    for arm, point in chosen.items():
        say(f"tuned: {arm} with {point}")
    return chosen


def best_point(points: dict[str, list[float]], lower_is_better: bool) -> str:
    """The point with the best mean over its seeds; one with fewer failures (NaN) comes before any with more."""

    def rank(point: str) -> tuple[int, float]:
        there = [value for value in points[point] if value == value]
        mean = sum(there) / len(there) if there else 0.0
        return len(points[point]) - len(there), mean if lower_is_better else -mean

    return min(points, key=rank)


def _train(study: Study, cells: list[Cell], jobs: int, steps: dict[str, int]) -> None:
    unsettled = [cell for cell in cells if not cell.settled]
    if len(unsettled) < len(cells):
        say(f"{len(cells) - len(unsettled)} of {len(cells)} cells are finished already")
    names = ", ".join(dict.fromkeys(cell.arm for cell in cells))
    say(f"{study.path}: {len(unsettled)} cells to train, {min(jobs, max(1, len(unsettled)))} at a time, {names}")
    with closing(CellsDisplay(unsettled, steps)) as display:
        complete = train_cells(unsettled, jobs, display.show, display.done)
    if not complete:
        raise _stopped()


def _stopped() -> Interrupted:
    say(f"stopped; the same command goes on: {command_line()}")
    return Interrupted()
