"""The composition root: a configuration in, a training out. The only file that knows every part."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ganctl.assembly.compatibility import check_batch, check_fit
from ganctl.assembly.compiling import compile_networks
from ganctl.assembly.memory import check_memory
from ganctl.assembly.plugins import load_plugins
from ganctl.config.schema import Config, option
from ganctl.data import DATASETS, Batches, Dataset
from ganctl.errors import BadInput
from ganctl.games import GAMES, Game, Parts, WeightedPenalty
from ganctl.losses import LOSSES, PENALTIES
from ganctl.models import MODELS, PLAIN, Wiring
from ganctl.models.layers import attach_noise_
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
    check_memory(factories, streams, copies=4 if trains else 1, stored=stored)
    networks = _networks(factories, streams)
    check_fit(config, loss, penalty, networks["discriminator"], dataset, wiring)
    check_batch(config, networks.values())
    _check_payment(config.penalty)
    weighted = WeightedPenalty(penalty, option(config.penalty, "weight", 1.0), option(config.penalty, "every", 1))
    own = config.game if isinstance(config.game, dict) else vars(config.game)
    parts = Parts(networks, loss, weighted, streams, wiring, dataset)
    played = rules(parts, **{key: own[key] for key in own if key != "name"})
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
    experiment = Experiment(
        training, dataset, total_steps, loss.log_odds, {"loss": loss.paper, "penalty": penalty.paper}
    )
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
