"""Weights in the files that others publish, read without pickle.

A `.pth` file holds a pickle: a program that builds its tensors, and may do anything else. Here its words are data. The
standard library splits them without carrying them out, and the few that describe tensors are understood; a file with
any other is refused. Nothing that a file names is imported or called.
"""

import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

LONGEST_PROGRAM = 4 * 2**20  # bytes; that of a network with a thousand tensors has about a hundred thousand
ROOM = 8  # bytes for each number that the network has, in all of the file's tensors together

STORAGES = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
}
DICT, TENSOR, PARAMETER = (
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
)
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the format before torch 1.6

_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A name in a file, which is never looked up."""

    words: str


@dataclass(frozen=True)
class _Storage:
    """Where numbers are: `count` of `kind` under `key`."""

    kind: torch.dtype
    key: str
    count: int

    @property
    def size(self) -> int:
        return self.count * self.kind.itemsize


@dataclass(frozen=True)
class _Described:
    """A tensor before its numbers are read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


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
        raise _damaged(error) from None
    raise ValueError("is neither a file of torch.save nor of safetensors")


def _damaged(error: Exception) -> ValueError:
    return ValueError(f"is damaged: {' '.join(f'{type(error).__name__}: {error}'.split())[:200]}")


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
        described = _described(_run(BytesIO(member("data.pkl", LONGEST_PROGRAM))), expected)
        contents = {s.key: member(f"data/{s.key}", s.size) for s in _storages(described)}
    return _built(described, contents)


