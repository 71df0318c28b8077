"""The composition root: a configuration in, a training out. The only file that knows every part."""

from typing import Any

from torch.optim import Optimizer

from ganctl.assembly.compatibility import check_batch, check_fit
from ganctl.assembly.compiling import compile_networks
from ganctl.assembly.networks import networks_of
from ganctl.assembly.parts import loss_of, penalties_of, row_of
from ganctl.assembly.plugins import load_plugins
from ganctl.config.schema import Config, option
from ganctl.config.settings import check_metrics
from ganctl.data import DATASETS, TEST_SPLITS, Batches, Dataset
from ganctl.errors import BadInput
from ganctl.games import GAMES, Game, Parts, WeightedPenalty
from ganctl.games.game import steps_of
from ganctl.games.metric import named_apart
from ganctl.losses import LOSSES, PENALTIES
from ganctl.models import MODELS, Family, Roles, plain
from ganctl.models.layers import attach_noise_
from ganctl.models.roles import Factory
from ganctl.numerics.machine import prepare_machine
from ganctl.numerics.precision import precision
from ganctl.numerics.streams import Streams
from ganctl.training.average import Average
from ganctl.training.experiment import Experiment
from ganctl.training.loop import Training
from ganctl.training.optimizers import OPTIMIZERS, schedule


def build(config: Config, dataset: Dataset | None = None, stored: int | None = None) -> Experiment:
    """The experiment that `config` describes, at its first step.

    Args:
        config: what to build.
        dataset: what is real, in place of the data that `config` names.
        stored: bytes of the weights that the networks will be given, so that nothing is trained; None: they begin with
            their own.

    Raises:
        BadInput: parts that do not fit together, data that cannot be read, a device that is not there.
    """
    device = prepare_machine(config)
    load_plugins(config.plugins)
    dataset = dataset or row_of("data", DATASETS, config.data)(config.data)
    streams = Streams(config.seed, device)
    loss, penalties = loss_of(config), penalties_of(config)
    game = _game(config, dataset, streams, stored, loss, penalties)
    batches = Batches(dataset.to(device), config.batch_size, streams, game.value_range)
    total_steps = config.steps or steps_of(game.players().values(), (config.epochs or 0) * batches.per_epoch)
    average = None
    if config.ema_decay is not None:
        sampled = {name: game.networks[name] for name in game.sampled}
        average = Average(sampled, config.ema_decay, config.ema_start)
    training = Training(
        game,
        _optimizers(config, game),
        batches,
        streams,
        average,
        precision(config.precision, device),
        schedule(option(config.optim, "schedule", "constant"), option(config.optim, "end_factor", 0.0), total_steps),
        option(config.optim, "clip_norm"),
        config.compile,
    )
    if config.compile:
        compile_networks(game.networks, device)
    if stored is None:
        game.check_data()
    papers = {"loss": loss.paper, "penalty": penalties[0].penalty.paper}
    papers |= {f"penalty {each.name}": each.penalty.paper for each in penalties[1:]}
    experiment = Experiment(training, dataset, total_steps, loss.log_odds, papers)
    if trains:
        played.check_data()
        check_metrics(config, named_apart(played.metrics))
    return experiment


class NoData:
    """In the place of data that a game has not asked for; whoever reads it is told so."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise BadInput(UNDECLARED)


def held_out_of(options: Any, dataset: Dataset) -> Dataset:
    """The samples of a data set that training does not see; all samples where it sees all."""
    name = option(options, "name")
    return TEST_SPLITS[name](options) if name in TEST_SPLITS else dataset


def _optimizers(config: Config, game: Game) -> dict[str, Optimizer]:
    """One optimizer a player; the discriminator's may have a learning rate of its own."""
    make = row_of("optim", OPTIMIZERS, config.optim)
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
