"""The figures of a comparison. Each function draws one and gives it back; nothing global is touched."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ganctl.report.collect import CellRecord
from ganctl.report.statistics import band

COLORS = ("#d1495b", "#00798c", "#edae49", "#6a4c93", "#2e7d32", "#30638e", "#8d5524", "#555555")

# Where two arms draw the same curve, a dashed line lets the one below be seen.
STYLES = ("-", "--", ":", "-.")

Arms = dict[str, list[CellRecord]]


def _color(arms: Arms, arm: str) -> str:
    return COLORS[list(arms).index(arm) % len(COLORS)]


def _style(arms: Arms, arm: str) -> str:
    # Shifted with every round of the colours, so that 32 arms differ.
    place = list(arms).index(arm)
    return STYLES[(place + place // len(COLORS)) % len(STYLES)]


def _smooth(values: np.ndarray) -> np.ndarray:
    """A centred moving average over a fiftieth of the points, shorter at the ends; what is missing stays missing."""
    half = len(values) // 100
    if half == 0:
        return values
    present, window = np.isfinite(values), np.ones(2 * half + 1)
    # Each window is summed for itself: running sums would lose a gradient norm of 1e-20 behind earlier ones of 1.
    sums = np.convolve(np.where(present, values, 0.0), window, "same")
    average = sums / np.maximum(np.convolve(present, window, "same"), 1)
    return np.where(present, average, np.nan)


def _draw(axes: Axes, cells: list[CellRecord], tag: str, color: str, label: str, style: str = "-") -> None:
    """The mean over seeds as a line, every seed as a thin one, their span as a band; averaged along the steps."""
    over = band(cells, tag)
    if over is None:
        return
    smooth = np.array([_smooth(row) for row in over.seeds])
    if len(smooth) > 1:
        complete = np.isfinite(smooth).all(axis=0)
        low, high = smooth[:, complete].min(axis=0), smooth[:, complete].max(axis=0)
        axes.fill_between(over.step[complete], low, high, color=color, alpha=0.18, linewidth=0)
        for row in smooth:
            axes.plot(over.step, row, color=color, linewidth=0.6, alpha=0.6, linestyle=style)
    axes.plot(over.step, _smooth(over.mean), color=color, linewidth=1.8, label=label, linestyle=style)


def _panels(columns: int, rows: int = 1, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(4.6 * columns, height * rows), dpi=110, layout="constrained")
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]
    for panel in axes:
        panel.grid(alpha=0.25)
        panel.set_xlabel("step")
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _wrapped(arm: str) -> str:
    """An arm's name with a line for each setting."""
    return arm.replace(",", ",\n")


def _legend(figure: Figure, panel: Axes) -> None:
    """The arms' names in the panel, or below the figure where they are too many for that."""
    handles, labels = panel.get_legend_handles_labels()
    if len(labels) <= 6:
        panel.legend(frameon=False)
        return
    rows = math.ceil(len(labels) / 3)
    figure.set_figheight(figure.get_figheight() + 0.2 * rows)
    figure.legend(handles, labels, loc="outside lower center", ncol=3, fontsize=8, frameon=False)


def own_losses(arms: Arms) -> Figure:
    """J(D) and J(G) of every arm as it minimized them, a panel an arm, each with its own scale."""
    columns = min(3, len(arms))
    figure, panels = _panels(columns, math.ceil(len(arms) / columns))
    for panel in panels[len(arms) :]:
        panel.set_visible(False)
    for panel, (arm, cells) in zip(panels, arms.items(), strict=False):
        _draw(panel, cells, "loss/discriminator", "0.25", "discriminator", "--")
        _draw(panel, cells, "loss/generator", _color(arms, arm), "generator")
        panel.set_title(_wrapped(arm), fontsize=10)
        panel.legend(frameon=False)
    return figure


def yardsticks(arms: Arms) -> Figure:
    """The same three quantities for every arm, whatever it minimized."""
    figure, panels = _panels(3)
    named = {
        "yardstick/j_d": "J(D) = −E log D(x) − E log(1 − D(G(z)))",
        "yardstick/minus_log_d_fake": "−E log D(G(z))",
        "yardstick/log_one_minus_d_fake": "E log(1 − D(G(z)))",
    }
    for panel, (tag, title) in zip(panels, named.items(), strict=True):
        for arm, cells in arms.items():
            _draw(panel, cells, tag, _color(arms, arm), arm, _style(arms, arm))
        panel.set_title(title, fontsize=10)
        if max(map(abs, panel.get_ylim())) > 100:  # one arm that diverges would flatten all the others
            panel.set_yscale("symlog", linthresh=2)
    panels[0].axhline(2 * math.log(2), color="0.5", linewidth=0.8, linestyle=":")
    panels[0].annotate(
        "2 ln 2: D cannot tell",
        (0.99, 2 * math.log(2)),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=7,
        color="0.4",
    )
    _legend(figure, panels[0])
    return figure


