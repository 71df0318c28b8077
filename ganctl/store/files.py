"""Files that others may have written, or may be writing: whole or not at all, read with suspicion. Imports no torch."""

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
LARGEST_WHOLE = 2**63  # of a whole number in a file


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes the file aside, flushes it to the disk and renames it: it is there whole, or as it was before."""
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
        if error.filename is None:  # of an open file the system does not say which
            error.filename = str(path)
        raise


def sync_folder(path: Path) -> None:
    """Flushes the names in a folder to the disk, so that they outlive a power cut; where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """What the JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, larger than any of ganctl's, nested too deeply, or holds a number that no
            computation takes: nan, an infinity, a whole number of more than 63 bits.
    """
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; ganctl writes none above {LARGEST_JSON:,}")
    return parse_json(path.read_text())


def parse_json(text: str) -> Any:
    """The same, of a text."""
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
        raise ValueError(f"a whole number of {len(text)} digits is none of ganctl's")
    return value


def read_picture(path: Path) -> "Image.Image":
    """The picture of a grid, in RGB.

    Raises:
        ValueError: it is no PNG, is damaged, or has more pixels than any that ganctl draws.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a picture that is said to be enormous
        try:
            with Image.open(path, formats=["PNG"]) as image:
                if image.width * image.height > LARGEST_PICTURE:
                    raise ValueError("it is larger than any of ganctl's")
                return image.convert("RGB")
        except Exception as error:  # whatever a decoder may raise
            raise ValueError(f"{path}: cannot be read as a picture ({error})") from None


def refuse_links(folder: Path) -> None:
    """Makes sure that whatever is written into the folder stays in it, and whatever is read is a file.

    The folder itself may be reached by links; a person made those.

    Raises:
        BadInput: something in it is a link, or neither a file nor a folder, or cannot be looked at.
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
            continue  # removed meanwhile, as old checkpoints of a run in progress are
        except OSError as error:
            raise BadInput(f"{current}: cannot be looked into ({error.strerror or error}); make it readable") from None


@contextlib.contextmanager
def locked(folder: Path, doing: str, wait: float = 0.0, name: str = ".lock") -> Iterator[None]:
    """Inside, no other process has this folder's lock; the system takes it back from a process that is killed.

    Args:
        doing: what the other process is doing, for the message.
        wait: seconds to wait for it.
        name: of the lock's file, which stays in the folder.

    Raises:
        BadInput: another process has it.
        OSError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout  # takes longer to import than a refused command should

    try:
        lock = FileLock(folder / name, timeout=wait)
        lock.acquire()
    except Timeout:
        raise BadInput(f"{folder}: another process is {doing}; wait until it ends, or stop it first") from None
    except NotImplementedError:  # a file system without locks: one process at a time is then up to the user
        yield
        return
    try:
        yield
    finally:
        lock.release()
