"""How far the cells of a comparison are: a bar each on a terminal, plain lines elsewhere; on stderr."""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ganctl.commands.screen import say
from ganctl.commands.study import Cell
from ganctl.formats import clock
from ganctl.run import RunFolder


class CellsDisplay:
    """Shows cells done, cells running and the time left.

    Args:
        cells: those that are about to be trained.
        steps: of each arm's cells.
    """

    def __init__(self, cells: list[Cell], steps: dict[str, int]) -> None:
        self.steps = steps
        self.count = len(cells)
        self.at = {cell.folder.path: _steps_done(cell.folder) for cell in cells}
        self.total = sum(steps[cell.arm] for cell in cells)
        self.ended = 0
        self.last = {cell.folder.path: steps[cell.arm] for cell in cells}
        self.running: set[Path] = set()
        # The clock starts with the first step that is seen: what comes before it, imports and data, is paid once.
        self.began: float | None = None
        self.start = 0
        self.next_line = 0.0
        self.tasks: dict[object, TaskID] = {}
        self.bar: Progress | None = None
        console = Console(stderr=True)
        if console.is_terminal and cells:
            self.bar = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[shown]}"),
                console=console,
            )  # fmt: skip
            self.whole = self.bar.add_task("all cells", total=self.total, shown="starting")
            self.bar.start()

    def show(self, cell: Cell, step: int, line: str) -> None:
        """Shows what a logged step of a cell has to say."""
        self.at[cell.folder.path] = step
        self.running.add(cell.folder.path)
        together = sum(self.at.values())
        if self.began is None:
            self.began, self.start = time.perf_counter(), together
        if self.bar:
            if cell.folder.path not in self.tasks:
                self.tasks[cell.folder.path] = self.bar.add_task(cell.title, total=self.steps[cell.arm], shown="")
            self.bar.update(self.tasks[cell.folder.path], completed=step, shown=line)
            self.bar.update(self.whole, completed=together, shown=self._summary(together))
        elif together >= self.next_line:
            self.next_line = together + self.total / 20
            print(
                f"{together / self.total:4.0%}  {self._summary(together)}  |  {cell.title} step {step:,}  {line}",
                file=sys.stderr,
                flush=True,
            )

    def _summary(self, together: int) -> str:
        # After its last step a cell still measures and saves.
        finishing = sum(self.at[path] >= self.last[path] for path in self.running)
        training = len(self.running) - finishing
        cells = f"{self.ended}/{self.count} cells done"
        if training or (not finishing and self.ended < self.count):
            cells += f", {training} running"
        if finishing:
            cells += f", {finishing} finishing"
        if self.began is None or together <= self.start or together >= self.total:
            return cells
        left = (time.perf_counter() - self.began) / (together - self.start) * (self.total - together)
        return f"{cells}, {clock(left)} left"

    def done(self, cell: Cell) -> None:
        """Says how a cell ended."""
        info = cell.folder.info()
        self.ended += 1
        self.running.discard(cell.folder.path)
        self.total -= self.last[cell.folder.path] - self.at[cell.folder.path]  # what one that failed leaves undone
        first = info.get("findings", [])[:1]
        found = "".join(f", {finding['verdict']} since step {finding['since']:,}" for finding in first)
        line = f"{cell.title}: {info.get('status') or 'not begun'} after {clock(info.get('seconds') or 0)}{found}"
        if info.get("status") == "failed":
            line += f" ({info.get('error')})"
        if self.bar:
            self.bar.console.print(line, markup=False, highlight=False)
            self.bar.update(self.whole, total=self.total, shown=self._summary(sum(self.at.values())))
            if cell.folder.path in self.tasks:
                self.bar.remove_task(self.tasks.pop(cell.folder.path))
        else:
            say(line)

    def close(self) -> None:
        """Takes the bars off the screen."""
        if self.bar:
            self.bar.stop()


def _steps_done(folder: RunFolder) -> int:
    paths = folder.checkpoints()
    return int(paths[-1].name.removeprefix("step-")) if paths else 0
