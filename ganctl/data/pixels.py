"""One picture out of a file, read right or left out with a reason, whatever is in the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ganctl.data.opened import LeftOut, area, opened
from ganctl.data.png import PngHeader, has_all_rows, png_header

READER = 3  # counted up whenever the same file becomes other pixels, or is refused for another reason
NARROW = 0.1  # of the range from black to white; what uses less of it was perhaps meant otherwise
LARGE = 2**26  # pixels that are decoded at a time, of up to ten bytes each; of more, one picture alone

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
    def of(self, count: int) -> Iterator[None]:
        """Waits until `count` pixels have room; inside, they have it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + count <= LARGE)
            self._taken += count
        try:
            yield
        finally:
            with self._changed:
                self._taken -= count
                self._changed.notify_all()


_room = _Room()


def square(path: Path, size: int, channels: int, background: str = "white", odd: list[str] | None = None) -> np.ndarray:
    """The picture, upright, its shorter side scaled to `size`, its centre cut out: uint8 [channels, size, size].

    What is transparent shows the background, "white" or "black"; with 4 channels it stays so. Of an animation or of
    several pages, the first.

    Args:
        odd: gets a word for each thing that a user wants to know of this picture: "transparent", "first_of_several",
            "narrow" (it uses less than a tenth of the range from black to white, and is not of one colour).

    Raises:
        LeftOut: there is none to read.
    """
    with opened(path) as (picture, file), _room.of(area(picture)):
        ready, used, shows = _read(picture, file, channels, background)
        fitted = np.asarray(ImageOps.fit(ready, (size, size), Image.Resampling.BICUBIC)).reshape(size, size, channels)
        if used is None:
            used = _range(fitted)
            used = _range(np.asarray(ready)) if used < NARROW else used  # the picture was larger, and may use more
        said = {"transparent": shows, "first_of_several": _goes_on(picture), "narrow": 0 < used < NARROW}
    if odd is not None:
        odd += [word for word, holds in said.items() if holds]
    return fitted.transpose(2, 0, 1)


def whole(path: Path, channels: int, background: str = "white", most: int | None = None) -> np.ndarray:
    """The picture, upright, at its own size: uint8 [channels, height, width]; otherwise as `square` reads it.

    Args:
        most: the most pixels that it may have; None: as many as any picture.

    Raises:
        LeftOut: there is none to read, or it has more pixels.
    """
    with opened(path) as (picture, file), _room.of(area(picture)):
        if most is not None and area(picture) > most:
            raise LeftOut(f"has {picture.width:,} x {picture.height:,} pixels, more than {most:,}")
        ready, _, _ = _read(picture, file, channels, background)
        return np.asarray(ready).reshape(ready.height, ready.width, channels).transpose(2, 0, 1)


def _read(
    picture: Image.Image, file: BinaryIO, channels: int, background: str
) -> tuple[Image.Image, float | None, bool]:
    """The picture, upright and with `channels` channels of 8 bits.

    Returns: the picture, the part of the range that its 16 bits use (None where it has fewer), and whether the
        background shows.
    """
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    known = png_header(file) if picture.format == "PNG" else None
    picture.load()
    if known is not None:
        _refuse_missing_rows(picture, file, known)
    eight, used = _eight_bits(picture, known)
    upright = _upright(eight)
    seen, shows = (upright, False) if channels == 4 else _on_background(upright, background)
    ready = seen if seen.mode == mode else seen.convert(mode)  # which copies it in any case
    return ready, used, shows


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
    with opened(path) as (picture, _):
        grey = picture.mode in ("1", "L", "LA", "I") or picture.mode.startswith("I;16")
        return Header(grey, picture.width, picture.height)


def _refuse_missing_rows(picture: Image.Image, file: BinaryIO, header: PngHeader) -> None:
    """Raises LeftOut where the PNG ends before its last row, which is then black (interlaced, any row may be)."""
    last = picture.crop((0, picture.height - 1, picture.width, picture.height))
    if (header.interlaced or not np.asarray(last).any()) and not has_all_rows(file, header):
        raise LeftOut("is damaged: has fewer pixels than its header says")


