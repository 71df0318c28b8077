"""Networks with known weights that a game looks through: the classifier of its data, or VGG-19."""

from pathlib import Path

import torch
from torch import nn

from ganctl.data import Dataset, ImageSet, measured_in
from ganctl.errors import BadInput, one_line
from ganctl.evaluation.classifier import classifier_like, classifier_of
from ganctl.evaluation.downloads import downloaded
from ganctl.evaluation.published import read_tensors
from ganctl.models import Pretrained
from ganctl.models.vgg import CLASSIFIER, Vgg19
from ganctl.store.places import expanded
from ganctl.terminal.screen import say

CONTENT_SEED = 1  # seed of the classifier that a game may use; the classifier of `evaluate` has seed 0


def pretrained(role: Pretrained, dataset: Dataset, stored: bool) -> nn.Module:
    """The network of a role, in evaluation mode.

    Args:
        role: which network.
        dataset: the training data.
        stored: whether its weights are loaded later, from a checkpoint; they are then not read here.

    Raises:
        BadInput: the data have no classes, or the weights cannot be read.
    """
    images = measured_in(dataset)
    if role.source == "vgg19":
        if images.shape[0] not in (1, 3):
            raise BadInput("game.content=vgg19: takes grey images or RGB; use data.channels=3")
        if min(images.shape[1:]) < 16:
            raise BadInput("game.content=vgg19: takes images of at least 16 pixels a side; use content=classifier")
        return _vgg19(role.file, stored).eval()
    if not isinstance(images, ImageSet) or images.labels is None:
        raise BadInput("game: looks through a classifier of the data, and these have no classes; choose data=mnist5k")
    return classifier_like(images) if stored else classifier_of(images, None, seed=CONTENT_SEED)[0]


def _vgg19(given: str | None, stored: bool) -> Vgg19:
    with torch.device("meta" if not stored else "cpu"), torch.random.fork_rng(devices=[]):
        network = Vgg19()
    if stored:
        return network
    key = f"game.content_file={given}" if given is not None else "game.content=vgg19"
    try:
        file = expanded(given, "game.content_file") if given is not None else _published()
        tensors = _read(file, dict(network.state_dict()))
    except BadInput:
        raise
    except Exception as error:  # urllib, or a file that is not this network, may raise anything
        raise BadInput(
            f"{key}: its weights cannot be read ({one_line(error)}); give game.content_file=FILE, torchvision's "
            "vgg19-dcbb9e9d.pth or its tensors as .safetensors"
        ) from None
    with torch.random.fork_rng(devices=[]):
        filled = Vgg19()
    filled.load_state_dict(tensors)
    return filled


def _published() -> Path:
    from torchvision.models import VGG19_Weights  # takes seconds to import

    return downloaded(VGG19_Weights.IMAGENET1K_V1.url, say)


def _read(file: Path, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of the convolutions, from a file with or without the fully connected layers."""
    with torch.device("meta"):
        linear = {f"classifier.{place}.weight": torch.empty(shape) for place, shape in CLASSIFIER.items()}
        linear |= {f"classifier.{place}.bias": torch.empty(shape[0]) for place, shape in CLASSIFIER.items()}
    try:
        found = read_tensors(file, features | linear)
    except ValueError:
        found = read_tensors(file, features)
    return {name: found[name].float() for name in features}
