"""What changes while one waits: lines that are drawn again on a terminal, and some plain ones elsewhere."""

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
    """Lines at the bottom of standard error, drawn again four times a second; what is printed meanwhile stands above.

    Args:
        compose: (characters of a line, lines of the screen) -> the lines, asked for in another thread.
        passing: whether they are taken off in the end.

    Returns: what draws them, already begun; None where nothing can be drawn again.
    """
    stream = sys.stderr
    if not lively(stream):
        return None
    shown = console(stream)
    shown.soft_wrap = True  # what is printed above may hold a path or a command, which a line break would spoil

    def drawn() -> Group:
        shown.width = width(stream) or shown.width  # the window may have got another size
        lines = compose(shown.width, height(stream) or shown.height)
        for line in lines:
            line.no_wrap, line.overflow = True, "crop"
        return Group(*lines)

    live = Live(console=shown, get_renderable=drawn, transient=passing, redirect_stdout=False)
    live.start(refresh=True)
    return live


def print_plain(parts: Sequence[str]) -> None:
    """One plain line on standard error, of as many of the parts as its width has room for, at once."""
    sys.stderr.write(f"{fitted(parts, width(sys.stderr))}\n")
    sys.stderr.flush()


class Pace:
    """When the next plain line is due: five seconds after the one before it at the earliest, and ever more rarely."""

    PAUSE = 5.0  # seconds

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()

    def due(self, times: int = 1) -> bool:
        """Whether `times` the usual pause is over."""
        now = time.monotonic()
        return now - self.last >= max(self.PAUSE, (now - self.began) / 10) * times

    def print(self, parts: Sequence[str]) -> None:
        """Prints the line and begins the next pause."""
        self.last = time.monotonic()
        print_plain(parts)


class Activity:
    """Says what is being done, and for how long already: in a line that is drawn again, or now and then in a plain one.

    A plain line that would say the same as the one before it waits for six times as long.
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
        """Says what is being done from now on, in parts with two spaces between them, the first ones first."""
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
        """Takes the line off the screen; nothing is said from here on."""
        self.ended.set()
        if self.live is not None:
            self.live.stop()
        else:
            self.watching.join()

    def __enter__(self) -> "Activity":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
