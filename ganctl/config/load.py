"""Overrides in, one typed configuration out. Imports no torch, so a refused override costs nothing.

Hydra composes the YAML files of `conf/`; the dataclasses of `schema` say what may stand in them. Every error is a
`BadInput` of one line that names what came and what is allowed.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganctl.config.choices import choices, conf_dir, groups, near
from ganctl.config.overrides import listed, parse, read_words
from ganctl.config.schema import SCHEMAS, Config
from ganctl.config.settings import typed
from ganctl.errors import BadInput

LARGEST_FILE = 2**20  # bytes of a configuration
DEEPEST = 20  # levels of its lists and mappings


def load(overrides: Sequence[str]) -> Config:
    """The configuration that `overrides` (`key=value`, `group=choice`) make of the defaults.

    Raises:
        BadInput: an override that cannot be read, names no key, or gives a value that is not allowed.
    """
    overrides = listed(overrides)
    parsed = parse(overrides)
    named = _named(parsed)
    node = _compose(parsed, overrides)
    _settle_budget(node, named)
    config = typed(node)
    if not config.output_dir:  # as an unset variable of the shell makes it
        raise BadInput("output_dir=: is empty; give output_dir=DIR, or leave it out for outputs/")
    return config


def changed(config: Config, overrides: Sequence[str]) -> Config:
    """`config` with the settings that `overrides` give; no choice of a group can be among them.

    Raises:
        BadInput: as for `load`.
    """
    parsed = read_words(listed(overrides))
    named = _named(parsed)
    node = OmegaConf.create(config.to_dict())
    for override in parsed:
        OmegaConf.update(node, override.key_or_group, override.value())
    _settle_budget(node, named)
    return typed(node)


def _named(parsed: Sequence[Override]) -> set[str]:
    """The keys that are given a value.

    Raises:
        BadInput: one has several values, or both budgets are named.
    """
    for override in parsed:
        if override.is_sweep_override():
            raise BadInput(
                f"{override.input_line}: a run takes one value of {override.key_or_group}; "
                "`ganctl compare-losses` takes several"
            )
    named = {override.key_or_group for override in parsed if _one(override) != "null"}
    if {"epochs", "steps"} <= named:
        raise BadInput("epochs and steps are both named: a budget is one of them; leave the other out")
    return named


def _settle_budget(node: DictConfig, named: set[str]) -> None:
    """Naming one budget replaces the other."""
    for budget, other in (("steps", "epochs"), ("epochs", "steps")):
        if budget in named:
            node[other] = None


def _compose(parsed: Sequence[Override], overrides: Sequence[str]) -> DictConfig:
    """The overrides over the defaults, without what a data set or an experiment says of a part that was replaced."""
    last = {override.key_or_group: place for place, override in enumerate(parsed)}
    given = [
        (text, override)
        for place, (text, override) in enumerate(zip(overrides, parsed, strict=True))
        if override.key_or_group not in groups() or last[override.key_or_group] == place
    ]
    return _resolved(given)


def _resolved(given: Sequence[tuple[str, Override]]) -> DictConfig:
    node = _composed(given)
    chosen = {override.key_or_group: _one(override) for _, override in given if override.key_or_group in groups()}
    for owner in ("data", "experiment"):
        for group, choice in _settled(owner, chosen.get(owner)).items():
            if group in chosen and chosen[group] != choice:
                # What the data set says of the part still holds, where it is the experiment's part that is replaced.
                roots = (group, "data") if owner == "experiment" else (group,)
                own = [pair for pair in given if pair[1].key_or_group.split(".")[0] in roots]
                node[group] = _resolved(own)[group]
    return node


def _settled(owner: str, name: str | None) -> dict[str, str]:
    """The other groups whose options a data set's or an experiment's file sets, and the choice that they are for."""
    if name not in choices(owner):
        return {}
    files = (conf_dir() / "config.yaml", conf_dir() / owner / f"{name}.yaml")
    ours, its = (yaml.safe_load(file.read_text()) for file in files)
    entries = [entry for body in (ours, its) for entry in body.get("defaults", []) if isinstance(entry, dict)]
    choice = {key.removeprefix("override /"): value for entry in entries for key, value in entry.items()}
    return {group: choice[group] for group in SCHEMAS if group in its and group != owner}


def _composed(given: Sequence[tuple[str, Override]]) -> DictConfig:
    parsed, overrides = [override for _, override in given], [text for text, _ in given]
    plugin_rows = [
        override
        for override in parsed
        if override.key_or_group in SCHEMAS and _one(override) not in choices(override.key_or_group)
    ]
    # A plugin's choice has no file that says what its options are, so every one of them is new, unless a data set or an
    # experiment has one of this name.
    own = tuple(f"{row.key_or_group}." for row in plugin_rows)
    texts = [
        f"++{text}" if override.key_or_group.startswith(own) and not text.startswith("+") else text
        for text, override in zip(overrides, parsed, strict=True)
        if override not in plugin_rows
    ]
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            node = compose("config", overrides=[*texts, *(f"~{row.key_or_group}" for row in plugin_rows)])
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _explained(error, parsed) from None
    OmegaConf.set_struct(node, False)
    for row in plugin_rows:
        node[row.key_or_group] = {"name": _one(row), **(node.get(row.key_or_group) or {})}
    return node


def _one(override: Override) -> str:
    return str(override.get_value_element_as_str())


def _explained(error: Exception, parsed: Sequence[Override]) -> BadInput:
    """Hydra's complaint about a composition, as one line about the override that caused it."""
    chosen_groups = [
        f"{o.key_or_group}={_one(o)}"
        for o in parsed
        if o.key_or_group in groups() and _one(o) in choices(o.key_or_group)
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
    for override in parsed:  # only then, since lists are good values of other keys
        value, default = override.value(), OmegaConf.select(base, override.key_or_group)
        if isinstance(value, dict) or (isinstance(value, list) and isinstance(default, DictConfig)):
            return BadInput(f"{override.input_line}: cannot be given on the command line; by default it is {default}")
    return BadInput(f"{' '.join(str(o.input_line) for o in parsed)}: {str(error).splitlines()[0]}")


def _owners(group: str, leaf: str) -> list[str]:
    """The choices of a group that have an option of this name."""
    files = {name: yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text()) for name in choices(group)}
    return [name for name, options in files.items() if leaf in (options.get(group) or options)]


