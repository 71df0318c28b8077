"""The two figures of a report's first screen: samples of the arms side by side, and the mechanism behind the outcome."""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ganctl.files import read_picture
from ganctl.report.collect import CellRecord
from ganctl.report.drawing import COLORS, STYLES, Arms, color, draw, panels, style
from ganctl.report.fairness import settings
from ganctl.report.saturation import probed
from ganctl.report.stories import probable

DPI = 110
MOST_ARMS = 4  # whose samples stand side by side
COLUMNS, ROWS = 4, 5  # samples of an arm, where they are small; fewer where they are large
SIDE = 300  # pixels that an arm's samples are high, or nearly so
MARGIN, TITLE = 8, 26  # pixels between the arms, and above them

PROBED = (
    "Gradient norms: what each form of J(G) would give the generator at the same weights and noise, whichever the arm was "
    "trained with; for one sample they differ by the factor D / (1 − D). D(G(z)) near 0: D is sure. Adam rescales its "
    "gradients, so a smaller norm alone does not prove the cause. Thick: mean over seeds."
)
UNPROBED = (
    "The gradient of each arm's own J(G), and the distance to the data. No form of J(G) was probed. Thick: mean over seeds."
)
FORMS = {"minimax": "minimax", "nonsaturating": "non-saturating"}


@dataclass(frozen=True)
class Opened:
    """One figure of the first screen, with its name and its caption."""

    name: str
    figure: Figure
    caption: str


def figures(comparison: dict[str, Any], arms: Arms, one_scale: bool) -> Iterator[Opened]:
    """The figures that there is something for.

    Args:
        arms: the cells of each arm, by its name as figures show it.
        one_scale: whether outcomes of different arms compare.
    """
    chosen = shown_seed(arms, one_scale)
    if chosen:
        seed, rule = chosen
        used = [settings(comparison, arm) for arm in comparison["arms"]]
        noises = {(repr(arm.get("data")), arm.get("model", {}).get("latent_dim")) for arm in used}
        noise = "The same noise in each arm" if len(noises) == 1 else "Noise of its own in each arm"
        more = f" The first {MOST_ARMS} arms." if len(arms) > MOST_ARMS else ""
        yield Opened("samples_side_by_side", samples(arms, seed), f"{noise}, at the end of seed {seed}: {rule}.{more}")
    if any(len(cell.step) for cells in arms.values() for cell in cells):
        yield Opened("mechanism", mechanism(arms), PROBED if probed_arms(arms) else UNPROBED)


