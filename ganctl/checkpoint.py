"""Checkpoints: folders of safetensors and JSON, no pickle, there whole or not at all."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ganctl.errors import BadInput
from ganctl.run import write_atomically

FORMAT = 1


def write(path: Path, tensors: dict[str, dict[str, Tensor]], counts: dict[str, int]) -> None:
    """Writes a checkpoint folder aside and renames it.

    Args:
        path: checkpoints/step-00000600.
        tensors: {part: {name: tensor}}; a part becomes the file <part>.safetensors.
        counts: whole numbers that go with them.
    """
    aside = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    hashes = {}
    for part, named in tensors.items():
        content = save_safetensors({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()})
        hashes[f"{part}.safetensors"] = hashlib.sha256(content).hexdigest()
        write_atomically(aside / f"{part}.safetensors", content)
    manifest = {"format": FORMAT, "counts": counts, "sha256": hashes}
    write_atomically(aside / "checkpoint.json", json.dumps(manifest, indent=2) + "\n")
    if path.exists():
        shutil.rmtree(path)
    aside.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # so that the new name outlives a power cut
    finally:
        os.close(descriptor)


def read(path: Path, parts: tuple[str, ...]) -> tuple[dict[str, dict[str, Tensor]], dict[str, int]]:
    """The named parts of a checkpoint folder and its counts.

    Raises:
        BadInput: the folder is not a checkpoint of ganctl, or a file of it is damaged.
    """
    try:
        manifest = json.loads((path / "checkpoint.json").read_text())
        known = isinstance(manifest, dict) and manifest.get("format") == FORMAT
        counts, hashes = (manifest["counts"], manifest["sha256"]) if known else ({}, {})
        known = known and isinstance(hashes, dict) and _is_count(counts["step"]) and _is_count(counts["batches_drawn"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise BadInput(
            f"{path}: is not a checkpoint of ganctl, or its checkpoint.json is damaged; "
            "remove it to go on from the one before it, or name another run"
        )
    tensors = {}
    for part in parts:
        try:
            content = (path / f"{part}.safetensors").read_bytes()
        except OSError as error:
            raise _damaged(path, f"{part}.safetensors cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != hashes.get(f"{part}.safetensors"):
            raise _damaged(path, f"{part}.safetensors is not what was written")
        try:
            tensors[part] = load_safetensors(content)
        except SafetensorError as error:
            raise _damaged(path, f"{part}.safetensors: {error}") from None
    return tensors, counts


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 10**12


def _damaged(path: Path, how: str) -> BadInput:
    return BadInput(f"{path}: is damaged ({how}); remove this folder to go on from the checkpoint before it")


def keep_newest(folder: Path, count: int) -> None:
    """Removes all but the `count` newest checkpoints, and what a killed process left half written."""
    for old in sorted(path for path in folder.glob("step-*") if path.is_dir())[:-count]:
        shutil.rmtree(old)
    for stale in folder.glob(".step-*.tmp"):
        shutil.rmtree(stale)
