"""Output that changes while the user waits: redrawn lines on a terminal, and an occasional plain line elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ganctl.formats import clock
from ganctl.terminal.abilities import console, height, lively, width
from ganctl.terminal.fitting import GAP, fitted

Compose = Callable[[int, int], Sequence[Text]]


def live_lines(compose: Compose, passing: bool = False) -> Live | None:
    """Lines at the bottom of standard error, redrawn four times a second; other output appears above them.

    Args:
        compose: (characters per line, lines of the screen) -> the lines; called in another thread.
        passing: whether the lines are removed at the end.

    Returns: the started display; None if the stream cannot redraw lines.
    """
    stream = sys.stderr
    if not lively(stream):
        return None
    shown = console(stream)
    shown.soft_wrap = True  # output above may contain a path or a command, which a line break would spoil

    def drawn() -> Group:
        shown.width = width(stream) or shown.width  # the user may have resized the window
        lines = compose(shown.width, height(stream) or shown.height)
        for line in lines:
            line.no_wrap, line.overflow = True, "crop"
        return Group(*lines)

    live = Live(console=shown, get_renderable=drawn, transient=passing, redirect_stdout=False)
    live.start(refresh=True)
    return live


def print_plain(parts: Sequence[str]) -> None:
    """Writes one plain line to standard error, with the first parts that fit into its width, and flushes it."""
    sys.stderr.write(f"{fitted(parts, width(sys.stderr))}\n")
    sys.stderr.flush()


class Pace:
    """Limits how often plain lines are printed: every five seconds at most, and less often the longer the work is."""

    PAUSE = 5.0  # seconds, the shortest pause

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()

    def due(self, times: int = 1) -> bool:
        """Whether `times` the current pause has passed since the last line."""
        now = time.monotonic()
        return now - self.last >= max(self.PAUSE, (now - self.began) / 10) * times

    def print(self, parts: Sequence[str]) -> None:
        """Prints the line and begins the next pause."""
        self.last = time.monotonic()
        print_plain(parts)


class Activity:
    """Shows the current work and the time since it began: in a redrawn line, or in an occasional plain one.

    A plain line equal to the one before it waits six times as long.
    """

    def __init__(self) -> None:
        self.pace = Pace()
        self.text = self.told = ""
        self.ended = threading.Event()
        self.live = live_lines(self._lines, passing=True)
        self.watching = threading.Thread(target=self._watch, daemon=True)
        if self.live is None:
            self.watching.start()

    def tell(self, text: str) -> None:
        """Sets the text for the current work: parts separated by two spaces, the most important first."""
        self.text = text

    def _parts(self) -> list[str]:
        return [clock(time.monotonic() - self.pace.began), *self.text.split(GAP)]

    def _lines(self, columns: int, rows: int) -> list[Text]:
        del rows
        return [Text(fitted(self._parts(), columns))] if self.text else []

    def _watch(self) -> None:
        while not self.ended.wait(0.2):
            text = self.text
            if text and self.pace.due(6 if text == self.told else 1):
                self.told = text
                self.pace.print(self._parts())

    def close(self) -> None:
        """Removes the line from the screen and ends all output."""
        self.ended.set()
        if self.live is not None:
            self.live.stop()
        else:
            self.watching.join()

    def __enter__(self) -> "Activity":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
