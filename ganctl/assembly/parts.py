"""Looks up the parts that a configuration names: a loss, penalties, and rows of other tables."""

from collections.abc import Mapping
from typing import Any

from ganctl.config.load import load
from ganctl.config.schema import Config, option
from ganctl.errors import BadInput
from ganctl.games import WeightedPenalty
from ganctl.losses import LOSSES, PENALTIES, AdversarialLoss


def row_of(group: str, rows: Mapping[str, Any], options: Any) -> Any:
    """The row of a table of parts that the `name` among the options of a group chooses.

    Raises:
        BadInput: there is no row of that name.
    """
    name = option(options, "name")
    if name not in rows:
        raise BadInput(f"{group}={name}: no such {group}; choose from {', '.join(sorted(rows))}")
    return rows[name]


def loss_of(config: Config) -> AdversarialLoss:
    """The pair of objectives that `loss=` names, with its options set.

    Raises:
        BadInput: there is no such loss, or it has no such option.
    """
    return _configured("loss", LOSSES, config.loss)


def penalties_of(config: Config) -> tuple[WeightedPenalty, ...]:
    """The penalties on the discriminators: `penalty=`, and each of `penalties=`, as in "logit_drift weight=0.001".

    Raises:
        BadInput: there is no such penalty, one is named twice, or an option is not allowed.
    """
    found = [_weighted(config.penalty)]
    for text in config.penalties:
        name, *words = text.split()
        try:
            found.append(_weighted(load([f"penalty={name}", *(f"penalty.{word}" for word in words)]).penalty))
        except BadInput as error:
            raise BadInput(f"penalties: {text}: {error}") from None
    names = [each.name for each in found]
    for name in names[1:]:
        if names.count(name) > 1 or name == "none":
            raise BadInput(f"penalties: {name}: is no more of them; name others than penalty={names[0]}, each once")
    return tuple(found)


def _weighted(options: Any) -> WeightedPenalty:
    penalty = _configured("penalty", PENALTIES, options, "weight", "every")
    # The options of a plugin's penalty have no schema, so they are checked here.
    weight, every = option(options, "weight", 1.0), option(options, "every", 1)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
        raise BadInput(f"penalty.weight={weight}: must be a number greater than 0")
    if type(every) is not int or every < 1:
        raise BadInput(f"penalty.every={every}: must be a whole number, at least 1")
    return WeightedPenalty(penalty, weight, every, option(options, "name"))


def _configured(group: str, rows: dict[str, Any], options: Any, *apart: str) -> Any:
    """A loss or a penalty with its options set, except those named in `apart`."""
    row = row_of(group, rows, options)
    if not hasattr(row, "configured"):
        kind = {"loss": "AdversarialLoss(discriminator, generator, paper)", "penalty": "Penalty(paper, of_samples=...)"}
        raise BadInput(f"{group}={option(options, 'name')}: its row is a {type(row).__name__}; make it {kind[group]}")
    given = options if isinstance(options, dict) else vars(options)
    try:
        return row.configured(**{key: value for key, value in given.items() if key not in ("name", *apart)})
    except ValueError as error:
        raise BadInput(f"{group}.{error}") from None
