"""`ganctl evaluate`: how good a run's samples are."""

from pathlib import Path

from ganctl.errors import BadInput


def evaluate(run: Path | None) -> Path:
    """Refuses: the metrics are not built yet."""
    raise BadInput(f"evaluate {run or ''}: not built yet; `ganctl sample` shows what a run makes".replace("  ", " "))
