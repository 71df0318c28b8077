"""The folders of pictures that `evaluate` measures, and those that it measures against."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median_low

import torch

from ganctl.data import ImageSet
from ganctl.data.folders import headers, read
from ganctl.data.pixels import Header
from ganctl.terminal.screen import say

SMALLEST = 4  # pixels a side, as of data.image_size
LARGEST = 299  # that nobody asked for: what Inception looks at, and no other network here looks at more
# What is said of how many pictures, in the words of their count.
ODD = {
    "transparent": "of them transparent, where the background shows",
    "first_of_several": "of them the first of several in their file",
}

PARTS = {"trained_on": "trained on", "held_out": "held out"}


def both(images: Path, against: Path, size: int | None = None) -> tuple[ImageSet, ImageSet]:
    """The pictures in two folders, in one shape, which is said.

    Grey where all pictures of both folders are, else RGB. As large as the typical shorter side of the folder that has
    the smaller ones: the median, which neither the order of the files nor an odd one moves; at most LARGEST.

    Args:
        images: one of the folders.
        against: the other one.
        size: of a picture's sides instead, in pixels.
    """
    found = {
        flag: (path, headers(str(path), f"{flag} ")) for flag, path in (("--images", images), ("--against", against))
    }
    sides = {flag: median_low(min(each.width, each.height) for each in seen) for flag, (_, seen) in found.items()}
    smaller = min(sides.values())
    side = size or min(max(SMALLEST, smaller), LARGEST)
    shape = (1 if all(each.grey for _, seen in found.values() for each in seen) else 3, side, side)
    held = math.prod(shape) * sum(len(seen) for _, seen in found.values()) / 2**20
    why = "as --image-size says, of" if size else "the smaller side of" if side == smaller else "not more, unasked, of"
    say(
        f"reading both at {side}x{side}, {'grey' if shape[0] == 1 else 'RGB'}: {why} {sides['--images']:,} (--images) "
        f"and {sides['--against']:,} (--against) at the median; {max(held, 0.1):,.1f} MB together"
        f"{'' if size else '; --image-size takes another'}"
    )
    given, real = (pictures(flag, path, shape, "--image-size ") for flag, (path, _) in found.items())
    for _, seen in found.values():
        note_resizing(seen, side)
    return given, real


def pictures(
    flag: str, path: Path, shape: tuple[int, ...], size_key: str | None = None, background: str = "white"
) -> ImageSet:
    """The pictures in a folder, at the size and with the channels of `shape`; what is odd of them is said."""
    found = read(str(path), shape[1], shape[0], f"{flag} ", size_key, background)
    if {*ODD} & {*found.files} or found.class_names or found.files["others"]:
        say(f"{flag} {path}: {counted(found)}")
    return found


def numbered_as(images: ImageSet, names: list[str] | None) -> ImageSet:
    """The images with their classes numbered as in `names`; without classes where one has no such name.

    Args:
        names: of the classes of what a generator was trained on; None: nobody knows.
    """
    own = images.class_names
    if own is None or names is None or own == names:
        return images
    labels = None
    if {*own} <= {*names} and images.labels is not None:
        labels = torch.tensor([names.index(name) for name in own])[images.labels]
    else:
        say(f"note: the classes {', '.join(own)} are not those of the training, {', '.join(names)}; they are left out")
    found = ImageSet(images.pixels, labels)
    found.files, found.class_names = images.files, None if labels is None else names
    return found


def overlap(one: Path, other: Path) -> bool:
    """Whether one of two folders is the other one, or lies in it."""
    pair = one.resolve(), other.resolve()
    return pair[0].is_relative_to(pair[1]) or pair[1].is_relative_to(pair[0])


def shared(images: Path, given: ImageSet, against: Path | None, real: Sequence[ImageSet | None]) -> list[str]:
    """What a reader of the numbers must know where the measured pictures are real ones themselves."""
    if any(each is not None and each.fingerprint == given.fingerprint for each in real):
        return ["the images are the very ones that they are measured against, so the numbers say nothing about samples"]
    if against is None:
        return []
    for (flag, inner), (other, outer) in itertools.permutations((("--images", images), ("--against", against))):
        if inner.resolve().is_relative_to(outer.resolve()):
            return [f"{flag} lies inside {other}, so its pictures are on both sides, and the numbers look too good"]
    return []


def counted(images: ImageSet) -> str:
    """How many pictures of a folder were read, what is odd about them, and what else lay there."""
    files = images.files
    others = ", ".join(f"{count:,} {ending or 'without an ending'}" for ending, count in [*files["others"].items()][:5])
    words = [f"{files['pictures']:,} pictures"]
    words += [f"{len(images.class_names):,} classes, by folder"] if images.class_names else []
    words += [f"{files[key]:,} of them {what}" for key, what in PARTS.items() if key in files]
    words += [f"{files[key]:,} {ODD[key]}" for key in ODD if files.get(key)]
    words += [f"{files['unreadable']:,} unreadable"] if files["unreadable"] else []
    words += [f"other files: {others}{', ...' if len(files['others']) > 5 else ''}"] if others else []
    return "; ".join(words)


def note_resizing(found: Sequence[Header], side: int) -> None:
    """Says so where more than a tenth of the pictures have other sides than the one that they are read at."""
    others = Counter((each.width, each.height) for each in found if (each.width, each.height) != (side, side))
    if others.total() * 10 > len(found):
        (width, height), _ = max(others.items(), key=lambda pair: (pair[1], pair[0]))
        say(f"note: resizing images of {width}x{height} to {side}x{side}, which changes scores")
