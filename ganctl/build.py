"""The composition root: a configuration in, a training out. The only file that knows every part."""

import importlib.util
import inspect
import math
import os
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganctl import checkpoint
from ganctl.choices import choices
from ganctl.compatibility import check_batch, check_fit
from ganctl.config import read
from ganctl.data import DATASETS, Batches, Dataset, ImageSet
from ganctl.errors import BadInput
from ganctl.experiment import Experiment
from ganctl.games import GAMES, Game, Parts, WeightedPenalty
from ganctl.identity import identity
from ganctl.loop import Average, Training, restore_networks
from ganctl.losses import LOSSES, PENALTIES
from ganctl.machine import memory_of, prepare_machine
from ganctl.models import MODELS, PLAIN, Wiring
from ganctl.models.layers import Dropout, attach_noise_
from ganctl.optimizers import OPTIMIZERS, schedule
from ganctl.precision import precision
from ganctl.run import RunFolder, find, latest
from ganctl.schema import SCHEMAS, Config, option
from ganctl.streams import Streams

LARGEST_SAMPLE = 3 * 4096**2  # numbers of an image


def load_plugins(modules: Iterable[str]) -> None:
    """Imports the user's modules, from the current folder too; they may add rows to the dicts of parts."""
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")) or name.endswith(".py"):
            stem = Path(name).stem if Path(name).stem.isidentifier() else "my_losses"
            raise BadInput(
                f"plugins=[{name}]: is not the name of a module; for a file {stem}.py here write plugins=[{stem}]"
            )
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a user's file may raise
            if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
                raise BadInput(f"plugins=[{name}]: there is no {name}.py here and no module {name}") from None
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BadInput(
                f"plugins=[{name}]: cannot be imported ({reason}, {_line_of(name, error)}); mend that file"
            ) from None


