"""The outcomes of a comparison, one dot per seed. Each function draws one figure and returns it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ganctl.report.collect import ended, less_is_better, one_data_set
from ganctl.report.drawing import Arms, color, panels, wrapped
from ganctl.report.statistics import interval


def outcome(arms: Arms) -> Figure:
    """Left: the outcome of every seed. Right: the difference of each arm to the first one at the same seed."""
    values = {arm: {cell.seed: cell.outcome() for cell in cells if ended(cell)} for arm, cells in arms.items()}
    rules = next(cell.rules for cells in arms.values() for cell in cells)
    better = "lower" if less_is_better([cell for cells in arms.values() for cell in cells]) else "higher"
    figure, (left, right) = panels(2, height=1.3 + 0.34 * len(arms))
    for row, arm in enumerate(arms):
        _seeds(left, row, [*values[arm].values()], color(arms, arm))
    left.set(title=f"{rules['outcome']} ({better} is better), one dot per seed")
    left.set_yticks(range(len(arms)), [*arms], fontsize=8)
    baseline, *others = arms
    paired = one_data_set([cell for cells in arms.values() for cell in cells])
    for row, arm in enumerate(others if paired else [], 1):
        both = values[arm].keys() & values[baseline].keys()
        _paired(right, row, [values[arm][seed] - values[baseline][seed] for seed in both], color(arms, arm))
    right.axvline(0, color="0.5", linewidth=0.8, linestyle=":")
    right.set(title=f"difference to {wrapped(baseline)} at the same seed")
    right.set_yticks(range(len(arms)), [""] * len(arms))
    for panel in (left, right):
        panel.set(xlabel="", ylim=(len(arms) - 0.5, -0.5))
        panel.title.set_fontsize(10)
        panel.locator_params(axis="x", nbins=5)
    return figure


def _seeds(panel: Axes, row: int, values: list[float], shade: str) -> None:
    """Draws a dot for each seed, a bar at their mean, and the number of failed seeds."""
    there = [value for value in values if np.isfinite(value)]
    panel.scatter(there, [row] * len(there), s=46, color=shade, alpha=0.6, linewidths=0)
    if len(there) > 1:
        panel.plot([np.mean(there)] * 2, [row - 0.3, row + 0.3], color=shade, linewidth=2)
    if len(there) < len(values):
        words = f"{len(values) - len(there)} failed"
        panel.annotate(words, (1, row), xycoords=("axes fraction", "data"), ha="right", fontsize=8)


def _paired(panel: Axes, row: int, values: list[float], shade: str) -> None:
    """Draws a dot for each difference, and the confidence interval of their mean."""
    there = np.array(sorted(value for value in values if np.isfinite(value)))
    panel.scatter(there, [row] * len(there), s=46, color=shade, alpha=0.6, linewidths=0)
    found = interval(there)
    if found:
        panel.plot(found, [row, row], color=shade, linewidth=2)


def modes(arms: Arms) -> Figure:
    """How well each arm covers the modes of a mixture at the end: one row per arm, one dot per seed."""
    figure, axes = panels(3, height=1.2 + 0.24 * len(arms))
    named = {"modes/covered": "modes covered", "modes/high_quality": "high quality", "modes/kl": "KL to equal shares"}
    for panel, (tag, title) in zip(axes, named.items(), strict=True):
        for row, (arm, cells) in enumerate(arms.items()):
            finals = [cell.final()[tag] for cell in cells if tag in cell.final()]
            panel.scatter(finals, [row] * len(finals), s=42, color=color(arms, arm), alpha=0.55, linewidths=0)
        panel.set(title=title, xlabel="", ylim=(len(arms) - 0.5, -0.5))
        panel.set_yticks(range(len(arms)), list(arms) if panel is axes[0] else [""] * len(arms), fontsize=8)
        panel.set_xlim(left=-0.02 * panel.get_xlim()[1])
    return figure
