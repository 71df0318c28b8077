"""One picture out of a file, read right or left out with a reason, whatever is in the file."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganctl.errors import printable

READER = 2  # counted up whenever the same file becomes other pixels, or is refused for another reason

MOST_PIXELS = 100_000_000  # of one picture
LONGEST_SIDE = 65_535  # pixels; as long as a JPEG's or a GIF's can be
MOST_BYTES = 2**30  # of one file: the most pixels of four 16-bit numbers, and some room
MOST_SCANS = 200  # of a progressive JPEG, each of which is a pass over all of its pixels
LARGE = 2**26  # pixels that are decoded at a time, of up to ten bytes each; of more, one picture alone

# Only what the endings promise: Pillow runs Ghostscript on a PostScript file, whatever its name.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")

# What an orientation in EXIF (tag 274) asks for.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class _Room:
    """Lets threads decode beside each other as long as their pictures are not too large together.

    So memory does not grow with the threads.
    """

    def __init__(self) -> None:
        self._taken, self._changed = 0, Condition()

    @contextmanager
    def of(self, area: int) -> Iterator[None]:
        """Waits until `area` pixels have room; inside, they have it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + area <= LARGE)
            self._taken += area
        try:
            yield
        finally:
            with self._changed:
                self._taken -= area
                self._changed.notify_all()


_room = _Room()


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


def square(path: Path, size: int, channels: int) -> np.ndarray:
    """The picture, upright, its shorter side scaled to `size`, its centre cut out: uint8 [channels, size, size].

    Transparency is ignored: the colours are those in the file. Of an animation, the first frame.

    Raises:
        LeftOut: there is none to read.
    """
    mode = "RGB" if channels == 3 else "L"
    with _opened(path) as picture, _room.of(_area(picture)):
        upright = _upright(_eight_bits(picture))
        upright = upright if upright.mode == mode else upright.convert(mode)  # which copies it in any case
        fitted = np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC))
    return fitted.reshape(size, size, channels).transpose(2, 0, 1)


class Header(NamedTuple):
    """What a file says of its picture: whether it is grey, and its sides as they are stored, in pixels."""

    grey: bool
    width: int
    height: int


def header(path: Path) -> Header:
    """What the file says of its picture, which is not decoded.

    Raises:
        LeftOut: there is none to read.
    """
    with _opened(path) as picture:
        grey = picture.mode in ("1", "L", "LA", "I") or picture.mode.startswith("I;16")
        return Header(grey, picture.width, picture.height)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture after its header was read; whatever goes wrong inside is LeftOut."""
    try:
        _regular(path.stat())
        # A pipe that has taken the file's place meanwhile must not be waited for.
        with open(path, "rb", opener=_without_waiting) as file:
            before = _regular(os.fstat(file.fileno()))
            try:
                with Image.open(file, formats=FORMATS) as picture:
                    _bounded(picture, file)
                    yield picture
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


def _area(picture: Image.Image) -> int:
    return picture.width * picture.height


def _bounded(picture: Image.Image, file: BinaryIO) -> None:
    """Raises LeftOut where decoding would take more memory or time than any picture is worth."""
    size = f"has {picture.width:,} x {picture.height:,} pixels"
    if _area(picture) > MOST_PIXELS:
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


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture with 8 bits a number, scaled from 16, which Pillow would cut off instead.

    Raises:
        LeftOut: its numbers have no known range.
    """
    picture.load()
    tags = getattr(picture, "tag_v2", None)
    sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and tags is None)  # PNG and PGM have no more
    if picture.mode == "F" or (picture.mode == "I" and not sixteen):
        raise LeftOut("has numbers of 32 bits or with a sign, whose black and white nobody knows")
    if not sixteen:
        return picture
    bits = 16 if tags is None else tags.get(258, (16,))[0]
    scaled = _looked_up(np.asarray(picture), (np.arange(2**16) * 255 / (2**bits - 1)).round().clip(0, 255))
    if tags is not None and tags.get(262) == 0:  # TIFF's WhiteIsZero, which Pillow leaves as it is
        scaled = 255 - scaled
    made = Image.fromarray(scaled)
    made.info["orientation"] = picture.getexif().get(274, 1)
    return made


def _looked_up(numbers: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What each of the numbers, of 16 bits, is in the table: uint8, some rows at a time, as an index takes 8 bytes."""
    found = np.empty(numbers.shape, np.uint8)
    for first in range(0, len(numbers), 256):
        found[first : first + 256] = table.astype(np.uint8)[numbers[first : first + 256].clip(0, 2**16 - 1)]
    return found


def _upright(picture: Image.Image) -> Image.Image:
    orientation = picture.info.get("orientation") or picture.getexif().get(274, 1)
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture


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
