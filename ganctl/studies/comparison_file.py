"""Reads and writes the comparison.json of a study; the report later adds the results."""

import json
import re
from typing import Any

from ganctl.errors import BadInput
from ganctl.store.files import read_json, write_atomically
from ganctl.store.host import versions
from ganctl.store.places import unwritable
from ganctl.store.run import command_line, now
from ganctl.studies.study import Study


def read_before(study: Study) -> dict[str, Any] | None:
    """The content of an existing comparison.json; None if there is none.

    Raises:
        BadInput: the file cannot be read, or is not a comparison.json of ganctl.
    """
    file = study.path / "comparison.json"
    if not file.exists():
        return None
    try:
        before = read_json(file)
        known = _is_comparison(before)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        known = False
    if not known:
        raise BadInput(
            f"{file}: cannot be read as a comparison; remove it, and the same command takes up the cells beside it"
        )
    assert isinstance(before, dict)
    return before


def _is_comparison(values: Any) -> bool:
    """Whether the values can be those of a comparison.json.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: a key is missing or a value has the wrong type.
    """
    return (
        isinstance(values, dict)
        and all(map(_is_arm, values["arms"].values()))
        and all(map(_is_text, values.get("commands", [])))
        and all(isinstance(settings, dict) for settings in values["definition"].values())
        and all(type(values.get(key, 1)) is int and values.get(key, 1) > 0 for key in ("threads", "jobs"))
        and _is_text(values.get("created", ""))
        and isinstance(values.get("rules", {}), dict)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_arm(values: Any) -> bool:
    """Whether the values can be those of an arm, with all cells inside the comparison's folder; raises likewise."""
    folders = [cell["folder"] for cell in values["seeds"].values()]
    return (
        all(int(seed) == float(seed) for seed in values["seeds"])
        and isinstance(values["overrides"], list)
        and all(map(_is_text, [*values["overrides"], *folders]))
        and all(re.fullmatch(r"cells/[^/]+/seed--?\d+", each) and "/../" not in each for each in folders)
        and isinstance(values.get("settings", {}), dict)
        and isinstance(values.get("cost", {}), dict)
        and ("tuning" not in values or _is_tuning(values["tuning"]))
    )


def _is_tuning(values: Any) -> bool:
    outcomes = [value for row in values["trials"].values() for value in row]
    return (
        values["chosen"] in values["trials"]
        and type(values["seconds"]) in (int, float)
        and all(value is None or type(value) in (int, float) for value in outcomes)
    )


def write(study: Study, before: dict[str, Any], costs: dict[str, Any], room: int) -> None:
    """Writes comparison.json at the start of a study.

    Args:
        study: the study of this command.
        before: the content of an existing comparison.json, whose arms and seeds are kept; empty for a new study.
        costs: {arm: its entry "cost"}.
        room: the number of cells that run at once.

    Raises:
        BadInput: the folder cannot be written.
    """
    arms: dict[str, Any] = before.get("arms", {})
    for cell in study.cells:
        arm = arms.setdefault(cell.arm, {"overrides": study.arms[cell.arm], "seeds": {}})
        if "tuning" not in arm:  # tuning has set both already
            arm |= {"settings": study.settings[cell.arm], "cost": costs[cell.arm]}
        arm["seeds"].setdefault(str(cell.seed), {"folder": str(cell.folder.path.relative_to(study.path))})
    commands = [line for line in before.get("commands", []) if line != command_line()]
    comparison = {
        **before,
        "name": study.path.name,
        "commands": [*commands, command_line()],
        "created": before.get("created") or now(),
        "versions": versions(),
        "threads": study.base.threads,
        "jobs": room,
        "rules": study.rules,
        "published": study.base.compare.published,
        "source": study.base.compare.source,
        "definition": {**before.get("definition", {}), **study.definition},
        "arms": arms,
    }
    try:
        write_atomically(study.path / "comparison.json", json.dumps(comparison, indent=2) + "\n")
    except OSError as error:
        raise unwritable(study.path, error) from None


def note(study: Study, changes: dict[str, dict[str, Any]]) -> None:
    """Adds entries of arms, {arm: {key: value}}, to comparison.json."""
    comparison = read_before(study) or {}
    for arm, values in changes.items():
        comparison["arms"][arm] |= values
    write_atomically(study.path / "comparison.json", json.dumps(comparison, indent=2) + "\n")
