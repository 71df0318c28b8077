"""Reads a comparison's folder; writes comparison.json, comparison.csv, figures/, report.md and report.html into it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from ganctl.report import curves, dots, first_screen, grids
from ganctl.report.collect import CellRecord, broke_off, collect, own_metrics
from ganctl.report.drawing import Arms
from ganctl.report.judgement import comparable, judge
from ganctl.report.measured import reach, unify
from ganctl.report.opening import opening
from ganctl.report.pages import Drawing, html, markdown
from ganctl.report.stories import facts
from ganctl.store.files import write_atomically

# {name of the figure: (part of the report it belongs to, function that draws it, caption)}.
FIGURES: dict[str, tuple[str, Callable[[Arms], Figure], str]] = {
    "outcome": (
        "outcome",
        dots.outcome,
        "Each dot is one seed; the bar is the mean. Right: the difference to the first arm at the same seed, with the "
        "95 % bootstrap interval of its mean where there are five seeds.",
    ),
    "modes": (
        "results",
        dots.modes,
        "Each dot is one seed. A mode is covered by a sample within three standard deviations of it; high quality is "
        "the share of such samples (0.989 of exact ones); KL is how far the modes' shares are from equal.",
    ),
    "final_samples": (
        "results",
        grids.final_samples,
        "What each arm's generator makes at the end. One row is one seed: the same initial weights, the same data "
        "order and, in every grid, the same latent noise. With more than four arms, one row is one arm.",
    ),
    "development": ("results", grids.development, "Samples of the first seed as training went on."),
    "quality": (
        "curves",
        curves.quality,
        "How far generated samples are from real ones (the dotted line: two halves of the real data), and how far "
        "apart two generated samples are, relative to two real ones.",
    ),
    "metrics": (
        "curves",
        curves.metrics,
        "The metrics of evaluate, measured with the same noise at each point, in the features and against the real "
        "samples that the table of metrics names. The dotted line: real samples.",
    ),
    "own_losses": (
        "curves",
        curves.own_losses,
        "What each player minimized, every arm on its own scale. Where objectives differ, heights do not compare "
        "between panels.",
    ),
    "yardsticks": (
        "curves",
        curves.yardsticks,
        "The same three quantities measured in every arm, so these curves do compare. The first is measured in the "
        "discriminator's turn, the other two in the generator's.",
    ),
    "scores": (
        "curves",
        curves.scores,
        "The discriminator's opinion. Both at 0.5: it cannot tell. D(G(z)) near 0: it is sure of every generated "
        "sample. Under losses whose logits are no log-odds (wasserstein, hinge, ...) these are no probabilities.",
    ),
    "gradient_norms": (
        "curves",
        curves.gradient_norms,
        "The norm of the gradient of the generator's own objective, on a logarithmic scale. Adam "
        "rescales gradients, so read it beside the samples.",
    ),
    "evidence": (
        "evidence",
        curves.evidence,
        "On the same noise and the same real samples throughout, at the weights that each arm had (only the first six "
        "arms): the norm of the gradient that each form of J(G) would give the generator "
        "(minimax_swapped lies on nonsaturating: equal gradients), the angle between these gradients, how strongly a "
        "sample pulls under each form (D(G(z)) for minimax, 1 − D(G(z)) for the others), and what the discriminator "
        "gets right.",
    ),
}

# A figure is drawn only if some cell has this tag.
NEEDED = {
    "outcome": "quality/sliced_wasserstein",
    "modes": "modes/covered",
    "quality": "quality/sliced_wasserstein",
    "evidence": "evidence/norm_own",
}


def write_report(path: Path) -> dict[str, Any]:
    """Reads the cells of the comparison in the folder `path`, writes all derived files, and returns comparison.json."""
    comparison, cells = collect(path)
    for derived in ("metrics", "reach", "own_metrics"):
        comparison.pop(derived, None)
    if own := own_metrics(cells):
        comparison["own_metrics"] = {name: {"label": label, "better": better} for name, (label, better) in own.items()}
    unify(comparison, cells)
    reach(comparison, cells)
    for cell in cells:
        entry = comparison["arms"][cell.arm]["seeds"][str(cell.seed)]
        row, outcome = cell.judged(), cell.outcome()
        entry.update(
            status=cell.status, verdict=cell.info.get("verdict"), findings=cell.info.get("findings", []),
            error=cell.info.get("error"), seconds=cell.info.get("seconds"), images_seen=cell.info.get("images_seen"),
            steps=int(cell.step[-1]) if len(cell.step) else 0, outcome=None if outcome != outcome else outcome,
            judged_at=None if row is None else int(cell.step[row]), final=cell.final(), facts=facts(cell),
            broke_off=broke_off(cell),
        )  # fmt: skip
    comparison["final"] = (
        "mean over the logged steps within one epoch of the end; of measurements, where the cell is judged"
    )
    judge(comparison, cells)
    opening(comparison, cells)
    write_atomically(path / "comparison.json", json.dumps(comparison, indent=2, allow_nan=False) + "\n")
    write_atomically(path / "comparison.csv", _csv(comparison, cells))
    drawn = _draw(path / "figures", comparison, cells)
    write_atomically(path / "report.md", markdown(comparison, cells, drawn))
    write_atomically(path / "report.html", html(comparison, cells, drawn))
    return comparison


def _csv(comparison: dict[str, Any], cells: list[CellRecord]) -> str:
    tags = sorted({tag for cell in cells for tag in cell.series})
    known = ["status", "verdict", "steps", "images_seen", "seconds", "outcome", "judged_at", "folder"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["arm", "seed", *known, *tags])
    for cell in cells:
        entry = comparison["arms"][cell.arm]["seeds"][str(cell.seed)]
        values = (entry["final"].get(tag, "") for tag in tags)
        writer.writerow([cell.arm, cell.seed, *(entry[key] for key in known), *values])
    return buffer.getvalue()


def _draw(folder: Path, comparison: dict[str, Any], cells: list[CellRecord]) -> list[Drawing]:
    """Draws every figure for which there are numbers, as PNG and SVG."""
    folder.mkdir(exist_ok=True)
    # matplotlib would read text between two dollars as a formula.
    arms = {arm.replace("$", r"\$"): [cell for cell in cells if cell.arm == arm] for arm in comparison["arms"]}
    tags = {tag for cell in cells for tag in cell.series}
    opened = first_screen.figures(comparison, arms, comparable(comparison, cells))
    drawn = [_save(folder, each.name, each.figure, "first", each.caption) for each in opened]
    for name, (part, draw, caption) in FIGURES.items():
        if name == "metrics" and not curves.measured_often(arms):
            continue
        if not tags or NEEDED.get(name, next(iter(tags))) not in tags:
            continue
        drawn.append(_save(folder, name, draw(arms), part, caption))
    return drawn


def _save(folder: Path, name: str, figure: Figure, part: str, caption: str) -> Drawing:
    """Writes a figure as PNG and SVG."""
    files = {"png": _file(figure, "png")}
    figure.set_layout_engine("none")  # the panels stay where the first drawing put them
    files["svg"] = _file(figure, "svg")
    for kind, content in files.items():
        write_atomically(folder / f"{name}.{kind}", content)
    return Drawing(name, part, caption, files["png"])


def _file(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    # Text stays text in an SVG; without a date and with fixed ids, equal figures give equal files.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ganctl"}):
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
