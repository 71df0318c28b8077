"""Parses overrides (`key=value`, `group=choice`) by Hydra's grammar, and refuses forms that ganctl does not support.

Imports no torch.
"""

import re
import shlex
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, Quote, QuotedString, Sweep
from hydra.errors import HydraException

from ganctl.config.choices import choices, groups, near
from ganctl.config.schema import SCHEMAS
from ganctl.errors import BadInput

# Paths and free names: the text after the = is taken literally, not parsed by Hydra's grammar.
AS_WRITTEN = ("data.root", "output_dir", "name", "compare.source", "game.content_file")
# Those of AS_WRITTEN that can make arms: in a comparison, commas separate their values.
SWEPT_AS_WRITTEN = ("data.root",)
QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""

# Patterns of the messages in which Hydra's parser says where it stopped.
STOPPED = (r"error at: '(.+)'$", r"(?:extraneous|mismatched) input '(.+?)' expecting", r"at input '.*(.)'$")


def listed(overrides: Sequence[str], sweeps: bool = False) -> list[str]:
    """Rewrites overrides for Hydra's grammar: metrics=fid,kid becomes a list instead of a sweep; paths are quoted.

    Args:
        sweeps: whether commas separate several paths.

    Raises:
        BadInput: a path or a name contains an invalid character.
    """
    return [_listed(text, sweeps) for text in overrides]


def _listed(text: str, sweeps: bool) -> str:
    if re.fullmatch(r"metrics=[\w, ]+", text):
        return f"metrics=[{text.removeprefix('metrics=')}]"
    start, equals, value = text.partition("=")
    key = start.lstrip("+")
    if key not in AS_WRITTEN or not equals:
        return text
    if any(each == "\0" or "\ud800" <= each <= "\udfff" for each in value):
        raise BadInput(f"{key}={value!a}: has bytes that are no text in UTF-8; write another path, or a link to it")
    values = [value]
    if sweeps and key in SWEPT_AS_WRITTEN:
        values = re.findall(rf"(?:^|,)((?:{QUOTED})(?=,|$)|[^,]*)", value, re.DOTALL)
    return f"{start}={','.join(map(_as_written, values))}"


def _as_written(value: str) -> str:
    """The value in quotes, unless it is quoted already, empty, or null."""
    if not value or value.lower() == "null" or re.fullmatch(QUOTED, value, re.DOTALL):
        return value
    return QuotedString(value, Quote.single).with_quotes()


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parses the overrides and checks each choice of a group against the YAML files.

    Raises:
        BadInput: as `read_words`, or for an unknown choice, a setting of Hydra itself, or <group>.name=.
    """
    plugins = any(text.startswith("plugins=") for text in overrides)
    parsed = read_words(overrides)
    for text, override in zip(overrides, parsed, strict=True):
        if re.split(r"[./]", override.key_or_group)[0] == "hydra":
            raise BadInput(
                f"{text}: hydra's own settings are not part of a run; `ganctl train --show-config` lists what is"
            )
        group, _, leaf = override.key_or_group.partition(".")
        if leaf == "name" and group in SCHEMAS:
            raise BadInput(
                f"{text}: write {group}= and one of {', '.join(choices(group))}, which brings its options along"
            )
        # With plugins a choice may be one of theirs, which is known only after their import.
        if override.key_or_group in groups() and not (plugins and override.key_or_group in SCHEMAS):
            for value in values_of(override):
                _check_choice(override.key_or_group, value)
    return parsed


def read_words(overrides: Sequence[str]) -> list[Override]:
    """Parses the overrides without checking their keys.

    Raises:
        BadInput: an override cannot be read, or has a form that ganctl does not support.
    """
    parsed = []
    for text in overrides:
        try:
            parsed.append(OverridesParser.create().parse_override(text))
        except HydraException as error:
            raise BadInput(_unreadable(text, str(error))) from None
        _check_form(text, parsed[-1])
    return parsed


def _unreadable(text: str, reason: str) -> str:
    """The message for an override that cannot be parsed: where Hydra's parser stopped, and how to write it instead."""
    came = text if text.strip() else f"'{text}'"
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[+~]{0,2}[\w./@:$-]*", key, re.ASCII):
        return f"{came}: cannot be read; write key=value without spaces, such as loss=minimax or seed=3"
    if key == "tune":
        return f"{came}: cannot be read; write key=value without spaces, such as 'tune=[\"optim.lr=0.0002,0.001\"]'"
    at = next((found[1] for form in STOPPED if (found := re.search(form, reason, re.DOTALL))), "<EOF>")
    if at == "<EOF>" or _unpaired(value):
        return f"{came}: cannot be read; a bracket or a quote in it has no partner: close it, or quote the whole value"
    if value.startswith("["):
        return f"{came}: cannot be read at {at}; quote the word that it belongs to, as in '{key}=[\"...\"]'"
    quoted = f"{key}={QuotedString(value, Quote.single).with_quotes()}"
    shown = shlex.quote(quoted) if set(value) & set("'\"$`!\\") else f'"{quoted}"'
    return f"{came}: cannot be read at {at}; where that belongs to the value, quote it: {shown}"


def _unpaired(value: str) -> bool:
    """Whether a bracket or a quote in the value has no partner."""
    open_ones = any(value.count(left) != value.count(right) for left, right in ("[]", "{}", "()"))
    return open_ones or any(value.count(quote) % 2 for quote in "'\"")


def _check_form(text: str, override: Override) -> None:
    """Raises BadInput for forms of Hydra's grammar that ganctl does not support."""
    key = override.key_or_group
    if not key.strip():
        raise BadInput(f"{text}: has no key; write key=value, such as loss=minimax or seed=3")
    if override.is_delete():
        raise BadInput(f"{text}: a key cannot be deleted; give it a value, as in loss=minimax")
    if override.package is not None:
        raise BadInput(f"{text}: has a @, which means nothing here; write {key}=VALUE")
    if (override.is_add() or override.is_force_add()) and key in groups():
        raise BadInput(f"{text}: has a +, which means nothing here; write {key}=VALUE")
    value = override.value()
    inner = value.list if isinstance(value, ChoiceSweep) else [] if isinstance(value, (Sweep, Glob)) else [value]
    if any(map(_holds_sweep, inner)):
        raise BadInput(f"{text}: has several values inside of one, which cannot be swept; list whole values, as in a,b")
    if "${" in text:
        raise BadInput(f"{text}: refers to another setting, or to the environment; write the value itself")
    if override.value() == "???" if key in AS_WRITTEN else "???" in text:
        raise BadInput(f"{text}: says that a value is missing; write the value")


def _holds_sweep(value: Any) -> bool:
    """Whether one of the values of an override holds several, at any depth."""
    if isinstance(value, (list, dict)):
        return any(map(_holds_sweep, value.values() if isinstance(value, dict) else value))
    return isinstance(value, (Sweep, Glob))


def values_of(override: Override) -> list[str]:
    """The values of an override: one, or all of a sweep.

    Raises:
        BadInput: the sweep is not a list of values, but an interval, for example.
    """
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    as_written = override.key_or_group in AS_WRITTEN
    try:
        if as_written:  # without the quotes; `listed` adds them again
            return [
                value.text if isinstance(value, QuotedString) else str(value) for value in override.sweep_iterator()
            ]
        return [str(value) for value in override.sweep_string_iterator()]
    except HydraException:
        line = override.input_line
        raise BadInput(f"{line}: cannot be swept; list the values, as in loss=minimax,nonsaturating") from None


def refuse_twice(parsed: Sequence[Override]) -> None:
    """Raises BadInput if a choice or a swept setting is given twice with different values, since one would be lost.

    Plain settings and seeds may be given twice; the last one counts, so that a user can append one to a command.
    """
    for place, override in enumerate(parsed):
        for other in parsed[:place]:
            key = override.key_or_group
            sweeps = key != "seed" and (override.is_sweep_override() or other.is_sweep_override())
            if other.key_or_group == key and other.input_line != override.input_line and (sweeps or key in groups()):
                raise BadInput(
                    f"{other.input_line} and {override.input_line}: say two things of {key}, and one would be "
                    "forgotten; leave one out"
                )


def _check_choice(group: str, value: str) -> None:
    if value not in choices(group):
        other = f" (did you mean experiment={value}?)" if value in choices("experiment") else ""
        raise BadInput(
            f"{group}={value}: no such {group}; choose from {', '.join(choices(group))}"
            f"{other or near(value, choices(group))}"
        )


def one_value(override: Override) -> str:
    """The value of an override that gives one, as it was typed."""
    return str(override.get_value_element_as_str())
