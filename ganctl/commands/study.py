"""What a comparison is: its arms, its seeds, its cells and its folder. Imports no torch."""

import hashlib
import importlib.util
import itertools
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganctl.config import dump, groups, load, parse, values_of
from ganctl.errors import BadInput
from ganctl.run import RunFolder
from ganctl.schema import Config

# Keys of a run's configuration that do not tell one study from another.
NOT_STUDIED = {"seed", "name", "output_dir", "jobs", "device", "keep_checkpoints", "compare", "plugins"}


@dataclass(frozen=True)
class Cell:
    """One arm with one seed: a run of its own."""

    arm: str
    seed: int
    config: Config
    folder: RunFolder


@dataclass(frozen=True)
class Study:
    """Arms that differ in what is compared, each run with every seed.

    Attributes:
        path: outputs/comparisons/<name>.
        arms: the overrides of each arm, by its name.
        base: the configuration that the arms share.
        cells: arm by arm within each seed, so that the first seed is compared first.
        definition: the configuration of each arm without what does not change its outcome.
    """

    path: Path
    arms: dict[str, list[str]]
    base: Config
    cells: list[Cell]
    definition: dict[str, dict[str, Any]]


def plan(overrides: Sequence[str]) -> Study:
    """The study that `overrides` describe: every key with several values but `seed` makes arms.

    Raises:
        BadInput: an override that is not allowed, or fewer than two arms.
    """
    swept: dict[str, list[str]] = {}
    shared: list[str] = []
    seeds: list[int] | None = None
    for text, override in zip(overrides, parse(overrides), strict=True):
        key = override.key_or_group
        if key == "seed":
            seeds = _seeds(text, override)
        elif override.is_sweep_override():
            swept[key] = [f"{key}={value}" for value in values_of(override)]
        else:
            shared.append(text)
    base = load([*shared, *(values[0] for values in swept.values())])
    if not swept:
        _refuse_single_loss(shared)
    listed = map(_split, base.compare.arms)
    combinations = [list(words) for words in (itertools.product(*swept.values()) if swept else listed)]
    arms = {_arm_name(words): words for words in combinations}
    if len({slug(arm) for arm in arms}) < len(combinations):
        raise BadInput(f"{' '.join(overrides)}: two arms have one name; give every value once")
    if len(arms) < 2:
        raise BadInput(f"{' '.join(overrides)}: is one arm; a comparison needs two, as in loss=minimax,nonsaturating")
    configs = {arm: _arm(arm, [*shared, *words]) for arm, words in arms.items()}
    definition = {arm: _studied(config) for arm, config in configs.items()}
    for words in combinations:
        if any(word.startswith("seed=") for word in words):
            raise BadInput(f"compare.arms: {' '.join(words)}: a seed repeats every arm; give seed=0,1 beside the arms")
    _refuse_equal_arms(definition)
    path = Path(base.output_dir) / "comparisons" / (base.name or _study_name(arms, base, definition))
    seeds = base.compare.seeds if seeds is None else seeds
    if not seeds:
        raise BadInput("compare.seeds=[]: a comparison needs a seed; give seed=0,1")
    cells = [_cell(path, arm, seed, configs[arm]) for seed in dict.fromkeys(seeds) for arm in arms]
    return Study(path, arms, base, cells, definition)


def _arm(arm: str, overrides: list[str]) -> Config:
    try:
        return load(overrides)
    except BadInput as error:
        raise BadInput(f"arm {arm}: {error}") from None


def _seeds(text: str, override: Any) -> list[int]:
    try:
        return [int(value) for value in values_of(override)]
    except ValueError:
        raise BadInput(f"{text}: seeds are whole numbers, as in seed=0,1,2") from None


def _refuse_equal_arms(definition: dict[str, dict[str, Any]]) -> None:
    for (first, one), (second, other) in itertools.combinations(definition.items(), 2):
        if one == other:
            raise BadInput(f"{first} and {second}: are the same run, so there is nothing to compare; sweep another key")


def _split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError as error:
        raise BadInput(f"compare.arms: {words} cannot be read ({error}); write overrides, as in loss=minimax") from None


def _refuse_single_loss(shared: Sequence[str]) -> None:
    for text in shared:
        if text.startswith("loss="):
            raise BadInput(f"{text}: is one arm; a comparison needs two, as in {text},minimax_swapped")


def _arm_name(words: Sequence[str]) -> str:
    """A group's choice by its name alone and other settings in full: minimax, or wasserstein,gradient,optim.lr=0.1."""
    pairs = [(word, *word.partition("=")[::2]) for word in words]
    return ",".join(value if key in groups() else word for word, key, value in pairs)


def slug(text: str) -> str:
    """`text` as a part of a path, not longer than a file system allows."""
    part = re.sub(r"[^\w.,=+-]+", "_", text).strip(".") or "_"
    return part if len(part) <= 100 else f"{part[:90]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _studied(config: Config) -> dict[str, Any]:
    studied = {key: value for key, value in config.to_dict().items() if key not in NOT_STUDIED}
    if config.plugins:  # the same name with another formula is another study
        studied["plugins"] = {name: _fingerprint(name) for name in config.plugins}
    return studied


def _fingerprint(module: str) -> str | None:
    """Twelve digits that change with the source of a module; None where there is none."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(module)
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:12] if spec and spec.origin else None
    except (ImportError, OSError, ValueError):
        return None


def _study_name(arms: dict[str, list[str]], base: Config, definition: dict[str, dict[str, Any]]) -> str:
    """Of the arms, the data and six digits that change with every setting, so that two studies never meet."""
    digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:6]
    compared = "-vs-".join(slug(arm) for arm in arms)
    if len(compared) > 60:
        compared = f"{len(arms)}-arms"
    return f"{compared}-{base.to_dict()['data']['name']}-{digest}"


def _cell(path: Path, arm: str, seed: int, config: Config) -> Cell:
    # One thread a cell: the same numbers come out whatever `jobs` is, and cells side by side use the cores better.
    config = replace(config, seed=seed, name=None, threads=config.threads or 1)
    return Cell(arm, seed, config, RunFolder(path / "cells" / slug(arm) / f"seed-{seed}"))


def refuse_other_study(study: Study, before: dict[str, Any]) -> None:
    """Raises BadInput where the comparison.json in the study's folder, `before`, is of another study."""
    known = before.get("definition")
    if known == study.definition:
        return
    difference = "it is not a comparison of this version of ganctl"
    if isinstance(known, dict) and list(known) != list(study.definition):
        difference = f"its arms are {', '.join(known)}"
    elif isinstance(known, dict):
        key, there, here = next(_differences(known, study.definition, ()))
        difference = f"{key} is {there} there and {here} here"
    raise BadInput(f"{study.path}: holds another comparison ({difference}); choose another name=")


def _differences(before: Any, after: Any, path: tuple[str, ...]) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _differences(before.get(key), after.get(key), (*path, key))
    elif before != after:
        yield ".".join(path[1:]), before, after


def describe(study: Study) -> str:
    """The study as YAML: its folder, its cells, and the configuration of the first."""
    lines = [f"# {study.path}", f"# {len(study.cells)} cells:"]
    lines += [f"#   {cell.arm} seed={cell.seed}: {' '.join(study.arms[cell.arm])}" for cell in study.cells]
    return "\n".join(lines) + "\n" + dump(study.cells[0].config)
