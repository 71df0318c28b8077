"""What a comparison is: its arms, its seeds, its cells and its folder. Imports no torch."""

import hashlib
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganctl.config.identity import fingerprint
from ganctl.config.load import dump, load
from ganctl.config.schema import SCHEMAS, Config, settings, without_newer
from ganctl.errors import BadInput
from ganctl.store.run import RunFolder, broke_down

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
        configs = {arm: configured(arm, [*self.shared, *words]) for arm, words in arms.items()}
        settings = {arm: definition_of(config) for arm, config in configs.items()}
        cells = [cell_of(self.path, cell.arm, cell.seed, configs[cell.arm]) for cell in self.cells]
        return replace(self, arms=arms, cells=cells, settings=settings).with_threads(self.base.threads or 1)


def configured(arm: str, overrides: list[str]) -> Config:
    """The configuration of an arm, by which an error is named."""
    try:
        return load(overrides)
    except BadInput as error:
        raise BadInput(f"arm {arm}: {error}") from None


def slug(text: str) -> str:
    """`text` as a part of a path, not longer than a file system allows."""
    part = re.sub(r"[^\w.,=+-]+", "_", text).strip(".") or "_"
    return part if len(part) <= 100 else f"{part[:90]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def definition_of(config: Config) -> dict[str, Any]:
    """The settings of a configuration that tell one study from another."""
    studied = {key: value for key, value in without_newer(config).items() if key not in NOT_STUDIED}
    studied |= {group: without_newer(studied[group]) for group in SCHEMAS}
    if config.plugins:  # the same name with another formula is another study
        studied["plugins"] = {name: fingerprint(name) for name in config.plugins}
    return studied


def cell_of(path: Path, arm: str, seed: int, config: Config, folder: Path | None = None, point: str = "") -> Cell:
    """The cell of the study in the folder `path`; a trial lies in another folder."""
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
