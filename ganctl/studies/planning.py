"""From the overrides of a command to the study that they describe. Imports no torch."""

import hashlib
import itertools
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganctl.config.choices import groups
from ganctl.config.identity import deciding
from ganctl.config.load import load
from ganctl.config.overrides import listed, parse, refuse_twice, values_of
from ganctl.config.schema import SCHEMAS, Config, Density
from ganctl.errors import BadInput
from ganctl.store.places import expanded
from ganctl.studies.study import Cell, Study, cell_of, configured, definition_of, slug

# The study of a command that names no arms: the J(G) ablation. It is made for images.
DEFAULT_STUDY = "experiment=jg"


@dataclass(frozen=True)
class _Asked:
    """What the overrides of a comparison say.

    Attributes:
        command: all of them, for errors.
        shared: those with one value, which all arms have; they name arms or an experiment where nothing is swept.
        swept: the overrides of each value by their key, for every key with several values but `seed`.
        seeds: of the arms; None: not said.
    """

    command: str
    shared: list[str]
    swept: dict[str, list[str]]
    seeds: list[int] | None


def plan(overrides: Sequence[str]) -> Study:
    """The study that `overrides` describe: every key with several values but `seed` makes arms.

    Overrides that name neither arms nor an experiment change the default study.

    Raises:
        BadInput: an override that is not allowed, or fewer than two arms.
    """
    asked = _asked(listed(overrides, sweeps=True))
    base = load([*asked.shared, *(values[0] for values in asked.swept.values())])
    _refuse_unmeasured(base, asked.swept)
    arms = _arms(asked, base)
    configs = {arm: configured(arm, [*asked.shared, *words]) for arm, words in arms.items()}
    definition = {arm: definition_of(config) for arm, config in configs.items()}
    _refuse_seeds_of_arms(arms)
    _refuse_equal_arms(definition, base.compare.checkpoint)
    rules = _rules(base)
    name = base.name or _study_name(arms, base, [definition, rules])
    path = expanded(base.output_dir, "output_dir") / "comparisons" / name
    seeds = base.compare.seeds if asked.seeds is None else asked.seeds
    if not seeds:
        raise BadInput("compare.seeds=[]: a comparison needs a seed; give seed=0,1")
    cells = [cell_of(path, arm, seed, configs[arm]) for seed in dict.fromkeys(seeds) for arm in arms]
    trials = {}
    if base.tune:
        trials = {arm: _trials(path, arm, asked.shared, words, base, seeds) for arm, words in arms.items()}
    return Study(path, arms, asked.shared, base, cells, definition, definition, rules, trials)


def _asked(overrides: list[str]) -> _Asked:
    parsed = parse(overrides)
    refuse_twice(parsed)
    swept: dict[str, list[str]] = {}
    shared: list[str] = []
    seeds: list[int] | None = None
    for text, override in zip(overrides, parsed, strict=True):
        key = override.key_or_group
        if key == "seed":
            seeds = _seeds(text, override)
        elif override.is_sweep_override():
            swept[key] = [f"{key}={value}" for value in values_of(override)]
        else:
            shared.append(text)
    if not swept and not _names_a_study(shared):
        shared = [DEFAULT_STUDY, *shared]
    return _Asked(" ".join(overrides), shared, swept, seeds)


def _names_a_study(shared: Sequence[str]) -> bool:
    """Whether the overrides name arms or an experiment, or points, for which the default study is not made."""
    points = [name for name, options in SCHEMAS["data"].items() if options is Density]
    data = [text.removeprefix("data=") for text in shared if text.startswith("data=")]
    named = any(text.lstrip("+").startswith(("experiment=", "compare.arms=")) for text in shared)
    return named or data[-1:] in [[name] for name in points]


def _seeds(text: str, override: Any) -> list[int]:
    try:
        seeds = [int(value) for value in values_of(override)]
    except ValueError:
        raise BadInput(f"{text}: seeds are whole numbers, as in seed=0,1,2") from None
    if len({*seeds}) < len(seeds):
        raise BadInput(f"{text}: names a seed twice, which is one run; give every seed once")
    return seeds


def _arms(asked: _Asked, base: Config) -> dict[str, list[str]]:
    """The overrides of each arm by its name: of every combination of swept values, or of those that are listed."""
    if not asked.swept:
        _refuse_single_loss(asked.shared)
    if asked.swept and any(text.lstrip("+").startswith("compare.arms=") for text in asked.shared):
        raise BadInput(f"compare.arms and {', '.join(asked.swept)}: both make arms; list every arm, or sweep keys")
    words_of_arms = itertools.product(*asked.swept.values()) if asked.swept else map(_split, base.compare.arms)
    combinations = [list(words) for words in words_of_arms]
    if not all(combinations):
        raise BadInput("compare.arms: an arm is empty; write its overrides, as in loss=minimax")
    arms = {_arm_name(words): words for words in combinations}
    if len({slug(arm) for arm in arms}) < len(combinations):
        raise BadInput(f"{asked.command}: two arms have one name; give every value once")
    if len(arms) < 2:
        raise BadInput(
            f"{asked.command}: makes {len(arms)} arm{'' if len(arms) == 1 else 's'}; a comparison needs two, as in "
            "loss=minimax,nonsaturating"
        )
    return arms


