"""Turns overrides into one typed configuration. Imports no torch, so a wrong override is refused at once.

Hydra composes the YAML files of `conf/`; the dataclasses of `schema` define the allowed keys and values. Every error
is a `BadInput` with a message of one line that says what came and what is allowed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganctl.config.choices import choices, conf_dir, groups
from ganctl.config.complaints import explained
from ganctl.config.overrides import listed, one_value, parse, read_words
from ganctl.config.schema import SCHEMAS, Config
from ganctl.config.settings import typed
from ganctl.errors import BadInput

LARGEST_FILE = 2**20  # bytes of a configuration
DEEPEST = 20  # nested levels of a configuration's lists and mappings
# Hydra's own settings, which only its applications use; composing them takes a third of the time.
UNUSED = [
    f"~hydra/{group}"
    for group in ("job_logging", "hydra_logging", "help", "hydra_help", "sweeper", "launcher", "output")
]


def load(overrides: Sequence[str]) -> Config:
    """The default configuration with `overrides` (`key=value`, `group=choice`) applied.

    Raises:
        BadInput: an override cannot be read, names no known key, or gives a value that is not allowed.
    """
    overrides = listed(overrides)
    parsed = parse(overrides)
    named = _named(parsed)
    node = _compose(parsed, overrides)
    _settle_budget(node, named)
    config = typed(node)
    if not config.output_dir:  # for example from an unset shell variable
        raise BadInput("output_dir=: is empty; give output_dir=DIR, or leave it out for outputs/")
    return config


def changed(config: Config, overrides: Sequence[str]) -> Config:
    """`config` with `overrides` applied, which must be settings and not choices of a group.

    Raises:
        BadInput: in the same cases as `load`.
    """
    parsed = read_words(listed(overrides))
    named = _named(parsed)
    node = OmegaConf.create(config.to_dict())
    for override in parsed:
        OmegaConf.update(node, override.key_or_group, override.value())
    _settle_budget(node, named)
    return typed(node)


def _named(parsed: Sequence[Override]) -> set[str]:
    """The keys to which the overrides give a value other than null.

    Raises:
        BadInput: an override has several values, or both budgets (epochs, steps) are named.
    """
    for override in parsed:
        if override.is_sweep_override():
            raise BadInput(
                f"{override.input_line}: a run takes one value of {override.key_or_group}; "
                "`ganctl compare-losses` takes several"
            )
    named = {override.key_or_group for override in parsed if one_value(override) != "null"}
    if {"epochs", "steps"} <= named:
        raise BadInput("epochs and steps are both named: a budget is one of them; leave the other out")
    return named


def _settle_budget(node: DictConfig, named: set[str]) -> None:
    """Sets the other budget to null if the user named one (epochs or steps)."""
    for budget, other in (("steps", "epochs"), ("epochs", "steps")):
        if budget in named:
            node[other] = None


def _compose(parsed: Sequence[Override], overrides: Sequence[str]) -> DictConfig:
    """Applies the overrides to the defaults; for each group the last choice counts.

    Options that a data set or an experiment sets for a choice are dropped if the user takes another choice.
    """
    last = {override.key_or_group: place for place, override in enumerate(parsed)}
    given = [
        (text, override)
        for place, (text, override) in enumerate(zip(overrides, parsed, strict=True))
        if override.key_or_group not in groups() or last[override.key_or_group] == place
    ]
    return _resolved(given)


def _resolved(given: Sequence[tuple[str, Override]]) -> DictConfig:
    node = _composed(given)
    chosen = {override.key_or_group: one_value(override) for _, override in given if override.key_or_group in groups()}
    for owner in ("data", "experiment"):
        for group, choice in _settled(owner, chosen.get(owner)).items():
            if group in chosen and chosen[group] != choice:
                # If the experiment's choice is replaced, options that the data set sets for the group still hold.
                roots = (group, "data") if owner == "experiment" else (group,)
                own = [pair for pair in given if pair[1].key_or_group.split(".")[0] in roots]
                node[group] = _resolved(own)[group]
    return node


@cache
def _settled(owner: str, name: str | None) -> Mapping[str, str]:
    """The groups whose options the file of a data set or an experiment sets, with the choice they apply to."""
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
        if override.key_or_group in SCHEMAS and one_value(override) not in choices(override.key_or_group)
    ]
    # A plugin's choice has no file with its options, so Hydra must add each option (++), whether or not a data set or
    # an experiment has set one of that name.
    own = tuple(f"{row.key_or_group}." for row in plugin_rows)
    texts = [
        f"++{text}" if override.key_or_group.startswith(own) and not text.startswith("+") else text
        for text, override in zip(overrides, parsed, strict=True)
        if override not in plugin_rows
    ]
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            node = compose("config", overrides=[*texts, *(f"~{row.key_or_group}" for row in plugin_rows), *UNUSED])
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise explained(error, parsed) from None
    OmegaConf.set_struct(node, False)
    for row in plugin_rows:
        node[row.key_or_group] = {"name": one_value(row), **(node.get(row.key_or_group) or {})}
    return node


def from_dict(values: dict[str, Any], source: Path) -> Config:
    """The configuration from the parsed `config.yaml` of a run folder.

    Raises:
        BadInput: `values` is not a configuration that ganctl wrote; the message names the file `source`.
    """
    try:
        return typed(OmegaConf.create(values))
    except (BadInput, OmegaConfBaseException, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{source}: is not a configuration of ganctl ({str(error).splitlines()[0]})") from None


def _shallow(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """Passes on the events of a YAML file; raises ValueError for a nesting so deep that parsing would take minutes."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        yield event


def read(path: Path) -> Config:
    """Reads the configuration in the file `path`. The file is not trusted.

    Raises:
        BadInput: the file cannot be read, or is not a configuration that ganctl wrote.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it has {path.stat().st_size:,} bytes; ganctl writes none above {LARGEST_FILE:,}")
        text = path.read_text()
        # ganctl writes neither aliases, with which a few lines can expand to a billion values, nor references, which
        # can read environment variables.
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
    """Writes repeated values in full, since `read` refuses aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def dump(config: Config) -> str:
    """The configuration as YAML."""
    return yaml.dump(config.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
