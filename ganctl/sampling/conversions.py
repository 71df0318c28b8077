"""Pictures of the user's own that a run's networks make larger or translate."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.data import in_range, pixels
from ganctl.data.listing import listed
from ganctl.data.opened import MOST_PIXELS, LeftOut
from ganctl.data.pictures import to_pixels, to_png
from ganctl.errors import BadInput
from ganctl.numerics.machine import memory_of
from ganctl.store.files import write_atomically
from ganctl.terminal.screen import say
from ganctl.training.experiment import Experiment

Convert = Callable[[Path], Tensor]  # a file -> the new picture [1, C, H, W] within the value range
LEAST_TILE = 16  # pixels of the input, the smallest side of a tile


def upscaling(experiment: Experiment, given: Path, background: str) -> Convert:
    """A function that makes pictures larger by the run's generator, whatever their size.

    Args:
        experiment: the run.
        given: the pictures, for errors.
        background: what shows where a picture is transparent, white or black.

    Raises:
        BadInput: the run makes nothing larger.
    """
    game: Any = experiment.training.game
    if not hasattr(game, "upscale"):
        raise BadInput(f"--upscale {given}: this run makes nothing larger; name a run of game=srgan")
    shape, factor = experiment.dataset.shape, int(game.factor)
    if not hasattr(game.generator, "reach"):
        raise BadInput(
            f"--upscale {given}: the networks of this run take {shape[1] // factor}x{shape[2] // factor} pixels and no "
            "others; name a run of model=srresnet"
        )

    def convert(path: Path) -> Tensor:
        low = _read(experiment, pixels.whole(path, shape[0], background, most=MOST_PIXELS // factor**2))
        tile = tile_side(low.shape, game.generator, memory_of(low.device))
        return experiment.applied(lambda: tiled(game.upscale, low, factor, tile, game.generator.reach))

    return convert


def translating(experiment: Experiment, given: Path, to: str, background: str) -> Convert:
    """A function that translates pictures by one of the run's generators, at the size of its training.

    Args:
        experiment: the run.
        given: the pictures, for errors.
        to: the domain to translate to, A or B.
        background: what shows where a picture is transparent, white or black.

    Raises:
        BadInput: the run translates nothing, or not to such a domain.
    """
    game: Any = experiment.training.game
    if not hasattr(game, "translate"):
        raise BadInput(f"--translate {given}: this run translates nothing; name a run of game=cyclegan")
    if to not in ("A", "B"):
        raise BadInput(f"--to {to}: choose A or B, the domain that the pictures shall look like")
    shape = game.shapes["B" if to == "A" else "A"]

    def convert(path: Path) -> Tensor:
        images = _read(experiment, pixels.square(path, shape[1], shape[0], background))
        return experiment.applied(lambda: game.translate(images, to))

    return convert


def _read(experiment: Experiment, picture: Any) -> Tensor:
    images = torch.from_numpy(picture.copy())[None].to(experiment.training.streams.device)
    return in_range(images, experiment.value_range)


def tile_side(shape: tuple[int, ...], network: Any, memory: float) -> int:
    """The side of a tile, in pixels of the input, for which the network's maps take at most a quarter of the memory.

    Args:
        shape: shape of the input, [1, C, h, w].
        network: says how many numbers it holds at once for a pixel of its input (`floats_per_pixel`), and its `reach`.
        memory: bytes.
    """
    most = memory / 4 / (4 * network.floats_per_pixel)
    if shape[2] * shape[3] <= most:
        return max(shape[2:])
    return max(LEAST_TILE, math.isqrt(int(most)) - 2 * network.reach)


def tiled(enlarge: Callable[[Tensor], Tensor], low: Tensor, factor: int, tile: int, reach: int) -> Tensor:
    """Enlarges an image tile by tile. Each tile is computed with its surroundings, so that no seam is seen.

    Args:
        enlarge: images [1, C, h, w] -> images [1, C, factor h, factor w].
        low: the image, [1, C, h, w].
        factor: the enlargement.
        tile: side of a tile, in pixels of the input.
        reach: how far, in pixels of the input, an output depends on its input.
    """
    height, width = low.shape[2:]
    if tile >= max(height, width):
        return enlarge(low)
    made = torch.empty(1, low.shape[1], factor * height, factor * width)  # on the CPU, where it is needed
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            above, before = max(0, top - reach), max(0, left - reach)
            part = enlarge(low[..., above : bottom + reach, before : right + reach])
            rows = slice(factor * (top - above), factor * (bottom - above))
            columns = slice(factor * (left - before), factor * (right - before))
            made[..., factor * top : factor * bottom, factor * left : factor * right] = part[..., rows, columns].cpu()
    return made


def _named_alike(given: Path, found: list[Path], place: Path) -> list[Path]:
    """A PNG file in `place` for each of the pictures below `given`; of a.jpg and a.gif, both keep their ending too."""
    bare = [place / path.relative_to(given).with_suffix(".png") for path in found]
    times = Counter(bare)
    return [
        file if times[file] == 1 else place / f"{path.relative_to(given)}.png"
        for path, file in zip(found, bare, strict=True)
    ]


def convert_all(experiment: Experiment, convert: Convert, flag: str, given: Path, place: Path) -> Path:
    """Converts a picture, or every picture below a folder, and writes PNG files.

    Args:
        experiment: the run, for the range of its images.
        convert: makes the new picture of a file.
        flag: the option that named the pictures.
        given: a file or a folder.
        place: the file to write, or the folder that gets a file for each picture, under the same names.

    Returns: the file or the folder.

    Raises:
        BadInput: there is nothing to convert, or the result would replace the pictures themselves.
    """
    if not given.exists():
        raise BadInput(f"{flag} {given}: is not there; name a picture or a folder of pictures")
    found = [given] if given.is_file() else listed(given).pictures
    if not found:
        raise BadInput(f"{flag} {given}: holds no pictures; name a picture or a folder of pictures")
    files = [place] if given.is_file() else _named_alike(given, found, place)
    if len({*files}) < len(files):
        raise BadInput(f"{flag} {given}: two of its pictures would get one name; rename one of them")
    if taken := {path.resolve() for path in found} & {file.resolve() for file in files}:
        raise BadInput(f"--out {place}: would replace {min(taken)}; name another place")
    left_out = {}
    for path, file in zip(found, files, strict=True):
        try:
            made = convert(path)
        except LeftOut as error:
            left_out[path] = error.reason
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = to_pixels(made, experiment.value_range)[0]
        write_atomically(file, to_png(picture[..., 0] if picture.shape[2] == 1 else picture))
    if len(left_out) == len(found):
        path, reason = next(iter(left_out.items()))
        raise BadInput(f"{flag} {given}: nothing could be read there ({path.name} {reason}); name other pictures")
    for path, reason in [*left_out.items()][:3]:
        say(f"left out {path}: {reason}")
    if len(left_out) > 3:
        say(f"left out {len(left_out) - 3:,} more")
    return place
