"""Which files below a folder are pictures, and what else is there."""

import errno
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ENDINGS = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm",
}  # fmt: skip
# How the files of these formats begin, of which some have no ending.
BEGINNINGS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"P5\n", b"P6\n")
# Folders that systems make beside one's files: previews, metadata, what was thrown away. Most are hidden besides.
OF_SYSTEMS = {"@eadir", "__macosx", "$recycle.bin", "system volume information", "lost+found"}

Reasons = dict[Path, str]


@dataclass
class Listing:
    """What lies below a folder.

    Attributes:
        pictures: regular files that are named like pictures, or begin like one and have no ending; sorted.
        unreadable: files and links that are named like pictures and cannot be read, folders that cannot be looked
            into, and why.
        passed_over: folders that are not looked into, and why.
        others: how many other files there are of each ending.
    """

    pictures: list[Path] = field(default_factory=list)
    unreadable: Reasons = field(default_factory=dict)
    passed_over: Reasons = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


def listed(root: Path) -> Listing:
    """What lies below `root`.

    Everything here may be another way the next time, and is looked at anew.
    """
    found, others = Listing(), Counter[str]()

    def closed(error: OSError) -> None:
        found.unreadable[Path(error.filename)] = f"cannot be looked into: {error.strerror}"

    for parent, folders, files in os.walk(root, onerror=closed):
        for name, reason in _passed_over(Path(parent), folders):
            folders.remove(name)
            found.passed_over[Path(parent) / name] = reason
        for name in folders:
            if (Path(parent) / name).is_symlink():
                found.unreadable[Path(parent) / name] = "is a link to a folder, which is not followed"
        for name in files:
            path = Path(parent) / name
            if not _is_named_like_a_picture(path):
                others[path.suffix.lower()] += 1
            elif why := _no_file(path):
                found.unreadable[path] = why
            else:
                found.pictures.append(path)
    found.pictures.sort()
    found.others = dict(others.most_common())
    return found


def _passed_over(parent: Path, folders: list[str]) -> Iterator[tuple[str, str]]:
    """The folders that hold no pictures of the user's own, and why."""
    for name in [*folders]:
        if name.startswith("."):
            yield name, "is hidden"
        elif name.lower() in OF_SYSTEMS:
            yield name, "is the system's"
        elif kind := _written_by_ganctl(parent / name):
            yield name, f"is {kind} of ganctl"


def _written_by_ganctl(folder: Path) -> str | None:
    """What ganctl made the folder for; None if it did not."""
    if (folder / "config.yaml").is_file() and (folder / "run.json").is_file():
        return "a run"
    if (folder / "comparison.json").is_file() and (folder / "cells").is_dir():
        return "a comparison"
    if _says(folder / "metrics.json", b'"evaluations"'):
        return "an evaluation"
    return None


def _says(file: Path, words: bytes) -> bool:
    """Whether there is such a file, which says the words at its beginning."""
    return file.is_file() and words in _beginning(file, 64)


def _beginning(file: Path, length: int) -> bytes:
    """The first bytes of a file; none where it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(length)
    except OSError:
        return b""


def _is_named_like_a_picture(path: Path) -> bool:
    """By its ending, or, without one, by how it begins. A hidden file, as macOS makes beside each picture, is none."""
    if path.name.startswith("."):
        return False
    if path.suffix:
        return path.suffix.lower() in ENDINGS
    return path.is_file() and _beginning(path, 8).startswith(BEGINNINGS)


def _no_file(path: Path) -> str | None:
    """Why there is no file to read; None where there is one."""
    try:
        if not path.is_file():  # of a link, what it leads to
            path.stat()
            return "is no regular file"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads back to itself"
        return "is a link to nowhere" if path.is_symlink() else f"cannot be read: {error.strerror}"
    return None if os.access(path, os.R_OK) else "cannot be read: Permission denied"
