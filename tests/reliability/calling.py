"""The command line in this process, with the streams that a terminal gives it, and what may be seen of it."""

import contextlib
import io
import os
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

ALLOWED = {0, 1, 2, 130}  # exit codes that ganctl has


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        code: exit code; None: an exception left the command line, and `err` has its traceback.
        out, err: what it wrote.
        seconds: of this process's computing, whatever else the machine has to do.
    """

    code: int | None
    out: str
    err: str
    seconds: float


def run(*words: str, cwd: Path | None = None) -> Ending:
    """Runs `ganctl WORDS` here: standard output refuses what is no UTF-8 and standard error escapes it, as on Linux."""
    from ganctl import cli

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    before, place, filters, form = sys.argv, Path.cwd(), [*warnings.filters], warnings.formatwarning
    began = time.process_time()
    code: int | None
    try:
        sys.argv = ["ganctl", *words]
        if cwd is not None:
            os.chdir(cwd)
        warnings.resetwarnings()  # a process of its own shows them, a test makes errors of them
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            except BaseException:
                code = None
                traceback.print_exc()
    finally:
        sys.argv, warnings.formatwarning = before, form
        warnings.filters[:] = filters  # type: ignore[index]
        os.chdir(place)
    texts = []
    for stream in (out, err):
        with contextlib.suppress(UnicodeEncodeError):
            stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    return Ending(code, *texts, time.process_time() - began)


def complaint(ending: Ending, allowed: set[int] = ALLOWED, begun: bool = False) -> str | None:
    """What is wrong with how a command ended; None where nothing is.

    A refusal is exactly one line of ganctl's, whose control characters do not reach the terminal.

    Args:
        allowed: exit codes.
        begun: whether it may have said what it was doing before it refused to go on, as a comparison does.
    """
    if ending.code not in allowed:
        return f"exit code {ending.code}: {ending.err[-1500:]}"
    if "Traceback (most recent call last)" in ending.err:
        return f"a traceback: {ending.err[-1500:]}"
    lines = [line for line in ending.err.splitlines() if not line.startswith("ganctl: warning: ")]
    if ending.code == 2:
        if begun:
            lines = lines[-1:]
        if len(lines) != 1 or ending.err.count("ganctl: ") - ending.err.count("ganctl: warning: ") != 1:
            return f"not one line: {ending.err[-1500:]!r}"
        if not lines[0].startswith("ganctl: ") or not ending.err.endswith("\n"):
            return f"not one line: {ending.err[-1500:]!r}"
        if not lines[0].isprintable():
            return f"control characters: {lines[0]!r}"
        if not 20 <= len(lines[0]) <= 20_000:
            return f"a line of {len(lines[0])} characters"
    return None


def unexplained(ending: Ending) -> str | None:
    """The last resort's words, where a command failed in a way that nobody has thought of; None where it did not."""
    if ending.code == 1 and ("traceback.txt" in ending.err or "bug of ganctl" in ending.err):
        return f"no word for it: {ending.err[-600:]}"
    return None


def listing(folder: Path, skip: Path | None = None) -> dict[str, tuple[int, ...]]:
    """Everything below a folder but what is below `skip`: kind, size, time of change; links are not followed."""
    found = {}
    for home, folders, files in os.walk(folder):
        if skip is not None and Path(home) == skip:
            folders[:] = []
            continue
        for name in [*folders, *files]:
            path = Path(home) / name
            if path != skip:
                state = path.lstat()
                found[str(path)] = (state.st_mode, state.st_size, state.st_mtime_ns)
    return found