def _eight_bits(picture: Image.Image, header: PngHeader | None = None) -> tuple[Image.Image, float | None]:
    """The picture with 8 bits a number, scaled from 16, which Pillow would cut off instead.

    Returns: the picture, and the part of the range from black to white that its 16 bits use; None where it has fewer.

    Raises:
        LeftOut: its numbers have no known range.
    """
    tags = getattr(picture, "tag_v2", None)
    sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and tags is None)  # PNG and PGM have no more
    if picture.mode == "F" or (picture.mode == "I" and not sixteen):
        raise LeftOut("has numbers of 32 bits or with a sign, whose black and white nobody knows")
    clear = picture.info.get("transparency")
    if not sixteen:
        if header is not None and clear is not None and picture.mode != "P":
            picture.info["transparency"] = header.transparency(clear)
        return picture, None
    numbers = np.asarray(picture).clip(0, 2**16 - 1)
    white = _white_of_tiff(tags, numbers) if tags is not None else _white_of_png(header, numbers)
    scaled = _looked_up(numbers, (np.arange(2**16) * 255 / white).round().clip(0, 255).astype(np.uint8))
    if tags is not None and tags.get(262) == 0:  # TIFF's WhiteIsZero, which Pillow leaves as it is
        scaled = 255 - scaled
    made = Image.fromarray(scaled)
    if isinstance(clear, int):
        made.putalpha(Image.fromarray(np.where(numbers == clear, 0, 255).astype(np.uint8)))
    made.info["orientation"] = picture.getexif().get(274, 1)
    return made, float(np.ptp(numbers)) / white


def _white_of_png(header: PngHeader | None, numbers: np.ndarray) -> int:
    """The number that is white in a PNG of 16 bits (or a PGM's, which Pillow scales).

    Where numbers had fewer significant bits, a PNG has them scaled up: their upper bits come again below. Dark ones
    have zeros there, or a one by rounding. Where small numbers have more, they are as the camera gave them.
    """
    bits = header.significant if header is not None and header.significant else 16
    if bits >= 16 or int(numbers.max()) >= 2**bits:
        return 2**16 - 1
    return 2**bits - 1 if (numbers & (2 ** (16 - bits) - 1)).max() > 1 else 2**16 - 1


def _white_of_tiff(tags: Any, numbers: np.ndarray) -> int:
    """The number that is white in a TIFF: of its bits, or of fewer, where its MaxSampleValue is all ones.

    Any other MaxSampleValue is the greatest number that happens to be there.
    """
    deepest = 2 ** int(tags.get(258, (16,))[0]) - 1
    said = tags.get(281, deepest)
    most = int(said[0] if isinstance(said, tuple) else said)
    return most if 255 <= most < deepest and not most & (most + 1) and int(numbers.max()) <= most else deepest


def _on_background(picture: Image.Image, background: str) -> tuple[Image.Image, bool]:
    """The picture on the background, and whether that shows anywhere."""
    if not picture.has_transparency_data:
        return picture, False
    layers = picture.convert("RGBA")
    if layers.getchannel("A").getextrema()[0] == 255:
        return picture, False
    made = Image.new("RGB", picture.size, background)
    made.paste(layers, mask=layers)
    return made, True


def _range(numbers: np.ndarray) -> float:
    """The part of the range from black to white that is used in [H, W] or [H, W, C], of the channel that uses most."""
    return float(np.ptp(numbers, axis=(0, 1)).max()) / 255


def _goes_on(picture: Image.Image) -> bool:
    """Whether there are frames or pages behind the first, which has been read. (A camera's previews are neither.)"""
    if picture.format == "MPO":
        return False
    try:
        picture.seek(1)
    except Exception:  # EOFError where there are none; whatever a damaged one raises
        return False
    return True


def _looked_up(numbers: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What each of the numbers, of 16 bits, is in the table: uint8, some rows at a time, as an index takes 8 bytes."""
    found = np.empty(numbers.shape, np.uint8)
    for first in range(0, len(numbers), 256):
        found[first : first + 256] = table[numbers[first : first + 256]]
    return found


def _upright(picture: Image.Image) -> Image.Image:
    orientation = picture.info.get("orientation") or picture.getexif().get(274, 1)
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture
