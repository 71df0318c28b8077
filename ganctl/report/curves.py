"""The curves of a comparison over the steps. Each function draws one figure and returns it."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ganctl.config.metrics import METRIC_NAMES, Names, said_to_be_better
from ganctl.report.collect import CellRecord, own_metrics
from ganctl.report.drawing import COLORS, STYLES, Arms, color, draw, legend, log_scale, panels, style, wrapped


def quality(arms: Arms) -> Figure:
    """The distance to the data and the diversity over the steps."""
    figure, axes = panels(2)
    named = {"quality/sliced_wasserstein": "distance to the data", "quality/diversity": "diversity"}
    for panel, (tag, title) in zip(axes, named.items(), strict=True):
        for arm, cells in arms.items():
            draw(panel, cells, tag, color(arms, arm), arm, style(arms, arm))
        panel.set_title(title, fontsize=10)
        if panel.get_ylim()[1] > 20:  # one diverging arm would flatten all the others
            log_scale(panel)
    floors = [
        cell.info["floor"]["quality/sliced_wasserstein"]
        for cells in arms.values()
        for cell in cells
        if cell.info.get("floor")
    ]
    if floors and axes[0].get_yscale() == "linear":
        axes[0].axhline(floors[0], color="0.5", linewidth=0.8, linestyle=":")
        axes[0].set_ylim(bottom=0)
    axes[1].axhline(1, color="0.5", linewidth=0.8, linestyle=":")
    legend(figure, axes[0])
    return figure


def measured_often(arms: Arms) -> list[str]:
    """The metrics that some cell has at more than one step, in the order of METRIC_NAMES."""
    several = {
        tag
        for cells in arms.values()
        for cell in cells
        for tag, values in cell.series.items()
        if np.isfinite(values).sum() > 1
    }
    return [name for name in _names(arms) if f"metric/{name}" in several]


def _names(arms: Arms) -> Names:
    return {**METRIC_NAMES, **own_metrics(cell for cells in arms.values() for cell in cells)}


def metrics(arms: Arms) -> Figure:
    """Every metric that was measured during training, one panel per metric."""
    names = measured_often(arms)
    columns = min(3, len(names))
    figure, axes = panels(columns, math.ceil(len(names) / columns))
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    for panel, name in zip(axes, names, strict=False):
        for arm, cells in arms.items():
            draw(panel, cells, f"metric/{name}", color(arms, arm), arm, style(arms, arm))
        found = (cell.evaluation for cells in arms.values() for cell in cells if cell.evaluation)
        floor = next((entry["metrics"].get(name, {}).get("floor") for entry in found), None)
        if floor is not None:
            panel.axhline(floor, color="0.5", linewidth=0.8, linestyle=":")
        label, better = _names(arms)[name]
        said = said_to_be_better(better)
        panel.set_title(f"{label} ({said})" if said else label, fontsize=9)
        if min(panel.get_ylim()) > 0 and panel.get_ylim()[1] > 20 * panel.get_ylim()[0]:
            log_scale(panel)
    legend(figure, axes[0])
    return figure


def own_losses(arms: Arms) -> Figure:
    """J(D) and J(G) of every arm as it minimized them, one panel per arm, each with its own scale."""
    columns = min(3, len(arms))
    figure, axes = panels(columns, math.ceil(len(arms) / columns))
    for panel in axes[len(arms) :]:
        panel.set_visible(False)
    for panel, (arm, cells) in zip(axes, arms.items(), strict=False):
        draw(panel, cells, "loss/discriminator", "0.25", "discriminator", "--")
        draw(panel, cells, "loss/generator", color(arms, arm), "generator")
        panel.set_title(wrapped(arm), fontsize=10)
        legend(figure, panel)
    return figure


def yardsticks(arms: Arms) -> Figure:
    """The same three quantities for every arm, whatever it minimized."""
    figure, axes = panels(3)
    named = {
        "yardstick/j_d": "J(D) = −E log D(x) − E log(1 − D(G(z)))",
        "yardstick/minus_log_d_fake": "−E log D(G(z))",
        "yardstick/log_one_minus_d_fake": "E log(1 − D(G(z)))",
    }
    for panel, (tag, title) in zip(axes, named.items(), strict=True):
        for arm, cells in arms.items():
            draw(panel, cells, tag, color(arms, arm), arm, style(arms, arm))
        panel.set_title(title, fontsize=10)
        if max(map(abs, panel.get_ylim())) > 100:  # one diverging arm would flatten all the others
            panel.set_yscale("symlog", linthresh=2)
    axes[0].axhline(2 * math.log(2), color="0.5", linewidth=0.8, linestyle=":")
    axes[0].annotate(
        "2 ln 2: D cannot tell",
        (0.99, 2 * math.log(2)),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=7,
        color="0.4",
    )
    legend(figure, axes[0])
    return figure


def scores(arms: Arms) -> Figure:
    """The discriminator's scores D(x) on real and D(G(z)) on generated samples."""
    figure, axes = panels(2)
    for panel, tag, title in zip(axes, ("score/real", "score/fake"), ("D(x), real", "D(G(z)), generated"), strict=True):
        for arm, cells in arms.items():
            draw(panel, cells, tag, color(arms, arm), arm, style(arms, arm))
        panel.set(title=title, ylim=(-0.02, 1.02))
        panel.axhline(0.5, color="0.5", linewidth=0.8, linestyle=":")
    legend(figure, axes[0])
    return figure


def gradient_norms(arms: Arms) -> Figure:
    """The norm of the gradient of each arm's own J(G) with respect to the generator's weights, on a log scale."""
    figure, (panel,) = panels(1, height=3.6)
    figure.set_figwidth(8)
    for arm, cells in arms.items():
        draw(panel, cells, "grad_norm/generator", color(arms, arm), arm, style(arms, arm))
    panel.set(title="norm of the generator's gradient")
    log_scale(panel)
    legend(figure, panel)
    return figure


FORMS = {"minimax": "minimax", "swapped": "minimax_swapped", "nonsaturating": "nonsaturating"}
SHARES = {"accuracy_real": "right about real", "accuracy_fake": "right about generated", "sure_share": "D(G(z)) < 0.01"}
MOST_ROWS = 6  # arms in the figure of evidence, which has one row per arm


def evidence(arms: Arms) -> Figure:
    """The probes: what each form of J(G) would do at the arm's weights. One row per arm, for the first six with any."""
    having = {arm: cells for arm, cells in arms.items() if any("evidence/norm_own" in cell.series for cell in cells)}
    shown = dict([*having.items()][:MOST_ROWS])
    figure, axes = panels(4, len(shown), height=2.9)
    figure.set_figwidth(13)
    parts = (_norms, _cosines, _slopes, _shares)
    for row, (arm, cells) in enumerate(shown.items()):
        axes[4 * row].set_ylabel(wrapped(arm), fontsize=10)
        for panel, draw_part in zip(axes[4 * row :], parts, strict=False):
            draw_part(panel, cells)
    titles = (
        "‖∇J(G)‖ at the same weights",
        "cosine of the gradients",
        "|dJ/dlogit|: median, 5–95 %",
        "shares of the probe",
    )
    for panel, title in zip(axes, titles, strict=False):
        panel.set_title(title, fontsize=10)
        panel.legend(frameon=False, fontsize=7)
    return figure


def _norms(panel: Axes, cells: list[CellRecord]) -> None:
    for place, (form, label) in enumerate(FORMS.items()):
        draw(panel, cells, f"evidence/norm_{form}", COLORS[place], label, STYLES[place])
    log_scale(panel)


def _cosines(panel: Axes, cells: list[CellRecord]) -> None:
    draw(panel, cells, "evidence/cosine_minimax_nonsaturating", COLORS[0], "minimax and nonsaturating")
    draw(panel, cells, "evidence/cosine_swapped_nonsaturating", COLORS[1], "minimax_swapped and nonsaturating", "--")
    panel.set_ylim(-1.05, 1.05)


def _slopes(panel: Axes, cells: list[CellRecord]) -> None:
    """The slopes of two forms over a probe's samples, median and span, of the first seed that has them."""
    cell = next(cell for cell in cells if "evidence/norm_own" in cell.series)
    for form, shade in (("minimax", COLORS[0]), ("nonsaturating", COLORS[2])):
        low, middle, high = (cell.series[f"evidence/slope_{form}_q{level}"] for level in ("05", "50", "95"))
        there = np.isfinite(middle)
        panel.fill_between(cell.step[there], low[there], high[there], color=shade, alpha=0.2, linewidth=0)
        panel.plot(cell.step[there], middle[there], color=shade, linewidth=1.5, label=FORMS[form])
    panel.set_ylim(-0.02, 1.02)


def _shares(panel: Axes, cells: list[CellRecord]) -> None:
    for (tag, label), shade in zip(SHARES.items(), (COLORS[1], COLORS[4], COLORS[7]), strict=True):
        draw(panel, cells, f"evidence/{tag}", shade, label)
    panel.set_ylim(-0.02, 1.02)
