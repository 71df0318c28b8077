"""What a comparison is: its arms, its seeds, its cells and its folder. Imports no torch."""

import hashlib
import itertools
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganctl.config.choices import groups
from ganctl.config.identity import deciding, fingerprint
from ganctl.config.load import dump, load
from ganctl.config.overrides import listed, parse, refuse_twice, values_of
from ganctl.config.schema import SCHEMAS, Config, Density, settings, without_newer
from ganctl.errors import BadInput
from ganctl.store.places import expanded
from ganctl.store.run import RunFolder, broke_down

# The study of a command that names no arms: the J(G) ablation. It is made for images.
DEFAULT_STUDY = "experiment=jg"

# Keys of a run's configuration that do not tell one study from another. Two that decide nothing are among the others,
# so that studies keep the names that they have had.
NOT_STUDIED = settings("repetition", "place", "study", "nothing") - {"threads", "checkpoint_every"}


@dataclass(frozen=True)
class Cell:
    """One arm with one seed: a run of its own. A trial is a cell of which a point of the tuning grid is set."""

    arm: str
    seed: int
    config: Config
    folder: RunFolder
    point: str = ""

    @property
    def title(self) -> str:
        """What the cell is called on the screen."""
        return " ".join(filter(None, [self.arm, self.point, f"seed={self.seed}"]))

    @property
    def settled(self) -> bool:
        """Whether training it again would change nothing: it is complete, or its numbers broke down."""
        info = self.folder.info()
        return info.get("status") == "completed" or broke_down(info)


@dataclass(frozen=True)
class Study:
    """Arms that differ in what is compared, each run with every seed.

    Attributes:
        path: outputs/comparisons/<name>.
        arms: the overrides of each arm, by its name; the first is the baseline.
        shared: the overrides that all arms have.
        base: the configuration that the arms share.
        cells: arm by arm within each seed, so that the first seed is compared first.
        definition: the configuration of each arm without what does not change its outcome.
        settings: the same after tuning, which may have changed some of it.
        rules: how arms are judged, which is fixed before the first cell runs.
        trials: the cells of the tuning, by arm and by point of the grid; empty without one.
    """

    path: Path
    arms: dict[str, list[str]]
    shared: list[str]
    base: Config
    cells: list[Cell]
    definition: dict[str, dict[str, Any]]
    settings: dict[str, dict[str, Any]]
    rules: dict[str, Any]
    trials: dict[str, dict[str, list[Cell]]]

    def with_threads(self, threads: int) -> "Study":
        """The same study with so many threads a cell, where the command does not say how many."""

        def threaded(cell: Cell) -> Cell:
            return replace(cell, config=replace(cell.config, threads=cell.config.threads or threads))

        trials = {
            arm: {point: [*map(threaded, cells)] for point, cells in grid.items()} for arm, grid in self.trials.items()
        }
        base = replace(self.base, threads=self.base.threads or threads)
        return replace(self, base=base, cells=[*map(threaded, self.cells)], trials=trials)

    def tuned(self, chosen: dict[str, str]) -> "Study":
        """The same study with each arm at its chosen point of the grid."""
        arms = {arm: [*words, *shlex.split(chosen[arm])] for arm, words in self.arms.items()}
        configs = {arm: _arm(arm, [*self.shared, *words]) for arm, words in arms.items()}
        settings = {arm: _studied(config) for arm, config in configs.items()}
        cells = [_cell(self.path, cell.arm, cell.seed, configs[cell.arm]) for cell in self.cells]
        return replace(self, arms=arms, cells=cells, settings=settings).with_threads(self.base.threads or 1)


def plan(overrides: Sequence[str]) -> Study:
    """The study that `overrides` describe: every key with several values but `seed` makes arms.

    Overrides that name neither arms nor an experiment change the default study.

    Raises:
        BadInput: an override that is not allowed, or fewer than two arms.
    """
    overrides = listed(overrides, sweeps=True)
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
    base = load([*shared, *(values[0] for values in swept.values())])
    _refuse_unmeasured(base, swept)
    if not swept:
        _refuse_single_loss(shared)
    if swept and any(text.lstrip("+").startswith("compare.arms=") for text in shared):
        raise BadInput(f"compare.arms and {', '.join(swept)}: both make arms; list every arm, or sweep keys")
    words_of_arms = map(_split, base.compare.arms)
    combinations = [list(words) for words in (itertools.product(*swept.values()) if swept else words_of_arms)]
    if not all(combinations):
        raise BadInput("compare.arms: an arm is empty; write its overrides, as in loss=minimax")
    arms = {_arm_name(words): words for words in combinations}
    if len({slug(arm) for arm in arms}) < len(combinations):
        raise BadInput(f"{' '.join(overrides)}: two arms have one name; give every value once")
    if len(arms) < 2:
        raise BadInput(
            f"{' '.join(overrides)}: makes {len(arms)} arm{'' if len(arms) == 1 else 's'}; a comparison needs two, "
            "as in loss=minimax,nonsaturating"
        )
    configs = {arm: _arm(arm, [*shared, *words]) for arm, words in arms.items()}
    definition = {arm: _studied(config) for arm, config in configs.items()}
    for words in combinations:
        if any(word.startswith("seed=") for word in words):
            raise BadInput(f"compare.arms: {' '.join(words)}: a seed repeats every arm; give seed=0,1 beside the arms")
    _refuse_equal_arms(definition, base.compare.checkpoint)
    rules: dict[str, Any] = {"outcome": base.compare.outcome, "checkpoint": base.compare.checkpoint}
    if base.tune:
        rules |= {"tune": base.tune, "tune_seeds": base.compare.tune_seeds}
    path = (
        expanded(base.output_dir, "output_dir")
        / "comparisons"
        / (base.name or _study_name(arms, base, [definition, rules]))
    )
    seeds = base.compare.seeds if seeds is None else seeds
    if not seeds:
        raise BadInput("compare.seeds=[]: a comparison needs a seed; give seed=0,1")
    cells = [_cell(path, arm, seed, configs[arm]) for seed in dict.fromkeys(seeds) for arm in arms]
    trials = {}
    if base.tune:
        trials = {arm: _trials(path, arm, shared, words, base, seeds) for arm, words in arms.items()}
    return Study(path, arms, shared, base, cells, definition, definition, rules, trials)


