"""The networks that images are measured in."""

import hashlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganctl import cache
from ganctl.data import ImageSet
from ganctl.errors import BadInput
from ganctl.evaluation.classifier import asked, classifier_of

MOST_PIXELS = 1024  # numbers of an image that are features as they are; larger images are averaged down

Look = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Request:
    """What a feature network is wanted for.

    Attributes:
        train: images that generators are trained on, on the CPU.
        test: images that they are not; None where there are none.
        weights: file of the network's weights; None: its own download, or none needed.
        device: where it looks.
    """

    train: ImageSet
    test: ImageSet | None = None
    weights: Path | None = None
    device: torch.device = torch.device("cpu")


@dataclass(frozen=True)
class FeatureNetwork:
    """What turns images into features.

    Attributes:
        name: as in `--features`.
        digest: of its weights, or of whatever else its features depend on; equal digests give equal features.
        dimensions: of the features.
        look: uint8 [N, C, H, W] -> features float32 [N, D], and class probabilities [N, K] where it has classes.
        own_classes: whether these are the classes of the data.
        about: what else a reader wants to know, for the protocol.
    """

    name: str
    digest: str
    dimensions: int
    look: Look
    own_classes: bool = False
    about: dict[str, Any] = field(default_factory=dict)


def classifier(request: Request) -> FeatureNetwork:
    """The last hidden layer of a small classifier trained on the data set itself; it needs labels."""
    train = request.train
    if train.labels is None:
        raise BadInput("features=classifier: these images have no classes to learn; use features=pixels or inception")
    if min(train.shape[1:]) < 8:
        raise BadInput(f"features=classifier: images of {train.shape[1]} pixels are too small; use features=pixels")
    network, right = classifier_of(train, request.test)
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
    """The pixels themselves in [0, 1], averaged down to at most 1,024 numbers an image."""
    channels, height, width = request.train.shape
    shrink = min(1.0, math.sqrt(MOST_PIXELS / (channels * height * width)))
    size = (max(1, int(height * shrink)), max(1, int(width * shrink)))

    def look(images: Tensor) -> tuple[Tensor, None]:
        scaled = images.float().div_(255)
        return (scaled if size == (height, width) else adaptive_avg_pool2d(scaled, size)).flatten(1), None

    return FeatureNetwork("pixels", f"{channels}x{size[0]}x{size[1]}", channels * size[0] * size[1], look)


def inception(request: Request) -> FeatureNetwork:
    """The pool of Inception-v3 that FID is defined on, through torch-fidelity; grey images become RGB."""
    weights = request.weights
    if importlib.util.find_spec("torch_fidelity") is None:
        raise BadInput("features=inception: needs torch-fidelity; install it with pip install 'ganctl[inception]'")
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    if weights is not None and not weights.is_file():
        raise BadInput(
            f"--weights {weights}: is not a file; name the FID network's weights, or leave it out to download"
        )
    try:
        network = FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["2048", "logits_unbiased"],
            feature_extractor_weights_path=None if weights is None else str(weights),
        )
    except Exception as error:  # whatever torch, urllib and a file that is no such network raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"features=inception: its weights cannot be read ({reason}); give --weights FILE, "
            f"{URL_INCEPTION_V3.rsplit('/', 1)[-1]} of torch-fidelity"
        ) from None
    network.to(request.device)
    file = weights or Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[-1]
    found = hashlib.sha256(file.read_bytes()).hexdigest()

    @torch.no_grad()
    def look(images: Tensor) -> tuple[Tensor, Tensor]:
        coloured = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        features, logits = network(coloured.to(request.device))
        return features, logits.softmax(dim=1)

    return FeatureNetwork("inception", found, 2048, look, about={"weights": file.name})


FEATURES: dict[str, Callable[[Request], FeatureNetwork]] = {
    "classifier": classifier,
    "pixels": pixels,
    "inception": inception,
}


def feature_network(name: str, request: Request) -> FeatureNetwork:
    """The network of that name; `auto` is the classifier where the images have classes, and their pixels otherwise.

    Raises:
        BadInput: there is no such network, or it cannot look at these images.
    """
    if name == "auto":
        name = "pixels" if request.train.labels is None else "classifier"
    if name not in FEATURES:
        raise BadInput(f"features={name}: no such network; choose from auto, {', '.join(FEATURES)}")
    return FEATURES[name](request)
