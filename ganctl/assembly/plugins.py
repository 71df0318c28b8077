"""Imports the user's own modules, which may add rows to the tables of parts."""

import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from ganctl.errors import BadInput


def load_plugins(modules: Iterable[str]) -> None:
    """Imports the user's modules, which may also lie in the current folder.

    Raises:
        BadInput: a name is no module's, or its import fails.
    """
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")) or name.endswith(".py"):
            stem = Path(name).stem if Path(name).stem.isidentifier() else "my_losses"
            raise BadInput(
                f"plugins=[{name}]: is not the name of a module; for a file {stem}.py here write plugins=[{stem}]"
            )
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
                raise BadInput(f"plugins=[{name}]: there is no {name}.py here and no module {name}") from None
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BadInput(
                f"plugins=[{name}]: cannot be imported ({reason}, {_line_of(name, error)}); mend that file"
            ) from None


def _line_of(module: str, error: BaseException) -> str:
    """The file of the module, and the line from which the error came, if known."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == module]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    return f"{module}.py line {line}" if line else f"{module}.py"
