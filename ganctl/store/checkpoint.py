"""Checkpoints: folders of safetensors and JSON files, without pickle, written atomically."""

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ganctl.errors import BadInput
from ganctl.store.files import parse_json, read_json, sync_folder, write_atomically

FORMAT = 1
LARGEST_HEADER = 16 * 2**20  # bytes


def write(path: Path, tensors: dict[str, dict[str, Tensor]], counts: dict[str, int], settings: dict[str, Any]) -> None:
    """Writes a checkpoint into a temporary folder and renames it.

    Args:
        path: the checkpoint's folder, such as checkpoints/step-00000600.
        tensors: {part: {name: tensor}}; a part becomes the file <part>.safetensors.
        counts: counters of the training, such as step and batches_drawn.
        settings: the run's settings; a run with other settings cannot resume from this checkpoint.

    Raises:
        OSError: the checkpoint cannot be written; anything at `path` is unchanged.
    """
    aside = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    hashes = {}
    for part, named in tensors.items():
        content = save_safetensors({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()})
        hashes[f"{part}.safetensors"] = hashlib.sha256(content).hexdigest()
        write_atomically(aside / f"{part}.safetensors", content)
    manifest = {"format": FORMAT, "counts": counts, "settings": settings, "sha256": hashes}
    write_atomically(aside / "checkpoint.json", json.dumps(manifest, indent=2) + "\n")
    set_aside(path)  # an unreadable checkpoint may be there
    aside.rename(path)
    sync_folder(path.parent)


def read(path: Path, parts: tuple[str, ...]) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads the named parts of a checkpoint, and its manifest with "counts" and, since version 0.2, "settings".

    Raises:
        BadInput: the folder is not a checkpoint of ganctl, or one of its files is damaged.
    """
    try:
        manifest = read_json(path / "checkpoint.json")
        known = isinstance(manifest, dict) and manifest.get("format") == FORMAT
        known = known and all(_is_count(manifest["counts"][name]) for name in ("step", "batches_drawn"))
        known = known and isinstance(manifest["sha256"], dict) and isinstance(manifest.get("settings", {}), dict)
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise BadInput(
            f"{path}: is not a checkpoint of ganctl, or its checkpoint.json is damaged; "
            "remove it to go on from the one before it, or name another run"
        )
    tensors = {}
    for part in parts:
        try:
            content = _content(path / f"{part}.safetensors")
        except OSError as error:
            raise _damaged(path, f"{part}.safetensors cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, LookupError, AttributeError, MemoryError):
            raise _damaged(path, f"{part}.safetensors is not of the size that it says") from None
        if hashlib.sha256(content).hexdigest() != manifest["sha256"].get(f"{part}.safetensors"):
            raise _damaged(path, f"{part}.safetensors is not what was written")
        try:
            tensors[part] = load_safetensors(content)
        except SafetensorError as error:
            raise _damaged(path, f"{part}.safetensors: {error}") from None
    return tensors, manifest


def _content(file: Path) -> bytes:
    """The bytes of a safetensors file. The file is read only if its length is the one that its header implies.

    Raises:
        OSError, ValueError, TypeError, LookupError, AttributeError: the file cannot be read, or its header is wrong.
    """
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError("no header is so long")
        entries = parse_json(opened.read(length).decode())
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
        if 8 + length + max(ends, default=0) != file.stat().st_size:
            raise ValueError("it has another length")
        opened.seek(0)
        return opened.read()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 10**12


def _damaged(path: Path, how: str) -> BadInput:
    return BadInput(f"{path}: is damaged ({how}); take another checkpoint, or train a new run")


def newest(paths: list[Path], parts: tuple[str, ...]) -> tuple[Path, dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads the newest undamaged checkpoint: its path and what `read` returns. Warns about damaged newer ones.

    Args:
        paths: the checkpoint folders, oldest first, at least one.

    Raises:
        BadInput: all of them are damaged.
    """
    complaints = []
    for path in reversed(paths):
        try:
            tensors, manifest = read(path, parts)
        except BadInput as error:
            complaints.append(error)
            continue
        for complaint in complaints:
            warnings.warn(f"{str(complaint).split(';')[0]}; going on from {path.name}", stacklevel=2)
        return path, tensors, manifest
    raise complaints[0]


def set_aside(path: Path) -> None:
    """Renames an unreadable checkpoint to damaged-<name>; does nothing if there is none at `path`."""
    if path.exists():
        damaged = path.with_name(f"damaged-{path.name}")
        shutil.rmtree(damaged, ignore_errors=True)
        path.rename(damaged)


def keep(folder: Path, present: list[Path], names: set[str]) -> None:
    """Removes every checkpoint of `present` whose name is not in `names`, and unfinished ones in `folder`.

    Other folders beside them, such as a user's copy, stay.
    """
    for path in present:
        if path.name not in names:
            # Renamed first, so that no half-removed folder looks like a checkpoint.
            gone = path.rename(path.with_name(f".{path.name}.old"))
            shutil.rmtree(gone)
    for stale in folder.glob(".step-*"):
        if stale.is_dir():
            shutil.rmtree(stale)
