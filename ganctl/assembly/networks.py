"""The networks that a game asks for: built by the model, each from its own random stream, or pretrained."""

from torch import nn

from ganctl.assembly.memory import check_memory
from ganctl.assembly.parts import row_of
from ganctl.assembly.pretrained import pretrained
from ganctl.config.schema import Config, option
from ganctl.data import Dataset
from ganctl.errors import BadInput
from ganctl.models import MODELS, Family, Pretrained, Roles, plain
from ganctl.models.layers import attach_noise_
from ganctl.models.roles import Factory
from ganctl.numerics.streams import Streams


def networks_of(
    config: Config, dataset: Dataset, roles: Roles, streams: Streams, stored: int | None
) -> dict[str, nn.Module]:
    """The networks on the run's device, by name, in the order of the roles.

    Args:
        config: the configuration, which names the model.
        dataset: the training data.
        roles: the role of each network, by name.
        streams: the run's random streams, for the initial weights.
        stored: size in bytes of the weights that will be loaded into the networks; None: they get initial weights.

    Raises:
        BadInput: the model cannot build such networks, they do not fit into memory, or a pretrained classifier is
            needed and the data have no classes.
    """
    built = {name: role for name, role in roles.items() if not isinstance(role, Pretrained)}
    factories = _factories(config, dataset, built)
    check_memory(factories, streams, copies=4 if stored is None else 1, stored=stored)
    networks = _networks(factories, streams)
    known = {
        name: pretrained(role, dataset, stored is not None).to(streams.device)
        for name, role in roles.items()
        if isinstance(role, Pretrained)
    }
    return {name: (networks | known)[name] for name in roles}


def _factories(config: Config, dataset: Dataset, roles: Roles) -> dict[str, Factory]:
    """The factories of the networks that the model builds, by name.

    Raises:
        BadInput: the model cannot build such networks.
    """
    row = row_of("model", MODELS, config.model)
    if isinstance(row, Family):
        lacks = row.lacks(roles)
    else:  # a function of a plugin
        lacks = None if roles == plain(dataset.shape) else "has no place for codes or classes"
    if lacks:
        able = [name for name, each in MODELS.items() if isinstance(each, Family) and not each.lacks(roles)]
        others = f"use model={', '.join(able)}, or game=gan" if able else "use game=gan"
        raise BadInput(
            f"game={option(config.game, 'name')} model={option(config.model, 'name')}: that model {lacks}; {others}"
        )
    return row.factories(config.model, roles) if isinstance(row, Family) else row(config.model, dataset.shape)


def _networks(factories: dict[str, Factory], streams: Streams) -> dict[str, nn.Module]:
    """Builds the networks on the run's device, each with initial weights from its own random stream."""
    networks = {}
    for name, factory in factories.items():
        with streams.initial_weights(name):
            try:
                networks[name] = factory().to(streams.device)
            except (RuntimeError, MemoryError) as error:  # torch raises these if memory does not suffice
                reason = str(error).splitlines()[0]
                raise BadInput(f"model: its {name} cannot be made ({reason}); use smaller widths") from None
        attach_noise_(networks[name], streams.layer_noise)
    return networks