def _from_older(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    with path.open("rb") as file:
        head = BytesIO(file.read(LONGEST_PROGRAM))
        if (_run(head), _run(head)) != (MAGIC, VERSION):
            raise ValueError("is no file of torch.save")
        system = _run(head)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("has its bytes in another order than little-endian")
        known: dict[str, _Storage] = {}
        described = _described(_run(head, known), expected)
        keys = _run(head)
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


def _described(found: Any, expected: dict[str, Tensor]) -> dict[str, _Described]:
    """The tensors of a program, after their names, shapes and bounds were checked."""
    if not isinstance(found, dict) or not all(isinstance(tensor, _Described) for tensor in found.values()):
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


def _storages(described: dict[str, _Described]) -> list[_Storage]:
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


def _built(described: dict[str, _Described], contents: dict[str, bytes]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in described.items():
        raw = contents[tensor.storage.key]
        if len(raw) != tensor.storage.size:
            raise ValueError(f"storage {tensor.storage.key} has {len(raw):,} bytes instead of {tensor.storage.size:,}")
        flat = torch.frombuffer(bytearray(raw), dtype=tensor.storage.kind) if raw else torch.empty(0)
        found[name] = flat.as_strided(tensor.shape, tensor.stride, tensor.offset).contiguous().clone()
    return found


def _operations(program: BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    """The words of a pickle; what the standard library says of one that is none may quote the whole file."""
    try:
        yield from pickletools.genops(program)
    except ValueError as error:
        raise _damaged(error) from None


def _run(program: BytesIO, storages: dict[str, _Storage] | None = None) -> Any:
    """What a pickle describes: dictionaries, lists, tuples, words, whole numbers, tensors; `program` stands after it.

    Args:
        storages: receives each storage by its key.

    Raises:
        ValueError: it asks for anything else.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for code, argument, _ in _operations(program):
        word = code.name
        if word == "STOP":
            (result,) = stack
            return result
        if word in _CONSTANTS:
            stack.append(_CONSTANTS[word]())
        elif word in _VALUES:
            stack.append(argument)
        elif word in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif word == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif word in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif word == "GLOBAL":
            stack.append(_name(argument))
        elif word == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(_name(f"{module} {name}"))
        elif word in _STEPS:
            _STEPS[word](stack)
        elif word == "BINPERSID":
            storage = _storage(stack.pop())
            if storages is not None and storages.setdefault(storage.key, storage) != storage:
                raise ValueError("describes one storage in two ways")
            stack.append(storage)
        elif word not in ("PROTO", "FRAME"):
            raise ValueError(f"asks for more than tensors (the pickle's {word}), which is never carried out")
    raise ValueError("ends too early")


def _name(words: str) -> _Name:
    if words not in (DICT, TENSOR, PARAMETER, *STORAGES):
        raise ValueError(f"asks for more than tensors ({words[:80]!r}), which is never carried out")
    return _Name(words)


def _marked(stack: list[Any]) -> list[Any]:
    """What lies above the last mark, taken off with it."""
    place = next(place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK)
    found = stack[place + 1 :]
    del stack[place:]
    return found


def _set(stack: list[Any], pairs: list[Any]) -> None:
    if type(stack[-1]) is not dict or len(pairs) % 2 or not all(isinstance(key, (str, int)) for key in pairs[::2]):
        raise ValueError("sets what is no word in a dictionary")
    stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))


def _append(stack: list[Any], values: list[Any]) -> None:
    if type(stack[-1]) is not list:
        raise ValueError("appends to what is no list")
    stack[-1].extend(values)


def _last(count: int) -> Callable[[list[Any]], None]:
    def step(stack: list[Any]) -> None:
        stack[-count:] = [tuple(stack[-count:])]

    return step


def _reduce(stack: list[Any]) -> None:
    """The few calls that are understood."""
    words, name = stack.pop(), stack.pop()
    if not isinstance(name, _Name) or not isinstance(words, tuple):
        raise ValueError("asks for a call of what is no name")
    if name.words == DICT and not words:
        stack.append({})
    elif name.words == TENSOR and len(words) in (6, 7):
        stack.append(_tensor(*words[:4]))
    elif name.words == PARAMETER and len(words) == 3 and isinstance(words[0], _Described):
        stack.append(words[0])
    else:
        raise ValueError(f"asks for {name.words} in a way that torch.save does not")


def _build(stack: list[Any]) -> None:
    """The state of a dictionary of weights, which says what versions wrote them; it is not used."""
    stack.pop()
    if type(stack[-1]) is not dict:
        raise ValueError("gives a state to what is no dictionary")


def _whole(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < 2**40 for value in values)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> _Described:
    if not (isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)):
        raise ValueError("describes a tensor as torch.save does not")
    if not _whole(offset, *shape, *stride) or len(shape) != len(stride) or len(shape) > 8:
        raise ValueError("describes a tensor with impossible lengths")
    return _Described(storage, offset, shape, stride)


def _storage(words: Any) -> _Storage:
    if not isinstance(words, tuple) or len(words) not in (5, 6) or words[0] != "storage":
        raise ValueError("describes a storage as torch.save does not")
    kind, key, count = words[1], words[2], words[4]
    if not isinstance(kind, _Name) or kind.words not in STORAGES or not _whole(count):
        raise ValueError("describes a storage of impossible numbers")
    if not isinstance(key, str) or not key.isdigit():
        raise ValueError("describes a storage as torch.save does not")
    if len(words) == 6 and words[5] is not None:
        raise ValueError("describes a part of a storage, as torch has long ceased to do")
    return _Storage(STORAGES[kind.words], key, count)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"}
_STEPS: dict[str, Callable[[list[Any]], None]] = {
    "TUPLE": lambda stack: stack.append(tuple(_marked(stack))),
    "TUPLE1": _last(1),
    "TUPLE2": _last(2),
    "TUPLE3": _last(3),
    "SETITEM": lambda stack: _set(stack, [stack.pop(-2), stack.pop()]),
    "SETITEMS": lambda stack: _set(stack, _marked(stack)),
    "APPEND": lambda stack: _append(stack, [stack.pop()]),
    "APPENDS": lambda stack: _append(stack, _marked(stack)),
    "REDUCE": _reduce,
    "BUILD": _build,
}
