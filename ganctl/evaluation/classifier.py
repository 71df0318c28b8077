"""The classifier of a data set, trained once by the usual training loop and then kept in the cache."""

import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.data import Batches, ImageSet
from ganctl.evaluation.telling import Told, counted, silent
from ganctl.games.classification import Classification
from ganctl.models.classifier import Classifier
from ganctl.numerics.machine import threads
from ganctl.numerics.streams import Streams
from ganctl.store import cache
from ganctl.training.loop import Training, train

# The settings of the classifier's training. They are part of its name in the cache, so a change trains another network.
# The number of threads is among them, since it changes the last digits of sums and so, in the end, all weights.
RECIPE: dict[str, Any] = {
    "form": 1, "steps": 1500, "batch_size": 128, "lr": 0.003, "width": 16, "seed": 0, "threads": 1,
}  # fmt: skip
WARM_UP = 0.1  # share of the steps in which the learning rate rises; it falls to 0 in the others
CHUNK = 500


class _Steps:
    """A hook that reports the progress of the training."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        del scalars
        self.told(counted("steps of the classifier's training", training.step, RECIPE["steps"]))


def train_classifier(images: ImageSet, classes: int, told: Told = silent, seed: int | None = None) -> Classifier:
    """Trains a classifier on the labelled `images`; returns it on the CPU, in evaluation mode.

    Args:
        images: the training set.
        classes: number of classes.
        told: called with the progress of the training.
        seed: seed of the initial weights and of the order of the images; None: that of RECIPE.
    """
    steps = RECIPE["steps"]
    # If a run is evaluated during training, its number of threads and torch's random stream must not change.
    with threads(RECIPE["threads"]), torch.random.fork_rng(devices=[]):
        streams = Streams(RECIPE["seed"] if seed is None else seed)
        with streams.initial_weights("classifier"):
            network = Classifier(images.shape, classes, RECIPE["width"]).to(memory_format=torch.channels_last)
        game = Classification(network)
        optimizer = torch.optim.Adam(network.parameters(), lr=RECIPE["lr"])
        training = Training(
            game,
            {"classifier": optimizer},
            Batches(images, min(RECIPE["batch_size"], images.epoch_size), streams),
            streams,
            schedule=lambda step: min(step / (WARM_UP * steps), (steps + 1 - step) / (steps * (1 - WARM_UP)), 1.0),
        )
        train(training, steps, steps, [_Steps(told)], lambda: False)
    return network.eval()


def classifier_like(images: ImageSet) -> Classifier:
    """An untrained classifier for such images. Creating it changes no random stream."""
    assert images.labels is not None
    with torch.random.fork_rng(devices=[]):
        network = Classifier(images.shape, int(images.labels.max()) + 1, RECIPE["width"])
    return network.to(memory_format=torch.channels_last).eval()


def classifier_of(
    images: ImageSet, test: ImageSet | None, told: Told = silent, seed: int | None = None
) -> tuple[Classifier, float | None]:
    """The classifier of a data set, from the cache if it was trained before.

    Args:
        images: labelled images to train it on.
        test: labelled images to measure its accuracy on; None, or images without labels: the accuracy is unknown.
        told: called with the progress of its training, if it is trained.
        seed: seed of its training; None: that of RECIPE, as for the classifier in which images are measured.

    Returns: the classifier and its accuracy on `test`, in [0, 1]; None if unknown.
    """
    assert images.labels is not None
    classes = int(images.labels.max()) + 1
    recipe = RECIPE if seed is None else {**RECIPE, "seed": seed}
    name = cache.key(images.fingerprint, cache.digest({"labels": images.labels}), recipe)

    def make() -> dict[str, Tensor]:
        use = "images are measured with" if seed is None else "the game looks through"
        print(f"training the classifier that {use} (once for a data set)", file=sys.stderr)
        began = time.perf_counter()
        network = train_classifier(images, classes, told, seed)
        print(f"trained it in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        return network.state_dict()

    tensors = cache.stored(f"evaluation/classifier-{name}", make)
    network = classifier_like(images)
    network.load_state_dict(tensors)
    if test is None or test.labels is None:
        return network, None
    asked_of = cache.key(name, test.fingerprint, cache.digest({"labels": test.labels}))

    def measured() -> dict[str, Tensor]:
        right = accuracy(network, test)
        print(f"it names {right:.2%} of the test images correctly", file=sys.stderr)
        return {"accuracy": torch.tensor(right, dtype=torch.float64)}

    return network, float(cache.stored(f"evaluation/accuracy-{asked_of}", measured)["accuracy"])


@torch.no_grad()
def accuracy(network: nn.Module, images: ImageSet) -> float:
    """The share of labelled images that the classifier classifies correctly, in [0, 1]."""
    assert images.labels is not None
    right = [
        int((asked(network, pixels)[1].argmax(dim=1) == labels).sum())
        for pixels, labels in zip(images.pixels.split(CHUNK), images.labels.split(CHUNK), strict=True)
    ]
    return sum(right) / len(images.pixels)


@torch.no_grad()
def asked(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features [N, 256] and class probabilities [N, K], float32, of the images `pixels`, uint8 [N, C, H, W]."""
    scaled = pixels.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)
    features, logits = network(scaled)
    return features, logits.softmax(dim=1)
