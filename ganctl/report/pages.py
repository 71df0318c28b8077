"""The report as an HTML page (one file) and as Markdown text, for example for an appendix."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ganctl.config.choices import describe, groups
from ganctl.config.metrics import METRIC_NAMES, own_names, said_to_be_better
from ganctl.formats import clock, number
from ganctl.report.collect import CellRecord, broke_off, ended
from ganctl.report.endings import rate, unhealthy
from ganctl.report.fairness import fairness, settings
from ganctl.report.judgement import label_of, less_wins
from ganctl.report.scores import protocol_line
from ganctl.report.stories import reason, story


def _measured_headings(names: Iterable[str]) -> dict[str, str]:
    return {f"metric/{name}": f"{name.replace('_', ' ')} (evaluate)" for name in names}


HEADLINE = {
    "quality/sliced_wasserstein": "distance",
    "quality/diversity": "diversity",
    "modes/covered": "modes",
    "modes/high_quality": "high quality",
    "modes/kl": "KL",
    **_measured_headings(METRIC_NAMES),
    "loss/discriminator": "D loss",
    "loss/generator": "G loss (own)",
    "yardstick/j_d": "J(D)",
    "yardstick/minus_log_d_fake": "−log D(G(z))",
    "yardstick/log_one_minus_d_fake": "log(1−D(G(z)))",
    "score/real": "D(x)",
    "score/fake": "D(G(z))",
    "grad_norm/generator": "‖∇J(G)‖",
}


MOST_REASONS = 12  # the largest number of cells whose probes the report describes in words


@dataclass(frozen=True)
class Drawing:
    """One figure of the report: its file's name, the part it belongs to, its caption and its PNG."""

    name: str
    part: str
    caption: str
    png: bytes

    @property
    def encoded(self) -> str:
        """The PNG in base64."""
        return base64.b64encode(self.png).decode()


def headings(comparison: dict[str, Any]) -> dict[str, str]:
    """What each column is called: HEADLINE, and the metrics of the game's own."""
    return HEADLINE | _measured_headings(own_names(comparison))


def columns(comparison: dict[str, Any]) -> dict[str, str]:
    """The columns that some cell of the comparison has."""
    cells = [cell for arm in comparison["arms"].values() for cell in arm["seeds"].values()]
    return {tag: label for tag, label in headings(comparison).items() if any(tag in cell["final"] for cell in cells)}


def html(comparison: dict[str, Any], cells: list[CellRecord], drawn: list[Drawing]) -> str:
    """The report as one HTML page that needs no other file and no network."""
    # A user chooses the names in a comparison, so everything is escaped.
    return _environment(autoescape=True).get_template("report.html.jinja").render(_view(comparison, cells, drawn))


def markdown(comparison: dict[str, Any], cells: list[CellRecord], drawn: list[Drawing]) -> str:
    """The report as Markdown, with links to the files of the figures."""
    return _environment(autoescape=False).get_template("report.md.jinja").render(_view(comparison, cells, drawn))


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("ganctl.report", "."), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=not autoescape, lstrip_blocks=not autoescape, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "number": number,
        "clock": clock,
        "rate": rate,
        "cell": _cell,
        "code": _code,
        "ticked": _ticked,
    }
    return environment


def _cell(text: Any) -> str:
    """A user's text, escaped for a cell of a Markdown table."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _ticked(text: str) -> Markup:
    """A sentence as HTML; text between backticks becomes code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    )


def _code(lines: list[str]) -> str:
    """Command lines as an indented block of code; text in the lines could end a fenced one."""
    return "\n".join(f"    {line}" for text in lines for line in text.splitlines())


def _view(comparison: dict[str, Any], cells: list[CellRecord], drawn: list[Drawing]) -> dict[str, Any]:
    """The variables of both templates."""
    arms = {arm: [cell for cell in cells if cell.arm == arm] for arm in comparison["arms"]}
    used = {arm: settings(comparison, arm) for arm in arms}
    outcome = comparison["rules"]["outcome"]
    pairs = {pair["second"]: pair for pair in comparison["pairs"] if pair["first"] == comparison["baseline"]}
    return {
        "comparison": comparison,
        "title": " vs ".join(arms) if len(arms) <= 4 else f"{len(arms)} arms",
        "shared": _shared(used),
        "paired": _paired(used),
        "most_seeds": max((pair["seeds"] for pair in pairs.values() if "seeds" in pair), default=0),
        "uneven": len({tuple(values["seeds"]) for values in comparison["arms"].values()}) > 1,
        "cells": cells,
        "outcome": label_of(comparison, outcome),
        "better": "lower" if less_wins(comparison) else "higher",
        "pairs": pairs,
        "columns": columns(comparison),
        "stories": {(cell.arm, cell.seed): story(cell) for cell in cells},
        "reasons": {(cell.arm, cell.seed): words for cell in cells[:MOST_REASONS] if (words := reason(cell))},
        "meanings": {arm: _meaning(values["overrides"], arms[arm]) for arm, values in comparison["arms"].items()},
        "measured": _measured(comparison),
        "fairness": fairness(comparison, cells),
        "figures": {
            part: [figure for figure in drawn if figure.part == part]
            for part in ("first", "outcome", "results", "curves", "evidence")
        },
        "wrong": [(cell, found) for cell in cells if not ended(cell) or unhealthy(cell) for found in _found(cell)],
        "undiagnosed": sum(ended(cell) and not cell.info.get("verdict") for cell in cells),
    }