def _line_of(module: str, error: BaseException) -> str:
    """Where in the module's file the error came from."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == module]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    return f"{module}.py line {line}" if line else f"{module}.py"


def _row(group: str, rows: dict[str, Any], options: Any) -> Any:
    name = option(options, "name")
    if name not in rows:
        raise BadInput(f"{group}={name}: no such {group}; choose from {', '.join(sorted(rows))}")
    return rows[name]


def _configured(group: str, rows: dict[str, Any], options: Any, *apart: str) -> Any:
    """A loss or a penalty with its options, but those that are named `apart`."""
    row = _row(group, rows, options)
    if not hasattr(row, "configured"):
        kind = {"loss": "AdversarialLoss(discriminator, generator, paper)", "penalty": "Penalty(paper, of_samples=...)"}
        raise BadInput(f"{group}={option(options, 'name')}: its row is a {type(row).__name__}; make it {kind[group]}")
    given = options if isinstance(options, dict) else vars(options)
    try:
        return row.configured(**{key: value for key, value in given.items() if key not in ("name", *apart)})
    except ValueError as error:
        raise BadInput(f"{group}.{error}") from None


def build(config: Config, dataset: Dataset | None = None, stored: int | None = None) -> Experiment:
    """The experiment that `config` describes, at its first step.

    Args:
        config: what to build.
        dataset: what stands in for the data that `config` names, where nothing is trained.
        stored: bytes of the weights that the networks will be given; None: they begin with their own.

    Raises:
        BadInput: parts that do not fit together, data that cannot be read, a device that is not there.
    """
    device = prepare_machine(config)
    load_plugins(config.plugins)
    loss = _configured("loss", LOSSES, config.loss)
    penalty = _configured("penalty", PENALTIES, config.penalty, "weight", "every")
    rules, make_networks = _row("game", GAMES, config.game), _row("model", MODELS, config.model)
    trains = dataset is None
    dataset = dataset or _row("data", DATASETS, config.data)(config.data)
    streams = Streams(config.seed, device)
    wiring = rules.wiring(config.game, dataset.classes)
    factories = _factories(config, make_networks, dataset, wiring)
    _check_memory(factories, streams, copies=4 if trains else 1, stored=stored)
    networks = _networks(factories, streams)
    check_fit(config, loss, penalty, networks["discriminator"], dataset, wiring)
    check_batch(config, networks.values())
    _check_payment(config.penalty)
    weighted = WeightedPenalty(penalty, option(config.penalty, "weight", 1.0), option(config.penalty, "every", 1))
    own = config.game if isinstance(config.game, dict) else vars(config.game)
    parts = Parts(networks, loss, weighted, streams, wiring, dataset)
    played = rules(parts, **{key: own[key] for key in own if key != "name"})
    batches = Batches(dataset.to(device), config.batch_size, streams)
    fresh = sum(player.turns for player in played.players().values() if player.fresh_batch)
    total_steps = config.steps or -(-(config.epochs or 0) * batches.per_epoch // max(1, fresh))
    average = None
    if config.ema_decay is not None:
        sampled = {name: networks[name] for name in played.sampled}
        average = Average(sampled, config.ema_decay, config.ema_start)
    training = Training(
        played,
        _optimizers(config, played),
        batches,
        streams,
        average,
        precision(config.precision, device),
        schedule(option(config.optim, "schedule", "constant"), option(config.optim, "end_factor", 0.0), total_steps),
        option(config.optim, "clip_norm"),
        config.compile,
    )
    if config.compile:
        _compile(networks, device)
    experiment = Experiment(
        training, dataset, total_steps, loss.log_odds, {"loss": loss.paper, "penalty": penalty.paper}
    )
    if isinstance(dataset, ImageSet):
        dataset.value_range = experiment.value_range
    if trains:
        played.check_data()
    return experiment


def _factories(
    config: Config, make: Callable[..., dict[str, Callable[[], nn.Module]]], dataset: Dataset, wiring: Wiring
) -> dict[str, Callable[[], nn.Module]]:
    """What makes the networks that the game asks for."""
    if wiring == PLAIN:
        return make(config.model, dataset.shape)
    if len(inspect.signature(make).parameters) < 3:
        raise BadInput(
            f"game={option(config.game, 'name')} model={option(config.model, 'name')}: that model has no place for "
            "codes or classes; use model=mlp or model=dcgan, or game=gan"
        )
    return make(config.model, dataset.shape, wiring)


def _check_memory(
    factories: dict[str, Callable[[], nn.Module]], streams: Streams, copies: int, stored: int | None
) -> None:
    """Raises BadInput where the weights of the networks are more than there can be, before any is made.

    Args:
        copies: how often they are kept: the weights, and in training their gradients and two numbers of the optimizer.
        stored: bytes of those that they will be given, if any.
    """
    size = 0
    for name, factory in factories.items():
        try:
            with streams.initial_weights(name), torch.device("meta"):  # sizes without numbers
                network = factory()
        except BadInput:
            raise
        except Exception:  # of a plugin's network that is none without its numbers
            continue
        size += sum(weight.numel() * weight.element_size() for weight in network.parameters())
    if stored is not None and size > stored:
        raise BadInput(
            f"model: its networks have {size:,} bytes of weights and the checkpoint has {stored:,}, so it belongs to "
            "other networks than config.yaml and run.json describe; name the run it came from"
        )
    there = memory_of(streams.device)
    if copies * size > there:
        raise BadInput(
            f"model: its networks need {copies * size / 2**30:,.1f} GB for their weights"
            f"{' and what follows them' if copies > 1 else ''}, and there are {there / 2**30:,.1f} GB here; use "
            "smaller widths, a smaller latent_dim or smaller images"
        )


def _networks(factories: dict[str, Callable[[], nn.Module]], streams: Streams) -> dict[str, nn.Module]:
    """The networks on the run's device, each with the initial weights of its own stream."""
    networks = {}
    for name, factory in factories.items():
        with streams.initial_weights(name):
            try:
                networks[name] = factory().to(streams.device)
            except (RuntimeError, MemoryError) as error:  # torch's word for more memory than there is
                reason = str(error).splitlines()[0]
                raise BadInput(f"model: its {name} cannot be made ({reason}); use smaller widths") from None
        attach_noise_(networks[name], streams.layer_noise)
    return networks


