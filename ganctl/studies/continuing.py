"""Overrides for an existing run: which are allowed, and the configuration that they give. Imports no torch.

They change the run's own configuration, not the defaults.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.config.choices import groups
from ganctl.config.load import changed, read
from ganctl.config.overrides import listed, read_words
from ganctl.config.schema import Config, option, settings
from ganctl.errors import BadInput
from ganctl.store.places import expanded
from ganctl.store.run import RunFolder

if TYPE_CHECKING:
    from ganctl.data import Dataset

# The settings that may change when a run resumes: its length, where it runs, what is saved and measured.
RESUMABLE = {*settings("length", "nothing"), "data.root", "game.content_file"}

# The settings that may change when a run is verified: where its data and its plugins are.
VERIFIABLE = {"data.root", "game.content_file", "plugins"}


def continued(folder: RunFolder, overrides: Sequence[str]) -> Config:
    """The configuration with which a run resumes: its own with `overrides` applied.

    Raises:
        BadInput: the folder's config.yaml cannot be read, or an override may not change in an existing run.
    """
    before = read(folder.config)
    named = _named(overrides)
    _refuse_others(folder, before, named - RESUMABLE, "cannot change in a run that has begun", "--resume", RESUMABLE)
    config = _given(folder, before, overrides, named)
    if named & {"epochs", "steps"}:
        scheduled = option(before.optim, "schedule", "constant")
        if scheduled != "constant" and (config.epochs, config.steps) != (before.epochs, before.steps):
            raise BadInput(
                f"{min(named & {'epochs', 'steps'})}: the learning rate of this run ends with its budget "
                f"(optim.schedule={scheduled}), so it cannot be extended; train a new run"
            )
    if named & {"metrics", "evaluate_every", "evaluate_num", "features"}:
        check_measuring(config)
    return config


def verified(folder: RunFolder, overrides: Sequence[str]) -> Config:
    """The configuration with which a run is repeated to verify it: its own, with the places that `overrides` give.

    Raises:
        BadInput: the folder's config.yaml cannot be read, or an override is not one of VERIFIABLE.
    """
    before = read(folder.config)
    named = _named(overrides)
    _refuse_others(folder, before, named - VERIFIABLE, "a run is verified as it is", "--verify", VERIFIABLE)
    return _given(folder, before, overrides, named)


def _named(overrides: Sequence[str]) -> set[str]:
    return {override.key_or_group for override in read_words(listed(overrides))}


def _refuse_others(
    folder: RunFolder, config: Config, others: Collection[str], why: str, flag: str, allowed: Collection[str]
) -> None:
    if others:
        key = min(others)
        value = _setting(config, key)
        there = f"it is {'null' if value is None else value}" if _has(config, key) else "no such setting"
        raise BadInput(f"{key}: {why} ({there} in {folder.path}); {flag} takes {', '.join(sorted(allowed))}")


def _given(folder: RunFolder, before: Config, overrides: Sequence[str], named: set[str]) -> Config:
    if "data.root" in named and not _has(before, "data.root"):
        raise BadInput(
            f"data.root: the data of {folder.path} ({option(before.data, 'name')}) lie in no folder; leave it out"
        )
    config = changed(before, overrides)
    check_plugins(folder.path, before, config.plugins if "plugins" in named else [])
    return placed(config) if "data.root" in named else config


def _setting(config: Config, key: str) -> Any:
    """The value of `key`; for a group, the name of its choice; None if there is no such setting."""
    value: Any = config
    for part in key.split("."):
        value = option(value, part)
    return option(value, "name") if key in groups() else value


def _has(config: Config, key: str) -> bool:
    *parents, leaf = key.split(".")
    section: Any = config
    for part in parents:
        section = option(section, part)
    return leaf in section if isinstance(section, dict) else hasattr(section, leaf)


def placed(config: Config) -> Config:
    """The configuration with absolute places of data and weights, so that it is valid from every working directory.

    Raises:
        BadInput: a place begins with ~user, and that user has no home folder.
    """
    for group, key in (("data", "root"), ("game", "content_file")):
        section = getattr(config, group)
        place = getattr(section, key, None)  # a plugin's part may use the key in another sense, and is not changed
        if place:
            found = str(expanded(place, f"{group}.{key}").resolve())
            config = replace(config, **{group: replace(section, **{key: found})})
    return config


def check_plugins(path: Path, config: Config, named: Collection[str]) -> None:
    """Raises BadInput if the command does not name all plugins of a run; a run folder alone never causes an import."""
    missing = [name for name in config.plugins if name not in named]
    if missing:
        raise BadInput(
            f"{path}: needs {', '.join(missing)}, imported only when asked; add 'plugins=[{','.join(missing)}]'"
        )


def check_measuring(config: Config) -> None:
    """Raises BadInput if only one of `metrics` and `evaluate_every` is set."""
    if config.metrics and config.evaluate_every is None:
        raise BadInput(
            f"metrics={','.join(config.metrics)}: how often? add evaluate_every=200, or measure the finished run with "
            "`ganctl evaluate`"
        )
    if config.evaluate_every is not None and not config.metrics:
        raise BadInput(f"evaluate_every={config.evaluate_every}: of what? name metrics too, as in metrics=fid,recall")


FINGERPRINTS = ("data_fingerprint", "labels_fingerprint")  # keys of run.json


def fingerprints(dataset: "Dataset") -> dict[str, str]:
    """The fingerprints for run.json: of the samples, and of their labels if there are any."""
    labels = getattr(dataset, "labels_fingerprint", None)  # a plugin's data set need not have this attribute
    return {"data_fingerprint": dataset.fingerprint, **({"labels_fingerprint": labels} if labels else {})}
