"""`ganctl compare-losses`: arms x seeds in, one comparison folder with a report out."""

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ganctl.build import build
from ganctl.commands.cells import train_cells
from ganctl.commands.study import Cell, Study, refuse_other_study
from ganctl.commands.train import say
from ganctl.errors import Interrupted, RunFailed
from ganctl.hooks import clock, summary
from ganctl.report import write_report
from ganctl.report.table import print_table
from ganctl.run import RunFolder, available_cores, command_line, now, unwritable, versions, write_atomically


def compare_losses(study: Study) -> Path:
    """Trains every cell that is not finished, writes the report and gives the comparison's folder.

    Raises:
        BadInput: a cell cannot be built, or the folder holds another study or cannot be written.
        Interrupted: the user stopped it; the same command goes on.
        RunFailed: no cell was completed.
    """
    # One build an arm, so that what cannot be is refused before anything runs.
    experiments = {cell.arm: build(cell.config) for cell in study.cells[: len(study.arms)]}
    steps = {arm: experiment.total_steps for arm, experiment in experiments.items()}
    on_cpu = next(iter(experiments.values())).training.streams.device.type == "cpu"
    del experiments
    _open(study)
    threads = study.cells[0].config.threads or 1
    jobs = study.base.jobs or (max(1, available_cores() // threads) if on_cpu else 1)
    unfinished = [cell for cell in study.cells if cell.folder.info().get("status") != "completed"]
    if len(unfinished) < len(study.cells):
        say(f"{len(study.cells) - len(unfinished)} of {len(study.cells)} cells are finished already")
    jobs = min(jobs, max(1, len(unfinished)))
    say(f"{study.path}: {len(unfinished)} cells to train, {jobs} at a time, {', '.join(study.arms)}")
    with closing(_Display(unfinished, steps)) as display:
        complete = train_cells(unfinished, jobs, display.show, display.done)
    if not complete:
        say(f"stopped; the same command goes on: {command_line()}")
        raise Interrupted
    say("writing the report")
    comparison = write_report(study.path)
    print_table(comparison)
    for cell in study.cells:
        if cell.folder.info().get("status") != "completed":
            say(f"failed: {cell.arm} seed={cell.seed}: {cell.folder.info().get('error')}")
    if all(cell.folder.info().get("status") != "completed" for cell in study.cells):
        raise RunFailed(f"no cell was completed; {study.path}/cells/ says why")
    say(f"report: {study.path / 'report.html'}")
    say(f"curves: tensorboard --logdir {study.path / 'cells'}")
    return study.path


def _open(study: Study) -> None:
    """Makes the comparison's folder or takes up the one that is there, with the seeds that it had."""
    file = study.path / "comparison.json"
    before: dict[str, Any] = {}
    if file.exists():
        try:
            before = json.loads(file.read_text())
        except (OSError, ValueError):
            before = {}
        if not isinstance(before, dict):
            before = {}
        refuse_other_study(study, before)
    arms: dict[str, Any] = before.get("arms", {})
    for cell in study.cells:
        arm = arms.setdefault(cell.arm, {"overrides": study.arms[cell.arm], "seeds": {}})
        arm["seeds"].setdefault(str(cell.seed), {"folder": str(cell.folder.path.relative_to(study.path))})
    commands = [line for line in before.get("commands", []) if line != command_line()]
    comparison = {
        **before,
        "name": study.path.name,
        "commands": [*commands, command_line()],
        "created": before.get("created") or now(),
        "versions": versions(),
        "published": study.base.compare.published,
        "source": study.base.compare.source,
        "definition": study.definition,
        "arms": arms,
    }
    try:
        study.path.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(comparison, indent=2) + "\n")
    except OSError as error:
        raise unwritable(study.path, error) from None


class _Display:
    """How far every cell is: a bar each on a terminal, plain lines elsewhere; on stderr."""

    def __init__(self, cells: list[Cell], steps: dict[str, int]) -> None:
        self.steps = steps
        self.at = {id(cell): _steps_done(cell.folder) for cell in cells}
        self.total = sum(steps[cell.arm] for cell in cells)
        self.began, self.start = time.perf_counter(), sum(self.at.values())
        self.next_line = 0.0
        self.tasks: dict[int, TaskID] = {}
        self.bar: Progress | None = None
        console = Console(stderr=True)
        if console.is_terminal and cells:
            self.bar = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[shown]}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console,
            )  # fmt: skip
            self.whole = self.bar.add_task("all cells", total=self.total, completed=self.start, shown="")
            self.bar.start()

    def show(self, cell: Cell, step: int, scalars: dict[str, float]) -> None:
        """Shows the scalars of a logged step of a cell."""
        self.at[id(cell)] = step
        together = sum(self.at.values())
        if self.bar:
            if id(cell) not in self.tasks:
                name = f"{cell.arm} seed={cell.seed}"
                self.tasks[id(cell)] = self.bar.add_task(name, total=self.steps[cell.arm], shown="")
            self.bar.update(self.tasks[id(cell)], completed=step, shown=summary(scalars))
            self.bar.update(self.whole, completed=together)
        elif together >= self.next_line:
            self.next_line = together + self.total / 20
            spent = time.perf_counter() - self.began
            left = clock(spent / max(1, together - self.start) * (self.total - together))
            name = f"{cell.arm} seed={cell.seed}"
            print(
                f"{together / self.total:4.0%}  {left} left  {name} step {step:,}  {summary(scalars)}",
                file=sys.stderr,
                flush=True,
            )

    def done(self, cell: Cell) -> None:
        """Says how a cell ended."""
        info = cell.folder.info()
        line = f"{cell.arm} seed={cell.seed}: {info.get('status')} after {clock(info.get('seconds') or 0)}"
        if self.bar:
            self.bar.console.print(line)
            if id(cell) in self.tasks:
                self.bar.remove_task(self.tasks.pop(id(cell)))
        else:
            say(line)

    def close(self) -> None:
        """Takes the bars off the screen."""
        if self.bar:
            self.bar.stop()


def _steps_done(folder: RunFolder) -> int:
    paths = folder.checkpoints()
    return int(paths[-1].name.removeprefix("step-")) if paths else 0