def _compile(networks: dict[str, nn.Module], device: torch.device) -> None:
    """Lets torch.compile have the networks, at the turns of players alone (`Training`); with CUDA graphs on a GPU.

    A discriminator with a head on its features is asked for these by themselves, and that stays eager.

    Raises:
        BadInput: there is no compiler for the code that torch writes.
    """
    _check_compiler(device)
    # Of torch's own look at what is handed over after dropout.
    warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf", UserWarning)
    torch.compiler.set_stance("force_eager")  # everywhere else
    for network in networks.values():
        for layer in network.modules():
            if isinstance(layer, Dropout):  # its random numbers are numpy's
                layer.forward = torch.compiler.disable(layer.forward)  # type: ignore[method-assign]
        network.compile(dynamic=False, mode="reduce-overhead" if device.type == "cuda" else "default")


def _check_compiler(device: torch.device) -> None:
    """Raises BadInput where there is no C++ compiler for a CPU's code, or no C compiler and no triton for a GPU's."""
    compilers = [os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")]  # as torch does
    if device.type == "cuda":  # as triton does
        compilers = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "clang"]
        if importlib.util.find_spec("triton") is None:
            raise BadInput(
                "compile=true: there is no triton; install it with `pip install triton`, or use compile=false"
            )
    if not any(map(shutil.which, compilers)):
        raise BadInput(
            f"compile=true: there is no {' or '.join(compilers)} on this machine; install it, or use compile=false"
        )


def _check_payment(options: Any) -> None:
    """Raises BadInput where the weight or the interval of a plugin's penalty, which has no schema, cannot be."""
    weight, every = option(options, "weight", 1.0), option(options, "every", 1)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
        raise BadInput(f"penalty.weight={weight}: must be a number greater than 0")
    if type(every) is not int or every < 1:
        raise BadInput(f"penalty.every={every}: must be a whole number, at least 1")


def _optimizers(config: Config, game: Game) -> dict[str, torch.optim.Optimizer]:
    """One optimizer a player; the discriminator's may have a learning rate of its own."""
    make = _row("optim", OPTIMIZERS, config.optim)
    rate = option(config.optim, "lr", 0.001)
    rates = {"discriminator": option(config.optim, "discriminator_lr") or rate}
    return {
        name: make(
            [parameter for network in player.networks for parameter in game.networks[network].parameters()],
            rates.get(name, rate),
            config.optim,
        )
        for name, player in game.players().items()
    }


def resume(experiment: Experiment, folder: RunFolder) -> None:
    """Puts the experiment where the folder's newest checkpoint is; without one it stays at its first step."""
    paths = folder.checkpoints()
    folder.scalars()  # refuses damaged rows before anything is written
    if not paths:
        # A run that ended before its first checkpoint begins again; one that has had any has lost them.
        # (It may have failed in the very step that was to be the first one saved.)
        step = int(folder.info().get("step") or 0)
        if "best_step" in folder.info() or step > read(folder.config).checkpoint_every or completed(folder):
            raise BadInput(f"{folder.path}: its checkpoints are gone, so it cannot go on; train a new run")
        return
    # As in "cuda:1 (NVIDIA A100)".
    before, here = re.split(r"[: ]", str(folder.info().get("device", "")))[0], experiment.training.streams.device.type
    if before and before != here:
        raise BadInput(
            f"{folder.path}: was trained on {before} and this is {here}, whose random numbers are others; "
            f"resume it with device={before} on a machine that has one"
        )
    path, tensors, manifest = checkpoint.newest(paths, ("networks", "training"))
    _check_settings(path, manifest, identity(read(folder.config)), "put back what it was, or train a new run")
    try:
        experiment.training.restore(tensors, manifest["counts"])
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    except (KeyError, RuntimeError, ValueError) as error:
        raise _foreign(path, error) from None
    for damaged in paths[paths.index(path) + 1 :]:
        checkpoint.set_aside(damaged)


