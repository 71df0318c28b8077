"""What the benchmarks share: where they ran, and the file that they write."""

import json
import platform
from pathlib import Path
from typing import Any

from ganctl.store.host import available_cores


def machine() -> dict[str, Any]:
    """The machine and the versions that a figure belongs to."""
    import torch

    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    python = platform.python_version()
    return {"cpu": cpu, "cores": available_cores(), "gpu": gpu, "torch": torch.__version__, "python": python}


def write(path: Path | None, results: Any) -> None:
    """Writes the results beside the machine's name, where a path was given."""
    if path:
        path.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")
