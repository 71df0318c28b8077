"""Evaluates all cells of a comparison by one protocol."""

import json
import time
from typing import Any

from ganctl.assembly.reopening import reopen
from ganctl.config.schema import Config
from ganctl.errors import BadInput, RunFailed
from ganctl.evaluation import Evaluator, Told, fingerprint
from ganctl.evaluation.kept import evaluations_in, keep
from ganctl.formats import clock, number
from ganctl.store.run import now
from ganctl.studies.run import evaluator_of
from ganctl.studies.study import Cell
from ganctl.terminal.live import Activity
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment


class CellEvaluators:
    """The evaluators of a study's cells: one per data set and game, created before the first cell runs.

    So a metric that cannot be measured is refused before any training, and concurrent cells find the classifier in the
    cache.
    """

    def __init__(self) -> None:
        self.made: dict[str, Evaluator] = {}
        self.labels: dict[str, tuple[str, str]] = {}  # and direction, by metric

    def prepare(self, config: Config, experiment: Experiment, told: Told) -> None:
        """Creates the evaluator of an arm, if the arm has metrics and no evaluator exists for its data and game.

        Args:
            told: called with a description of the current work.

        Raises:
            BadInput: a metric or features that such samples do not have, or a metric that is another in another arm.
        """
        if not config.metrics or _measured(config) in self.made:
            return
        evaluator = self.made[_measured(config)] = evaluator_of(config, experiment, told)
        for name in evaluator.metrics:
            said = evaluator.rows[name].label, evaluator.rows[name].better
            if (before := self.labels.setdefault(name, said)) != said:
                raise BadInput(
                    f"metrics={name}: is {', '.join(before)}, in one arm and {', '.join(said)}, in another; give each "
                    "a name of its own"
                )

    def evaluate(self, cells: list[Cell]) -> None:
        """Measures the last checkpoint of every completed cell, unless it was measured by this protocol before."""
        complete = [cell for cell in cells if cell.config.metrics and cell.folder.info().get("status") == "completed"]
        measured, began = 0, time.monotonic()
        with Activity() as activity:
            for place, cell in enumerate(complete, 1):
                left = (time.monotonic() - began) / max(1, measured) * (len(complete) - place + 1)
                words = f", {clock(left)} left" if measured else ""
                measured += self._evaluate(cell, f"{place} of {len(complete)}", words, activity)

    def _evaluate(self, cell: Cell, place: str, left: str, activity: Activity) -> bool:
        """Evaluates one cell and writes the result; returns whether it had to be measured.

        Args:
            place: the number of the cell, in words: "3 of 10".
            left: the remaining time of all cells, in words.
            activity: shows the current work.
        """
        evaluator, config = self.made[_measured(cell.config)], cell.config
        evaluator.told = lambda text: activity.tell(f"cell {place}{left}  {text}  {cell.title}")
        evaluator.told("opening it")
        experiment, checkpoint = reopen(
            cell.folder.path, cell.folder.path, config.plugins, config.device, None, config.threads
        )
        digits = fingerprint(evaluator.protocol(experiment.weights))
        entry = known = _known(cell, checkpoint.name, digits)
        if entry is None:
            try:
                found = evaluator.evaluate(
                    experiment.draw_measured, experiment.weights, own=experiment.own_figures, rivals=experiment.rivals
                )
            except RunFailed as error:
                say(f"{cell.title}: cannot be measured ({error})")
                return True
            when = {"step": experiment.training.step, "checkpoint": checkpoint.name, "created": now()}
            entry = {**when, **found.to_dict()}
            values = "  ".join(f"{name} {number(row['value'])}" for name, row in entry["metrics"].items())
            say(f"measured {place}  {cell.title}: {values}")
        keep(cell.folder.metrics_file, entry)  # also a known one: the report shows the newest entry
        return known is None


def _measured(config: Config) -> str:
    return json.dumps([config.to_dict()[group] for group in ("data", "game")], sort_keys=True)


def _known(cell: Cell, checkpoint: str, digits: str) -> dict[str, Any] | None:
    """An earlier evaluation of that checkpoint by that protocol, if it has exactly the metrics of the cell."""
    for entry in evaluations_in(cell.folder.metrics_file):
        same = entry.get("checkpoint") == checkpoint and entry.get("fingerprint") == digits
        if same and {*cell.config.metrics} == {*entry.get("metrics", {})}:
            return entry
    return None