def _keys(options: Any) -> list[str]:
    return list(map(str, options)) if isinstance(options, DictConfig) else []


def from_dict(values: dict[str, Any], source: Path) -> Config:
    """The configuration that a run folder's `config.yaml` holds.

    Raises:
        BadInput: `values` is not what ganctl writes.
    """
    try:
        return typed(OmegaConf.create(values))
    except (BadInput, OmegaConfBaseException, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{source}: is not a configuration of ganctl ({str(error).splitlines()[0]})") from None


def _shallow(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """The events of a YAML file, as long as they are not nested so deeply that the rest would take minutes to parse."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        yield event


def read(path: Path) -> Config:
    """The configuration in the file `path`, whoever wrote it.

    Raises:
        BadInput: it cannot be read, or is not what ganctl writes.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it has {path.stat().st_size:,} bytes; ganctl writes none above {LARGEST_FILE:,}")
        text = path.read_text()
        # Neither is ever in ganctl's own: names for parts that are repeated, which a few lines can repeat a billion
        # times, and references, which may name variables of the environment.
        events = yaml.parse(text, yaml.SafeLoader)
        if "${" in text or any(isinstance(event, yaml.AliasEvent) for event in _shallow(events)):
            raise ValueError("it refers to something instead of saying it")
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise BadInput(f"{path}: is not a configuration of ganctl")
    return from_dict(values, path)


class _Dumper(yaml.SafeDumper):
    """Says everything again where it comes twice, since no reference is read."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def dump(config: Config) -> str:
    """The configuration as YAML."""
    return yaml.dump(config.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
