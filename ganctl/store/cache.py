"""A cache on disk for tensors that take long to compute. Their name contains a hash of everything they depend on.

Files are read by memory mapping, so that concurrent processes share one copy.
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

MOST_KEPT = 2 * 2**30  # bytes; a folder of the cache that holds more is cleaned up
UNUSED = 86_400  # seconds; the clean-up keeps files that were used since


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the tensors' names, types, shapes and contents, in hexadecimal."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return found.hexdigest()


def key(*parts: Any) -> str:
    """A hash of `parts`, which must be serializable as JSON: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def stored(name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors under `name` from the cache; if they are missing or damaged there, `make` computes them.

    Warns about a damaged file and recreates it. Warns if nothing can be stored, and then just returns the tensors. If
    the folder holds more than MOST_KEPT bytes after storing, files unused for a day are removed, the longest unused
    first; a process that has mapped such a file can go on using it.
    """
    try:
        path = cache_dir() / f"{name}.safetensors"
    except BadInput:  # the user has no home folder
        return make()
    known = _whole(path)
    if known is not None:
        with suppress(OSError):  # the file is another user's
            os.utime(path)
        return known
    if os.access(path, os.F_OK):  # Path.exists raises if the folder is not readable
        warnings.warn(f"{path}: is damaged, so it is made anew", stacklevel=2)
    tensors = {part: tensor.detach().cpu().contiguous() for part, tensor in make().items()}
    # If another process has stored them meanwhile, its file is used, so that both share it.
    meanwhile = _whole(path)
    if meanwhile is not None:
        return meanwhile
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(tensors, {"sha256": digest(tensors)}))
        _make_room(path.parent)
        return _whole(path) or tensors  # the mapped file, so that it is shared from the first use on
    except OSError as error:
        warnings.warn(f"{path}: cannot be kept ({error.strerror}), so it is made anew next time", stacklevel=2)
    return tensors


def _make_room(folder: Path) -> None:
    """Removes long unused files, and temporary files of killed processes, while the folder holds too much."""
    used = []
    for file in folder.iterdir():
        with suppress(OSError):  # another process is cleaning up too
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
    """The tensors in the file; None if it is missing or its content does not match its hash."""
    try:
        with safe_open(path, "pt") as file:
            expected = (file.metadata() or {}).get("sha256")
            tensors = {part: file.get_tensor(part) for part in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError):
        return None
    return tensors if expected is not None and digest(tensors) == expected else None