def _refuse_single_loss(shared: Sequence[str]) -> None:
    for text in shared:
        if text.startswith("loss="):
            raise BadInput(f"{text}: is one arm; a comparison needs two, as in {text},minimax_swapped")


def _split(words: str) -> list[str]:
    try:
        split = shlex.split(words)
        if any("=" not in word for word in split):
            raise ValueError("it has no =")
        return split
    except ValueError as error:
        raise BadInput(f"compare.arms: {words} cannot be read ({error}); write overrides, as in loss=minimax") from None


def _arm_name(words: Sequence[str]) -> str:
    """A group's choice by its name alone and other settings in full: minimax, or wasserstein,gradient,optim.lr=0.1."""
    pairs = [(word, *word.partition("=")[::2]) for word in words]
    return ",".join(value if key in groups() else word for word, key, value in pairs)


def _refuse_seeds_of_arms(arms: dict[str, list[str]]) -> None:
    for words in arms.values():
        if any(word.startswith("seed=") for word in words):
            raise BadInput(f"compare.arms: {' '.join(words)}: a seed repeats every arm; give seed=0,1 beside the arms")


def _refuse_equal_arms(definition: dict[str, dict[str, Any]], checkpoint: str) -> None:
    decisive = {arm: deciding(values, checkpoint) for arm, values in definition.items()}
    for (first, one), (second, other) in itertools.combinations(decisive.items(), 2):
        if one == other:
            raise BadInput(
                f"{first} and {second}: differ in nothing that decides a result, so there is nothing to compare; sweep "
                "another key"
            )


def _refuse_unmeasured(base: Config, swept: dict[str, list[str]]) -> None:
    """Raises BadInput where arms shall be judged by a metric that is not measured, or measured in different ways."""
    words = [*itertools.chain(*swept.values()), *itertools.chain(*map(_split, base.compare.arms)), *base.tune]
    for word in words:
        key = word.split("=")[0].lstrip("+")
        if key in ("metrics", "evaluate_every", "evaluate_num", "features"):
            raise BadInput(f"{word}: every cell is measured in one way; give {key} one value, beside the arms")
    if base.evaluate_every is not None and not base.metrics:
        raise BadInput(f"evaluate_every={base.evaluate_every}: of what? name metrics too, as in metrics=fid,recall")
    outcome = base.compare.outcome
    if outcome.startswith("metric/") and outcome.removeprefix("metric/") not in base.metrics:
        name = outcome.removeprefix("metric/")
        raise BadInput(
            f"compare.outcome={outcome}: {name} is not measured; add metrics={','.join([*base.metrics, name])}"
        )
    if outcome.startswith("metric/") and base.compare.checkpoint == "best" and base.evaluate_every is None:
        raise BadInput(
            f"compare.checkpoint=best: {outcome} is only measured at the end; add evaluate_every={base.sample_every}"
        )


def _rules(base: Config) -> dict[str, Any]:
    """How the arms are judged."""
    rules: dict[str, Any] = {"outcome": base.compare.outcome, "checkpoint": base.compare.checkpoint}
    if base.tune:
        rules |= {"tune": base.tune, "tune_seeds": base.compare.tune_seeds}
    return rules


def _study_name(arms: dict[str, list[str]], base: Config, identity: Any) -> str:
    """Of the arms, the data and six digits that change with every setting, so that two studies never meet."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:6]
    compared = "-vs-".join(slug(arm) for arm in arms)
    if len(compared) > 60:
        compared = f"{len(arms)}-arms"
    return f"{compared}-{base.to_dict()['data']['name']}-{digest}"


def _trials(
    path: Path, arm: str, shared: list[str], compared: list[str], base: Config, seeds: list[int]
) -> dict[str, list[Cell]]:
    """The trial cells of an arm by the point of the grid, the same grid for every arm."""
    if not base.compare.tune_seeds or set(base.compare.tune_seeds) & {*seeds}:
        raise BadInput(
            f"compare.tune_seeds={base.compare.tune_seeds}: must be at least one, and none of the seeds {seeds} that "
            "the comparison itself runs"
        )
    axes = []
    for text, override in zip(base.tune, parse(listed(base.tune, sweeps=True)), strict=True):
        key = override.key_or_group
        if key == "seed" or not override.is_sweep_override():
            raise BadInput(f"tune: {text}: is no axis of a grid; list values, as in optim.lr=0.0002,0.001")
        if any(word.split("=")[0].lstrip("+") == key for word in compared):
            raise BadInput(f"tune: {text}: is what the arms differ in; tune another key, or compare another one")
        axes.append([f"{override.key_or_group}={value}" for value in values_of(override)])
    folder = path / "trials" / slug(arm)
    grid = {}
    for words in itertools.product(*axes):
        config = configured(f"{arm} {' '.join(words)}", [*shared, *compared, *words])
        point = shlex.join(words)
        grid[point] = [
            cell_of(path, arm, seed, config, folder / slug(point) / f"seed-{seed}", point)
            for seed in dict.fromkeys(base.compare.tune_seeds)
        ]
    return grid
