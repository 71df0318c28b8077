"""What Pillow does not tell of a PNG (W3C, third edition): its depth, its significant bits, whether it is whole."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the kind of colour
WHOLE = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PART = 2**16  # bytes that are read at a time
UNPACKED = 2**20  # bytes that they may become at a time


@dataclass(frozen=True)
class PngHeader:
    """What stands before the pixels.

    Attributes:
        width: in pixels.
        height: in pixels.
        depth: bits of a number.
        colour: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        interlaced: whether the pixels come in Adam7's seven passes.
        significant: bits that a number had where it came from (sBIT), the fewest of all channels; None: not said.
    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    significant: int | None = None

    @property
    def size(self) -> int:
        """Bytes of the pixels, unpacked: a row is a byte that says how it is filtered, and the numbers."""
        bits, found = self.depth * CHANNELS[self.colour], 0
        for left, top, across, down in ADAM7 if self.interlaced else WHOLE:
            columns, rows = -(-(self.width - left) // across), -(-(self.height - top) // down)
            found += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
        return found

    def transparency(self, value: Any) -> Any:
        """A colour that is transparent (tRNS), as Pillow gives it, in the 8 bits that Pillow makes of the pixels."""
        if self.colour == 2:
            return tuple(each >> 8 if self.depth == 16 else each & 255 for each in value)
        if self.colour == 0 and 1 < self.depth < 8:
            return (value & (2**self.depth - 1)) * 255 // (2**self.depth - 1)
        return value & 255 if self.colour == 0 and self.depth == 8 else value


def png_header(file: BinaryIO) -> PngHeader:
    """The header of the PNG in the file."""
    header, significant = b"", None
    with _kept_place(file):
        for kind, length in _chunks(file):
            if kind == b"IHDR":
                header = file.read(13)
            elif kind == b"sBIT":
                significant = min(file.read(min(length, 4)), default=None)
            elif kind == b"IDAT":
                break
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    return PngHeader(width, height, depth, colour, bool(interlaced), significant)


def has_all_rows(file: BinaryIO, header: PngHeader) -> bool:
    """Whether the stream of pixels is as long as the header says; where it ends before, Pillow leaves the rest."""
    press, seen, begun = zlib.decompressobj(), 0, False
    with _kept_place(file):
        for kind, length in _chunks(file):
            if kind != b"IDAT":
                if begun:
                    break
                continue
            begun = True
            for start in range(0, length, PART):
                part = file.read(min(PART, length - start))
                while part and seen < header.size:
                    seen += len(press.decompress(part, UNPACKED))
                    part = press.unconsumed_tail
    return seen >= header.size or seen + len(press.flush()) >= header.size


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk, at whose content the file then stands."""
    place = file.seek(8)
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        yield kind, length
        place = file.seek(place + 12 + length)


@contextmanager
def _kept_place(file: BinaryIO) -> Iterator[None]:
    """Inside, the file may stand elsewhere; Pillow may go on with it after."""
    place = file.tell()
    try:
        yield
    finally:
        file.seek(place)
