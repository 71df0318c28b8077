"""Any folder of pictures."""

import json
import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor

from ganctl.config.schema import option
from ganctl.data import pixels
from ganctl.data.dataset import ImageSet
from ganctl.data.listing import ENDINGS, Listing, Reasons, listed
from ganctl.data.opened import LeftOut
from ganctl.data.pixels import Header
from ganctl.data.subsets import subset
from ganctl.errors import BadInput, printable
from ganctl.store import cache
from ganctl.store.host import available_memory
from ganctl.store.places import expanded

FEWEST = 20  # pictures of a class
SPLITS = {"train", "training", "test", "val", "valid", "validation"}  # folders of these names are no classes
MOST_TOLD = 10_000  # files whose reasons are kept, so that a run's files stay readable


def folder(options: Any) -> ImageSet:
    """Every picture under `options.root`, resized and cropped to a square, in the order of its path."""
    return subset(read(options.root, options.image_size, options.channels, background=options.background), options)


def folder_test(options: Any) -> ImageSet | None:
    """The pictures that are held out of the training."""
    return folder(options).held_out if option(options, "hold_out", 0) else None


def read(
    given: str,
    size: int,
    channels: int,
    key: str = "data.root=",
    size_key: str | None = "data.image_size=",
    background: str = "white",
) -> ImageSet:
    """The pictures in a folder.

    Links to files are read, links to folders are not followed. What cannot be read is left out, with its reason, and so
    are hidden folders, those that a system makes, and the runs of ganctl. Where every picture lies in a folder inside
    this one, these folders are the classes, in the order of their names.

    Args:
        given: the folder, as the user wrote it.
        size: of a picture's sides, in pixels.
        channels: 1 (grey), 3 (RGB) or 4 (RGB and alpha).
        key: what the user wrote before it.
        size_key: what the user writes before another size; None: there is no choice.
        background: what shows where a picture is transparent, white or black; with 4 channels nothing.

    Raises:
        BadInput: there is no such folder, no picture in it, or more than the memory holds.
    """
    root = named(given, key)
    found = listed(root)

    def check(count: int) -> None:
        _check_memory(f"{key}{given}", count, size, channels, size_key)

    pictures, damaged, odd = _decoded(found.pictures, size, channels, background, check)
    found.unreadable.update(damaged)
    if not len(pictures):
        raise BadInput(
            f"{key}{given}: {_nothing(root, found)}; give a folder that holds "
            f"{', '.join(sorted(ending[1:] for ending in ENDINGS))} files, at any depth"
        )
    if told := _told(root, found, len(pictures), odd["narrow"]):
        warnings.warn(f"{key}{given}: {'; '.join(told)}", stacklevel=3)
    names, labels = _classes(root, [path for path in found.pictures if path not in damaged])
    images = ImageSet(pictures, labels)
    reasons = found.unreadable | found.passed_over
    images.left_out = {_within(root, path): reasons[path] for path in sorted(reasons)[:MOST_TOLD]}
    if len(reasons) > MOST_TOLD:
        images.left_out["..."] = f"and {len(reasons) - MOST_TOLD:,} more"
    images.files = {"pictures": len(pictures), "unreadable": len(found.unreadable), "others": found.others, **odd}
    images.class_names = names or None
    return images


def _told(root: Path, found: Listing, count: int, narrow: int) -> list[str]:
    """What a user must know of `count` pictures that were read, `narrow` of which use little of their range."""
    told = []
    if found.unreadable:
        seen = count + len(found.unreadable)
        told.append(f"left out {len(found.unreadable):,} unreadable of {seen:,}: {_few(root, found.unreadable)}")
    if found.passed_over:
        told.append(f"not looked into: {_few(root, found.passed_over)}")
    if narrow:
        told.append(
            f"{narrow:,} of {count:,} pictures use less than a tenth of the range from black to white, as 12 bits in a "
            "file of 16 do: stretch them, or write their depth into the files (sBIT of a PNG, MaxSampleValue of a TIFF)"
        )
    return told


def _classes(root: Path, paths: list[Path]) -> tuple[list[str], Tensor | None]:
    """The classes of pictures of which every one lies in one of several folders, and which each has, int64 [N].

    None where a folder has too few of them, or is named like a split and not like a class.
    """
    owners = [parts[0] if len(parts := path.relative_to(root).parts) > 1 else "" for path in paths]
    counts = Counter(owners)
    if len(counts) < 2 or "" in counts or min(counts.values()) < FEWEST or {*map(str.lower, counts)} & SPLITS:
        return [], None
    names = sorted(counts)
    number = {name: place for place, name in enumerate(names)}
    return names, torch.tensor([number[owner] for owner in owners])