def shown_seed(arms: Arms, one_scale: bool) -> tuple[int, str] | None:
    """The seed whose samples are shown, and the rule that chose it; None if no seed has samples of every shown arm.

    The seed with the median difference between two arms, or the median spread of several: neither the prettiest nor
    the ugliest. Of two middle seeds it is the one with the lower number.

    Args:
        one_scale: whether outcomes of different arms compare.
    """
    shown = [*arms.values()][:MOST_ARMS]
    by_seed = [{cell.seed: cell for cell in cells if cell.grids} for cells in shown]
    seeds = sorted(set.intersection(*(set(cells) for cells in by_seed))) if by_seed else []
    if not seeds:
        return None
    values = {seed: [cells[seed].outcome() for cells in by_seed] for seed in seeds}
    differences = {
        seed: found[1] - found[0] if len(found) == 2 else max(found) - min(found)
        for seed, found in values.items()
        if np.isfinite(found).all()
    }
    if not one_scale or not differences:
        return seeds[0], "the lowest seed that every arm has samples of"
    order = sorted(differences, key=lambda seed: differences[seed])
    middle = {order[(len(order) - 1) // 2], order[len(order) // 2]}
    if len(order) == 1:
        return order[0], "the only seed with an outcome in every arm"
    what = "difference in outcome between the arms" if len(shown) == 2 else "spread of outcomes"
    which = "the median one" if len(middle) == 1 else "one of the two in the middle (the lower seed of them)"
    return min(middle), f"the seed whose {what} is {which} of {len(order)}, not the prettiest"


def samples(arms: Arms, seed: int) -> Figure:
    """The same part of each arm's last grid of one seed. Every pixel of a sample is a square of whole pixels here."""
    cells = {arm: next(cell for cell in arms[arm] if cell.seed == seed) for arm in [*arms][:MOST_ARMS]}
    pictures = {arm: _crop(cell) for arm, cell in cells.items()}
    width = sum(picture.width for picture in pictures.values()) + MARGIN * (len(pictures) - 1)
    height = max(picture.height for picture in pictures.values()) + TITLE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    left = 0
    for arm, picture in pictures.items():
        place = (left / width, (height - TITLE - picture.height) / height)
        axes = figure.add_axes((*place, picture.width / width, picture.height / height))
        axes.imshow(np.asarray(picture), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        title = textwrap.shorten(arm.replace(",", ", "), max(12, picture.width // 8), placeholder=" …")
        axes.set_title(title, fontsize=10, pad=5)
        left += picture.width + MARGIN
    return figure


def _crop(cell: CellRecord) -> Image.Image:
    """The upper left part of a run's last grid, enlarged or reduced by a whole number; a scatter plot is kept whole."""
    try:
        grid = read_picture(cell.grids[max(cell.grids)]).convert("RGB")
    except ValueError:
        return Image.new("RGB", (SIDE * 4 // 5, SIDE), (128, 128, 128))
    shape = cell.info.get("sample_shape", [])
    if len(shape) != 3:
        if grid.width > SIDE:
            return grid.resize((SIDE, max(1, grid.height * SIDE // grid.width)), Image.Resampling.LANCZOS)
        return _enlarged(grid, max(1, SIDE // max(grid.size)))
    tile = (shape[2] + 2, shape[1] + 2)  # a sample and the line before it
    shrink = math.ceil(tile[1] / SIDE)
    scale = max(1, round(SIDE / ROWS / tile[1]))
    count = [
        max(1, min(most, round(most / ROWS * SIDE / (side * scale)), whole // side))
        for most, side, whole in zip((COLUMNS, ROWS), tile, grid.size, strict=True)
    ]
    part = grid.crop((0, 0, min(grid.width, count[0] * tile[0] + 2), min(grid.height, count[1] * tile[1] + 2)))
    return part.reduce(shrink) if shrink > 1 else _enlarged(part, scale)


def _enlarged(picture: Image.Image, scale: int) -> Image.Image:
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def mechanism(arms: Arms) -> Figure:
    """The generator's gradient under both forms of J(G) at each of two arms' weights, and D(G(z)).

    Without probes: the gradient of each arm's own J(G), and the distance to the data.
    """
    chosen = probed_arms(arms)
    figure, axes = panels(max(2, len(chosen) + 1), height=2.95)
    figure.set_figwidth(7.1)
    for panel in axes:
        panel.tick_params(labelsize=8)
        panel.xaxis.label.set_size(8)
        panel.locator_params(axis="x", nbins=4)
    if chosen:
        _norms(arms, chosen, axes[:-1])
        _lines(arms, axes[-1], "score/fake", "D(G(z))", only_probable=True)
        axes[-1].set_ylim(-0.02, 1.02)
    else:
        _lines(arms, axes[0], "grad_norm/generator", "generator's gradient norm")
        axes[0].set_yscale("log")
        _lines(arms, axes[1], "quality/sliced_wasserstein", "distance to the data")
    return figure


def probed_arms(arms: Arms) -> list[str]:
    """Two arms whose weights were probed: the first ones, with an arm named minimax and nonsaturating before others."""
    having = [arm for arm, cells in arms.items() if any(len(probed(cell)) for cell in cells)]
    named = [arm for arm in having if arm in FORMS]
    return sorted([*named, *(arm for arm in having if arm not in FORMS)][:2], key=list(arms).index)


def _norms(arms: Arms, chosen: list[str], axes: list[Axes]) -> None:
    """A panel for the weights of each chosen arm, all on one scale."""
    for panel, arm in zip(axes, chosen, strict=True):
        for place, (form, label) in enumerate(FORMS.items()):
            shade = color(arms, form) if form in arms else COLORS[(5, 6)[place]]
            draw(panel, arms[arm], f"evidence/norm_{form}", shade, label, STYLES[place])
        panel.set_yscale("log")
        panel.set_title(f"‖∇J(G)‖ at the weights of\n{_short(arm)}", fontsize=9)
    bounds = [panel.get_ylim() for panel in axes]
    for panel in axes:
        panel.set_ylim(min(low for low, _ in bounds), max(high for _, high in bounds))
    axes[0].legend(frameon=False, fontsize=8, title="form of J(G)", title_fontsize=8, loc="best")


def _lines(arms: Arms, panel: Axes, tag: str, title: str, only_probable: bool = False) -> None:
    for arm, cells in arms.items():
        if not only_probable or all(map(probable, cells)):
            draw(panel, cells, tag, color(arms, arm), _short(arm), style(arms, arm))
    panel.set_title(title, fontsize=9)
    handles, labels = panel.get_legend_handles_labels()
    if 0 < len(labels) <= 6:
        panel.legend(handles, labels, frameon=False, fontsize=8)


def _short(arm: str) -> str:
    return textwrap.shorten(arm.replace(",", ", "), 32, placeholder=" …")
