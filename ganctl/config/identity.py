"""What makes a run this run and no other. Imports no torch."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ganctl.config.schema import SCHEMAS, Config, settings


def identity(config: Config) -> dict[str, Any]:
    """What decides the weights of a run besides its length and the machine: it is no longer that run with another.

    Returns: of the configuration's keys those that nothing may change, and a fingerprint of each plugin's source.
    """
    values, decisive = config.to_dict(), settings("result", "repetition")
    found = {key: values[key] for key in values if key in decisive}
    # Where the data lie does not matter; that they are the same, run.json says.
    found["data"] = {key: value for key, value in found["data"].items() if key != "root"}
    return found | {"plugins": {name: fingerprint(name) for name in config.plugins}}


def deciding(values: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    """Of a configuration's values, as `Config.to_dict` has them, those that can change what a cell comes to.

    Args:
        checkpoint: where a cell is judged: last, or best, which is one of those that were measured.
    """
    ignored = {"probe_every", "checkpoint_every"}
    if checkpoint == "last":
        ignored |= {"log_every", "sample_every"}
    if values["ema_decay"] is None:
        ignored.add("ema_start")
    if values["optim"].get("schedule") == "constant":
        ignored.add("optim.end_factor")
    if values["game"].get("continuous") == 0:
        ignored.add("game.continuous_weight")
    if values["game"].get("categories") == 0:
        ignored.add("game.information_weight")
    return {
        key: {name: each for name, each in value.items() if f"{key}.{name}" not in ignored} if key in SCHEMAS else value
        for key, value in values.items()
        if key not in ignored
    }


def fingerprint(module: str) -> str | None:
    """Twelve digits that change with the source of a module; None where there is none."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:12] if spec and spec.origin else None
    except (ImportError, OSError, ValueError):
        return None