def headers(given: str, key: str = "data.root=") -> list[Header]:
    """What the pictures in a folder say of themselves, of those that can be opened; none is decoded.

    Raises:
        BadInput: there is no such folder, or none of them can be opened.
    """

    def header(path: Path) -> Header | None:
        try:
            return pixels.header(path)
        except LeftOut:
            return None

    with _quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [each for each in pool.map(header, listed(named(given, key)).pictures) if each is not None]
    if not found:
        raise BadInput(f"{key}{given}: holds no picture that can be read; name a folder of pictures")
    return found


def named(given: str, key: str) -> Path:
    """The folder that the user named with `key`.

    Raises:
        BadInput: nothing was named, or it is no folder.
    """
    if not given:
        raise BadInput(f"{key}: is empty; give {key}DIR, a folder with pictures in it")
    root = expanded(given, key.rstrip("= "))
    if not root.is_dir():
        raise BadInput(f"{key}{given}: is not a folder; give {key}DIR, a folder with pictures in it")
    return root


def _within(root: Path, path: Path) -> str:
    return printable(os.path.relpath(path, root).replace("\n", "\\n"))


def _few(root: Path, reasons: Reasons) -> str:
    told = [f"{_within(root, path)} ({reasons[path]})" for path in sorted(reasons)]
    return ", ".join(told[:3]) + (", ..." if len(told) > 3 else "")


def _nothing(root: Path, found: Listing) -> str:
    """What there is where nothing can be read."""
    if found.unreadable:
        known = found.unreadable
        return f"{len(known)} files or links and none that can be read: {_few(root, known)}"
    if found.passed_over:
        return f"no pictures beside what is not looked into: {_few(root, found.passed_over)}"
    return f"no pictures among {sum(found.others.values()):,} files" if found.others else "no pictures"


class _Passing(Exception):
    """Carries what could be read beside what may be readable the next time."""


def _check_memory(named: str, count: int, size: int, channels: int, size_key: str | None) -> None:
    """Raises BadInput where so many pictures do not fit: once as they are read, once as they are written."""
    needed, there = 2.0 * count * channels * size**2, available_memory()
    if needed > there:
        fits = int(size * math.sqrt(there / needed))
        raise BadInput(
            f"{named}: {count:,} pictures of {size}x{size} take {needed / 2**30:,.1f} GB to read, and there are "
            f"{there / 2**30:,.1f} GB here; use {f'{size_key}{fits} or less' if size_key and fits > 3 else 'fewer'}"
        )


def _decoded(
    paths: list[Path], size: int, channels: int, background: str, check: Callable[[int], None]
) -> tuple[Tensor, Reasons, Counter[str]]:
    """The pictures, uint8 [N, channels, size, size], why others are left out, and how many are odd in which way.

    They are decoded once: the next run, and the one beside this one, read the result. Before, `check` is told how many.
    """

    def make() -> dict[str, Tensor]:
        """All of them; _Passing where some may be readable the next time, so that nothing is kept."""
        check(len(paths))
        pictures = np.empty((len(paths), channels, size, size), np.uint8)
        reasons: dict[int, LeftOut] = {}
        odd: list[str] = []  # of all threads

        def decode(place: int) -> None:
            try:
                pictures[place] = pixels.square(paths[place], size, channels, background, odd)
            except LeftOut as left_out:
                reasons[place] = left_out

        # Pillow decodes and resizes outside Python's lock.
        with _quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(decode, range(len(paths))):
                pass
        if reasons:
            pictures = np.delete(pictures, list(reasons), axis=0)
        left_out = sorted((place, each.reason) for place, each in reasons.items())
        told = json.dumps({"left_out": left_out, "odd": Counter(sorted(odd))}).encode()
        made = {"pictures": torch.from_numpy(pictures), "told": torch.tensor([*told], dtype=torch.uint8)}
        if not paths or any(left_out.passing for left_out in reasons.values()):
            raise _Passing(made)
        return made

    try:
        key = cache.key([_state(path) for path in paths], size, channels, background, PIL.__version__, pixels.READER)
        made = cache.stored(f"images/folder-{key}", make)
    except _Passing as error:
        (made,) = error.args
    told = json.loads(made["told"].numpy().tobytes())
    return made["pictures"], {paths[place]: reason for place, reason in told["left_out"]}, Counter(told["odd"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, Pillow's warnings of odd files are not shown: what is odd is read, or left out with a reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _state(path: Path) -> tuple[str, ...]:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:  # gone meanwhile
        return (str(path),)
    return str(path.resolve()), *map(str, (found.st_size, found.st_mtime_ns, found.st_ctime_ns))
