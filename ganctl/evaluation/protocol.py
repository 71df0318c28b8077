"""The fingerprint of a protocol, that is, of all settings of a measurement."""

import hashlib
import json
from typing import Any

from ganctl.store.host import versions

MEASURING = ("ganctl", "torch", "numpy")  # packages that a measured value may depend on


def fingerprint(protocol: dict[str, Any]) -> str:
    """A hash of the protocol: 16 hexadecimal digits; equal protocols have equal fingerprints."""
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:16]


def measuring_versions() -> dict[str, str]:
    """The versions of Python and of the packages that a measured value may depend on."""
    found = versions()
    return {name: found[name] for name in ("python", *MEASURING) if name in found}