def scores(arms: Arms) -> Figure:
    """What the discriminator thinks of real and of generated samples."""
    figure, panels = _panels(2)
    for panel, tag, title in zip(
        panels, ("score/real", "score/fake"), ("D(x), real", "D(G(z)), generated"), strict=True
    ):
        for arm, cells in arms.items():
            _draw(panel, cells, tag, _color(arms, arm), arm, _style(arms, arm))
        panel.set(title=title, ylim=(-0.02, 1.02))
        panel.axhline(0.5, color="0.5", linewidth=0.8, linestyle=":")
    _legend(figure, panels[0])
    return figure


def gradient_norms(arms: Arms) -> Figure:
    """The norm of the gradient of each arm's own J(G) with respect to the generator's weights, on a log scale."""
    figure, (panel,) = _panels(1, height=3.6)
    figure.set_figwidth(8)
    for arm, cells in arms.items():
        _draw(panel, cells, "grad_norm/generator", _color(arms, arm), arm, _style(arms, arm))
    panel.set(title="norm of the generator's gradient", yscale="log")
    _legend(figure, panel)
    return figure


def modes(arms: Arms) -> Figure:
    """What each arm reached of a density's modes at the end: a row an arm, a dot a seed."""
    figure, panels = _panels(3, height=1.2 + 0.24 * len(arms))
    named = {"modes/covered": "modes covered", "modes/high_quality": "high quality", "modes/kl": "KL to equal shares"}
    for panel, (tag, title) in zip(panels, named.items(), strict=True):
        for row, (arm, cells) in enumerate(arms.items()):
            finals = [cell.final()[tag] for cell in cells if tag in cell.final()]
            panel.scatter(finals, [row] * len(finals), s=42, color=_color(arms, arm), alpha=0.55, linewidths=0)
        panel.set(title=title, xlabel="", ylim=(len(arms) - 0.5, -0.5))
        panel.set_yticks(range(len(arms)), list(arms) if panel is panels[0] else [""] * len(arms), fontsize=8)
        panel.set_xlim(left=-0.02 * panel.get_xlim()[1])
    return figure


def _pictures(rows: Sequence[Sequence[tuple[str, Image.Image | None]]], labels: Sequence[str], inches: float) -> Figure:
    """Pictures in rows, each with its title; a missing one leaves an empty place that says so."""
    columns = max(len(row) for row in rows)
    shapes = [image.height / image.width for row in rows for _, image in row if image]
    height = inches * max(shapes, default=1.0) + 0.35
    figure = Figure(figsize=(inches * columns + 0.4, height * len(rows)), dpi=110, layout="constrained")
    for y, (row, label) in enumerate(zip(rows, labels, strict=True)):
        for x, (title, image) in enumerate(row):
            panel = figure.add_subplot(len(rows), columns, y * columns + x + 1)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            panel.set_title(title, fontsize=9)
            if x == 0:
                panel.set_ylabel(label, fontsize=9)
            if image:
                panel.imshow(np.asarray(image), interpolation="nearest")
            else:
                panel.text(0.5, 0.5, "no samples", ha="center", va="center", transform=panel.transAxes)
    return figure


def final_samples(arms: Arms) -> Figure:
    """The last grids, the same noise for every cell of a seed: a row a seed and a column an arm.

    More than four arms stand below each other instead.
    """
    seeds = sorted({cell.seed for cells in arms.values() for cell in cells})
    rows = [[_last_grid(arm, cells, seed) for arm, cells in arms.items()] for seed in seeds]
    if len(arms) <= 4:
        return _pictures(rows, [f"seed {seed}" for seed in seeds], 3.4)
    columns = zip(*rows, strict=True)
    by_arm = [[(f"seed {seed}", cell[1]) for seed, cell in zip(seeds, column, strict=True)] for column in columns]
    return _pictures(by_arm, [_wrapped(arm) for arm in arms], 2.3)


def _last_grid(arm: str, cells: list[CellRecord], seed: int) -> tuple[str, Image.Image | None]:
    cell = next((cell for cell in cells if cell.seed == seed), None)
    if not cell or not cell.grids:
        return arm, None
    return f"{arm}, step {max(cell.grids):,}", _open(cell.grids[max(cell.grids)])


def development(arms: Arms) -> Figure:
    """How the first seed's samples came about: a row an arm, a column a moment, the same noise everywhere."""
    first = {arm: cells[0] for arm, cells in arms.items() if cells}
    steps = sorted({step for cell in first.values() for step in cell.grids})
    chosen = [steps[round(place)] for place in np.linspace(0, len(steps) - 1, min(5, len(steps)))] if steps else []
    rows = [
        [(f"step {step:,}", _top(_open(cell.grids[step])) if step in cell.grids else None) for step in chosen]
        for cell in first.values()
    ]
    return _pictures(rows, [_wrapped(arm) for arm in first], 2.3)


def _open(file: Image.Image | object) -> Image.Image:
    return Image.open(str(file)).convert("RGB")


def _top(image: Image.Image) -> Image.Image:
    """The upper half of a grid of images; a scatter plot stays whole."""
    return image if image.width > 400 else image.crop((0, 0, image.width, image.height // 2))
