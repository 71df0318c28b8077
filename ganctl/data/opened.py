"""Files of pictures, opened whatever is in them: a picture after its header was read, or the reason there is none."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from ganctl.errors import printable

MOST_PIXELS = 100_000_000  # of one picture
LONGEST_SIDE = 65_535  # pixels; as long as a JPEG's or a GIF's can be
MOST_BYTES = 2**30  # of one file: the most pixels of four 16-bit numbers, and some room
MOST_SCANS = 200  # of a progressive JPEG, each of which is a pass over all of its pixels

# Only what the endings promise: Pillow runs Ghostscript on a PostScript file, whatever its name.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


class LeftOut(Exception):
    """Why a picture is left out.

    Attributes:
        reason: in one printable line.
        passing: whether the same file may be readable another time: a permission, a disk, too little memory.
    """

    def __init__(self, reason: str, passing: bool = False) -> None:
        self.reason = printable(reason)
        self.passing = passing
        super().__init__(self.reason)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """The picture after its header was read, and its file; whatever goes wrong inside is LeftOut."""
    try:
        _regular(path.stat())
        # A pipe that has taken the file's place meanwhile must not be waited for.
        with open(path, "rb", opener=_without_waiting) as file:
            before = _regular(os.fstat(file.fileno()))
            try:
                with Image.open(file, formats=FORMATS) as picture:
                    _bounded(picture, file)
                    yield picture, file
            finally:
                after = os.fstat(file.fileno())
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise LeftOut("changed while it was read", passing=True)
    except LeftOut:
        raise
    except Exception as error:  # of a damaged file, Pillow raises nearly everything there is
        raise _explained(error) from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _regular(found: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        raise LeftOut("is no regular file")
    if not found.st_size:
        raise LeftOut("is empty")
    if found.st_size > MOST_BYTES:
        raise LeftOut(f"has {found.st_size:,} bytes, more than {MOST_BYTES:,}")
    return found


def _bounded(picture: Image.Image, file: BinaryIO) -> None:
    """Raises LeftOut where decoding would take more memory or time than any picture is worth."""
    size = f"has {picture.width:,} x {picture.height:,} pixels"
    if area(picture) > MOST_PIXELS:
        raise LeftOut(f"{size}, more than {MOST_PIXELS:,}")
    if max(picture.size) > LONGEST_SIDE:
        raise LeftOut(f"{size}, a side longer than {LONGEST_SIDE:,}")
    if picture.format in ("JPEG", "MPO") and "progressive" in picture.info:
        place = file.tell()
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        file.seek(place)
        if scans > MOST_SCANS:
            raise LeftOut(f"is a JPEG of {scans:,} scans, more than {MOST_SCANS}")


def area(picture: Image.Image) -> int:
    """How many pixels the picture has."""
    return picture.width * picture.height


# Of the machine, not of the file.
_PASSING = {
    errno.EACCES, errno.EPERM, errno.ENOENT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE,
    errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY,
}  # fmt: skip


def _explained(error: Exception) -> LeftOut:
    if isinstance(error, MemoryError):
        return LeftOut("needs more memory than there is", passing=True)
    if isinstance(error, UnidentifiedImageError):
        return LeftOut("is no picture that can be read")
    if isinstance(error, Image.DecompressionBombError):
        return LeftOut(f"has more than {MOST_PIXELS:,} pixels")
    if isinstance(error, OSError) and error.strerror:
        return LeftOut(f"cannot be read: {error.strerror}", passing=error.errno in _PASSING)
    words = " ".join(str(error).split())[:100]
    kind = "" if words and isinstance(error, (OSError, ValueError, SyntaxError)) else type(error).__name__
    return LeftOut(f"is damaged: {': '.join(part for part in (kind, words) if part)}")
