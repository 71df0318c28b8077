"""`ganctl list`: what there is to choose from. Imports no torch."""

import textwrap

from ganctl.config import choices, describe, groups
from ganctl.errors import BadInput


def list_choices(group: str | None, width: int) -> str:
    """A line for each choice of `group`, or of every group: its name and what its YAML file says it is.

    Args:
        group: loss, penalty, model, ...; None: all of them.
        width: of a line, in characters.

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
                describe(name, choice),
                width,
                initial_indent=f"  {choice:<{longest}}  ",
                subsequent_indent=" " * (longest + 4),
            )
            for choice in choices(name)
        ]
        sections.append("\n".join([f"{name}=", *lines]))
    return "\n\n".join(sections)
