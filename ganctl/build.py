"""The composition root: a configuration in, a training out. The only file that knows every part."""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganctl import checkpoint, pictures
from ganctl.compatibility import check_fit
from ganctl.config import choices, read
from ganctl.data import DATASETS, Batches, Dataset, Density, Drawn, ImageSet
from ganctl.errors import BadInput, NotFinite
from ganctl.games import GAMES, Game, Inputs, Made, Parts, WeightedPenalty
from ganctl.loop import Average, Training, restore_networks
from ganctl.losses import LOSSES, PENALTIES
from ganctl.models import MODELS, PLAIN, Wiring
from ganctl.models.layers import attach_noise_
from ganctl.optimizers import OPTIMIZERS, schedule
from ganctl.run import RunFolder, available_cores, find, latest
from ganctl.schema import Config, option
from ganctl.streams import Streams


@dataclass
class Experiment:
    """A training and what its pictures need.

    Attributes:
        training: ready for its next step.
        dataset: what is real.
        total_steps: the budget, in steps.
        log_odds: whether the sigmoid of the discriminator's logit means a probability.
        papers: where the formulas of its loss and its penalty stand.
    """

    training: Training
    dataset: Dataset
    total_steps: int
    log_odds: bool
    papers: dict[str, str]

    def draw_samples(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated samples on the CPU, from the averaged weights where there is an average."""
        return self.training.sample(count, noise).float().cpu()

    def make(self, inputs: Inputs) -> Tensor:
        """The samples of `inputs` on the CPU, from the averaged weights where there is an average."""
        with self._as_sampled():
            return self.training.game.make(inputs).float().cpu()

    def reconstruct(self, samples: Tensor) -> Tensor:
        """What an auto-encoder makes of real samples float32 [N, *shape] within `value_range`, on the CPU."""
        game: Any = self.training.game
        with self._as_sampled():
            return game.reconstruct(samples.to(self.training.streams.device)).float().cpu()

    def draw_inputs(
        self, count: int, noise: torch.Generator, rows: Tensor, code: str = "", values: Tensor | None = None
    ) -> Inputs:
        """What samples are made from, several of them from one latent vector.

        Args:
            count: how many to draw.
            noise: random numbers.
            rows: which of these each sample has, int64 [N].
            code: what each sample has of its own; empty: nothing.
            values: of that code, a class int64 [N] or a number float32 [N].
        """
        game = self.training.game
        drawn = game.draw(count, noise)
        rows = rows.to(drawn.latent.device)
        codes = {name: value[rows] for name, value in drawn.codes.items()}
        if values is not None:
            classes, values = game.codes[code].classes, values.to(rows.device)
            codes[code] = one_hot(values, classes).float() if classes else values.float()[:, None]
        return Inputs(drawn.latent[rows], codes)

    def draw_shown(self, noise: torch.Generator) -> tuple[Tensor, Inputs | None]:
        """What a picture of the run shows: samples on the CPU, and what they were made from if that can be chosen.

        Images of a game with classes have one class a column, and one latent vector a row.
        """
        if not self.training.game.codes:
            return self.draw_samples(self.picture_count, noise), None
        place = torch.arange(self.picture_count)
        if self.category is None or isinstance(self.dataset, Density):
            inputs = self.draw_inputs(len(place), noise, place)
        else:
            row, column = place // self.picture_columns, place % self.picture_columns
            each = self.picture_columns // self._shown_classes  # latent vectors a row, where classes are few
            rows, classes = row * each + column % each, column // each
            inputs = self.draw_inputs(int(rows.max()) + 1, noise, rows, self.category, classes)
        return self.make(inputs), inputs

    @property
    def category(self) -> str | None:
        """The game's first code that is a class; None where it has none."""
        return next((name for name, code in self.training.game.codes.items() if code.classes), None)

    @property
    def _shown_classes(self) -> int:
        return min(16, self.training.game.codes[self.category].classes) if self.category else 1

    @contextmanager
    def _as_sampled(self) -> Iterator[None]:
        """Inside, networks have their averaged weights where there are any, and what is drawn changes no stream."""
        average = self.training.average
        with self.training.streams.preserved(), average.in_place() if average else nullcontext():
            yield

    def draw_measured(self, count: int, noise: torch.Generator) -> Made:
        """`count` samples as they would be saved: images uint8 [N, C, H, W], or points float32 [N, 2].

        With what was chosen of them, the class or the first code that names kinds.

        Raises:
            NotFinite: an image is none.
        """
        inputs = self.training.game.draw(count, noise)
        samples = self.make(inputs)
        named = [inputs.codes[name] for name, code in self.training.game.codes.items() if code.classes]
        kinds = named[0].argmax(dim=1).cpu() if named else None
        if samples.ndim == 2:
            return Made(samples, kinds)
        if not bool(torch.isfinite(samples).all()):
            raise NotFinite(
                f"step {self.training.step}: the generator's samples are not finite; nothing can be measured"
            )
        pixels = torch.from_numpy(pictures.to_pixels(samples, self.value_range)).permute(0, 3, 1, 2).contiguous()
        return Made(pixels, kinds)

    def own_figures(self, pixels: Tensor, labels: Tensor | None, noise: torch.Generator) -> dict[str, Tensor]:
        """What the game's own networks say of real images uint8 [N, C, H, W], averaged where there is an average."""
        low, high = self.value_range
        device = self.training.streams.device
        samples = pixels.to(device).float().mul_((high - low) / 255).add_(low)
        real = Drawn(samples, None if labels is None else labels.to(device))
        with self._as_sampled():
            return self.training.game.own_figures(real, noise)

    @property
    def weights(self) -> str:
        """Which weights samples come from: averaged or last."""
        return "averaged" if self.training.average else "last"

    def picture(self, samples: Tensor, columns: int, title: str, inputs: Inputs | None = None) -> np.ndarray:
        """A grid of images, or a scatter plot of points over the true density; uint8 [height, width, 3].

        Points have a colour a class, where `inputs`, from which they were made, say one.
        """
        if isinstance(self.dataset, Density):
            real = self.dataset.draw(pictures.POINT_COUNT, self.training.streams.fresh("sampling", "real"))
            shares = inputs.codes[self.category].cpu().numpy() if inputs and self.category else None
            return pictures.scatter(samples.numpy(), real.cpu().numpy(), title, shares, self.category or "")
        return pictures.grid(pictures.to_pixels(samples, self.value_range), columns)

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white are in the generator's output."""
        game = self.training.game
        return getattr(game.networks[game.sampled[0]], "output_range", None) or (-1.0, 1.0)

    @property
    def picture_columns(self) -> int:
        """Columns of a grid of the run: a multiple of its classes, where it has any."""
        return self._shown_classes * max(1, 8 // self._shown_classes)

    @property
    def picture_count(self) -> int:
        """Samples in a picture of the run."""
        if isinstance(self.dataset, Density):
            return pictures.POINT_COUNT
        return -(-pictures.GRID_COUNT // self.picture_columns) * self.picture_columns


def prepare_machine(config: Config) -> torch.device:
    """Sets the process up for a run and gives its device.

    Raises:
        BadInput: the device is not on this machine.
    """
    # When a saturating loss dies, gradients become subnormal numbers, on which a CPU is ten times slower. Threads
    # inherit this setting, so it comes before the first parallel operation.
    torch.set_flush_denormal(True)
    torch.set_num_threads(config.threads or available_cores())
    # Kernels that give the same gradient twice, so that a run on a GPU repeats and resumes bit for bit too.
    torch.backends.cudnn.deterministic = True
    wanted = config.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(wanted)
    available = {
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if not available[device.type]:
        raise BadInput(f"device={config.device}: there is none on this machine; use device=cpu or device=auto")
    return device


def load_plugins(modules: Iterable[str]) -> None:
    """Imports the user's modules, from the current folder too; they may add rows to the dicts of parts."""
    for name in modules:
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a user's file may raise
            if isinstance(error, ModuleNotFoundError) and error.name == name:
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


def build(config: Config, dataset: Dataset | None = None) -> Experiment:
    """The experiment that `config` describes, at its first step.

    Args:
        config: what to build.
        dataset: what stands in for the data that `config` names, where nothing is trained.

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
    networks = _networks(_factories(config, make_networks, dataset, wiring), streams)
    check_fit(config, loss, penalty, networks["discriminator"], dataset, wiring)
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
        torch.bfloat16 if config.precision == "bf16" else None,
        schedule(option(config.optim, "schedule", "constant"), option(config.optim, "end_factor", 0.0), total_steps),
        option(config.optim, "clip_norm"),
    )
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
        if int(folder.info().get("step") or 0) >= read(folder.config).checkpoint_every or completed(folder):
            raise BadInput(f"{folder.path}: its checkpoints are gone, so it cannot go on; train a new run")
        return
    before, here = str(folder.info().get("device", "")).split(":")[0], experiment.training.streams.device.type
    if before and before.split()[0] != here:
        raise BadInput(
            f"{folder.path}: was trained on {before} and this is {here}, whose random numbers are others; "
            f"resume it with device={before} on a machine that has one"
        )
    tensors, counts = checkpoint.read(paths[-1], ("networks", "training"))
    try:
        experiment.training.restore(tensors, counts)
    except (KeyError, RuntimeError, ValueError) as error:
        raise _foreign(paths[-1], error) from None


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
    folder, at = _locate(path, output_dir)
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
    if ema and config.ema_decay is None:
        raise BadInput(f"--ema: {folder.path} keeps no averaged weights (ema_decay=null); use --no-ema")
    tensors, counts = checkpoint.read(at, ("networks",))
    config.batch_size = 2  # all that the stand-in has
    experiment = build(config, _stand_in(folder))
    try:
        restore_networks(experiment.training.game, experiment.training.average, tensors["networks"])
    except RuntimeError as error:
        raise _foreign(at, error) from None
    experiment.training.step = counts["step"]
    if ema is False:
        experiment.training.average = None
    return experiment, at


def _stand_in(folder: RunFolder) -> Dataset | None:
    """Two black images of the run's size: a generator needs no data, which may be gone. None where it makes points."""
    shape, classes = (folder.info().get(key) for key in ("sample_shape", "classes"))
    sizes = shape if isinstance(shape, list) else []
    if len(sizes) == 3 and all(isinstance(size, int) and 0 < size <= 4096 for size in sizes):
        labels = torch.tensor([0, classes - 1]) if isinstance(classes, int) and classes > 0 else None
        return ImageSet(torch.zeros(2, *sizes, dtype=torch.uint8), labels)
    return None


def _locate(path: Path | None, output_dir: Path) -> tuple[RunFolder, Path]:
    if path is not None and (path / "checkpoint.json").exists():
        return find(path.resolve().parent.parent), path
    folder = latest(output_dir) if path is None else find(path)
    paths = folder.checkpoints()
    if not paths:
        raise BadInput(f"{folder.path}: has no checkpoint yet; train longer, or name another run")
    return folder, paths[-1]


def _foreign(path: Path, error: Exception) -> BadInput:
    reason = str(error).strip().splitlines()[0]
    return BadInput(
        f"{path}: belongs to other networks than config.yaml describes ({reason}); name the run it came from"
    )
