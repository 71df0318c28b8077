"""Options of a loss or a penalty: the keyword parameters of its functions."""

import inspect
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

Function = Callable[..., Any]


def keywords(function: Function) -> set[str]:
    """The parameters of `function` that have a default value."""
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name for parameter in parameters if parameter.default is not parameter.empty}


def bind(functions: dict[str, Function], options: dict[str, Any], reserved: Collection[str]) -> dict[str, Function]:
    """Binds to each of `functions` those of `options` that are its keyword parameters; `reserved` names are no options.

    Raises:
        ValueError: none of the functions has a parameter of that name.
    """
    taken = {name: keywords(function) - set(reserved) for name, function in functions.items()}
    known = sorted(set().union(*taken.values())) if taken else []
    for option in options:
        if option not in known:
            raise ValueError(
                f"{option}: no such option; " + (f"options are {', '.join(known)}" if known else "it has none")
            )
    return {
        name: partial(function, **{option: options[option] for option in options if option in taken[name]})
        for name, function in functions.items()
    }
