"""What the user typed: `key=value` and `group=choice`, read by Hydra's grammar, less what ganctl has no use for.

Imports no torch.
"""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from ganctl.choices import choices, groups, near
from ganctl.errors import BadInput
from ganctl.schema import SCHEMAS


def listed(overrides: Sequence[str]) -> list[str]:
    """The overrides with metrics=fid,kid as the list that it means, not as a sweep."""
    return [
        f"metrics=[{text.removeprefix('metrics=')}]" if re.fullmatch(r"metrics=[\w, ]+", text) else text
        for text in overrides
    ]


def parse(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them, every group choice checked against the files that exist."""
    plugins = any(text.startswith("plugins=") for text in overrides)
    parsed = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            example = "'tune=[\"optim.lr=0.0002,0.001\"]'" if text.startswith("tune=") else "loss=minimax or seed=3"
            came = text if text.strip() else f"'{text}'"
            raise BadInput(f"{came}: cannot be read; write key=value without spaces, such as {example}") from None
        parsed.append(override)
        _check_form(text, override)
        if re.split(r"[./]", override.key_or_group)[0] == "hydra":
            raise BadInput(
                f"{text}: hydra's own settings are not part of a run; `ganctl train --show-config` lists what is"
            )
        group, _, leaf = override.key_or_group.partition(".")
        if leaf == "name" and group in SCHEMAS:
            raise BadInput(
                f"{text}: write {group}= and one of {', '.join(choices(group))}, which brings its options along"
            )
        # A plugin's choice is known when it is imported.
        if override.key_or_group in groups() and not (plugins and override.key_or_group in SCHEMAS):
            for value in values_of(override):
                _check_choice(override.key_or_group, value)
    return parsed


def _check_form(text: str, override: Override) -> None:
    """Refuses what Hydra's grammar has and ganctl has no use for."""
    key = override.key_or_group
    if not key.strip():
        raise BadInput(f"{text}: has no key; write key=value, such as loss=minimax or seed=3")
    if override.is_delete():
        raise BadInput(f"{text}: a key cannot be deleted; give it a value, as in loss=minimax")
    if override.package is not None:
        raise BadInput(f"{text}: has a @, which means nothing here; write {key}=VALUE")
    if (override.is_add() or override.is_force_add()) and key in groups():
        raise BadInput(f"{text}: has a +, which means nothing here; write {key}=VALUE")
    if "${" in text:
        raise BadInput(f"{text}: refers to another setting, or to the environment; write the value itself")
    if "???" in text:
        raise BadInput(f"{text}: says that a value is missing; write the value")


def values_of(override: Override) -> list[str]:
    """The values that an override gives its key: one, or those of a sweep.

    Raises:
        BadInput: a sweep that lists nothing, such as an interval.
    """
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    try:
        return [str(value) for value in override.sweep_string_iterator()]
    except HydraException:
        line = override.input_line
        raise BadInput(f"{line}: cannot be swept; list the values, as in loss=minimax,nonsaturating") from None


def _check_choice(group: str, value: str) -> None:
    if value not in choices(group):
        other = f" (did you mean experiment={value}?)" if value in choices("experiment") else ""
        raise BadInput(
            f"{group}={value}: no such {group}; choose from {', '.join(choices(group))}"
            f"{other or near(value, choices(group))}"
        )
