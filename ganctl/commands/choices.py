"""`ganctl list`: prints the available choices. Imports no torch."""

import json
import textwrap

import yaml

from ganctl.config.choices import choices, conf_dir, describe, groups
from ganctl.errors import BadInput
from ganctl.terminal.abilities import UNBOUNDED


def list_choices(group: str | None, width: int | None) -> str:
    """The choices of `group`, or of every group, one per line: name, description from the YAML file, options.

    Args:
        group: loss, penalty, model, ...; None: all groups.
        width: width of a line in characters; None: unlimited.

    Raises:
        BadInput: there is no such group.
    """
    if group is not None and group not in groups():
        raise BadInput(f"list {group}: no such group; choose from {', '.join(groups())}")
    sections = []
    for name in [group] if group else groups():
        longest = max(len(choice) for choice in choices(name))
        lines = [
            textwrap.fill(
                f"{describe(name, choice)} {_options(name, choice)}".rstrip(),
                width or UNBOUNDED,
                initial_indent=f"  {choice:<{longest}}  ",
                subsequent_indent=" " * (longest + 4),
            )
            for choice in choices(name)
        ]
        sections.append("\n".join([f"{name}=", *lines]))
    return "\n\n".join(sections)


def _options(group: str, choice: str) -> str:
    """The options of a choice with their defaults: [key=value, ...], as they are written after `group.`."""
    text = (conf_dir() / group / f"{choice}.yaml").read_text()
    values = {} if "@package" in text else yaml.safe_load(text)
    shown = [f"{key}={json.dumps(value)}" for key, value in values.items() if key != "name"]
    return f"[{', '.join(shown)}]" if shown else ""
