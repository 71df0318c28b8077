"""The messages for a wrong override: Hydra's complaints in one line that says what is allowed. Imports no torch."""

from collections.abc import Sequence
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ganctl.config.choices import choices, conf_dir, groups, near
from ganctl.config.overrides import one_value
from ganctl.config.schema import SCHEMAS
from ganctl.errors import BadInput


def explained(error: Exception, parsed: Sequence[Override]) -> BadInput:
    """Hydra's error as a message of one line about the override that caused it."""
    chosen_groups = [
        f"{o.key_or_group}={one_value(o)}"
        for o in parsed
        if o.key_or_group in groups() and one_value(o) in choices(o.key_or_group)
    ]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        base = compose("config", overrides=chosen_groups)
    for override in parsed:
        key = override.key_or_group
        if key in groups() or override.is_add():
            continue
        parent, _, leaf = key.rpartition(".")
        section = OmegaConf.select(base, parent) if parent else base
        if not isinstance(section, DictConfig):
            return BadInput(f"{override.input_line}: there is no {parent}; keys are {', '.join(map(str, base))}")
        if leaf not in section and parent in SCHEMAS and (owners := _owners(parent, leaf)):
            return BadInput(
                f"{override.input_line}: {parent}={section.get('name')} has no {leaf}; it belongs to {parent}="
                f"{', '.join(owners)}"
            )
        if leaf not in section:
            where = f"{parent} has" if parent else "keys are"
            names = [*map(str, section), *(() if parent else ("experiment",))]
            inside = [f"{group}.{leaf}" for group in SCHEMAS if leaf in _keys(base[group])]
            meant = f" (did you mean {inside[0]}?)" if inside and not parent else near(leaf, names)
            return BadInput(f"{override.input_line}: no such key; {where} {', '.join(names)}{meant}")
    for override in parsed:  # checked last, since lists are valid for some keys
        value, default = override.value(), OmegaConf.select(base, override.key_or_group)
        if isinstance(value, dict) or (isinstance(value, list) and isinstance(default, DictConfig)):
            return BadInput(f"{override.input_line}: cannot be given on the command line; by default it is {default}")
    return BadInput(f"{' '.join(str(o.input_line) for o in parsed)}: {str(error).splitlines()[0]}")


def _owners(group: str, leaf: str) -> list[str]:
    """The choices of a group that have an option named `leaf`."""
    files = {name: yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text()) for name in choices(group)}
    return [name for name, options in files.items() if leaf in (options.get(group) or options)]


def _keys(options: Any) -> list[str]:
    return list(map(str, options)) if isinstance(options, DictConfig) else []