def _names_a_study(shared: Sequence[str]) -> bool:
    """Whether the overrides name arms or an experiment, or points, for which the default study is not made."""
    points = [name for name, options in SCHEMAS["data"].items() if options is Density]
    data = [text.removeprefix("data=") for text in shared if text.startswith("data=")]
    named = any(text.lstrip("+").startswith(("experiment=", "compare.arms=")) for text in shared)
    return named or data[-1:] in [[name] for name in points]


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
        config = _arm(f"{arm} {' '.join(words)}", [*shared, *compared, *words])
        point = shlex.join(words)
        grid[point] = [
            _cell(path, arm, seed, config, folder / slug(point) / f"seed-{seed}", point)
            for seed in dict.fromkeys(base.compare.tune_seeds)
        ]
    return grid


def _arm(arm: str, overrides: list[str]) -> Config:
    try:
        return load(overrides)
    except BadInput as error:
        raise BadInput(f"arm {arm}: {error}") from None


def _seeds(text: str, override: Any) -> list[int]:
    try:
        seeds = [int(value) for value in values_of(override)]
    except ValueError:
        raise BadInput(f"{text}: seeds are whole numbers, as in seed=0,1,2") from None
    if len({*seeds}) < len(seeds):
        raise BadInput(f"{text}: names a seed twice, which is one run; give every seed once")
    return seeds


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


def _split(words: str) -> list[str]:
    try:
        split = shlex.split(words)
        if any("=" not in word for word in split):
            raise ValueError("it has no =")
        return split
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
    studied = {key: value for key, value in without_newer(config).items() if key not in NOT_STUDIED}
    studied |= {group: without_newer(studied[group]) for group in SCHEMAS}
    if config.plugins:  # the same name with another formula is another study
        studied["plugins"] = {name: fingerprint(name) for name in config.plugins}
    return studied


def _study_name(arms: dict[str, list[str]], base: Config, identity: Any) -> str:
    """Of the arms, the data and six digits that change with every setting, so that two studies never meet."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:6]
    compared = "-vs-".join(slug(arm) for arm in arms)
    if len(compared) > 60:
        compared = f"{len(arms)}-arms"
    return f"{compared}-{base.to_dict()['data']['name']}-{digest}"


def _cell(path: Path, arm: str, seed: int, config: Config, folder: Path | None = None, point: str = "") -> Cell:
    config = replace(config, seed=seed, name=None)
    return Cell(arm, seed, config, RunFolder(folder or path / "cells" / slug(arm) / f"seed-{seed}"), point)


def refuse_other_study(study: Study, before: dict[str, Any]) -> None:
    """Raises BadInput where the comparison.json in the study's folder, `before`, is of another study.

    The same study may have more seeds and more arms than before; an arm that both have must be the same. Its data may
    lie elsewhere: whether they are the same, the cells say.
    """
    known = before.get("definition")
    common = [arm for arm in study.definition if isinstance(known, dict) and arm in known]
    if common and isinstance(known, dict):
        rules, threads = before.get("rules", study.rules), before.get("threads")
        there = {**{arm: _comparable(known[arm], threads) for arm in common}, "the comparison": rules}
        here = {**{arm: _comparable(study.definition[arm], threads) for arm in common}, "the comparison": study.rules}
        found = next(_differences(there, here, ()), None)
        if found is None:
            return
        difference = f"{found[0]} is {found[1]} there and {found[2]} here"
    elif isinstance(known, dict):
        difference = f"its arms are {', '.join(known)}"
    else:
        difference = "it is not a comparison of this version of ganctl"
    raise BadInput(f"{study.path}: holds another comparison ({difference}); choose another name=")


def _comparable(definition: dict[str, Any], threads: int | None) -> dict[str, Any]:
    """An arm's definition without where its data lie, and with its study's threads where the command does not say."""
    data = definition.get("data")
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != "root"}
    return {**definition, "data": data, "threads": definition.get("threads") or threads}


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
