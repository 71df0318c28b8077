"""The composition root: a configuration in, a training out. The only file that knows every part."""

from typing import Any

import torch
from torch import nn

from ganctl.assembly.compatibility import check_batch, check_fit
from ganctl.assembly.compiling import compile_networks
from ganctl.assembly.memory import check_memory
from ganctl.assembly.plugins import load_plugins
from ganctl.config.load import load
from ganctl.config.schema import Config, option
from ganctl.data import DATASETS, Batches, Dataset
from ganctl.errors import BadInput
from ganctl.games import GAMES, Game, Parts, WeightedPenalty
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
        dataset: what is real, in place of the data that `config` names.
        stored: bytes of the weights that the networks will be given, so that nothing is trained; None: they begin with
            their own.

    Raises:
        BadInput: parts that do not fit together, data that cannot be read, a device that is not there.
    """
    device = prepare_machine(config)
    load_plugins(config.plugins)
    loss = _configured("loss", LOSSES, config.loss)
    penalties = _penalties(config)
    rules = _row("game", GAMES, config.game)
    trains = stored is None
    dataset = dataset or _row("data", DATASETS, config.data)(config.data)
    streams = Streams(config.seed, device)
    roles = rules.asks(config.game, dataset, option(config.model, "latent_dim", 0))
    factories = _factories(config, dataset, roles)
    check_memory(factories, streams, copies=4 if trains else 1, stored=stored)
    networks = _networks(factories, streams)
    check_batch(config, networks.values())
    own = config.game if isinstance(config.game, dict) else vars(config.game)
    parts = Parts(networks, loss, penalties, streams, roles, dataset if trains else None)
    played = rules(parts, **{key: own[key] for key in own if key != "name"})
    check_fit(config, loss, penalties, played, roles)
    batches = Batches(dataset.to(device), config.batch_size, streams, played.value_range)
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
        compile_networks(networks, device)
    papers = {"loss": loss.paper, "penalty": penalties[0].penalty.paper}
    papers |= {f"penalty {each.name}": each.penalty.paper for each in penalties[1:]}
    experiment = Experiment(training, dataset, total_steps, loss.log_odds, papers)
    if trains:
        played.check_data()
    return experiment


def _factories(config: Config, dataset: Dataset, roles: Roles) -> dict[str, Factory]:
    """What makes the networks that the game asks for.

    Raises:
        BadInput: the model has no such networks.
    """
    row = _row("model", MODELS, config.model)
    if isinstance(row, Family):
        lacks = row.lacks(roles)
    else:  # a plugin's function
        lacks = None if roles == plain(dataset.shape) else "has no place for codes or classes"
    if lacks:
        able = [name for name, each in MODELS.items() if isinstance(each, Family) and not each.lacks(roles)]
        others = f"use model={', '.join(able)}, or game=gan" if able else "use game=gan"
        raise BadInput(
            f"game={option(config.game, 'name')} model={option(config.model, 'name')}: that model {lacks}; {others}"
        )
    return row.factories(config.model, roles) if isinstance(row, Family) else row(config.model, dataset.shape)


def _networks(factories: dict[str, Factory], streams: Streams) -> dict[str, nn.Module]:
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


def _penalties(config: Config) -> tuple[WeightedPenalty, ...]:
    """What the discriminators pay for: `penalty=`, and each of `penalties=`, as in "logit_drift weight=0.001".

    Raises:
        BadInput: one that is not there, or twice, or whose options cannot be.
    """
    found = [_weighted(config.penalty)]
    for text in config.penalties:
        name, *words = text.split()
        try:
            found.append(_weighted(load([f"penalty={name}", *(f"penalty.{word}" for word in words)]).penalty))
        except BadInput as error:
            raise BadInput(f"penalties: {text}: {error}") from None
    names = [each.name for each in found]
    for name in names[1:]:
        if names.count(name) > 1 or name == "none":
            raise BadInput(f"penalties: {name}: is no more of them; name others than penalty={names[0]}, each once")
    return tuple(found)


def _weighted(options: Any) -> WeightedPenalty:
    penalty = _configured("penalty", PENALTIES, options, "weight", "every")
    # A plugin's penalty has no schema.
    weight, every = option(options, "weight", 1.0), option(options, "every", 1)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
        raise BadInput(f"penalty.weight={weight}: must be a number greater than 0")
    if type(every) is not int or every < 1:
        raise BadInput(f"penalty.every={every}: must be a whole number, at least 1")
    return WeightedPenalty(penalty, weight, every, option(options, "name"))


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
