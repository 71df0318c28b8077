"""The long forms of these tests: `python -m tests.reliability [NAME...]`, all of them if none is named.

A module of this folder that has `long_form() -> dict[str, int | str]` has one, under its own name; what it returns is
printed as a table. Where a promise is broken it raises AssertionError, or counts it in the row BROKEN.
"""

import importlib
import os
import sys
import time
from pathlib import Path

from tests.reliability.long import BROKEN

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def long_forms() -> list[str]:
    """The modules that have one."""
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    return [file.stem for file in files if "\ndef long_form(" in file.read_text()]


def main(names: list[str]) -> int:
    """Runs the named ones and prints what each counted; the exit code."""
    known = long_forms()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"{unknown[0]}: no such long form; choose from {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names or known:
        began = time.monotonic()
        try:
            rows = importlib.import_module(f"tests.reliability.{name}").long_form()
        except AssertionError as error:
            print(f"{name}: FAILED\n{error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        failed += bool(rows.get(BROKEN))
        rows[f"{name}: minutes"] = f"{(time.monotonic() - began) / 60:.1f}"
        width = max(map(len, rows))
        print("\n".join(f"{what:<{width}}  {count}" for what, count in rows.items()), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
