"""A comparison's folder in; comparison.json, comparison.csv, figures/ and report.html out."""

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from ganctl import config
from ganctl.report import figures
from ganctl.report.collect import CellRecord, collect
from ganctl.report.statistics import facts, pairs, story
from ganctl.run import write_atomically

HEADLINE = {
    "modes/covered": "modes",
    "modes/high_quality": "high quality",
    "modes/kl": "KL",
    "loss/discriminator": "D loss",
    "loss/generator": "G loss (own)",
    "yardstick/j_d": "J(D)",
    "yardstick/minus_log_d_fake": "−log D(G(z))",
    "yardstick/log_one_minus_d_fake": "log(1−D(G(z)))",
    "score/real": "D(x)",
    "score/fake": "D(G(z))",
    "grad_norm/generator": "‖∇J(G)‖",
}


def headline(comparison: dict[str, Any]) -> dict[str, str]:
    """The columns of HEADLINE that some cell of the comparison has."""
    cells = [cell for arm in comparison["arms"].values() for cell in arm["seeds"].values()]
    return {tag: label for tag, label in HEADLINE.items() if any(tag in cell["final"] for cell in cells)}


FIGURES: dict[str, tuple[Callable[[figures.Arms], Figure], str]] = {
    "modes": (
        figures.modes,
        "Each dot is one seed at the end. A mode is covered by a sample within three standard deviations of it; high "
        "quality is the share of such samples (0.989 of exact ones); KL is how far the modes' shares are from equal.",
    ),
    "final_samples": (
        figures.final_samples,
        "What each arm's generator makes at the end. One row is one seed: the same initial weights, the same data "
        "order and, in every grid, the same latent noise. Of more than four arms, one row is one arm.",
    ),
    "development": (figures.development, "How the first seed's samples came about."),
    "own_losses": (
        figures.own_losses,
        "What each player minimized, every arm on its own scale. Where objectives differ, heights do not compare "
        "between panels.",
    ),
    "yardsticks": (
        figures.yardsticks,
        "The same three quantities measured in every arm, so these curves do compare. The first is measured in the "
        "discriminator's turn, the other two in the generator's.",
    ),
    "scores": (
        figures.scores,
        "The discriminator's opinion. Both at 0.5: it cannot tell. D(G(z)) near 0: it is sure of every generated "
        "sample. Under losses whose logits are no log-odds (wasserstein, hinge, ...) these are no probabilities.",
    ),
    "gradient_norms": (
        figures.gradient_norms,
        "The gradient that reaches the generator, of its own objective, on a logarithmic scale. Adam "
        "rescales what it is given, so read it beside the samples.",
    ),
}

RESULTS = ["modes", "final_samples", "development"]  # what came out; the other figures are curves


def write_report(path: Path) -> dict[str, Any]:
    """Reads the cells of the comparison in the folder `path`, writes all that is derived, and gives comparison.json."""
    comparison, cells = collect(path)
    for cell in cells:
        entry = comparison["arms"][cell.arm]["seeds"][str(cell.seed)]
        entry.update(
            status=cell.status, verdict=cell.info.get("verdict"), error=cell.info.get("error"),
            seconds=cell.info.get("seconds"), images_seen=cell.info.get("images_seen"),
            steps=int(cell.step[-1]) if len(cell.step) else 0, final=cell.final(), facts=facts(cell),
        )  # fmt: skip
    comparison["final"] = "mean over the logged steps within one epoch of the end; of modes, the last count"
    comparison["pairs"] = pairs(comparison, cells)
    write_atomically(path / "comparison.json", json.dumps(comparison, indent=2, allow_nan=False) + "\n")
    write_atomically(path / "comparison.csv", _csv(comparison, cells))
    pictures = _draw(path / "figures", comparison, cells)
    write_atomically(path / "report.html", _html(comparison, cells, pictures))
    return comparison


def _csv(comparison: dict[str, Any], cells: list[CellRecord]) -> str:
    tags = sorted({tag for cell in cells for tag in cell.series})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["arm", "seed", "status", "verdict", "steps", "images_seen", "seconds", "folder", *tags])
    for cell in cells:
        entry = comparison["arms"][cell.arm]["seeds"][str(cell.seed)]
        known = [entry[key] for key in ("status", "verdict", "steps", "images_seen", "seconds", "folder")]
        writer.writerow([cell.arm, cell.seed, *known, *(entry["final"].get(tag, "") for tag in tags)])
    return buffer.getvalue()


