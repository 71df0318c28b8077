"""Any folder of pictures."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ganctl import cache
from ganctl.data.dataset import ImageSet
from ganctl.errors import BadInput

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


def folder(options: Any) -> ImageSet:
    """Every picture under `options.root`, resized and cropped to a square, in the order of its path.

    Raises:
        BadInput: there is no such folder, or no picture in it.
    """
    root = Path(options.root).expanduser()
    if not root.is_dir():
        raise BadInput(f"data.root={options.root}: is not a folder; give data.root=DIR, a folder with pictures in it")
    paths = sorted(
        Path(parent) / file
        for parent, _, files in os.walk(root)
        for file in files
        if Path(file).suffix.lower() in ENDINGS
    )
    pictures, bad = _decoded(paths, options.image_size, options.channels)
    if not len(pictures):
        found = f"{len(paths)} files with a picture's name and none that can be read" if paths else "no pictures"
        raise BadInput(
            f"data.root={options.root}: {found}; give a folder that holds "
            f"{', '.join(sorted(ending[1:] for ending in ENDINGS))} files, at any depth"
        )
    if bad:
        shown = ", ".join(str(paths[place]) for place in bad[:3]) + (", ..." if len(bad) > 3 else "")
        warnings.warn(
            f"data.root={options.root}: left out {len(bad)} unreadable of {len(paths)}: {shown}", stacklevel=2
        )
    return ImageSet(pictures)


class _Unreadable(Exception):
    """Carries what could be read beside what could not, which is tried again at the next run."""


def _decoded(paths: list[Path], size: int, channels: int) -> tuple[Tensor, list[int]]:
    """The pictures, uint8 [N, channels, size, size], and the places in `paths` of those that cannot be read.

    They are decoded once: the next run, and the one beside this one, read the result.
    """

    def make() -> dict[str, Tensor]:
        """All of them, or _Unreadable where some cannot be read, so that nothing is kept."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and resizes outside Python's lock
            decoded = list(pool.map(lambda path: _decode(path, size, channels), paths))
        pictures = [picture for picture in decoded if picture is not None]
        bad = [place for place, picture in enumerate(decoded) if picture is None]
        stacked = torch.from_numpy(np.stack(pictures) if pictures else np.empty((0, channels, size, size), np.uint8))
        if bad or not paths:
            raise _Unreadable(stacked, bad)
        return {"pictures": stacked}

    try:
        key = cache.key([_state(path) for path in paths], size, channels, PIL.__version__)
        return cache.stored(f"images/folder-{key}", make)["pictures"], []
    except _Unreadable as error:
        pictures, bad = error.args
        return pictures, bad


def _state(path: Path) -> tuple[str, ...]:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:  # a link to nowhere
        return (str(path),)
    return str(path.resolve()), *map(str, (found.st_size, found.st_mtime_ns, found.st_ctime_ns))


def _decode(path: Path, size: int, channels: int) -> np.ndarray | None:
    """uint8 [channels, size, size], or None where the file is no readable picture."""
    try:
        with Image.open(path) as opened:
            picture: Image.Image = opened
            if opened.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off instead of scaling down
                picture = Image.fromarray((np.asarray(opened) // 257).clip(0, 255).astype(np.uint8))
            upright = ImageOps.exif_transpose(picture).convert("RGB" if channels == 3 else "L")
            # `fit` scales the shorter side to `size` and crops the centre.
            square = np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return square.reshape(size, size, channels).transpose(2, 0, 1)
