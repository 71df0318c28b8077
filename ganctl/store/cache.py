"""Tensors that take long to make, kept under a name that says everything they depend on.

They are read by mapping their file into memory, so that processes beside each other share one copy.
"""

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganctl.errors import BadInput
from ganctl.store.files import write_atomically
from ganctl.store.places import cache_dir

MOST_KEPT = 2 * 2**30  # bytes of one folder of the cache
UNUSED = 86_400  # seconds after which a file may go, where there are more


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and contents, in hexadecimal."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return found.hexdigest()


def key(*parts: Any) -> str:
    """Thirty-two digits that change with any of `parts`, which JSON can write."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def stored(name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors under `name`, made and kept where they are not there or not whole.

    A damaged file is said, and made anew; where nothing can be kept, that is said and does no other harm. Where their
    folder then holds more than MOST_KEPT bytes, what nobody has used for a day goes, the longest unused first; a
    process that has mapped such a file goes on with it.
    """
    try:
        path = cache_dir() / f"{name}.safetensors"
    except BadInput:  # a user without a home
        return make()
    known = _whole(path)
    if known is not None:
        with suppress(OSError):  # another user's
            os.utime(path)
        return known
    if os.access(path, os.F_OK):  # pathlib's raises where the folder may not be looked into
        warnings.warn(f"{path}: is damaged, so it is made anew", stacklevel=2)
    tensors = {part: tensor.detach().cpu().contiguous() for part, tensor in make().items()}
    # What another process has kept meanwhile goes before, so that both share it.
    meanwhile = _whole(path)
    if meanwhile is not None:
        return meanwhile
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(tensors, {"sha256": digest(tensors)}))
        _make_room(path.parent)
        return _whole(path) or tensors  # shared from the first use on
    except OSError as error:
        warnings.warn(f"{path}: cannot be kept ({error.strerror}), so it is made anew next time", stacklevel=2)
    return tensors


def _make_room(folder: Path) -> None:
    """Removes what was not used for long where the folder holds too much; what a killed process left aside too."""
    used = []
    for file in folder.iterdir():
        with suppress(OSError):  # another process does the same
            if file.suffix in (".safetensors", ".tmp") and file.is_file():
                used.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in used)
    for last, size, file in sorted(used):
        if total <= MOST_KEPT or time.time() - last < UNUSED:
            break
        with suppress(OSError):
            file.unlink()
            total -= size


def _whole(path: Path) -> dict[str, Tensor] | None:
    """The tensors in the file; None where it is not there, or not what was written."""
    try:
        with safe_open(path, "pt") as file:
            expected = (file.metadata() or {}).get("sha256")
            tensors = {part: file.get_tensor(part) for part in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError, ValueError):
        return None
    return tensors if expected is not None and digest(tensors) == expected else None
