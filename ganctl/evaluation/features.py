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

from ganctl.data import ImageSet
from ganctl.errors import BadInput
from ganctl.evaluation.classifier import asked, classifier_of
from ganctl.evaluation.published import read_tensors
from ganctl.evaluation.telling import Told, silent
from ganctl.store import cache

SMALLEST = 8  # pixels a side that the classifier takes
LARGEST = 64  # that it is trained on unasked
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
        told: called with how far the training or the download of the network is.
    """

    train: ImageSet
    test: ImageSet | None = None
    weights: Path | None = None
    device: torch.device = torch.device("cpu")
    told: Told = silent


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
        file = weights or _downloaded(published.URL_INCEPTION_V3, _hub() / "checkpoints" / name, request.told)
        found = _sha256(file)
        network = _without_weights(published)
        expected = network.state_dict()
        tensors = {part: tensor.to(expected[part].dtype) for part, tensor in read_tensors(file, expected).items()}
        torch.nn.Module.load_state_dict(network, tensors, assign=True)
    except Exception as error:  # whatever urllib and a file that is no such network raise
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


def _hub() -> Path:
    """The folder where torch.hub keeps files.

    Raises:
        ValueError: it would be one that is named ~, since the user has no home folder.
    """
    folder = torch.hub.get_dir()
    if folder.startswith("~"):
        raise ValueError("this user has no home folder to keep them in; set TORCH_HOME=DIR")
    return Path(folder)


def _downloaded(url: str, file: Path, told: Told) -> Path:
    """The file behind `url`, whose name ends in the first digits of its SHA-256, as torch.hub keeps it.

    Raises:
        ValueError: what is there is another file.
        OSError: it cannot be downloaded or kept.
    """
    digits = file.stem.rsplit("-", 1)[-1]
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        told(f"downloading {file.name}")
        torch.hub.download_url_to_file(url, str(file), digits, progress=False)
    if not _sha256(file).startswith(digits):
        raise ValueError(f"{file} is not the published file; remove it")
    return file


def _sha256(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(2**20):
            found.update(block)
    return found.hexdigest()


def _without_weights(published: Any) -> Any:
    """Inception-v3 of torch-fidelity before any weights are read, which it would do by a pickle."""

    class Empty(published.FeatureExtractorInceptionV3):
        def load_state_dict(self, *words: Any, **more: Any) -> None:
            """Nothing: what there is to load is read by read_tensors."""

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
    """The network of that name; `auto` is the classifier where the images have classes, and their pixels otherwise.

    Of images that are too small for it, or so large that its training would take hours, the pixels too.

    Raises:
        BadInput: there is no such network, or it cannot look at these images.
    """
    if name == "auto":
        fits = min(request.train.shape[1:]) >= SMALLEST and max(request.train.shape[1:]) <= LARGEST
        name = "classifier" if request.train.labels is not None and fits else "pixels"
    if name not in FEATURES:
        raise BadInput(f"features={name}: no such network; choose from auto, {', '.join(FEATURES)}")
    return FEATURES[name](request)
