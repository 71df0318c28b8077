"""The composition root: builds a training from a configuration. The only module that knows every part."""

from typing import Any

from torch.optim import Optimizer

from ganctl.assembly.compatibility import check_batch, check_fit
from ganctl.assembly.compiling import compile_networks
from ganctl.assembly.networks import networks_of
from ganctl.assembly.parts import loss_of, penalties_of, row_of
from ganctl.assembly.plugins import load_plugins
from ganctl.config.schema import Config, option
from ganctl.config.settings import check_metrics
from ganctl.data import DATASETS, Batches, Dataset, test_split
from ganctl.errors import BadInput
from ganctl.games import GAMES, Game, Parts, WeightedPenalty
from ganctl.games.game import steps_of
from ganctl.games.metric import named_apart
from ganctl.losses import AdversarialLoss
from ganctl.models import Roles
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
        config: the configuration.
        dataset: the training data, instead of the data set that `config` names.
        stored: size in bytes of the weights that will be loaded into the networks, for an experiment that is not
            trained; None: the networks get initial weights.

    Raises:
        BadInput: parts are not compatible, the data cannot be read, or the device does not exist.
    """
    device = prepare_machine(config)
    load_plugins(config.plugins)
    dataset = dataset or row_of("data", DATASETS, config.data)(config.data)
    streams = Streams(config.seed, device)
    loss, penalties = loss_of(config), penalties_of(config)
    game = _game(config, dataset, streams, stored, loss, penalties)
    batches = Batches(dataset.to(device), config.batch_size, streams, game.value_range)
    total_steps = config.steps or steps_of(game.players().values(), (config.epochs or 0) * batches.per_epoch)
    if stored is None and game.stages and game.stages[-1][1] > total_steps:
        name, first = game.stages[-1]
        raise BadInput(
            f"steps={total_steps:,}: ends before the {name} begins, at step {first:,}; use a larger budget, or a "
            "shorter first phase"
        )
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
        check_metrics(config, named_apart(game.metrics))
    papers = {"loss": loss.paper, "penalty": penalties[0].penalty.paper}
    papers |= {f"penalty {each.name}": each.penalty.paper for each in penalties[1:]}
    return Experiment(training, dataset, total_steps, loss.log_odds, papers)


def _game(
    config: Config,
    dataset: Dataset,
    streams: Streams,
    stored: int | None,
    loss: AdversarialLoss,
    penalties: tuple[WeightedPenalty, ...],
) -> Game:
    """Builds the game with its networks, its loss and its penalties, and checks that they are compatible."""
    rules = row_of("game", GAMES, config.game)
    roles = _roles(rules, config, dataset, trains=stored is None)
    networks = networks_of(config, dataset, roles, streams, stored)
    check_batch(config, networks.values())
    held_out: Any = NoData()
    if rules.draws_from == "held_out":
        held_out = held_out_of(config.data, dataset).to(streams.device)
    real: Any = dataset if stored is None or rules.draws_from == "held_out" else NoData()
    options = config.game if isinstance(config.game, dict) else vars(config.game)
    parts = Parts(networks, loss, penalties, streams, roles, real, held_out)
    game = rules(parts, **{key: value for key, value in options.items() if key != "name"})
    check_fit(config, loss, penalties, game, roles)
    return game


def _roles(rules: type[Game], config: Config, dataset: Dataset, trains: bool) -> Roles:
    """The roles of the game's networks. If nothing is trained, `dataset` may have only a shape and classes."""
    try:
        return rules.asks(config.game, dataset, option(config.model, "latent_dim", 0))
    except AttributeError:
        if trains:
            raise
        raise BadInput(UNDECLARED) from None


UNDECLARED = "game: reads real samples where only noise is there; its class must say so, with draws_from = 'held_out'"


class NoData:
    """A placeholder for data that a game has not asked for; reading any attribute raises BadInput."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise BadInput(UNDECLARED)


def held_out_of(options: Any, dataset: Dataset) -> Dataset:
    """The samples not used in training: the test split of the data set, or the whole data set if it has none."""
    return test_split(options, dataset) or dataset


def _optimizers(config: Config, game: Game) -> dict[str, Optimizer]:
    """One optimizer per player, by name; the discriminator may have a learning rate of its own."""
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
