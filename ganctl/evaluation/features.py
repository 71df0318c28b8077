"""The feature networks in which images are measured."""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganctl.data import ImageSet
from ganctl.digests import sha256
from ganctl.errors import BadInput
from ganctl.evaluation.classifier import asked, classifier_of
from ganctl.evaluation.downloads import downloaded
from ganctl.evaluation.published import read_tensors
from ganctl.evaluation.telling import Told, silent
from ganctl.store import cache

SMALLEST = 8  # pixels per side that the classifier needs
LARGEST = 64  # pixels per side up to which `auto` chooses the classifier
MOST_PIXELS = 1024  # largest number of features=pixels; larger images are scaled down by averaging

Look = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Request:
    """The request for a feature network.

    Attributes:
        train: the images on which generators are trained, on the CPU.
        test: images on which they are not trained; None if there are none.
        weights: file of the network's weights; None: they are downloaded, or none are needed.
        device: device of the network.
        told: called with the progress of the network's training or download.
    """

    train: ImageSet
    test: ImageSet | None = None
    weights: Path | None = None
    device: torch.device = torch.device("cpu")
    told: Told = silent


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that computes features of images.

    Attributes:
        name: its name in `--features`.
        digest: hash of its weights, or a text with everything else that its features depend on; networks with equal
            digests give equal features.
        dimensions: number of features D.
        look: uint8 [N, C, H, W] -> features float32 [N, D], and class probabilities [N, K], or None without classes.
        own_classes: whether its classes are those of the data.
        about: further entries for the protocol.
    """

    name: str
    digest: str
    dimensions: int
    look: Look
    own_classes: bool = False
    about: dict[str, Any] = field(default_factory=dict)


def classifier(request: Request) -> FeatureNetwork:
    """The last hidden layer of a small classifier trained on the data set itself.

    Raises:
        BadInput: the images have no labels or are too small.
    """
    train = request.train
    if train.labels is None:
        raise BadInput("features=classifier: these images have no classes to learn; use features=pixels or inception")
    if min(train.shape[1:]) < SMALLEST:
        raise BadInput(f"features=classifier: images of {train.shape[1]} pixels are too small; use features=pixels")
    network, right = classifier_of(train, request.test, request.told)
    digest = cache.digest(network.state_dict())
    network.to(request.device)
    return FeatureNetwork(
        "classifier",
        digest,
        network.hidden.out_features,
        lambda pixels: asked(network, pixels.to(request.device)),
        own_classes=True,
        about={"trained_on": train.fingerprint, "accuracy": right},
    )


def pixels(request: Request) -> FeatureNetwork:
    """The pixels themselves, in [0, 1]; larger images are scaled down to at most 1,024 numbers per image."""
    channels, height, width = request.train.shape
    shrink = min(1.0, math.sqrt(MOST_PIXELS / (channels * height * width)))
    size = (max(1, int(height * shrink)), max(1, int(width * shrink)))

    def look(images: Tensor) -> tuple[Tensor, None]:
        scaled = images.float().div_(255)
        return (scaled if size == (height, width) else adaptive_avg_pool2d(scaled, size)).flatten(1), None

    return FeatureNetwork("pixels", f"{channels}x{size[0]}x{size[1]}", channels * size[0] * size[1], look)


def inception(request: Request) -> FeatureNetwork:
    """The pooling layer of Inception-v3 on which FID is defined, by torch-fidelity. Grey images become RGB.

    Raises:
        BadInput: torch-fidelity is not installed, the images have not 1 or 3 channels, or the weights are unreadable.
    """
    weights, channels = request.weights, request.train.shape[0]
    if channels not in (1, 3):
        raise BadInput(
            f"features=inception: looks at grey images or RGB, and these have {channels} channels; use "
            "features=classifier or pixels"
        )
    if importlib.util.find_spec("torch_fidelity") is None:
        raise BadInput("features=inception: needs torch-fidelity; install it with pip install 'ganctl[inception]'")
    from torch_fidelity import feature_extractor_inceptionv3 as published

    if weights is not None and not weights.is_file():
        raise BadInput(
            f"--weights {weights}: is not a file; name the FID network's weights, or leave it out to download"
        )
    name = published.URL_INCEPTION_V3.rsplit("/", 1)[-1]
    try:
        request.told(f"reading {name if weights is None else weights}")
        file = weights or downloaded(published.URL_INCEPTION_V3, request.told)
        found = sha256(file)
        network = _without_weights(published)
        expected = network.state_dict()
        tensors = {part: tensor.to(expected[part].dtype) for part, tensor in read_tensors(file, expected).items()}
        torch.nn.Module.load_state_dict(network, tensors, assign=True)
    except Exception as error:  # urllib, or a file that is not this network, may raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"features=inception: its weights cannot be read ({reason}); give --weights FILE, {name} of torch-fidelity"
        ) from None
    network.to(request.device)

    @torch.no_grad()
    def look(images: Tensor) -> tuple[Tensor, Tensor]:
        coloured = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        features, logits = network(coloured.to(request.device))
        return features, logits.softmax(dim=1)

    return FeatureNetwork("inception", found, 2048, look, about={"weights": file.name})


def _without_weights(published: Any) -> Any:
    """torch-fidelity's Inception-v3 without weights, since torch-fidelity would read them from a pickle."""

    class Empty(published.FeatureExtractorInceptionV3):
        def load_state_dict(self, *words: Any, **more: Any) -> None:
            """Does nothing; `read_tensors` reads the weights."""

    load = published.load_state_dict_from_url
    published.load_state_dict_from_url = lambda *_, **__: {}  # no download
    try:
        with torch.device("meta"):  # random weights would take seconds to draw
            return Empty("inception-v3-compat", ["2048", "logits_unbiased"])
    finally:
        published.load_state_dict_from_url = load


FEATURES: dict[str, Callable[[Request], FeatureNetwork]] = {
    "classifier": classifier,
    "pixels": pixels,
    "inception": inception,
}


def feature_network(name: str, request: Request) -> FeatureNetwork:
    """The feature network of that name.

    `auto` chooses the classifier if the images have classes, and otherwise the pixels; it also chooses the pixels if
    the images are too small for the classifier, or so large that its training would take hours.

    Raises:
        BadInput: there is no such network, or it does not support these images.
    """
    if name == "auto":
        fits = min(request.train.shape[1:]) >= SMALLEST and max(request.train.shape[1:]) <= LARGEST
        name = "classifier" if request.train.labels is not None and fits else "pixels"
    if name not in FEATURES:
        raise BadInput(f"features={name}: no such network; choose from auto, {', '.join(FEATURES)}")
    return FEATURES[name](request)
