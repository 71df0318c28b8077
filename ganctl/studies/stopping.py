"""What Ctrl-C, SIGTERM and a closed terminal mean: the first asks to stop, one more stops at once. Imports no torch."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAME = 0.5  # seconds


class StopAsked:
    """Whether the user asked to stop.

    `timeout` and schedulers send a signal to a process and to its group, so what comes within half a second of the
    first is that one again.
    """

    def __init__(self) -> None:
        self.at: float | None = None

    def __call__(self) -> bool:
        return self.at is not None

    def again(self) -> bool:
        """Takes in a signal; whether it is one more."""
        if self.at is None:
            self.at = time.monotonic()
        return time.monotonic() - self.at > SAME


def ending() -> list[signal.Signals]:
    """The signals beside Ctrl-C that ask to stop: SIGTERM, and SIGHUP, which comes from a terminal that is closed,
    unless it is ignored, as under nohup."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hangup]


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Inside, `handler` gets Ctrl-C and every other signal that asks to stop."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, *ending())}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
