"""How a number was measured, and digits that change with any of it."""

import hashlib
import json
from typing import Any

from ganctl.store.host import versions

MEASURING = ("ganctl", "torch", "numpy")  # packages that a value may depend on


def fingerprint(protocol: dict[str, Any]) -> str:
    """Sixteen digits that are equal where everything in the protocols is."""
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:16]


def measuring_versions() -> dict[str, str]:
    """Of Python and the packages that a value may depend on."""
    found = versions()
    return {name: found[name] for name in ("python", *MEASURING) if name in found}
