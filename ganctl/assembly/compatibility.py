"""Which losses, penalties, discriminators and data go together."""

from collections.abc import Iterable

from torch import nn

from ganctl.config.schema import Config, option
from ganctl.data import Dataset
from ganctl.errors import BadInput
from ganctl.losses import PENALTIES, AdversarialLoss, Penalty
from ganctl.models import Wiring


def check_batch(config: Config, networks: Iterable[nn.Module]) -> None:
    """Raises BadInput where batch norm would have to tell the variance of one number."""
    layers = (layer for network in networks for layer in network.modules())
    if config.batch_size < 2 and any(isinstance(layer, nn.BatchNorm1d) for layer in layers):
        raise BadInput(
            "batch_size=1: these networks have batch norm of vectors, which takes two; use batch_size=2 or more"
        )


def check_fit(
    config: Config,
    loss: AdversarialLoss,
    penalty: Penalty,
    critic: nn.Module,
    dataset: Dataset,
    wiring: Wiring,
) -> None:
    """Raises BadInput where the loss, the penalty, the discriminator and the data do not go together."""
    named = {group: option(getattr(config, group), "name") for group in ("loss", "penalty", "model", "data")}
    bounding = sorted(name for name, row in PENALTIES.items() if getattr(row, "bounds_slope", False))
    # Batch norm and layer norm have weights of their own, which nothing would bound.
    bare = option(config.model, "discriminator_norm", "none") == "none"
    bounded = penalty.bounds_slope or (bare and option(config.model, "spectral_norm", False))
    if loss.critic == "bounded_slope" and not bounded:
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
    if penalty.of_samples and getattr(critic, "mixes_batch", True):
        raise BadInput(
            f"penalty={named['penalty']} model={named['model']}: is taken for each sample by itself, and batch norm "
            "lets samples see each other; add model.discriminator_norm=layer model.hidden=0, or use model=mlp"
        )
    if named["penalty"] == "consistency" and wiring.autoencoder:
        raise BadInput(
            f"penalty=consistency game={option(config.game, 'name')}: shifts images, and this discriminator looks at "
            "codes; use penalty=gradient, r1 or another one"
        )
    if named["penalty"] == "consistency" and len(dataset.shape) < 3:
        raise BadInput(
            f"penalty=consistency data={named['data']}: shifts images, and this data set holds points; "
            "use penalty=gradient, r1 or another one"
        )
