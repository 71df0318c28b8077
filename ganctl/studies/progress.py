"""Shows the progress of a run or of a comparison's cells on stderr: live lines on a terminal, plain ones elsewhere."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from ganctl.formats import clock
from ganctl.store.run import RunFolder
from ganctl.studies.study import Cell
from ganctl.terminal.fitting import GAP, progress_line, shortened
from ganctl.terminal.live import Pace, live_lines
from ganctl.terminal.screen import say


class ProgressDisplay:
    """The progress of a run: step, total and time left, then a bar, and as many scalars as fit.

    Args:
        total: number of steps of the whole run.
        start: the step at which the run begins or resumes.
    """

    def __init__(self, total: int, start: int) -> None:
        self.total = total
        self.began, self.start = time.perf_counter(), start
        self.next_line = start
        self.seen = start, "", "-:--:--"
        self.pace = Pace()
        self.live = live_lines(self._lines)

    def show(self, step: int | None, line: str) -> None:
        """Shows the scalars of a logged step; if `step` is None, `line` describes the work before the next step."""
        self.seen = (self.seen[0], line, self.seen[2]) if step is None else (step, line, self._left(step))
        if self.live is not None:
            return
        if step is None:
            wanted = self.pace.due()
        elif wanted := step >= self.next_line or step == self.total:
            self.next_line = step + max(1, self.total // 10)
        if wanted:
            self.pace.print([*self._head().split(GAP), *line.split(GAP)])

    def _head(self, digits: int = 0) -> str:
        step, _, left = self.seen
        return f"step {step:>{digits},}/{self.total:,}{GAP}{left} left"

    def _lines(self, columns: int, rows: int) -> list[Text]:
        del rows
        step, line, _ = self.seen
        return [
            progress_line(self._head(len(f"{self.total:,}")), step / max(1, self.total), line, columns, yielding=True)
        ]

    def _left(self, step: int) -> str:
        seconds = (time.perf_counter() - self.began) / max(1, step - self.start) * (self.total - step)
        return clock(seconds)

    def close(self) -> None:
        """Leaves the last line on the screen as it is."""
        if self.live is not None:
            self.live.stop()


@dataclass(frozen=True)
class _Running:
    """The progress of one running cell."""

    title: str
    step: int
    steps: int
    line: str


class CellsDisplay:
    """Shows cells done, cells running and the time left, and one line per running cell.

    Args:
        cells: the cells that are about to be trained.
        steps: {arm: number of steps of its cells}.
    """

    def __init__(self, cells: list[Cell], steps: dict[str, int]) -> None:
        self.steps = steps
        self.count = len(cells)
        self.at = {cell.folder.path: _steps_done(cell.folder) for cell in cells}
        self.total = sum(steps[cell.arm] for cell in cells)
        self.ended = 0
        self.last = {cell.folder.path: steps[cell.arm] for cell in cells}
        self.running: dict[Path, _Running] = {}  # replaced at each change, never mutated: another thread reads it
        # The clock starts with the first step that is seen: imports and data before it take their time only once.
        self.began: float | None = None
        self.start = 0
        self.next_line = 0.0
        self.pace = Pace()
        self.head, self.share = f"0/{self.count} cells done", 0.0
        self.live = live_lines(self._lines) if cells else None

    def show(self, cell: Cell, step: int | None, line: str) -> None:
        """Shows the scalars of a cell's logged step; if `step` is None, `line` describes the work before the next."""
        if step is None:
            self._show_meanwhile(cell, line)
            return
        self.at[cell.folder.path] = step
        shown = _Running(cell.title, step, self.steps[cell.arm], line)
        self.running = {**self.running, cell.folder.path: shown}
        together = sum(self.at.values())
        if self.began is None:
            self.began, self.start = time.perf_counter(), together
        self.head, self.share = self._summary(together), together / self.total
        if self.live is None and together >= self.next_line:
            self.next_line = together + self.total / 20
            self._print(cell, step, line)

    def _show_meanwhile(self, cell: Cell, line: str) -> None:
        before = self.running.get(cell.folder.path)
        if before is not None:
            self.running = {**self.running, cell.folder.path: replace(before, line=line)}
        if self.live is None and before is not None and self.pace.due():
            self._print(cell, before.step, line)

    def _print(self, cell: Cell, step: int, line: str) -> None:
        self.pace.print([f"{self.share:4.0%}", self.head, f"|  {cell.title} step {step:,}", *line.split(GAP)])

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

    def _lines(self, columns: int, rows: int) -> list[Text]:
        """A line for all cells together, and one for each running cell, as far as they fit into `rows`."""
        cells = [*self.running.values()]
        room = max(1, rows - 2)  # lines for cells: less the line of all cells and that of the cursor
        shown = cells if len(cells) <= room else cells[: room - 1]
        lines = [progress_line(self.head, self.share, "", columns)]
        steps = [f"step {cell.step:,}/{cell.steps:,}" for cell in shown]
        widest = max(map(len, steps), default=0)
        longest = max((len(cell.title) for cell in shown), default=0)
        names = min(longest, max(12, columns - widest - 20))  # leaves room for a bar beside the step
        for cell, step in zip(shown, steps, strict=True):
            head = f"{_short(cell.title, names):<{names}}{GAP}{step:>{widest}}"
            lines.append(progress_line(head, cell.step / cell.steps, cell.line, columns))
        if len(shown) < len(cells):
            lines.append(Text(f"and {len(cells) - len(shown)} more"))
        return lines

    def done(self, cell: Cell) -> None:
        """Prints how a cell ended."""
        info = cell.folder.info()
        self.ended += 1
        self.running = {path: other for path, other in self.running.items() if path != cell.folder.path}
        self.total -= self.last[cell.folder.path] - self.at[cell.folder.path]  # steps that a failed cell left undone
        together = sum(self.at.values())
        self.head, self.share = self._summary(together), together / max(1, self.total)
        first = info.get("findings", [])[:1]
        found = "".join(f", {finding['verdict']} since step {finding['since']:,}" for finding in first)
        line = f"{cell.title}: {info.get('status') or 'not begun'} after {clock(info.get('seconds') or 0)}{found}"
        if info.get("status") == "failed":
            line += f" ({info.get('error')})"
        say(line)

    def close(self) -> None:
        """Leaves the last lines on the screen as they are."""
        if self.live is not None:
            self.live.stop()


def _short(title: str, room: int) -> str:
    """A cell's name in at most `room` characters; the seed at its end is never shortened."""
    name, _, seed = title.rpartition(" ")
    return f"{shortened(name, room - len(seed) - 1)} {seed}" if len(title) > room else title


def _steps_done(folder: RunFolder) -> int:
    paths = folder.checkpoints()
    return int(paths[-1].name.removeprefix("step-")) if paths else 0
