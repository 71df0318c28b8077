"""Run folders and files as somebody who means harm would make them; all of it made when the tests run."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.reliability.damage import sign

CHECKPOINT = "checkpoints/step-00000006"
PAYLOAD = (
    "<script>document.title='owned'</script><img src='http://127.0.0.1:9/owned.png' onerror=\"document.title='owned'\">"
)


class Bomb:
    """Unpickled, it leaves a file at `marker`."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def bomb(marker: Path) -> bytes:
    return pickle.dumps({"state_dict": Bomb(marker), "step": 6})


def torch_bomb(marker: Path) -> bytes:
    """The same in the zip that torch.save writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", bomb(marker))
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def npz_bomb(marker: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        array = io.BytesIO()
        np.lib.format.write_array(array, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
        archive.writestr("images.npy", array.getvalue())
    return buffer.getvalue()


def zip_bomb() -> bytes:
    """200 MB of zeros in 200 KB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\x00" * (200 * 2**20))
    return buffer.getvalue()


def tensors(header: Any, body: bytes = b"\x00" * 64, length: int | None = None) -> bytes:
    """A safetensors file of that header, which may say anything."""
    packed = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(packed) if length is None else length) + packed + body


def _entry(shape: list[int], begin: int, end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


LYING = {
    "a header of 2^60 bytes": tensors({}, length=2**60),
    "a header of 2^64 - 1 bytes": tensors({}, length=2**64 - 1),
    "offsets beyond the file": tensors({"generator.layers.0.weight": _entry([2**20, 2**20], 0, 2**42)}),
    "offsets that overlap": tensors({"a": _entry([8], 0, 32), "b": _entry([8], 16, 48)}),
    "offsets backwards": tensors({"a": _entry([8], 32, 0)}),
    "a shape that overflows": tensors({"a": _entry([2**32, 2**32, 2**32], 0, 64)}),
    "a shape of another size": tensors({"a": _entry([2**40], 0, 64)}),
    "a negative shape": tensors({"a": _entry([-1], 0, 64)}),
    "nesting": tensors(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "a key twice": tensors(
        b'{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]},"a":{"dtype":"F32","shape":[8],"data_offsets":[32,64]}}'
    ),
    "nothing": tensors({}, b""),
    "numbers of another kind": tensors({"generator.layers.0.weight": _entry([16, 8], 0, 128, "I8")}, b"\x01" * 128),
}

YAML = {
    "a target": "_target_: os.system\ncommand: touch {marker}\n",
    "targets in every group": "data: {{_target_: os.system, name: mnist5k, command: touch {marker}}}\n"
    "model: {{name: mlp, _target_: os.system}}\n",
    "an object": "!!python/object/apply:os.system ['touch {marker}']\n",
    "a module": "seed: !!python/module:this\n",
    "a billion laughs": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "the environment": "output_dir: ${{oc.env:HOME}}\n",
    "nesting": "[" * 10_000 + "]" * 10_000,
    "a long scalar": "name: " + "x" * 2_000_000 + "\n",
    "many documents": "---\na: 1\n" * 1000,
    "an anchor on itself": "a: &a [*a]\n",
}

JSON = {
    "NaN": '{"step": NaN, "started": Infinity}',
    "a huge number": '{"step": ' + "9" * 100_000 + "}",
    "nesting": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "a float of many digits": '{"seconds": 1e999999}',
    "a list": "[1]",
    "another coding": "\ufeff{}",
    "a long string": '{"error": "' + "x" * 70_000_000 + '"}',
}

# Values that each alone are of the right kind.
ENORMOUS = {
    "widths": ("model", "generator_widths", [999_999, 999_999]),
    "discriminator": ("model", "discriminator_widths", [999_999, 999_999]),
    "too many layers": ("model", "generator_widths", [50_000] * 2000),
    "latent vectors": ("model", "latent_dim", 10**9),
}


def set_value(file: Path, *path_and_value: Any) -> None:
    """Puts a value into a YAML or JSON file, under the keys before it."""
    import yaml

    *path, last, value = path_and_value
    values = yaml.safe_load(file.read_text())
    section = values
    for key in path:
        section = section[key]
    section[last] = value
    file.write_text(json.dumps(values) if file.suffix == ".json" else yaml.safe_dump(values, sort_keys=False))


Make = Callable[[Path, Path], None]


def _write(name: str, content: bytes | str | Callable[[Path], bytes]) -> Make:
    """What puts that content into a file of the run, with hashes that fit."""

    def make(home: Path, marker: Path) -> None:
        filled = content(marker) if callable(content) else content
        (home / name).write_bytes(
            filled.replace("{marker}", str(marker)).encode() if isinstance(filled, str) else filled
        )
        sign(home)

    return make


def _link(name: str, target: str) -> Make:
    """What makes a link of a file or folder, to something beside the run."""

    def make(home: Path, marker: Path) -> None:
        path = home / name
        if path.is_dir() and not path.is_symlink():
            path.rename(home.parent / f"moved-{path.name}")
        path.unlink(missing_ok=True)
        path.symlink_to(home.parent / target if target else path)

    return make


def _config(section: str, key: str, value: Any) -> Make:
    return lambda home, marker: set_value(home / "config.yaml", section, key, value)


def _info(key: str, value: Any) -> Make:
    return lambda home, marker: set_value(home / "run.json", key, value)


def _numbers(fill: bytes) -> Make:
    """What fills every tensor of a checkpoint with one byte: 0xff makes NaN of a float32."""

    def make(home: Path, marker: Path) -> None:
        for file in sorted(home.glob("checkpoints/step-*/networks.safetensors")):
            content = file.read_bytes()
            begin = 8 + struct.unpack("<Q", content[:8])[0]
            file.write_bytes(content[:begin] + fill * (len(content) - begin))
        sign(home)

    return make


def corpus() -> dict[str, Make]:
    """{what is hostile: what makes a run folder so, given the folder and where a marker would appear}."""
    found: dict[str, Make] = {}
    for part in ("networks.safetensors", "training.safetensors", "checkpoint.json"):
        found[f"a pickle as {part}"] = _write(f"{CHECKPOINT}/{part}", bomb)
        found[f"a torch file as {part}"] = _write(f"{CHECKPOINT}/{part}", torch_bomb)
    for name in ("config.yaml", "run.json", "scalars.jsonl", "metrics.json", "samples/step-00000006.png"):
        found[f"a pickle as {name}"] = _write(name, bomb)
    found |= {
        f"an archive with a pickle as {name}": _write(name, npz_bomb)
        for name in ("metrics.json", f"{CHECKPOINT}/networks.safetensors")
    }
    found |= {
        f"a zip bomb as {name}": _write(name, zip_bomb()) for name in ("run.json", f"{CHECKPOINT}/networks.safetensors")
    }
    found |= {
        f"safetensors with {what}": _write(f"{CHECKPOINT}/networks.safetensors", content)
        for what, content in LYING.items()
    }
    found |= {
        f"YAML with {what}": _write("config.yaml", text.replace("{{", "{").replace("}}", "}"))
        for what, text in YAML.items()
    }
    for name in ("run.json", "metrics.json", f"{CHECKPOINT}/checkpoint.json"):
        found |= {
            f"{name} with {what}": _write(name, text)
            for what, text in JSON.items()
            if what != "a long string" or name == "run.json"
        }
    found |= {f"enormous {what}": _config(*path) for what, path in ENORMOUS.items()}
    found["a sample shape of 4096 x 4096"] = _info("sample_shape", [1, 4096, 4096])
    found["a sample shape of 4096 x 4096 x 4096"] = _info("sample_shape", [4096, 4096, 4096])
    found["a step of 10^12"] = _info("step", 10**12)
    found["weights that are no numbers"] = _numbers(b"\xff")
    found["enormous weights"] = _numbers(b"\x7f")
    for name, target in {
        "samples": "secret",
        "scalars.jsonl": "secret/notes.txt",
        "tb": "secret",
        "run.json": "secret/notes.txt",
        "config.yaml": "secret/notes.txt",
        ".lock": "secret/notes.txt",
        ".reserve": "secret/none",
        ".metrics.lock": "secret/notes.txt",
        "metrics.json": "secret/notes.txt",
        "checkpoints": "secret",
        CHECKPOINT: "secret",
        f"{CHECKPOINT}/networks.safetensors": "secret/notes.txt",
        "progress.gif": "secret/none",
        "nearest.png": "secret/none",
        "traceback.txt": "secret/none",
        "checkpoints/.step-00000009.tmp": "secret",
        "samples/step-00000008.png": "secret/none",
    }.items():
        found[f"{name} as a link"] = _link(name, target)
    found["samples as a link to itself"] = _link("samples", "")
    return found
