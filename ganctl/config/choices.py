"""The choices that the YAML files of `conf/` offer. Imports no torch."""

import difflib
import itertools
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def conf_dir() -> Path:
    """The folder of the YAML files: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return next(path for path in (package / "conf", package.parent / "conf") if (path / "config.yaml").is_file())


@cache
def choices(group: str) -> tuple[str, ...]:
    """The names that `group=` takes, sorted."""
    return tuple(sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")))


def groups() -> tuple[str, ...]:
    """The keys that choose a YAML file: data, model, loss, ..."""
    return tuple(sorted(path.name for path in conf_dir().iterdir() if path.is_dir()))


def describe(group: str, name: str) -> str:
    """The description of a choice: the comment at the head of its YAML file, up to an example command.

    Empty for a plugin's choice.
    """
    path = conf_dir() / group / f"{name}.yaml"
    lines = path.read_text().splitlines() if path.is_file() else []
    head = [line for line in itertools.takewhile(lambda line: line.startswith("#"), lines) if "@package" not in line]
    return " ".join(line[2:] for line in itertools.takewhile(lambda line: not line.startswith("#   "), head))


def near(value: str, known: Iterable[str]) -> str:
    """The end of an error message that suggests the known name closest to `value`; empty if none is close."""
    found = difflib.get_close_matches(value, list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""
