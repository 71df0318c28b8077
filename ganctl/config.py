"""Overrides in, one typed configuration out. Imports no torch, so a refused override costs nothing.

Hydra composes the YAML files of `conf/`; the dataclasses of `schema` say what may stand in them. Every error is a
`BadInput` of one line that names what came and what is allowed.
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, make_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException, ValidationError

from ganctl.errors import BadInput
from ganctl.schema import METRIC_NAMES, SCHEMAS, Comparison, Config

LARGEST_FILE = 2**20  # bytes of a configuration
DEEPEST = 20  # levels of its lists and mappings


def conf_dir() -> Path:
    """The folder of the YAML files: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next(path for path in (package / "conf", package.parent / "conf") if (path / "config.yaml").is_file())


@cache
def choices(group: str) -> tuple[str, ...]:
    """The names that `group=` takes, sorted."""
    return tuple(sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")))


def groups() -> tuple[str, ...]:
    """The keys that choose a YAML file: data, model, loss, ..."""
    return tuple(sorted(path.name for path in conf_dir().iterdir() if path.is_dir()))


def load(overrides: Sequence[str]) -> Config:
    """The configuration that `overrides` (`key=value`, `group=choice`) make of the defaults.

    Raises:
        BadInput: an override that cannot be read, names no key, or gives a value that is not allowed.
    """
    overrides = listed(overrides)
    parsed = parse(overrides)
    for override in parsed:
        if override.is_sweep_override():
            raise BadInput(
                f"{override.input_line}: a run takes one value of {override.key_or_group}; "
                "`ganctl compare-losses` takes several"
            )
    named = {override.key_or_group for override in parsed}
    if {"epochs", "steps"} <= named:
        raise BadInput("epochs and steps are both named: a budget is one of them; leave the other out")
    node = _compose(parsed, overrides)
    if "steps" in named and OmegaConf.select(node, "steps") is not None:
        node.epochs = None
    return _typed(node)


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
    if override.is_add() and key in groups():
        raise BadInput(f"{text}: there is a {key} already; write {key}=VALUE, without the +")
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
        raise BadInput(
            f"{group}={value}: no such {group}; choose from {', '.join(choices(group))}{_near(value, choices(group))}"
        )


def _near(value: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(value, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _compose(parsed: Sequence[Override], overrides: Sequence[str]) -> DictConfig:
    """The overrides over the defaults, without what an experiment says of a part that another one has replaced."""
    last = {override.key_or_group: place for place, override in enumerate(parsed)}
    given = [
        (text, override)
        for place, (text, override) in enumerate(zip(overrides, parsed, strict=True))
        if override.key_or_group not in groups() or last[override.key_or_group] == place
    ]
    node = _composed(given)
    chosen = {override.key_or_group: _one(override) for _, override in given if override.key_or_group in groups()}
    if "experiment" not in chosen:
        return node
    for group, choice in _settled(chosen["experiment"]).items():
        if group in chosen and chosen[group] != choice:
            node[group] = _composed([pair for pair in given if pair[1].key_or_group != "experiment"])[group]
    return node


def _settled(experiment: str) -> dict[str, str]:
    """The groups whose options an experiment's file sets, each with the choice that these options are for."""
    files = (conf_dir() / "config.yaml", conf_dir() / "experiment" / f"{experiment}.yaml")
    ours, its = (yaml.safe_load(file.read_text()) for file in files)
    entries = [entry for body in (ours, its) for entry in body.get("defaults", []) if isinstance(entry, dict)]
    choice = {key.removeprefix("override /"): value for entry in entries for key, value in entry.items()}
    return {group: choice[group] for group in SCHEMAS if group in its}


def _composed(given: Sequence[tuple[str, Override]]) -> DictConfig:
    parsed, overrides = [override for _, override in given], [text for text, _ in given]
    plugin_rows = [
        override
        for override in parsed
        if override.key_or_group in SCHEMAS and _one(override) not in choices(override.key_or_group)
    ]
    # A plugin's choice has no file that says what its options are, so every one of them is new.
    own = tuple(f"{row.key_or_group}." for row in plugin_rows)
    texts = [
        f"+{text}" if override.key_or_group.startswith(own) and not text.startswith("+") else text
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
        if leaf not in section:
            where = f"{parent} has" if parent else "keys are"
            names = [*map(str, section), *(() if parent else ("experiment",))]
            inside = [f"{group}.{leaf}" for group in SCHEMAS if leaf in _keys(base[group])]
            meant = f" (did you mean {inside[0]}?)" if inside and not parent else _near(leaf, names)
            return BadInput(f"{override.input_line}: no such key; {where} {', '.join(names)}{meant}")
    for override in parsed:  # only then, since lists are good values of other keys
        value, default = override.value(), OmegaConf.select(base, override.key_or_group)
        if isinstance(value, dict) or (isinstance(value, list) and isinstance(default, DictConfig)):
            return BadInput(f"{override.input_line}: cannot be given on the command line; by default it is {default}")
    return BadInput(f"{' '.join(str(o.input_line) for o in parsed)}: {str(error).splitlines()[0]}")


def _keys(options: Any) -> list[str]:
    return list(map(str, options)) if isinstance(options, DictConfig) else []


def _typed(node: DictConfig) -> Config:
    sections: dict[str, Any] = {}
    for group, schemas in SCHEMAS.items():
        # A run folder from before there were penalties has none.
        section = node.pop(group) if group in node else OmegaConf.create({"name": "none"})
        name = str(section.get("name"))
        if name in schemas:
            sections[group] = schemas[name](**_options(group, section, schemas[name]))
        elif name in choices(group):
            sections[group] = _options(group, section, _schema_of_file(group, name))
        elif node.get("plugins"):
            sections[group] = OmegaConf.to_container(section, resolve=True)
        else:
            raise BadInput(f"{group}.name={name}: no such {group}; choose from {', '.join(choices(group))}")
    if not isinstance(node.get("compare"), DictConfig):
        raise BadInput(f"compare={node.get('compare')}: is no setting itself; set one in it, as in compare.seeds=[0,1]")
    groups_left_out: dict[str, Any] = dict.fromkeys(SCHEMAS)
    sections["compare"] = Comparison(**_options("compare", node.pop("compare"), Comparison))
    rest = _merged("", OmegaConf.structured(Config(**groups_left_out)), node, Config)
    config = Config(**{**rest, **sections})
    _check_limits("", config)
    _check_limits("compare.", config.compare)
    for group in SCHEMAS:
        if is_dataclass(sections[group]):
            _check_limits(f"{group}.", sections[group])
    _check_whole(config)
    return config


def _check_whole(config: Config) -> None:
    if config.epochs is None and config.steps is None:
        raise BadInput("epochs and steps are both null: a budget is one of them; give epochs=28 or steps=1000")
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", config.device):
        raise BadInput(f"device={config.device}: choose from auto, cpu, cuda, cuda:1, mps")
    for name in config.metrics:
        if name not in METRIC_NAMES:
            raise BadInput(
                f"metrics={name}: no such metric; choose from {', '.join(METRIC_NAMES)}{_near(name, METRIC_NAMES)}"
            )
    if config.name is not None and not re.fullmatch(r"[\w][\w.,=+ -]{0,99}", config.name):
        raise BadInput(f"name={config.name}: is the name of one folder; use up to 100 letters, digits, dots and dashes")


def _options(group: str, section: DictConfig, schema: type) -> dict[str, Any]:
    return _merged(f"{group}.", OmegaConf.structured(schema), section, schema)


def _schema_of_file(group: str, name: str) -> type:
    """The options in a choice's YAML file, each of the type of its default."""
    defaults = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text())
    return make_dataclass(name, [(key, type(value), value) for key, value in defaults.items()])


def _merged(prefix: str, types: Any, values: DictConfig, schema: type) -> dict[str, Any]:
    """`values` over the defaults of the structured configuration `types`, which also checks their types."""
    try:
        merged = OmegaConf.to_container(OmegaConf.merge(types, values), resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise _complaint(prefix, error, values, schema) from None
    except OverflowError:
        key = max(values, key=lambda each: len(str(values.get(each))))
        raise BadInput(f"{prefix}{key}={values.get(key)}: has more digits than any number here") from None
    assert isinstance(merged, dict)
    for name, kind in get_type_hints(schema).items():
        # OmegaConf takes lists and mappings for the numbers or words of a list.
        if get_origin(kind) is list and any(isinstance(each, (list, dict)) for each in merged[name] or []):
            raise BadInput(f"{prefix}{name}={values[name]}: must be {_expected(kind)}")
    return {str(key): value for key, value in merged.items()}


def _complaint(prefix: str, error: OmegaConfBaseException, values: DictConfig, schema: type) -> BadInput:
    key = f"{prefix}{error.full_key or error.key or ''}".rstrip(".")
    if isinstance(error, MissingMandatoryValue):
        return BadInput(f"{key}: is missing and has no default; give it as {key}=...")
    name = re.split(r"[.\[]", str(error.full_key))[0]
    kind = get_type_hints(schema).get(name)
    if isinstance(error, ValidationError) and kind is not None:
        return BadInput(f"{prefix}{name}={OmegaConf.select(values, name)}: must be {_expected(kind)}")
    if isinstance(error, ValidationError):
        return BadInput(f"{key or 'configuration'}: {str(error.msg).splitlines()[0]}")
    names = [item.name for item in fields(schema)]
    return BadInput(f"{key}: no such key; keys are {', '.join(names)}{_near(str(error.key), names)}")


def _expected(kind: Any) -> str:
    """What a setting of this type takes, in words."""
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", NoneType: "null"}
    if kind in words:
        return words[kind]
    if get_origin(kind) is UnionType:
        return " or ".join(map(_expected, get_args(kind)))
    if get_origin(kind) is list:
        return "a list of words, as in [one,two]" if get_args(kind) == (str,) else "a list of numbers, as in [1,2]"
    return "a list, as in [1,2]" if kind is list else "a mapping, as in {key: value}"


def _check_limits(prefix: str, section: Any) -> None:
    for item in fields(section):
        value, limits = getattr(section, item.name), item.metadata
        allowed = limits.get("choices")
        if allowed and value not in allowed:
            raise BadInput(f"{prefix}{item.name}={value}: choose from {', '.join(allowed)}{_near(str(value), allowed)}")
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, (int, float)):
                _check_number(f"{prefix}{item.name}", number, limits)


def _check_number(key: str, number: float, limits: Any) -> None:
    least, above, below = (limits.get(name) for name in ("least", "above", "below"))
    if number in (float("inf"), float("-inf")):
        raise BadInput(f"{key}={number}: must be finite")
    # Written so that NaN fails every one of them.
    if least is not None and not number >= least:
        raise BadInput(f"{key}={number}: must be at least {least}")
    if above is not None and not number > above:
        raise BadInput(f"{key}={number}: must be greater than {above}")
    if below is not None and not number < below:
        raise BadInput(f"{key}={number}: must be less than {below}")
    if number != number:
        raise BadInput(f"{key}={number}: must be a number")


def from_dict(values: dict[str, Any], source: Path) -> Config:
    """The configuration that a run folder's `config.yaml` holds.

    Raises:
        BadInput: `values` is not what ganctl writes.
    """
    try:
        return _typed(OmegaConf.create(values))
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


def describe(group: str, name: str) -> str:
    """What a choice is, in the words that head its YAML file up to an indented command; empty for a plugin's."""
    path = conf_dir() / group / f"{name}.yaml"
    lines = path.read_text().splitlines() if path.is_file() else []
    head = [line for line in itertools.takewhile(lambda line: line.startswith("#"), lines) if "@package" not in line]
    return " ".join(line[2:] for line in itertools.takewhile(lambda line: not line.startswith("#   "), head))
