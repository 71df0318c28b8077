"""Samples as pictures: a grid of images, a scatter plot of points over the true density, or an animation of either."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganctl.errors import BadInput

GRID_COUNT = 64  # samples in the grids of a run; more where that fills the last row
BESIDE_COUNT = 24  # of samples that are shown beside the images that they were generated from
POINT_COUNT = 2000  # points in its scatter plots
GREY = 64  # of the lines between images
SQUARES = (153, 204)  # greys behind what is transparent
LONGEST = {"gif": 65_535, "webp": 16_383}  # pixels a side that the formats have room for
CAPTION = 16  # pixels, the height of a line of text


def to_pixels(samples: Tensor, value_range: tuple[float, float]) -> np.ndarray:
    """Images [N, C, H, W] within `value_range` as uint8 [N, H, W, C]."""
    low, high = value_range
    scaled = (samples.float() - low) * (255 / (high - low))
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def grid(pixels: np.ndarray, columns: int) -> np.ndarray:
    """Images uint8 [N, H, W, C] row by row with lines of two grey pixels between them, uint8 [height, width, 3].

    What is transparent in those of 4 channels shows squares of two greys.
    """
    if pixels.shape[3] == 4:
        pixels = _on_squares(pixels)
    count, height, width, channels = pixels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + 2, width + 2, channels), GREY, np.uint8)
    cells[:count, 2:, 2:] = pixels
    sheet = cells.reshape(rows, columns, height + 2, width + 2, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * (height + 2), columns * (width + 2), channels)
    framed = np.pad(sheet, ((0, 2), (0, 2), (0, 0)), constant_values=GREY)
    return np.broadcast_to(framed, (*framed.shape[:2], 3))


def _on_squares(pixels: np.ndarray) -> np.ndarray:
    """Images with alpha uint8 [N, H, W, 4] over squares of two greys, uint8 [N, H, W, 3]."""
    _, height, width, _ = pixels.shape
    side = max(4, height // 8)
    rows, columns = np.ogrid[:height, :width]
    ground = np.where((rows // side + columns // side) % 2, *SQUARES)[..., None]
    alpha = pixels[..., 3:] / 255
    return (alpha * pixels[..., :3] + (1 - alpha) * ground).round().astype(np.uint8)


def stacked(sets: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """A grid in which each row of the first set of images lies over that of the next; each set uint8 [N, H, W, C]."""
    first = sets[0]
    columns = min(columns, len(first))
    missing = ((0, -len(first) % columns), (0, 0), (0, 0), (0, 0))  # of the last row, which stays grey
    whole = [np.pad(each, missing, constant_values=GREY) for each in sets]
    rows = np.stack([each.reshape(-1, columns, *first.shape[1:]) for each in whole], axis=1)
    return grid(rows.reshape(-1, *first.shape[1:]), columns)


def enlarged(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images uint8 [N, h, w, C] at `height` x `width`, by repetition of pixels, in the middle if the factor is odd."""
    factor = max(1, min(height // pixels.shape[1], width // pixels.shape[2]))
    repeated = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    rest = height - repeated.shape[1], width - repeated.shape[2]
    margins = [(0, 0), *((each // 2, each - each // 2) for each in rest), (0, 0)]
    return np.pad(repeated, margins, constant_values=GREY)


def side_by_side(sets: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """A grid with `columns` groups per row; a group holds one image of each set, uint8 [N, H, W, C], in their order.

    Sets may differ in size and in channels, such as a low resolution and a grey image.
    """
    height, width = (max(each.shape[axis] for each in sets) for axis in (1, 2))
    channels = max(each.shape[3] for each in sets)
    alike = [
        np.broadcast_to(image, (*image.shape[:3], channels)) if image.shape[3] == 1 else image
        for image in (enlarged(each, height, width) for each in sets)
    ]
    groups = np.stack(alike, axis=1)
    return grid(groups.reshape(-1, height, width, channels), columns * len(sets))


def scatter(
    generated: np.ndarray, real: np.ndarray, title: str, shares: np.ndarray | None = None, code: str = ""
) -> np.ndarray:
    """Generated points [N, 2] over points of the true density [M, 2], uint8 [height, width, 3].

    Args:
        title: of the picture.
        shares: the class of each generated point, one-hot [N, K], or its share of each: the colour is that of the
            largest; None: all points have one colour.
        code: what the classes are called.
    """
    # Imported here: most runs draw no scatter plot, and this takes a second.
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(aspect="equal", title=title)
    axes.scatter(real[:, 0], real[:, 1], s=12, color="0.75", linewidths=0, label="data")
    dots: dict[str, Any] = {"s": 4, "alpha": 0.5, "linewidths": 0}
    if shares is None:
        axes.scatter(generated[:, 0], generated[:, 1], color="tab:blue", label="generated", **dots)
    else:
        kinds, classes = shares.argmax(axis=1), shares.shape[1]
        ten = colormaps["tab10"](range(10))
        ten[7] = 0, 0, 0, 1  # in place of grey, which is the data's
        colours = ten if classes <= 10 else colormaps["turbo"](np.linspace(0, 1, classes))
        # In the order of the points: class after class, the last would hide what lies below it.
        axes.scatter(generated[:, 0], generated[:, 1], color=colours[kinds], **dots)
        for kind in np.unique(kinds)[:20]:
            axes.scatter([], [], color=colours[kind], label=f"{code} = {kind}", **dots)
    # The frame follows the data, so that pictures of one density compare; what falls outside is counted.
    reach = 1.3 * float(np.abs(real).max())
    outside = int((~(np.abs(generated) <= reach).all(axis=1)).sum())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    if outside:
        axes.set_xlabel(f"{outside:,} of {len(generated):,} generated points lie outside")
    if shares is None:
        axes.legend(loc="upper right", markerscale=2)
    else:
        figure.legend(loc="outside lower center", markerscale=3, ncols=5, fontsize="small")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """A picture uint8 [height, width, 3] with a line of text above it."""
    sheet = Image.fromarray(np.pad(picture, ((CAPTION, 0), (0, 0), (0, 0)), constant_values=GREY))
    ImageDraw.Draw(sheet).text((4, 2), text, fill=(255, 255, 255))
    return np.asarray(sheet)


def to_animation(frames: Sequence[np.ndarray], milliseconds: Sequence[int], ending: str) -> bytes:
    """An endless animation.

    Args:
        frames: pictures uint8 [height, width, 3]; smaller ones get a grey margin.
        milliseconds: how long each is seen.
        ending: gif or webp.

    Returns: the bytes of the file.
    """
    height, width = (max(frame.shape[axis] for frame in frames) for axis in (0, 1))
    if max(height, width) > LONGEST[ending]:
        raise BadInput(
            f"--out *.{ending}: its frames would have {width} x {height} pixels, and such a file takes at most "
            f"{LONGEST[ending]:,} a side; ask for fewer with --num and --columns"
        )
    images = []
    for frame in frames:
        margin = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
        whole = np.pad(frame, margin, constant_values=GREY)
        # A GIF has 256 colours: shades of grey keep theirs when nothing has to choose among all of them.
        grey = bool((whole == whole[..., :1]).all())
        images.append(Image.fromarray(whole[..., 0] if grey else whole))
    buffer = io.BytesIO()
    exact = {"lossless": True} if ending == "webp" else {}
    images[0].save(
        buffer, ending, save_all=True, append_images=images[1:], duration=list(milliseconds), loop=0, **exact
    )
    return buffer.getvalue()


def to_png(picture: np.ndarray) -> bytes:
    """A picture uint8 [height, width, 3], or [height, width] in grey, as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG")
    return buffer.getvalue()


def nearest_neighbours(groups: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Generated images above their nearest real ones, uint8 [height, width, 3].

    Args:
        groups: "first", the first samples, and "closest", those nearest to one of the real images; each the
            images themselves and their nearest real ones, or training and held-out ones, uint8 [n, C, H, W].
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = ("training", "held-out") if len(next(iter(groups.values()))) == 3 else ("real",)
    rows = ("generated", *(f"nearest\n{kind} image" for kind in kinds))
    titles = {"first": "some samples", "closest": f"the samples closest to a {kinds[0]} image"}
    tall = len(next(iter(groups.values())))
    figure = Figure(figsize=(9, (0.7 * tall + 0.4) * len(groups)), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for panel, (name, strips) in zip(figure.subplots(len(groups), squeeze=False).flat, groups.items(), strict=True):
        count, _, height, _ = strips[0].shape
        sheet = grid(np.concatenate([strip.transpose(0, 2, 3, 1) for strip in strips]), count)
        panel.imshow(sheet, interpolation="nearest")
        panel.set_title(titles[name], fontsize=10)
        panel.set_xticks([])
        panel.set_yticks(
            [(place + 0.5) * (height + 2) for place in range(len(strips))], rows[: len(strips)], fontsize=8
        )
        panel.tick_params(length=0)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
