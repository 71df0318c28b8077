"""The classifier of a data set: trained once, by the one loop, and kept."""

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

# What a classifier is trained by; a change of any of it makes another network under another name.
# The number of threads is a part of it, as it changes the last digits of sums and so, in the end, all weights.
RECIPE: dict[str, Any] = {
    "form": 1, "steps": 1500, "batch_size": 128, "lr": 0.003, "width": 16, "seed": 0, "threads": 1,
}  # fmt: skip
WARM_UP = 0.1  # part of the steps in which the learning rate rises; it falls to 0 in the rest
CHUNK = 500


class _Steps:
    """Says how far the training is."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def after_step(self, training: Training, scalars: dict[str, float] | None) -> None:
        del scalars
        self.told(counted("steps of the classifier's training", training.step, RECIPE["steps"]))


def train_classifier(images: ImageSet, classes: int, told: Told = silent) -> Classifier:
    """A classifier of the labelled `images`, on the CPU and ready to be asked."""
    steps = RECIPE["steps"]
    # A run that is evaluated while it trains has its threads and torch's stream to itself.
    with threads(RECIPE["threads"]), torch.random.fork_rng(devices=[]):
        streams = Streams(RECIPE["seed"])
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


def classifier_of(images: ImageSet, test: ImageSet | None, told: Told = silent) -> tuple[Classifier, float | None]:
    """The classifier of a data set, from the cache where it has been trained before.

    Args:
        images: with labels, to train it on.
        test: with labels, to tell how good it is; None, or without labels: nobody knows.
        told: called with how far its training is, where there is any.

    Returns: the classifier and the share of `test` that it names correctly.
    """
    assert images.labels is not None
    classes = int(images.labels.max()) + 1
    name = cache.key(images.fingerprint, cache.digest({"labels": images.labels}), RECIPE)

    def make() -> dict[str, Tensor]:
        print("training the classifier that images are measured with (once for a data set)", file=sys.stderr)
        began = time.perf_counter()
        network = train_classifier(images, classes, told)
        print(f"trained it in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        return network.state_dict()

    tensors = cache.stored(f"evaluation/classifier-{name}", make)
    with torch.random.fork_rng(devices=[]):  # for the weights that are replaced at once
        network = Classifier(images.shape, classes, RECIPE["width"])
    network.load_state_dict(tensors)
    network = network.to(memory_format=torch.channels_last).eval()
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
    """The share of labelled images that the classifier names correctly, in [0, 1]."""
    assert images.labels is not None
    right = [
        int((asked(network, pixels)[1].argmax(dim=1) == labels).sum())
        for pixels, labels in zip(images.pixels.split(CHUNK), images.labels.split(CHUNK), strict=True)
    ]
    return sum(right) / len(images.pixels)


@torch.no_grad()
def asked(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features [N, 256] and class probabilities [N, K] of images uint8 [N, C, H, W], float32."""
    scaled = pixels.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)
    features, logits = network(scaled)
    return features, logits.softmax(dim=1)
