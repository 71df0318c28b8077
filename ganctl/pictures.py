"""Samples as pictures: a grid of images, or a scatter plot of points over the true density."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

GRID_COUNT = 64  # samples in the grids of a run
POINT_COUNT = 2000  # points in its scatter plots


def to_pixels(samples: Tensor, value_range: tuple[float, float]) -> np.ndarray:
    """Images [N, C, H, W] within `value_range` as uint8 [N, H, W, C]."""
    low, high = value_range
    scaled = (samples.float() - low) * (255 / (high - low))
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def grid(pixels: np.ndarray, columns: int) -> np.ndarray:
    """Images uint8 [N, H, W, C] row by row with lines of two grey pixels between them, uint8 [height, width, 3]."""
    count, height, width, channels = pixels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + 2, width + 2, channels), 64, np.uint8)
    cells[:count, 2:, 2:] = pixels
    sheet = cells.reshape(rows, columns, height + 2, width + 2, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * (height + 2), columns * (width + 2), channels)
    framed = np.pad(sheet, ((0, 2), (0, 2), (0, 0)), constant_values=64)
    return np.broadcast_to(framed, (*framed.shape[:2], 3))


def scatter(generated: np.ndarray, real: np.ndarray, title: str) -> np.ndarray:
    """Generated points [N, 2] over points of the true density [M, 2], uint8 [height, width, 3]."""
    # Imported here: most runs draw no scatter plot, and this takes a second.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(aspect="equal", title=title)
    axes.scatter(real[:, 0], real[:, 1], s=12, color="0.75", linewidths=0, label="data")
    axes.scatter(generated[:, 0], generated[:, 1], s=4, color="tab:blue", alpha=0.5, linewidths=0, label="generated")
    # The frame follows the data, so that pictures of one density compare; what falls outside is counted.
    reach = 1.3 * float(np.abs(real).max())
    outside = int((~(np.abs(generated) <= reach).all(axis=1)).sum())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    if outside:
        axes.set_xlabel(f"{outside:,} of {len(generated):,} generated points lie outside")
    axes.legend(loc="upper right", markerscale=2)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def to_png(picture: np.ndarray) -> bytes:
    """A picture uint8 [height, width, 3] as the bytes of a PNG file."""
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
