"""`ganctl compare-losses`: trains every arm with every seed, and writes one folder with a report."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch

from ganctl.assembly.compose import build
from ganctl.data import ImageSet, kind_of
from ganctl.errors import BadInput, Interrupted, RunFailed
from ganctl.evaluation.folders import counted
from ganctl.report.collect import less_is_better, read_cell
from ganctl.store.files import locked, refuse_links
from ganctl.store.host import available_cores
from ganctl.store.places import shown, try_to_write, unwritable
from ganctl.store.run import command_line
from ganctl.studies import comparison_file
from ganctl.studies.cells import train_cells
from ganctl.studies.continuing import FINGERPRINTS, fingerprints
from ganctl.studies.cost import cost
from ganctl.studies.measuring import CellEvaluators
from ganctl.studies.progress import CellsDisplay
from ganctl.studies.study import Cell, Study, refuse_other_study
from ganctl.terminal.live import Activity
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment


def compare_losses(study: Study) -> Path:
    """Trains every unfinished cell, writes the report and returns the comparison's folder.

    Raises:
        BadInput: a cell cannot be built, or the folder contains another study or cannot be written.
        Interrupted: the user stopped the study; the same command continues it.
        RunFailed: a cell broke off, so that there is no verdict yet, or no cell was completed.
    """
    if study.path.exists():
        refuse_links(study.path)
    before = comparison_file.read_before(study)
    if before is not None:
        refuse_other_study(study, before)
    # The number of threads changes the last digits of sums, so the study fixes it, independent of `jobs` and machine.
    study = study.with_threads((before or {}).get("threads", 1))
    try:
        try_to_write(study.path)
    except OSError as error:
        raise unwritable(study.path, error) from None
    # Each arm is built once, so that wrong settings are refused before anything runs.
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
    before = comparison_file.read_before(study) or {}  # read again: the process that had the lock may have changed it
    baseline = next(iter(before.get("arms") or study.arms))
    if baseline != next(iter(study.arms)):
        say(f"note: the baseline stays {baseline}, as this comparison began; for another give another name=")
    room = _room(study, on_cpu)
    jobs = min(room, max(1, sum(not cell.settled for cell in study.cells)))
    comparison_file.write(study, before, costs, room)
    if study.trials:
        study = study.tuned(_tune(study, jobs, steps, evaluators))
        steps, costs, _ = _prepared(study, evaluators)
        comparison_file.note(
            study,
            {
                arm: {"overrides": words, "settings": study.settings[arm], "cost": costs[arm]}
                for arm, words in study.arms.items()
            },
        )
    _train(study, study.cells, jobs, steps)
    try:
        evaluators.evaluate(study.cells)
        comparison = _report(study)
    except KeyboardInterrupt:
        raise _stopped() from None
    say(f"report: {study.path / 'report.html'}")
    say(f"curves: tensorboard --logdir {shown(study.path / 'cells')}")
    _check_endings(study, comparison)
    return study.path


def _check_endings(study: Study, comparison: dict[str, Any]) -> None:
    """Raises RunFailed if a cell broke off or did not begin, or if no cell was completed."""
    entries = [
        (f"{arm} seed={seed}", cell)
        for arm, values in comparison["arms"].items()
        for seed, cell in values["seeds"].items()
    ]
    broken = {title: cell["error"] for title, cell in entries if cell["broke_off"]}
    broken |= {cell.title: "it did not begin" for cell in study.cells if not cell.settled and cell.title not in broken}
    again = {cell.title for cell in study.cells if not cell.settled}
    for title, why in broken.items():
        told = f"{len(broken)} of {len(entries)} cells broke off, so there is no verdict yet: {title}: "
        told += why or "run.json does not say why"
        if title in again:
            told += f"; the same command tries {'it' if len(broken) == 1 else 'them'} again"
        elif title not in {cell.title for cell in study.cells}:
            told += f"; the command that it came from tries it again ({study.path / 'comparison.json'} has it)"
        raise RunFailed(told)
    if not any(cell.folder.info().get("status") == "completed" for cell in study.cells):
        raise RunFailed(f"no cell was completed; {study.path}/cells/ says why")


def _report(study: Study) -> dict[str, Any]:
    """Writes the report, shows its table and returns comparison.json."""
    say("writing the report")
    # Importing the report takes a second, for which no cell should wait.
    from ganctl.report.comparison import write_report
    from ganctl.report.table import print_table

    try:
        comparison = write_report(study.path)
    except OSError as error:
        raise unwritable(Path(error.filename or study.path), error) from None
    print_table(comparison)
    return comparison


def _prepared(study: Study, evaluators: CellEvaluators) -> tuple[dict[str, int], dict[str, Any], bool]:
    """The steps and the cost of each arm, and whether the cells run on a CPU."""
    steps, costs, on_cpu = {}, {}, True
    with Activity() as activity:
        for place, cell in enumerate(study.cells[: len(study.arms)], 1):
            activity.tell(f"arm {place} of {len(study.arms)}, {cell.arm}")
            experiment = build(cell.config)
            _check_outcome(study, experiment)
            _check_data(study, cell.arm, experiment)
            if place == 1 and isinstance(experiment.dataset, ImageSet) and experiment.dataset.files:
                say(f"data: {counted(experiment.dataset)}")
            evaluators.prepare(cell.config, experiment, activity.tell)
            steps[cell.arm] = experiment.total_steps
            on_cpu = experiment.training.streams.device.type == "cpu"
            costs[cell.arm] = cost(cell.config, experiment)
    torch.cuda.empty_cache()  # the cells need the GPU's memory; without a GPU this does nothing
    return steps, costs, on_cpu


def _check_data(study: Study, arm: str, experiment: Experiment) -> None:
    """Raises BadInput if a cell of the arm was trained on other data than the current ones."""
    now = fingerprints(experiment.dataset)
    for folder in (cell.folder for cell in study.cells if cell.arm == arm):
        before = folder.info()
        if any(before.get(key) not in (None, now.get(key)) for key in FINGERPRINTS):
            raise BadInput(
                f"{study.path}: {folder.path.relative_to(study.path)} was trained on other data than there are now; "
                "put them back, or choose another name="
            )


def _check_outcome(study: Study, experiment: Experiment) -> None:
    outcome = study.rules["outcome"]
    if outcome.startswith("modes/") and kind_of(experiment.dataset) != "points":
        raise BadInput(
            f"compare.outcome={outcome}: only a density such as ring8 has modes; "
            "use compare.outcome=quality/sliced_wasserstein"
        )


def _room(study: Study, on_cpu: bool) -> int:
    """The number of cells that run at once.

    By default it is 1 on a GPU. On a CPU it is the number of cores divided by `threads`: parallel cells use the cores
    better than the threads of one cell.
    """
    return study.base.jobs or (max(1, available_cores() // (study.base.threads or 1)) if on_cpu else 1)


def _tune(study: Study, jobs: int, steps: dict[str, int], evaluators: CellEvaluators) -> dict[str, str]:
    """Trains the trials; returns for each arm the point of the grid with the best mean outcome, failures last.

    A point chosen earlier is kept, since existing cells were trained with it.

    Raises:
        RunFailed: a trial was killed or broke off, so its point cannot be judged; the same command tries it again.
    """
    known = (comparison_file.read_before(study) or {}).get("arms", {})
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
    records = {
        arm: {
            point: [read_cell(arm, cell.seed, cell.folder, study.rules) for cell in cells]
            for point, cells in grid.items()
        }
        for arm, grid in study.trials.items()
    }
    lower = less_is_better([record for grid in records.values() for cells in grid.values() for record in cells])
    found = {
        arm: {point: [record.outcome() for record in cells] for point, cells in grid.items()}
        for arm, grid in records.items()
    }
    spent = {
        arm: sum(cell.folder.info().get("seconds") or 0.0 for cells in grid.values() for cell in cells)
        for arm, grid in study.trials.items()
    }
    chosen = {
        arm: known[arm]["tuning"]["chosen"] if "tuning" in known[arm] else best_point(points, lower)
        for arm, points in found.items()
    }
    comparison_file.note(
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
    """The point with the fewest failures (NaN), and among those the one with the best mean over its seeds."""

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
