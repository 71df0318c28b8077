"""What Ctrl-C and SIGTERM mean: the first asks to stop, one more stops at once. Imports no torch."""

import time

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
