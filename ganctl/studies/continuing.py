"""What a command may say of a run that has begun, judged against that run and no defaults. Imports no torch."""

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

# What may differ between a run and its continuation: how long, where and how it is shown, not what is learned.
RESUMABLE = {*settings("length", "nothing"), "data.root"}

# A run is verified as it is; only where its parts lie must sometimes be said.
VERIFIABLE = {"data.root", "plugins"}


def continued(folder: RunFolder, overrides: Sequence[str]) -> Config:
    """The configuration that a run goes on with: its own, and what `overrides` say.

    Raises:
        BadInput: the folder's cannot be read, or what `overrides` say cannot change.
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
    """The configuration that a run is trained with again: its own, and where `overrides` say that its parts are.

    Raises:
        BadInput: the folder's cannot be read, or `overrides` say something else.
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
    """The value of `key`, of a group the name of its choice; None where there is none."""
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
    """The configuration with the whole path of its data, so that it holds from every folder.

    Raises:
        BadInput: the path begins in a home folder that there is not.
    """
    root = getattr(config.data, "root", None)  # that of a plugin's data is what the plugin says it is
    if not root:
        return config
    return replace(config, data=replace(config.data, root=str(expanded(root, "data.root").resolve())))


def check_plugins(path: Path, config: Config, named: Collection[str]) -> None:
    """Raises BadInput where a run needs modules that the command does not name: what a folder names is not imported."""
    missing = [name for name in config.plugins if name not in named]
    if missing:
        raise BadInput(
            f"{path}: needs {', '.join(missing)}, imported only when asked; add 'plugins=[{','.join(missing)}]'"
        )


def check_measuring(config: Config) -> None:
    """Raises BadInput where a run shall be measured and it does not say by what, or how often."""
    if config.metrics and config.evaluate_every is None:
        raise BadInput(
            f"metrics={','.join(config.metrics)}: how often? add evaluate_every=200, or measure the finished run with "
            "`ganctl evaluate`"
        )
    if config.evaluate_every is not None and not config.metrics:
        raise BadInput(f"evaluate_every={config.evaluate_every}: of what? name metrics too, as in metrics=fid,recall")


FINGERPRINTS = ("data_fingerprint", "labels_fingerprint")  # what run.json says of the data


def fingerprints(dataset: "Dataset") -> dict[str, str]:
    """What run.json says of the data: a fingerprint of the samples, and of their labels where there are any."""
    labels = getattr(dataset, "labels_fingerprint", None)  # which a plugin's data set need not have
    return {"data_fingerprint": dataset.fingerprint, **({"labels_fingerprint": labels} if labels else {})}