def _draw(folder: Path, comparison: dict[str, Any], cells: list[CellRecord]) -> dict[str, bytes]:
    """Draws every figure; gives the PNG files by name."""
    folder.mkdir(exist_ok=True)
    arms = {arm: [cell for cell in cells if cell.arm == arm] for arm in comparison["arms"]}
    drawn = {}
    for name, (draw, _) in FIGURES.items():
        if not any(len(cell.step) for cell in cells):
            continue
        if name == "modes" and not any("modes/covered" in cell.series for cell in cells):
            continue
        drawn[name] = _png(draw(arms))
        write_atomically(folder / f"{name}.png", drawn[name])
    return drawn


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _html(comparison: dict[str, Any], cells: list[CellRecord], pictures: dict[str, bytes]) -> str:
    # Names in a comparison are a user's: everything is escaped.
    environment = Environment(loader=PackageLoader("ganctl.report", "."), autoescape=True, undefined=StrictUndefined)
    environment.filters["number"] = number
    arms = {arm: [cell for cell in cells if cell.arm == arm] for arm in comparison["arms"]}
    return environment.get_template("report.html.jinja").render(
        comparison=comparison,
        shared=_shared(comparison["definition"]),
        paired=_paired(comparison["definition"]),
        cells=cells,
        headline=headline(comparison),
        stories={(cell.arm, cell.seed): story(cell) for cell in cells},
        meanings={arm: _meaning(values["overrides"], arms[arm]) for arm, values in comparison["arms"].items()},
        results=_encoded(pictures, RESULTS),
        curves=_encoded(pictures, [name for name in FIGURES if name not in RESULTS]),
    )


def _encoded(pictures: dict[str, bytes], names: list[str]) -> list[tuple[str, str, str]]:
    """(name, caption, PNG in base64) of those of `names` that were drawn."""
    return [(name, FIGURES[name][1], base64.b64encode(pictures[name]).decode()) for name in names if name in pictures]


def _meaning(overrides: list[str], cells: list[CellRecord]) -> str:
    """What the choices of an arm are, and its other settings; of a plugin's choice, the source that it names."""
    pairs = [override.partition("=")[::2] for override in overrides]
    papers: dict[str, str] = next((cell.info["papers"] for cell in cells if "papers" in cell.info), {})
    chosen = [config.describe(key, value) or papers.get(key, "") for key, value in pairs if key in config.groups()]
    settings = [f"{key}={value}" for key, value in pairs if key not in config.groups()]
    return " ".join([*filter(None, chosen), *settings])


def _shared(definition: dict[str, Any]) -> dict[str, str]:
    """What every arm has in common and a reader wants to know first, by what to call it."""
    known: dict[str, list[Any]] = {
        **{
            group: [arm[group]["name"] for arm in definition.values() if group in arm]
            for group in ("data", "model", "loss", "penalty", "optim")
        },
        "learning rate": [arm.get("optim", {}).get("lr") for arm in definition.values()],
        "average of G": [arm.get("ema_decay") for arm in definition.values()],
        "batch": [arm["batch_size"] for arm in definition.values()],
        "epochs": [arm["epochs"] for arm in definition.values()],
        "steps": [arm["steps"] for arm in definition.values()],
    }
    return {key: f"{values[0]:,}" if isinstance(values[0], int) else values[0]
            for key, values in known.items() if values and values[0] is not None and len(set(values)) == 1}  # fmt: skip


def _paired(definition: dict[str, Any]) -> bool:
    """Whether cells of one seed share initial weights, data order and noise: equal networks, data, batches, turns."""
    same = ("data", "model", "batch_size", "game")
    parts = [json.dumps([arm.get(key) for key in same], sort_keys=True) for arm in definition.values()]
    return len(set(parts)) == 1


def number(value: float | None, tag: str = "") -> str:
    """A scalar for people: a count as it is, others with three decimals or as a power of ten where those hide it."""
    if value is None:
        return "–"
    if tag == "modes/covered":
        return f"{value:g}"
    return f"{value + 0.0:.3f}" if value == 0 or 0.01 <= abs(value) < 10_000 else f"{value:.1e}"
