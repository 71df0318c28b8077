"""Rebuilds trainings from run folders, to resume them or to sample from them."""

import math
import re
from pathlib import Path
from typing import Any

import torch

from ganctl.assembly.compose import build
from ganctl.assembly.parts import row_of
from ganctl.assembly.plugins import load_plugins
from ganctl.config.choices import choices
from ganctl.config.identity import identity
from ganctl.config.load import read
from ganctl.config.schema import SCHEMAS, Config, option
from ganctl.data import DATASETS, Dataset, ImageSet
from ganctl.errors import BadInput
from ganctl.games import GAMES
from ganctl.store import checkpoint
from ganctl.store.places import shown
from ganctl.store.run import RunFolder
from ganctl.store.runs import find, latest
from ganctl.training.experiment import Experiment
from ganctl.training.state import restore_networks

LARGEST_SAMPLE = 3 * 4096**2  # numbers in one image


def resume(experiment: Experiment, folder: RunFolder, config: Config) -> None:
    """Restores the folder's newest checkpoint into the experiment; without one it stays at its first step.

    Args:
        experiment: an experiment with the run's parts.
        folder: the run folder.
        config: the configuration with which the run goes on.

    Raises:
        BadInput: checkpoints were deleted, or are of other settings, other networks or another kind of device.
    """
    paths = folder.checkpoints()
    folder.scalars()  # refuses damaged rows before anything is written
    if not paths:
        # A run that ended before its first checkpoint begins again. If the run had saved one, its checkpoints are lost.
        # (At step == checkpoint_every it may have failed before saving.)
        step = int(folder.info().get("step") or 0)
        if "best_step" in folder.info() or step > read(folder.config).checkpoint_every or completed(folder):
            raise BadInput(f"{folder.path}: its checkpoints are gone, so it cannot go on; train a new run")
        return
    # run.json has for example "cuda:1 (NVIDIA A100)".
    before, here = re.split(r"[: ]", str(folder.info().get("device", "")))[0], experiment.training.streams.device.type
    if before and before != here:
        raise BadInput(
            f"{folder.path}: was trained on {before} and this is {here}, whose random numbers are others; "
            f"resume it with device={before} on a machine that has one"
        )
    path, tensors, manifest = checkpoint.newest(paths, ("networks", "training"))
    _check_settings(path, manifest, identity(config), "put back what it was, or train a new run")
    try:
        experiment.training.restore(tensors, manifest["counts"])
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    except (KeyError, RuntimeError, ValueError) as error:
        raise _foreign(path, error) from None
    for damaged in paths[paths.index(path) + 1 :]:
        checkpoint.set_aside(damaged)


def _check_settings(path: Path, manifest: dict[str, Any], now: dict[str, Any], advice: str) -> None:
    """Raises BadInput if the settings of a checkpoint differ from `now`; older checkpoints do not contain theirs."""
    before = {key: _with_newer(key, value, now) for key, value in manifest.get("settings", {}).items() if key in now}
    for key, value in before.items():
        if value != now[key]:
            both = [each if isinstance(each, dict) else {"": each} for each in (value, now[key])]
            leaf = next(leaf for leaf in {**both[0], **both[1]} if both[0].get(leaf) != both[1].get(leaf))
            name = f"{key}.{leaf}" if leaf else key
            raise BadInput(
                f"{path}: was trained with {name}={both[0].get(leaf)}, and config.yaml has "
                f"{name}={both[1].get(leaf)}; {advice}"
            )


def _with_newer(group: str, before: Any, now: dict[str, Any]) -> Any:
    """A group's settings in a checkpoint, with the defaults of options that did not exist when it was written."""
    kind = SCHEMAS.get(group, {}).get(str(before.get("name"))) if isinstance(before, dict) else None
    known = {key: value for key, value in vars(kind()).items() if key in now[group]} if kind is not None else {}
    return {**known, **before} if known else before


def completed(folder: RunFolder) -> bool:
    """Whether the run in the folder has completed all its steps."""
    return folder.info().get("status") == "completed"


