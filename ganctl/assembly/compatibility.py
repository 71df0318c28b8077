"""Checks that losses, penalties, discriminators and data are compatible."""

from collections.abc import Iterable, Sequence

from torch import nn

from ganctl.config.schema import Config, option
from ganctl.errors import BadInput
from ganctl.games import Game, WeightedPenalty
from ganctl.losses import PENALTIES, AdversarialLoss
from ganctl.models import Encoder, Roles


def check_batch(config: Config, networks: Iterable[nn.Module]) -> None:
    """Raises BadInput if batch norm of vectors would get a batch of one, which has no variance."""
    layers = (layer for network in networks for layer in network.modules())
    if config.batch_size < 2 and any(isinstance(layer, nn.BatchNorm1d) for layer in layers):
        raise BadInput(
            "batch_size=1: these networks have batch norm of vectors, which takes two; use batch_size=2 or more"
        )


def check_fit(
    config: Config, loss: AdversarialLoss, penalties: Sequence[WeightedPenalty], game: Game, roles: Roles
) -> None:
    """Raises BadInput if the loss, the penalties, the discriminators and the data are not compatible."""
    names = {id(network): name for name, network in game.networks.items()}
    for contest in game.contests.values():
        critic = contest.discriminator
        _check_loss(config, loss, penalties, critic)
        role = roles.get(names.get(id(critic), ""))
        for each in penalties:
            _check_penalty(config, each, contest.coupling, getattr(role, "shape", ()), roles)


def _check_loss(config: Config, loss: AdversarialLoss, penalties: Sequence[WeightedPenalty], critic: nn.Module) -> None:
    named = {group: option(getattr(config, group), "name") for group in ("loss", "penalty", "model")}
    bounding = sorted(name for name, row in PENALTIES.items() if getattr(row, "bounds_slope", False))
    # Spectral norm bounds no slope if there is batch norm or layer norm, whose weights it leaves as they are.
    bare = option(config.model, "discriminator_norm", "none") == "none"
    bounded = any(each.penalty.bounds_slope for each in penalties)
    if loss.critic == "bounded_slope" and not (bounded or (bare and option(config.model, "spectral_norm", False))):
        raise BadInput(
            f"loss={named['loss']} penalty={named['penalty']}: its critic's slope needs a bound; "
            f"choose penalty={', '.join(bounding)} (dcgan: with model.discriminator_norm=layer model.hidden=0), "
            "or model.spectral_norm=true (dcgan: and discriminator_norm=none)"
        )
    if loss.critic == "autoencoder" and not getattr(critic, "reconstructs", False):
        raise BadInput(
            f"loss={named['loss']} model={named['model']}: its discriminator is an auto-encoder; "
            "use model=autoencoder, or model=autoencoder_small for points"
        )
    if option(config.game, "pulling_away_weight") and not hasattr(critic, "encode"):
        raise BadInput(
            f"game.pulling_away_weight model={named['model']}: compares the codes of an auto-encoder; "
            "use model=autoencoder, or model=autoencoder_small for points"
        )
    if option(config.game, "pulling_away_weight") and config.batch_size < 2:
        raise BadInput(
            "game.pulling_away_weight batch_size=1: compares samples with each other; use batch_size=2 or more"
        )


def _check_penalty(config: Config, each: WeightedPenalty, coupling: str, shape: tuple[int, ...], roles: Roles) -> None:
    """Raises BadInput if a penalty is not compatible with a discriminator of samples of `shape`."""
    if each.penalty.of_samples and coupling == "norm":
        raise BadInput(
            f"penalty={each.name} model={option(config.model, 'name')}: is taken for each sample by itself, and batch "
            "norm lets samples see each other; add model.discriminator_norm=layer model.hidden=0, or use model=mlp"
        )
    if each.name != "consistency" or len(shape) >= 3:
        return
    advice = "use penalty=gradient, r1 or another one"
    if any(isinstance(role, Encoder) for role in roles.values()):
        raise BadInput(
            f"penalty=consistency game={option(config.game, 'name')}: shifts images, and this discriminator looks at "
            f"codes; {advice}"
        )
    raise BadInput(
        f"penalty=consistency data={option(config.data, 'name')}: shifts images, and this data set holds points; "
        f"{advice}"
    )