def _check_settings(path: Path, manifest: dict[str, Any], now: dict[str, Any], advice: str) -> None:
    """Raises BadInput where a checkpoint is of other settings than those `now`; older checkpoints do not say theirs."""
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
    """What a checkpoint says of a group, with the options that are newer than it: they were what is now the default."""
    kind = SCHEMAS.get(group, {}).get(str(before.get("name"))) if isinstance(before, dict) else None
    known = {key: value for key, value in vars(kind()).items() if key in now[group]} if kind is not None else {}
    return {**known, **before} if known else before


def completed(folder: RunFolder) -> bool:
    """Whether the run in the folder has done all its steps."""
    return folder.info().get("status") == "completed"


def reopen(
    path: Path | None, output_dir: Path, plugins: list[str], device: str, ema: bool | None, threads: int | None = None
) -> tuple[Experiment, Path]:
    """A finished or running experiment from its folder, to sample from or to evaluate.

    Args:
        path: a run folder, or one of its checkpoint folders; None: the latest run under `output_dir`.
        plugins: modules of the user; those that the run folder names are not imported.
        device: as the configuration's.
        ema: whether to use the averaged weights; None: where there are any.
        threads: as the configuration's; the run's own do not count.

    Returns: the experiment and the checkpoint folder that its weights come from.
    """
    folder, paths = _locate(path, output_dir)
    config = read(folder.config)
    # A sample needs neither, so it needs no plugin that brought them.
    config.loss, config.penalty = {"name": "nonsaturating"}, {"name": "none"}
    missing = [name for name in config.plugins if name not in plugins]
    if missing and any(
        option(getattr(config, group), "name") not in choices(group) for group in ("data", "game", "model")
    ):
        advice = " ".join(f"--plugin {name}" for name in missing)
        raise BadInput(f"{folder.path}: needs {', '.join(missing)}, imported only when asked; add {advice}")
    config.plugins, config.device, config.threads = plugins, device, threads
    config.compile, config.precision = False, "fp32"  # of turns alone, and there will be none
    if ema and config.ema_decay is None:
        raise BadInput(f"--ema: {folder.path} keeps no averaged weights (ema_decay=null); use --no-ema")
    at, tensors, manifest = checkpoint.newest(paths, ("networks",))
    made = {key: value for key, value in identity(config).items() if key in ("game", "model")}
    _check_settings(at, manifest, made, "name the run it came from")
    config.batch_size = 2  # all that the stand-in has
    stored = sum(tensor.numel() * tensor.element_size() for tensor in tensors["networks"].values())
    experiment = build(config, _stand_in(folder), stored)
    try:
        restore_networks(experiment.training.game, experiment.training.average, tensors["networks"])
    except RuntimeError as error:
        raise _foreign(at, error) from None
    experiment.training.step = manifest["counts"]["step"]
    if ema is False:
        experiment.training.average = None
    return experiment, at


def _stand_in(folder: RunFolder) -> Dataset | None:
    """Two black images of the run's size: a generator needs no data, which may be gone. None where it makes points."""
    shape, classes = folder.sample_shape, folder.info().get("classes")
    if shape is None or len(shape) != 3:
        return None
    if math.prod(shape) > LARGEST_SAMPLE:
        raise BadInput(f"{folder.info_file}: sample_shape is {list(shape)}; no run of ganctl makes such images")
    if classes is not None and not (type(classes) is int and 0 <= classes <= 100_000):
        raise BadInput(f"{folder.info_file}: classes is {classes!r}; it must be how many kinds of labels there were")
    return ImageSet(torch.zeros(2, *shape, dtype=torch.uint8), torch.tensor([0, classes - 1]) if classes else None)


def _locate(path: Path | None, output_dir: Path) -> tuple[RunFolder, list[Path]]:
    """The run folder, and the checkpoints to take the newest whole one of."""
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