def reopen(
    path: Path | None, output_dir: Path, plugins: list[str], device: str, ema: bool | None, threads: int | None = None
) -> tuple[Experiment, Path]:
    """Rebuilds a finished or running experiment from its folder, to sample from it or to evaluate it.

    Args:
        path: a run folder, or one of its checkpoint folders; None: the latest run under `output_dir`.
        output_dir: folder of the runs.
        plugins: modules of the user to import; those that the run folder names are not imported.
        device: device to use, as `device` of the configuration.
        ema: whether to use the averaged weights; None: if there are any.
        threads: CPU threads, as `threads` of the configuration; the run's own number is ignored.

    Returns: the experiment, and the checkpoint folder from which its weights come.

    Raises:
        BadInput: there is no usable checkpoint, or a plugin or the data that it needs are missing.
    """
    folder, paths = _locate(path, output_dir)
    config = read(folder.config)
    # Sampling needs no loss and no penalty, and thus no plugin that defines them.
    config.loss, config.penalty, config.penalties = {"name": "nonsaturating"}, {"name": "none"}, []
    missing = [name for name in config.plugins if name not in plugins]
    if missing and any(
        option(getattr(config, group), "name") not in choices(group) for group in ("data", "game", "model")
    ):
        advice = " ".join(f"--plugin {name}" for name in missing)
        raise BadInput(f"{folder.path}: needs {', '.join(missing)}, imported only when asked; add {advice}")
    config.plugins, config.device, config.threads = plugins, device, threads
    config.compile, config.precision = False, "fp32"  # they only affect turns, and there will be none
    if ema and config.ema_decay is None:
        raise BadInput(f"--ema: {folder.path} keeps no averaged weights (ema_decay=null); use --no-ema")
    at, tensors, manifest = checkpoint.newest(paths, ("networks",))
    made = {key: value for key, value in identity(config).items() if key in ("game", "model")}
    if "content_file" in made["game"]:  # the checkpoint has these weights, so their file may be gone
        made["game"]["content_file"] = manifest.get("settings", {}).get("game", {}).get("content_file")
    _check_settings(at, manifest, made, "name the run it came from")
    config.batch_size = 2  # the size of the stand-in data set
    stored = sum(tensor.numel() * tensor.element_size() for tensor in tensors["networks"].values())
    load_plugins(config.plugins)
    rules = row_of("game", GAMES, config.game)
    data = _real(folder, config) if rules.draws_from == "held_out" else _stand_in(folder)
    experiment = build(config, data, stored)
    try:
        restore_networks(experiment.training.game, experiment.training.average, tensors["networks"])
    except RuntimeError as error:
        raise _foreign(at, error) from None
    experiment.training.arrive(manifest["counts"]["step"])
    if ema is False:
        experiment.training.average = None
    return experiment, at


def _real(folder: RunFolder, config: Config) -> Dataset:
    """The data set of a run whose game generates samples from real ones.

    Raises:
        BadInput: the data cannot be found, or differ from those that the run was trained on.
    """
    way = f"`ganctl train --resume {shown(folder.path)} data.root=DIR` says where they are now"
    try:
        found: Dataset = row_of("data", DATASETS, config.data)(config.data)
    except BadInput as error:
        reason = str(error).split("; ")[0]
        raise BadInput(f"{folder.path}: makes its samples from real ones ({reason}); {way}") from None
    if folder.info().get("data_fingerprint") not in (None, found.fingerprint):
        raise BadInput(
            f"{folder.path}: makes its samples from real ones, and these are others than it was trained beside; {way}"
        )
    return found


def _stand_in(folder: RunFolder) -> Dataset | None:
    """Two black images of the run's shape, since a generator needs no data, which may be gone; None for points."""
    shape, classes = folder.sample_shape, folder.info().get("classes")
    if shape is None or len(shape) != 3:
        return None
    if math.prod(shape) > LARGEST_SAMPLE:
        raise BadInput(f"{folder.info_file}: sample_shape is {list(shape)}; no run of ganctl makes such images")
    if classes is not None and not (type(classes) is int and 0 <= classes <= 100_000):
        raise BadInput(f"{folder.info_file}: classes is {classes!r}; it must be how many kinds of labels there were")
    found = ImageSet(torch.zeros(2, *shape, dtype=torch.uint8), torch.tensor([0, classes - 1]) if classes else None)
    found.class_names = folder.class_names
    return found


def _locate(path: Path | None, output_dir: Path) -> tuple[RunFolder, list[Path]]:
    """The run folder, and the checkpoints of which the newest undamaged one is to be used."""
    if path is not None and (path / "checkpoint.json").exists():
        return find(path.resolve().parent.parent), [path]
    folder = find(latest(output_dir).path) if path is None else find(path)
    paths = folder.checkpoints()
    if not paths:
        raise BadInput(f"{folder.path}: has no checkpoint yet; train longer, or name another run")
    return folder, paths


def _foreign(path: Path, error: Exception) -> BadInput:
    reason = str(error).strip().splitlines()[0]
    return BadInput(
        f"{path}: belongs to other networks than config.yaml describes ({reason}); name the run it came from"
    )
