"""Reads pickles of tensors without carrying them out.

A pickle is a program that builds its tensors, and may do anything else. Here its words are data. The standard library
splits them, and the few that describe tensors are understood; a pickle with any other is refused. Nothing that it names
is imported or called.
"""

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import torch

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
_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A name in a file, which is never looked up."""

    words: str


@dataclass(frozen=True)
class Storage:
    """Where numbers are: `count` of `kind` under `key`."""

    kind: torch.dtype
    key: str
    count: int

    @property
    def size(self) -> int:
        return self.count * self.kind.itemsize


@dataclass(frozen=True)
class Described:
    """A tensor before its numbers are read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def damaged(error: Exception) -> ValueError:
    """The error for a file that is not what it says it is, in one line."""
    return ValueError(f"is damaged: {' '.join(f'{type(error).__name__}: {error}'.split())[:200]}")


def _operations(program: BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    """The words of a pickle; what the standard library says of one that is none may quote the whole file."""
    try:
        yield from pickletools.genops(program)
    except ValueError as error:
        raise damaged(error) from None


def understood(program: BytesIO, storages: dict[str, Storage] | None = None) -> Any:
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
    elif name.words == PARAMETER and len(words) == 3 and isinstance(words[0], Described):
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


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> Described:
    if not (isinstance(storage, Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)):
        raise ValueError("describes a tensor as torch.save does not")
    if not _whole(offset, *shape, *stride) or len(shape) != len(stride) or len(shape) > 8:
        raise ValueError("describes a tensor with impossible lengths")
    return Described(storage, offset, shape, stride)


def _storage(words: Any) -> Storage:
    if not isinstance(words, tuple) or len(words) not in (5, 6) or words[0] != "storage":
        raise ValueError("describes a storage as torch.save does not")
    kind, key, count = words[1], words[2], words[4]
    if not isinstance(kind, _Name) or kind.words not in STORAGES or not _whole(count):
        raise ValueError("describes a storage of impossible numbers")
    if not isinstance(key, str) or not key.isdigit():
        raise ValueError("describes a storage as torch.save does not")
    if len(words) == 6 and words[5] is not None:
        raise ValueError("describes a part of a storage, as torch has long ceased to do")
    return Storage(STORAGES[kind.words], key, count)


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
