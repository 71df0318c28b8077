"""What the tests of games share: tiny games on tiny labelled images."""

import copy
from functools import cache

import torch

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.data import Domains, ImageSet, Samples, scaled
from ganctl.games import GAMES, Batch

MODELS = {
    "mlp": [
        "model=mlp",
        "model.generator_widths=[16]",
        "model.discriminator_widths=[16]",
        "model.latent_dim=4",
        "model.dropout=0",
    ],
    "dcgan": ["model=dcgan", "model.width=2", "model.latent_dim=4"],
    "srresnet": ["model=srresnet", "model.width=4", "model.blocks=2", "model.hidden=8"],
    "resnet": ["model=resnet", "model.width=4", "model.blocks=1", "model.discriminator_width=4"],
}
# Each game with the networks that it is played on here.
NETWORKS = {"srgan": ["mlp", "srresnet"], "cyclegan": ["mlp", "resnet"]}
PLAYED = [(game, model) for game in GAMES for model in NETWORKS.get(game, ["mlp", "dcgan"])]
TINY_OPTIONS = {
    "aae_semisupervised": ["game.labelled=6"],
    "srgan": ["game.pretrain_steps=0"],
    "cyclegan": ["game.history=15"],  # full after the third turn
}
CLASSES = 3
CONDITIONAL = ["cgan", "projection", "acgan"]
ENCODED = ["aae", "aae_semisupervised"]
TRANSLATING = ["srgan", "cyclegan"]  # images to images


def labelled_noise(classes=CLASSES, count=24, seed=1):
    """Images of noise, a third of each class."""
    pixels = torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed))
    return ImageSet(pixels.to(torch.uint8), torch.arange(count) % classes)


def data_of(game):
    """Tiny data for a game: images of noise, or two domains of such."""
    return Domains(labelled_noise(), labelled_noise(seed=2)) if game == "cyclegan" else labelled_noise()


@cache
def _config(words):
    return load([*words])


def configured(game, *words, model="mlp"):
    """The configuration of a tiny game."""
    few = TINY_OPTIONS.get(game, [])
    return copy.deepcopy(
        _config((f"game={game}", *few, *MODELS[model], "batch_size=6", "threads=1", "device=cpu", *words))
    )


def playing(game, *words, model="mlp", data=None):
    """The training of a tiny game, at its first step."""
    return build(configured(game, *words, model=model), data or data_of(game)).training


def batch_of(real, observed=None, turn=1, labels=None):
    """A turn's batch of real samples."""
    return Batch(Samples(real, labels), observed, turn)


def real_of(training, count):
    """Real samples within the generator's range, as a look at a run takes them."""
    return scaled(training.batches.dataset.reference(count)[0], training.game.value_range)


def state(training):
    """A copy of everything that a checkpoint holds."""
    return {name: value.clone() for part in training.tensors().values() for name, value in part.items()}


def assert_same(one, other):
    """Two states are equal, bit for bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def dark_and_bright(count=400):
    """Images of one shade with noise: dark ones of class 0, bright ones of class 1."""
    labels = torch.arange(count) % 2
    noise = torch.randint(-20, 21, (count, 1, 3, 3), generator=torch.Generator().manual_seed(2))
    return ImageSet((60 + 135 * labels.view(-1, 1, 1, 1) + noise).to(torch.uint8), labels)


def brightness(game, inputs):
    """Whether each sample of `inputs` is bright."""
    return game.make(inputs).flatten(1).mean(dim=1) > 0


def agreement(training, steps):
    """The share of samples that are as dark or bright as their class says, after so many steps."""
    for _ in range(steps):
        training.play_step(log=False)
    inputs = training.game.draw(500, torch.Generator().manual_seed(0))
    (chosen,) = inputs.codes.values()
    return (brightness(training.game, inputs) == chosen.argmax(dim=1).bool()).float().mean().item()
