"""How the curves of a comparison are drawn: colours, bands, panels, legends. Changes no global state of matplotlib."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ganctl.report.collect import CellRecord

COLORS = ("#d1495b", "#00798c", "#edae49", "#6a4c93", "#2e7d32", "#30638e", "#8d5524", "#555555")

# If two arms have the same curve, the lower one shows through the dashes of the upper one.
STYLES = ("-", "--", ":", "-.")

Arms = dict[str, list[CellRecord]]


@dataclass(frozen=True)
class Band:
    """One scalar of one arm over its seeds.

    Attributes:
        step: int [steps].
        seeds: float [seeds, steps], NaN where a seed has no row.
        mean: float [steps], over the seeds that have a value.
    """

    step: np.ndarray
    seeds: np.ndarray
    mean: np.ndarray


def band(cells: list[CellRecord], tag: str) -> Band | None:
    """The band of `tag` over `cells`; None if no cell logged it."""
    having = [cell for cell in cells if tag in cell.series]
    if not having:
        return None
    step = np.unique(np.concatenate([cell.step for cell in having]))
    seeds = np.full((len(having), len(step)), np.nan)
    for row, cell in enumerate(having):
        seeds[row, np.searchsorted(step, cell.step)] = cell.series[tag]
    present = np.isfinite(seeds)
    counts = present.sum(axis=0)
    mean = np.where(present, seeds, 0).sum(axis=0) / np.maximum(counts, 1)
    return Band(step[counts > 0], seeds[:, counts > 0], mean[counts > 0])


def color(arms: Arms, arm: str) -> str:
    """The arm's colour; colours repeat after eight arms."""
    return COLORS[list(arms).index(arm) % len(COLORS)]


def style(arms: Arms, arm: str) -> str:
    """The dash pattern of the arm's lines."""
    # The pattern shifts each time the colours repeat, so that 32 arms differ.
    place = list(arms).index(arm)
    return STYLES[(place + place // len(COLORS)) % len(STYLES)]


def smooth(values: np.ndarray) -> np.ndarray:
    """A centred moving average over a fiftieth of the points, shorter at the ends; NaN stays NaN."""
    half = len(values) // 100
    if half == 0:
        return values
    present, window = np.isfinite(values), np.ones(2 * half + 1)
    # Each window is summed by itself: in a running sum a gradient norm of 1e-20 would vanish beside earlier ones of 1.
    sums = np.convolve(np.where(present, values, 0.0), window, "same")
    average = sums / np.maximum(np.convolve(present, window, "same"), 1)
    return np.where(present, average, np.nan)


def draw(
    axes: Axes, cells: list[CellRecord], tag: str, color: str, label: str, style: str = "-", thin: bool = True
) -> None:
    """Draws the mean over seeds as a line and their span as a band, both smoothed along the steps.

    Args:
        thin: whether to draw each seed as a thin line too.
    """
    over = band(cells, tag)
    if over is None:
        return
    rows = np.array([smooth(row) for row in over.seeds])
    if len(rows) > 1:
        complete = np.isfinite(rows).all(axis=0)
        low, high = rows[:, complete].min(axis=0), rows[:, complete].max(axis=0)
        axes.fill_between(over.step[complete], low, high, color=color, alpha=0.18, linewidth=0)
        for row in rows if thin else []:
            axes.plot(over.step, row, color=color, linewidth=0.6, alpha=0.6, linestyle=style)
    # Markers show where a curve of few points was measured. A legend leaves out labels that begin with "_".
    marker = "o" if len(over.step) <= 12 else None
    label = f" {label}" if label.startswith("_") else label
    axes.plot(
        over.step,
        smooth(over.mean),
        color=color,
        linewidth=1.8,
        label=label,
        linestyle=style,
        marker=marker,
        markersize=4,
    )


def panels(columns: int, rows: int = 1, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure of empty panels over the step, and the panels, row by row. `height` is that of a row in inches."""
    figure = Figure(figsize=(4.6 * columns, height * rows), dpi=110, layout="constrained")
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]
    for panel in axes:
        panel.grid(alpha=0.25)
        panel.set_xlabel("step")
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes


def log_scale(panel: Axes) -> None:
    """Makes the vertical axis logarithmic, with plain numbers at its ticks.

    matplotlib's own labels are formulas, whose typesetting takes most of the time of a small figure.
    """
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    within_two_decades = high < 100 * low
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if within_two_decades else (1,), numticks=8))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def wrapped(arm: str) -> str:
    """An arm's name, with a line break after each setting."""
    return arm.replace(",", ",\n")


def legend(figure: Figure, panel: Axes) -> None:
    """Adds a legend: inside the panel, or below the figure if it has more than six entries; none for an empty panel."""
    handles, labels = panel.get_legend_handles_labels()
    if not labels:
        return
    if len(labels) <= 6:
        panel.legend(frameon=False)
        return
    rows = math.ceil(len(labels) / 3)
    figure.set_figheight(figure.get_figheight() + 0.2 * rows)
    figure.legend(handles, labels, loc="outside lower center", ncol=3, fontsize=8, frameon=False)
