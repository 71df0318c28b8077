"""Turns a composed configuration into a typed one, with the type and the limits of each setting checked.

Imports no torch.
"""

import re
from collections.abc import Collection
from dataclasses import fields, is_dataclass, make_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException, ValidationError

from ganctl.config.choices import choices, conf_dir, near
from ganctl.config.metrics import METRIC_NAMES, OUTCOMES, Names, outcomes
from ganctl.config.schema import SCHEMAS, Comparison, Config
from ganctl.errors import BadInput


def typed(node: DictConfig) -> Config:
    """The typed configuration from Hydra's composition.

    Raises:
        BadInput: a key is unknown, or a value has the wrong type or is outside its limits.
    """
    sections: dict[str, Any] = {}
    for group, schemas in SCHEMAS.items():
        # Run folders older than penalties lack this group.
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
        raise BadInput("epochs and steps are both null: a budget is one of them; give epochs=7 or steps=1000")
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", config.device):
        raise BadInput(f"device={config.device}: choose from auto, cpu, cuda, cuda:1, mps")
    if not config.plugins:  # whose games may have metrics of their own
        check_metrics(config, {})
    elif config.compare.outcome not in OUTCOMES and not config.compare.outcome.startswith("metric/"):
        raise _no_outcome(config.compare.outcome, OUTCOMES)
    if config.name is not None and not re.fullmatch(r"[\w][\w.,=+ -]{0,99}", config.name):
        raise BadInput(
            f"name={config.name}: is the name of one folder; use up to 100 letters, digits, spaces and . , = + - _"
        )


def check_metrics(config: Config, own: Names) -> None:
    """Checks the names of what is measured.

    Args:
        own: metrics that only the game has.

    Raises:
        BadInput: there is no such metric, or arms cannot be judged by it.
    """
    names, tags = [*METRIC_NAMES, *own], outcomes(own)
    for name in config.metrics:
        if name not in names:
            raise BadInput(f"metrics={name}: no such metric; choose from {', '.join(names)}{near(name, names)}")
    if config.compare.outcome not in tags:
        raise _no_outcome(config.compare.outcome, tags)


def _no_outcome(outcome: str, tags: Collection[str]) -> BadInput:
    return BadInput(f"compare.outcome={outcome}: choose from {', '.join(tags)}{near(outcome, tags)}")


def _options(group: str, section: DictConfig, schema: type) -> dict[str, Any]:
    return _merged(f"{group}.", OmegaConf.structured(schema), section, schema)


def _schema_of_file(group: str, name: str) -> type:
    """A dataclass of the options in a choice's YAML file; each option has the type of its default."""
    defaults = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text())
    return make_dataclass(name, [(key, type(value), value) for key, value in defaults.items()])


def _merged(prefix: str, types: Any, values: DictConfig, schema: type) -> dict[str, Any]:
    """Merges `values` into the defaults of the structured configuration `types`, which checks their types.

    Raises:
        BadInput: a key is unknown or a value has the wrong type.
    """
    try:
        merged = OmegaConf.to_container(OmegaConf.merge(types, values), resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise _complaint(prefix, error, values, schema) from None
    except OverflowError:
        key = max(values, key=lambda each: len(str(values.get(each))))
        raise BadInput(f"{prefix}{key}={values.get(key)}: has more digits than any number here") from None
    assert isinstance(merged, dict)
    for name, kind in get_type_hints(schema).items():
        # OmegaConf accepts lists and mappings where a list's items must be numbers or words.
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
        came = OmegaConf.select(values, name)
        return BadInput(f"{prefix}{name}={'null' if came is None else came}: must be {_expected(kind)}")
    if isinstance(error, ValidationError):
        return BadInput(f"{key or 'configuration'}: {str(error.msg).splitlines()[0]}")
    names = [item.name for item in fields(schema)]
    return BadInput(f"{key}: no such key; keys are {', '.join(names)}{near(str(error.key), names)}")


def _expected(kind: Any) -> str:
    """A type in words, for an error message: "a whole number", "a list of words, as in [one,two]"."""
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
            raise BadInput(f"{prefix}{item.name}={value}: choose from {', '.join(allowed)}{near(str(value), allowed)}")
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, (int, float)):
                _check_number(f"{prefix}{item.name}", number, limits)


def _check_number(key: str, number: float, limits: Any) -> None:
    least, above, below = (limits.get(name) for name in ("least", "above", "below"))
    if number in (float("inf"), float("-inf")):
        raise BadInput(f"{key}={number}: must be finite")
    if number != number:
        raise BadInput(f"{key}={number}: must be a number")
    if least is not None and number < least:
        raise BadInput(f"{key}={number}: must be at least {least}")
    if above is not None and number <= above:
        raise BadInput(f"{key}={number}: must be greater than {above}")
    if below is not None and number >= below:
        raise BadInput(f"{key}={number}: must be less than {below}")
