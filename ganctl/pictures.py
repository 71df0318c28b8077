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
