"""Writes files atomically, and reads files that anyone may have written, with checks. Imports no torch."""

import contextlib
import json
import math
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import BadInput

if TYPE_CHECKING:
    from PIL import Image

LARGEST_JSON = 64 * 2**20  # bytes
LARGEST_PICTURE = 2**26  # pixels
LARGEST_WHOLE = 2**63  # bound of the whole numbers in a JSON file


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a temporary file, flushes it to the disk and renames it: `path` has the whole content or is unchanged."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        if error.filename is None:  # errors of an open file do not name it
            error.filename = str(path)
        raise


def sync_folder(path: Path) -> None:
    """Flushes a folder's entries to the disk, so that they survive a power cut. Does nothing on Windows."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, larger than any file that ganctl writes, nested too deeply, or contains nan, an
            infinity or a whole number of more than 63 bits.
    """
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; ganctl writes none above {LARGEST_JSON:,}")
    return parse_json(path.read_text())


def parse_json(text: str) -> Any:
    """The content of a JSON text; raises ValueError as `read_json` does."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _whole(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) >= LARGEST_WHOLE:
        raise ValueError(f"ganctl writes no whole number of {len(text)} digits")
    return value


def read_picture(path: Path) -> "Image.Image":
    """The picture of a sample grid, in RGB.

    Raises:
        ValueError: the file is not a PNG, is damaged, or has more pixels than any picture that ganctl draws.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PIL warns about enormous pictures
        try:
            with Image.open(path, formats=["PNG"]) as image:
                if image.width * image.height > LARGEST_PICTURE:
                    raise ValueError("it is larger than any of ganctl's")
                return image.convert("RGB")
        except Exception as error:  # a decoder may raise anything
            raise ValueError(f"{path}: cannot be read as a picture ({error})") from None


def refuse_links(folder: Path) -> None:
    """Checks that the folder contains only files and folders, so that no access can leave it through a link.

    The path of the folder itself may contain links; the user made those.

    Raises:
        BadInput: an entry is a link, or neither a file nor a folder, or cannot be examined.
    """
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        where = f"is a link to {Path(entry.path).readlink()}"
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                        continue
                    elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                        continue
                    else:
                        where = "is neither a file nor a folder"
                    raise BadInput(
                        f"{folder}: {os.path.relpath(entry.path, folder)} {where}; ganctl reads and writes only what "
                        "lies in the folder itself: replace it by what it stands for, or remove it"
                    )
        except FileNotFoundError:
            continue  # removed meanwhile: a run in progress removes its old checkpoints
        except OSError as error:
            raise BadInput(f"{current}: cannot be looked into ({error.strerror or error}); make it readable") from None


@contextlib.contextmanager
def locked(folder: Path, doing: str, wait: float = 0.0, name: str = ".lock") -> Iterator[None]:
    """A context that holds the folder's lock. If the process is killed, the system releases the lock.

    Args:
        doing: what another process that holds the lock is doing, for the message.
        wait: seconds to wait for the lock.
        name: name of the lock file, which stays in the folder.

    Raises:
        BadInput: another process holds the lock.
        OSError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout  # imported here, since a refused command should end at once

    try:
        lock = FileLock(folder / name, timeout=wait)
        lock.acquire()
    except Timeout:
        raise BadInput(f"{folder}: another process is {doing}; wait until it ends, or stop it first") from None
    except NotImplementedError:  # the file system has no locks; the user must then run one process at a time
        yield
        return
    try:
        yield
    finally:
        lock.release()
