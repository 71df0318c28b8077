"""Handles Ctrl-C, SIGTERM and a closed terminal: the first signal asks to stop, a second one stops at once.

Imports no torch.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAME = 0.5  # seconds within which a repeated signal counts as the same one


class StopAsked:
    """Remembers whether the user asked to stop; calling it tells.

    `timeout` and schedulers send a signal to the process and to its group, so a signal within half a second of the
    first one is taken for the same.
    """

    def __init__(self) -> None:
        self.at: float | None = None

    def __call__(self) -> bool:
        return self.at is not None

    def again(self) -> bool:
        """Notes a signal; returns whether it is a second one, not the first or its repetition."""
        if self.at is None:
            self.at = time.monotonic()
        return time.monotonic() - self.at > SAME


def ending() -> list[signal.Signals]:
    """The signals besides Ctrl-C that ask to stop: SIGTERM, and SIGHUP (a closed terminal), unless nohup ignores it."""
    hangup = getattr(signal, "SIGHUP", None)  # missing on Windows
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hangup]


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """A context in which `handler` receives Ctrl-C and all other signals that ask to stop."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, *ending())}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
