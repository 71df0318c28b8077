"""What makes a run this run and no other. Imports no torch."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ganctl.schema import SCHEMAS, Config


def identity(config: Config) -> dict[str, Any]:
    """What decides the weights of a run besides its length and the machine: it is no longer that run with another.

    Returns: of the configuration's keys those that nothing may change, and a fingerprint of each plugin's source.
    """
    values = config.to_dict()
    found = {
        key: values[key] for key in ("seed", "batch_size", "ema_decay", "ema_start", "precision", "compile", *SCHEMAS)
    }
    # Where the data lie does not matter; that they are the same, run.json says.
    found["data"] = {key: value for key, value in found["data"].items() if key != "root"}
    return found | {"plugins": {name: fingerprint(name) for name in config.plugins}}


def fingerprint(module: str) -> str | None:
    """Twelve digits that change with the source of a module; None where there is none."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:12] if spec and spec.origin else None
    except (ImportError, OSError, ValueError):
        return None
