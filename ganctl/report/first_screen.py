"""The two figures of a report's first screen: samples of the arms side by side, and the generator's gradients."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ganctl.report.collect import CellRecord
from ganctl.report.drawing import COLORS, STYLES, Arms, color, draw, log_scale, panels, style
from ganctl.report.fairness import settings
from ganctl.report.saturation import probed
from ganctl.report.stories import probable
from ganctl.store.files import read_picture

DPI = 110
MOST_ARMS = 4  # arms whose samples are shown side by side
WIDTH, SIDE = 240, 300  # pixels: the largest width of one arm's samples, and the largest height of all arms' together
SAMPLE = 60  # pixels: small samples are enlarged to about this side
LINE = 2  # pixels between the samples of a grid
MARGIN, TITLE = 8, 26  # pixels between the arms, and for the title above each

PROBED = (
    "‖∇J(G)‖, on a logarithmic scale: the gradient that each form of J(G) would give the generator at the same weights "
    "and noise, whichever the arm was trained with. For one sample they differ by the factor D / (1 − D), so minimax "
    "loses its gradient where D is sure (D(G(z)) near 0). With its usual eps Adam rescales gradients: a smaller norm "
    "alone proves no cause. Line: mean over seeds; shaded: their span."
)
UNPROBED = (
    "The gradient of each arm's own J(G), and the distance to the data. No form of J(G) was probed. Line: mean over "
    "seeds; shaded: their span."
)
FORMS = {"minimax": "J(G) minimax", "nonsaturating": "J(G) non-saturating"}


@dataclass(frozen=True)
class Opened:
    """One figure of the first screen, with its name and caption."""

    name: str
    figure: Figure
    caption: str


def figures(comparison: dict[str, Any], arms: Arms, one_scale: bool) -> Iterator[Opened]:
    """Yields the figures for which there are samples or numbers.

    Args:
        arms: {name of the arm as the figures show it: its cells}.
        one_scale: whether outcomes of different arms are comparable.
    """
    chosen = shown_seed(arms, one_scale)
    if chosen:
        seed, rule = chosen
        used = [settings(comparison, arm) for arm in comparison["arms"]]
        noises = {
            (repr(arm.get("data")), repr(arm.get("game")), arm.get("model", {}).get("latent_dim")) for arm in used
        }
        noise = "The same noise in each arm" if len(noises) == 1 else "Noise of its own in each arm"
        beside = _beside(next(iter(arms.values())))
        if beside:
            noise = (
                "The same images in each arm" if len({repr(arm.get("data")) for arm in used}) == 1 else "Some images"
            )
            noise += f" (side by side: {', '.join(beside)})"
        more = f" The first {MOST_ARMS} arms." if len(arms) > MOST_ARMS else ""
        yield Opened("samples_side_by_side", samples(arms, seed), f"{noise}, at the end of seed {seed}; {rule}.{more}")
    if any(len(cell.step) for cells in arms.values() for cell in cells):
        yield Opened("mechanism", mechanism(arms), PROBED if probed_arms(arms) else UNPROBED)


def shown_seed(arms: Arms, one_scale: bool) -> tuple[int, str] | None:
    """The seed whose samples are shown, and the rule that chose it; None if no seed has samples of every shown arm.

    It is the seed with the median difference between two arms, or the median spread of several arms, so neither the
    prettiest nor the ugliest. Of two middle seeds the lower one is taken.

    Args:
        one_scale: whether outcomes of different arms are comparable.
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
    if len(differences) == 1:
        return next(iter(differences)), "the only seed with an outcome in every arm"
    order = sorted(differences, key=lambda seed: differences[seed])
    middle = {order[(len(order) - 1) // 2], order[len(order) // 2]}
    what = "difference between the arms" if len(shown) == 2 else "spread of the arms"
    tie = " (of the two middle ones, the lower seed)" if len(middle) == 2 else ""
    rule = f"of {len(order)} seeds the one with the median {what}{tie}, chosen by this rule and not by looks"
    return min(middle), rule


def samples(arms: Arms, seed: int) -> Figure:
    """The same part of each arm's last grid of one seed: two arms side by side, three or four in two rows."""
    cells = {arm: next(cell for cell in arms[arm] if cell.seed == seed) for arm in [*arms][:MOST_ARMS]}
    lines = math.ceil(len(cells) / 2)
    pictures = {arm: _crop(cell, (SIDE - TITLE * (lines - 1)) // lines) for arm, cell in cells.items()}
    wide, high = (max(picture.size[axis] for picture in pictures.values()) for axis in (0, 1))
    width, height = 2 * wide + MARGIN, lines * (high + TITLE)
    # One pixel of the picture becomes one pixel of the figure, so nothing is blurred.
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    for place, (arm, picture) in enumerate(pictures.items()):
        line, column = divmod(place, 2)
        left, bottom = column * (wide + MARGIN), height - (line + 1) * (high + TITLE) + high - picture.height
        box = (left / width, bottom / height, picture.width / width, picture.height / height)
        axes = figure.add_axes(box)
        axes.imshow(np.asarray(picture), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        title = _cut(arm.replace(",", ", "), max(14, wide // 8))
        axes.set_title(title, fontsize=10, pad=5)
    return figure


def _crop(cell: CellRecord, side: int) -> Image.Image:
    """The upper left part of a run's last grid, about `side` pixels high, enlarged or reduced by a whole number.

    A scatter plot is kept whole.
    """
    try:
        grid = read_picture(cell.grids[max(cell.grids)]).convert("RGB")
    except ValueError:
        return Image.new("RGB", (WIDTH, side), (128, 128, 128))
    shape = cell.info.get("sample_shape", [])
    if len(shape) != 3:
        if max(grid.size) > WIDTH:
            grid.thumbnail((WIDTH, side), Image.Resampling.LANCZOS)
            return grid
        return _enlarged(grid, max(1, side // max(grid.size)))
    tile = (shape[2] + LINE, shape[1] + LINE)
    together = len(_beside([cell])) or 1
    shrink = math.ceil(max(tile[0] * together, tile[1]) / WIDTH)
    scale = max(1, SAMPLE // max(tile))
    count = [
        max(1, min(room * shrink // (each * scale), whole // each))
        for room, each, whole in zip((WIDTH, side), tile, grid.size, strict=True)
    ]
    count[0] = max(together, count[0] // together * together)
    part = grid.crop((0, 0, *(number * each + LINE for number, each in zip(count, tile, strict=True))))
    return part.reduce(shrink) if shrink > 1 else _enlarged(part, scale)


def _beside(cells: Sequence[CellRecord]) -> list[str]:
    """What stands side by side in the grids of an arm whose samples are made from images; empty for others."""
    found: list[Any] = next((cell.info["shown_beside"] for cell in cells if "shown_beside" in cell.info), [])
    return [str(name) for name in found]


def _enlarged(picture: Image.Image, scale: int) -> Image.Image:
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def mechanism(arms: Arms) -> Figure:
    """The norm of the generator's gradient under both forms of J(G), at the weights of two arms, and D(G(z)).

    Without probes: the gradient norm of each arm's own J(G), and the distance to the data.
    """
    chosen = probed_arms(arms)
    figure, axes = panels(max(2, len(chosen) + 1), height=3.0)
    figure.set_figwidth(6.9)
    for panel in axes:
        panel.tick_params(labelsize=8)
        panel.xaxis.label.set_fontsize(8)
        panel.locator_params(axis="x", nbins=4)
    if chosen:
        _norms(arms, chosen, axes[:-1])
        _lines(arms, axes[-1], "score/fake", "D(G(z)): D's opinion\nof generated samples", only_probable=True)
        axes[-1].set_ylim(-0.02, 1.02)
    else:
        _lines(arms, axes[0], "grad_norm/generator", "generator's gradient norm")
        log_scale(axes[0])
        _lines(arms, axes[1], "quality/sliced_wasserstein", "distance to the data")
    return figure


def probed_arms(arms: Arms) -> list[str]:
    """Up to two arms with probes: those named minimax and nonsaturating first, then the others in their order."""
    having = [arm for arm, cells in arms.items() if any(len(probed(cell)) for cell in cells)]
    named = [arm for arm in having if arm in FORMS]
    return sorted([*named, *(arm for arm in having if arm not in FORMS)][:2], key=list(arms).index)


def _norms(arms: Arms, chosen: list[str], axes: list[Axes]) -> None:
    """Draws one panel per chosen arm, all on one scale."""
    for panel, arm in zip(axes, chosen, strict=True):
        for place, (form, label) in enumerate(FORMS.items()):
            shade = color(arms, form) if form in arms else COLORS[(5, 6)[place]]
            draw(panel, arms[arm], f"evidence/norm_{form}", shade, label, STYLES[place], thin=False)
        log_scale(panel)
        panel.set_title(f"‖∇J(G)‖ in the runs of\n{_short(arm)}", fontsize=9)
    bounds = [panel.get_ylim() for panel in axes]
    for panel in axes:
        panel.set_ylim(min(low for low, _ in bounds), max(high for _, high in bounds))
        log_scale(panel)
        panel.tick_params(axis="y", which="both", labelleft=panel is axes[0])
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=8, frameon=False)


def _lines(arms: Arms, panel: Axes, tag: str, title: str, only_probable: bool = False) -> None:
    for arm, cells in arms.items():
        if not only_probable or all(map(probable, cells)):
            draw(panel, cells, tag, color(arms, arm), _short(arm), style(arms, arm), thin=False)
    panel.set_title(title, fontsize=9)
    handles, labels = panel.get_legend_handles_labels()
    if 0 < len(labels) <= 6:
        panel.legend(handles, labels, frameon=False, fontsize=8)


def _short(arm: str) -> str:
    return _cut(arm.replace(",", ", "), 32)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
