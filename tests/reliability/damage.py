"""Run folders damaged as a disk, a person or a stranger might, the same way for the same seed."""

import hashlib
import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

DEEP = 5000  # levels of nesting
LARGEST = 50 * 2**20  # bytes of a file that is read to be damaged
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**62, 10**18, 10**30, -0.5, 1e308, float("nan"), float("inf"), "", "x", "0",
    "nan", "../../x", "/etc/passwd", "\x00", "\x1b[2J", "<script>alert(1)</script>", "a\nb", "é" * 300, "x" * 10**6,
    [], {}, [[]], [1, 2], [None], {"a": 1}, {"_target_": "os.system"}, "${oc.env:HOME}",
    "!!python/object/apply:os.system [id]", ["<b>"], [10**9], [4096, 4096, 4096],
]  # fmt: skip

Harm = Callable[[Path, random.Random], str]


def files(folder: Path) -> list[Path]:
    """All that lies in the folder, sorted; links are not followed."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _some(folder: Path, rng: random.Random, *endings: str) -> Path:
    # One that was swelled is left alone: it is longer than the memory of the process that damages.
    found = [path for path in files(folder) if path.stat().st_size < LARGEST and path.name.endswith(endings or "")]
    if not found:
        raise OSError("there is no such file left")
    return rng.choice(found)


def flip(folder: Path, rng: random.Random) -> str:
    path = _some(folder, rng)
    content = bytearray(path.read_bytes() or b"x")
    # Where the structure is: at the beginning, and anywhere.
    reach = rng.choice([min(64, len(content)), min(2000, len(content)), len(content)])
    for _ in range(rng.choice([1, 1, 3, 20])):
        content[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return f"flipped bits of {path.name}"


def truncate(folder: Path, rng: random.Random) -> str:
    path = _some(folder, rng)
    size = path.stat().st_size
    os.truncate(path, rng.choice([0, 1, size // 2, max(0, size - 1), rng.randrange(size + 1)]))
    return f"truncated {path.name}"


def lengthen(folder: Path, rng: random.Random) -> str:
    path = _some(folder, rng)
    content = path.read_bytes()
    path.write_bytes(content + rng.choice([content, b"\x00" * 100, b"\n", b"}", rng.randbytes(50), b"\xff\xfe"]))
    return f"lengthened {path.name}"


def swell(folder: Path, rng: random.Random) -> str:
    """A file with a hole that is larger than the memory it may take."""
    path = _some(folder, rng)
    os.truncate(path, rng.choice([100 * 2**20, 20 * 2**30]))
    return f"swelled {path.name}"


def garble(folder: Path, rng: random.Random) -> str:
    path = _some(folder, rng)
    path.write_bytes(
        rng.choice(
            [
                rng.randbytes(300),
                b"\x80\x04\x95",
                b"PK\x03\x04",
                b"null",
                b"[]",
                b"{}",
                b"1",
                b"\xef\xbb\xbf{}",
                b"\xff" * 9,
            ]
        )
    )
    return f"garbled {path.name}"


def remove(folder: Path, rng: random.Random) -> str:
    path = rng.choice([path for path in folder.rglob("*") if not path.is_symlink()] or [folder / "config.yaml"])
    _gone(path)
    return f"removed {path.name}"


def swap(folder: Path, rng: random.Random) -> str:
    one, other = _some(folder, rng), _some(folder, rng)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return f"swapped {one.name} and {other.name}"


def replace(folder: Path, rng: random.Random) -> str:
    """By something that is no file."""
    path = rng.choice(sorted(folder.rglob("*")) or [folder / "config.yaml"])
    if path == folder / "config.yaml" and rng.random() < 0.5:
        path = _some(folder, rng)
    _gone(path)
    kind = rng.choice(
        ["folder", "link to a file", "link to a folder", "link to itself", "link to nothing", "fifo", "file"]
    )
    outside = folder.parent / "secret"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("x")
    else:
        targets = {
            "link to a file": outside / "notes.txt",
            "link to a folder": outside,
            "link to itself": path,
            "link to nothing": outside / "none",
        }
        path.symlink_to(targets[kind])
    return f"{path.name} became a {kind}"


def plant(folder: Path, rng: random.Random) -> str:
    """Something new where ganctl will write: names that it uses itself."""
    names = [
        ".lock",
        ".reserve",
        ".run.json.1.tmp",
        "progress.gif",
        "nearest.png",
        "traceback.txt",
        ".metrics.lock",
        "checkpoints/.step-00000009.tmp",
        "checkpoints/step-99999999",
        "checkpoints/step-00000001",
        "samples/step-00000099.png",
        "checkpoints/damaged-step-00000006",
        "tb/x",
    ]
    path = folder / rng.choice(names)
    _gone(path)
    path.parent.mkdir(exist_ok=True)
    kind = rng.choice(["folder", "link", "file", "fifo"])
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(folder.parent / "secret" / rng.choice(["notes.txt", "none", "."]))
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(rng.randbytes(20))
    return f"planted a {kind} as {path.name}"


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with one of its leaves or branches replaced, removed, doubled or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        deed = rng.random()
        if deed < 0.12:
            return {each: value[each] for each in value if each != key}
        if deed < 0.2:
            return {
                rng.choice(["x", "", "a.b", "../x", "0", "<b>"]) if each == key else each: value[each] for each in value
            }
        return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        if rng.random() < 0.2:
            return [*value, *value]
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    return rng.choice(ODD)


def falsify(folder: Path, rng: random.Random) -> str:
    """Another value somewhere in a JSON or YAML file that is otherwise in order."""
    path = _some(folder, rng, ".json", ".yaml", ".jsonl")
    text = path.read_text(errors="replace")
    try:
        if path.suffix == ".yaml":
            path.write_text(yaml.safe_dump(_changed(yaml.safe_load(text), rng), sort_keys=False))
        elif path.suffix == ".jsonl":
            lines = text.splitlines() or ["{}"]
            place = rng.randrange(len(lines))
            lines[place] = json.dumps(_changed(json.loads(lines[place]), rng))
            path.write_text("\n".join(lines) + "\n")
        else:
            path.write_text(json.dumps(_changed(json.loads(text), rng)))
    except (ValueError, yaml.YAMLError, RecursionError):
        return garble(folder, rng)
    return f"falsified {path.name}"


def nest(folder: Path, rng: random.Random) -> str:
    path = _some(folder, rng, ".json", ".yaml", ".jsonl")
    path.write_text(
        rng.choice(
            ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "{a: " * DEEP + "}" * DEEP, "- " * DEEP]
        )
    )
    return f"nested {path.name}"


def forge(folder: Path, rng: random.Random) -> str:
    """Another header or other numbers in a safetensors file."""
    path = _some(folder, rng, ".safetensors")
    if path.suffix != ".safetensors":
        return flip(folder, rng)
    content = path.read_bytes()
    try:
        (size,) = struct.unpack("<Q", content[:8])
        header, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    except (ValueError, struct.error, RecursionError):
        return flip(folder, rng)
    name = rng.choice([key for key in header if key != "__metadata__"] or ["x"])
    entry = header.setdefault(name, {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    kind = rng.choice(["dtype", "shape", "offsets", "numbers", "name", "all"])
    if kind == "dtype":
        entry["dtype"] = rng.choice(["F64", "I64", "U8", "BF16", "BOOL", "F16", "I32"])
    elif kind == "shape":
        entry["shape"] = rng.choice(
            [[], [1], entry["shape"][::-1], [2**40], [0], [*entry["shape"], 1], [-1], [2**33, 2**33]]
        )
    elif kind == "offsets":
        entry["data_offsets"] = rng.choice([[0, 2**60], [5, 1], [0, 0], [-1, 4]])
    elif kind == "name":
        header[rng.choice(["x", f"{name}.x", "optimizer.generator.0.x", "stream.x", "optimizer.x", "memory.x"])] = (
            header.pop(name)
        )
    elif kind == "numbers":
        begin, end = entry["data_offsets"]
        body = body[:begin] + rng.choice([b"\xff", b"\x7f", b"\x00"]) * (end - begin) + body[end:]
    else:
        body = rng.randbytes(len(body))
    packed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", rng.choice([len(packed)] * 9 + [2**60])) + packed + body)
    return f"forged the {kind} of {path.name}"


HARMS: list[Harm] = [
    flip, flip, truncate, lengthen, swell, garble, remove, swap, replace, replace, plant, falsify, falsify, falsify,
    falsify, nest, forge, forge,
]  # fmt: skip


def sign(folder: Path) -> None:
    """Puts the hashes in every manifest right again, which whoever changes a file can do as well."""
    for manifest in sorted(folder.rglob("checkpoint.json")):
        if not all(path.is_file() for path in manifest.parent.iterdir()):  # reading a pipe would wait forever
            continue
        try:
            values = json.loads(manifest.read_text())
            for name in values["sha256"]:
                values["sha256"][name] = hashlib.sha256((manifest.parent / name).read_bytes()).hexdigest()
        except (OSError, ValueError, TypeError, KeyError, MemoryError, RecursionError):
            continue
        manifest.write_text(json.dumps(values))


def damage(folder: Path, rng: random.Random) -> list[str]:
    """One to three harms, after which the hashes may be right."""
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        try:
            done.append(rng.choice(HARMS)(folder, rng))
        except OSError as error:
            done.append(f"could not: {error}")
    if rng.random() < 0.6 and not any("swelled" in each for each in done):
        sign(folder)
        done.append("signed")
    return done
