"""The settings that identify a run, and those that decide its result. Imports no torch."""

import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ganctl.config.schema import SCHEMAS, Config, settings
from ganctl.digests import sha256


def identity(config: Config) -> dict[str, Any]:
    """The settings that decide the weights of a run, apart from its length and its machine.

    A resumed run must have the same identity.

    Returns: those of the configuration's entries, and under "plugins" a fingerprint of each plugin's source.
    """
    values, decisive = config.to_dict(), settings("result", "repetition")
    found = {key: values[key] for key in values if key in decisive}
    # The place of the data does not matter; run.json has a fingerprint of their content.
    found["data"] = {key: value for key, value in found["data"].items() if key != "root"}
    content = found["game"].get("content_file") if isinstance(found["game"], dict) else None
    if content is not None:  # weights from elsewhere: their content matters, not their place
        found["game"] = {**found["game"], "content_file": _digest(Path(content).expanduser().resolve())}
    return found | {"plugins": {name: fingerprint(name) for name in config.plugins}}


def deciding(values: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    """The settings that can change the outcome of a cell.

    Args:
        values: all settings, from `Config.to_dict`.
        checkpoint: where a cell is judged: at the last step, or at the best of the measured steps.
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


@cache
def _digest(file: Path) -> str | None:
    """The SHA-256 of a file, read once in a process; None if it cannot be read."""
    try:
        return sha256(file)
    except OSError:
        return None


def fingerprint(module: str) -> str | None:
    """A hash of a module's source file, 12 hexadecimal digits; None if the module has no readable source."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:12] if spec and spec.origin else None
    except (ImportError, OSError, ValueError):
        return None