def _found(cell: CellRecord) -> list[dict[str, Any]]:
    """What went wrong with a cell: the findings of its diagnosis, or else its ending and the reason."""
    findings = [] if broke_off(cell) else cell.info.get("findings", [])
    return findings or [{"verdict": cell.ending, "since": 0, "because": cell.info.get("error") or "not finished"}]


def _measured(comparison: dict[str, Any]) -> dict[str, Any]:
    """The table of metrics, one row per metric: its value in each arm and on real samples. Empty without metrics."""
    found = comparison.get("metrics", {})
    if "arms" not in found:
        return {}
    rows = {}
    for name, floor in found["floors"].items():
        tag = f"metric/{name}"
        spreads = {arm: values[name] for arm, values in found["arms"].items()}
        cells = {arm: _spread(spread, tag) for arm, spread in spreads.items()}
        errors = [spread["sampling_error"] for spread in spreads.values() if spread["sampling_error"] is not None]
        label, better = {**METRIC_NAMES, **own_names(comparison)}[name]
        rows[", ".join(filter(None, [f"{name.replace('_', ' ')}: {label}", said_to_be_better(better)]))] = (
            cells, number(floor, tag), number(max(errors), tag) if errors else "–",
        )  # fmt: skip
    return {"rows": rows, "protocol": protocol_line(found), "warnings": found["warnings"]}


def _spread(spread: dict[str, Any], tag: str) -> str:
    if not spread["count"]:
        return "–"
    deviation = f" ± {number(spread['std'])}" if spread["std"] is not None else ""
    return f"{number(spread['mean'], tag)}{deviation} ({spread['count']})"


def _meaning(overrides: list[str], cells: list[CellRecord]) -> str:
    """A description of each choice of an arm (a plugin's choice: the source it names), and the arm's other settings."""
    pairs = [override.partition("=")[::2] for override in overrides]
    papers: dict[str, str] = next((cell.info["papers"] for cell in cells if "papers" in cell.info), {})
    chosen = [describe(key, value) or papers.get(key, "") for key, value in pairs if key in groups()]
    settings = [f"{key}={value}" for key, value in pairs if key not in groups()]
    return " ".join([*filter(None, chosen), *settings])


def _shared(definition: dict[str, Any]) -> dict[str, Any]:
    """The main settings that are equal in all arms: {label: value}."""
    known: dict[str, list[Any]] = {
        **{
            group: [arm[group]["name"] for arm in definition.values() if group in arm]
            for group in ("data", "model", "loss", "penalty", "optim")
        },
        "learning rate": [arm.get("optim", {}).get("lr") for arm in definition.values()],
        "D's": [arm.get("optim", {}).get("discriminator_lr") for arm in definition.values()],
        "eps": [arm.get("optim", {}).get("eps") for arm in definition.values()],
        "average of G": [arm.get("ema_decay") for arm in definition.values()],
        "batch": [arm["batch_size"] for arm in definition.values()],
        "epochs": [arm["epochs"] for arm in definition.values()],
        "steps": [arm["steps"] for arm in definition.values()],
    }
    return {key: f"{values[0]:,}" if isinstance(values[0], int) else values[0]
            for key, values in known.items() if values and values[0] is not None and len(set(values)) == 1}  # fmt: skip


def _paired(definition: dict[str, Any]) -> bool:
    """Whether cells of one seed share initial weights, data order and noise.

    They do if data, networks, batch size and game are equal.
    """
    same = ("data", "model", "batch_size", "game")
    parts = [json.dumps([arm.get(key) for key in same], sort_keys=True) for arm in definition.values()]
    return len(set(parts)) == 1
