"""Weights in the files that others publish, read without pickle.

A `.pth` file holds a pickle, whose words are data here (see `pickled`).
"""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from ganctl.evaluation.pickled import Described, Storage, damaged, understood

LONGEST_PROGRAM = 4 * 2**20  # bytes; that of a network with a thousand tensors has about a hundred thousand
ROOM = 8  # bytes for each number that the network has, in all of the file's tensors together

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the format before torch 1.6


def read_tensors(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in a file of `torch.save`, new or old, or of safetensors, on the CPU.

    Args:
        expected: names, shapes and types of numbers; nothing else is read. Counts of batches may be missing.

    Raises:
        ValueError: the file is damaged, holds other tensors, or more than tensors; in one line.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(9)
    try:
        if start.startswith(b"PK"):
            return _from_zip(path, expected)
        if start.startswith(b"\x80"):
            return _from_older(path, expected)
        if start.endswith(b"{"):
            return _from_safetensors(path, expected)
    except ValueError:
        raise
    except Exception as error:  # of a damaged file, zipfile, pickletools and safetensors raise nearly everything
        raise damaged(error) from None
    raise ValueError("is neither a file of torch.save nor of safetensors")


def _from_safetensors(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        names = set(file.keys())
        _check_names(names, expected)
        for name in names:
            _check_shape(name, tuple(file.get_slice(name).get_shape()), expected)
        found = {name: file.get_tensor(name).clone() for name in sorted(names)}
    for name, tensor in found.items():
        _check_kind(name, tensor.dtype, expected)
    return found


def _from_zip(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        programs = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise ValueError("is a zip file, but none of torch.save")
        home = programs[0].removesuffix("data.pkl")
        entries = set(archive.namelist())

        def member(name: str, most: int) -> bytes:
            info = archive.getinfo(home + name)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
                raise ValueError(f"{name} in it is compressed or has {info.file_size:,} bytes, more than {most:,}")
            return archive.read(info)

        if f"{home}byteorder" in entries and member("byteorder", 16) != b"little":
            raise ValueError("has its bytes in another order than little-endian")
        described = _checked(understood(BytesIO(member("data.pkl", LONGEST_PROGRAM))), expected)
        contents = {s.key: member(f"data/{s.key}", s.size) for s in _storages(described)}
    return _built(described, contents)


def _from_older(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    with path.open("rb") as file:
        head = BytesIO(file.read(LONGEST_PROGRAM))
        if (understood(head), understood(head)) != (MAGIC, VERSION):
            raise ValueError("is no file of torch.save")
        system = understood(head)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("has its bytes in another order than little-endian")
        known: dict[str, Storage] = {}
        described = _checked(understood(head, known), expected)
        keys = understood(head)
        # Words only: to compare tuples within tuples may take forever.
        listed = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not listed or set(keys) != set(known) or len(keys) != len(known):
            raise ValueError("lists other storages than its tensors have")
        _storages(described)
        wanted = {tensor.storage.key for tensor in described.values()}
        contents, left = {}, path.stat().st_size - head.tell()
        file.seek(head.tell())
        for key in keys:  # in the order of the list, each after its count
            size = known[key].size
            left -= 8 + size
            if int.from_bytes(file.read(8), "little") != known[key].count or left < 0:
                raise ValueError(f"storage {key} has another length than its tensors say")
            if key in wanted:
                contents[key] = file.read(size)
            else:
                file.seek(size, 1)
    return _built(described, contents)


def _checked(found: Any, expected: dict[str, Tensor]) -> dict[str, Described]:
    """The tensors of a program, after their names, shapes and bounds were checked."""
    if not isinstance(found, dict) or not all(isinstance(tensor, Described) for tensor in found.values()):
        raise ValueError("holds no dictionary of tensors")
    _check_names(set(found), expected)
    for name, tensor in found.items():
        _check_shape(name, tensor.shape, expected)
        _check_kind(name, tensor.storage.kind, expected)
        last = sum((length - 1) * step for length, step in zip(tensor.shape, tensor.stride, strict=True))
        if 0 not in tensor.shape and tensor.offset + last >= tensor.storage.count:
            raise ValueError(f"{name} reaches beyond its {tensor.storage.count:,} numbers")
    room = ROOM * sum(tensor.numel() for tensor in expected.values())
    if sum(storage.size for storage in _storages(found)) > room:
        raise ValueError("holds more numbers than the network has")
    return found


def _storages(described: dict[str, Described]) -> list[Storage]:
    """Each storage once.

    Raises:
        ValueError: two of one key differ.
    """
    found = {tensor.storage for tensor in described.values()}
    if len({storage.key for storage in found}) != len(found):
        raise ValueError("describes one storage in two ways")
    return list(found)


def _check_names(names: set[str], expected: dict[str, Tensor]) -> None:
    missing = sorted(name for name in expected if name not in names and not name.endswith(".num_batches_tracked"))
    others = sorted(str(name) for name in names if name not in expected)
    if missing or others:
        what = f"has no {missing[0]}" if missing else f"has {others[0][:80]!r}, which the network has not"
        raise ValueError(f"belongs to another network: it {what}")


def _check_shape(name: str, shape: tuple[int, ...], expected: dict[str, Tensor]) -> None:
    if shape != tuple(expected[name].shape):
        raise ValueError(
            f"belongs to another network: {name} is {list(shape)[:8]} instead of {list(expected[name].shape)}"
        )


def _check_kind(name: str, kind: torch.dtype, expected: dict[str, Tensor]) -> None:
    if kind.is_floating_point != expected[name].dtype.is_floating_point:
        raise ValueError(f"belongs to another network: {name} holds {kind} instead of {expected[name].dtype}")


def _built(described: dict[str, Described], contents: dict[str, bytes]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in described.items():
        raw = contents[tensor.storage.key]
        if len(raw) != tensor.storage.size:
            raise ValueError(f"storage {tensor.storage.key} has {len(raw):,} bytes instead of {tensor.storage.size:,}")
        flat = torch.frombuffer(bytearray(raw), dtype=tensor.storage.kind) if raw else torch.empty(0)
        found[name] = flat.as_strided(tensor.shape, tensor.stride, tensor.offset).contiguous().clone()
    return found
