"""A terminal of a known size in the place of standard error, and what was drawn on it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import pytest

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One end of a pseudo-terminal; all that comes out of the other one.

    Attributes:
        slave: what a program writes to.
        raw: what it wrote.
    """

    def __init__(self, columns, rows=24):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.raw = ""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        parts = []
        with contextlib.suppress(OSError):  # which says that the other end is closed
            while part := os.read(self.master, 65536):
                parts.append(part)
        self.raw = b"".join(parts).decode()

    def ended(self):
        """Waits until all has come, when nobody holds the slave any more."""
        self.reader.join(timeout=60)
        os.close(self.master)

    @property
    def lines(self):
        """Every line that was ever drawn, without its colours."""
        return [line for line in re.split(r"[\r\n]+", ESCAPES.sub("", self.raw)) if line.strip()]

    @property
    def tallest(self):
        """The most lines that were drawn over at once."""
        ups = re.findall(r"(?:\x1b\[1A(?:\x1b\[2K)?)+", self.raw)
        return 1 + max((found.count("\x1b[1A") for found in ups), default=0)


@contextlib.contextmanager
def terminal(columns, rows=24, term="xterm"):
    """Inside, standard error is a terminal of that size; afterwards it knows what was drawn."""
    shown = Terminal(columns, rows)
    with pytest.MonkeyPatch.context() as patch, open(shown.slave, "w", encoding="utf-8") as stream:  # noqa: PTH123
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", term)
        patch.setattr(sys, "stderr", stream)
        yield shown
    shown.ended()


def ganctl_on_terminal(*words, columns, cwd, term="xterm"):
    """Runs the command line in a process of its own on a terminal of that width; gives exit code and terminal."""
    shown = Terminal(columns)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "ganctl", *map(str, words)],
        cwd=cwd,
        env={**environment, "TERM": term},
        stdin=shown.slave,
        stdout=shown.slave,
        stderr=shown.slave,
        timeout=300,
    )
    os.close(shown.slave)
    shown.ended()
    return done.returncode, shown
