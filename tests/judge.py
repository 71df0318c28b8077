"""Are a run's samples digits, and how many kinds of them? A small classifier of real digits says.

    python -m tests.judge RUN...

Noise and blots leave it undecided; one digit over and over leaves its labels without entropy. Real digits give a mean
of the largest probability ("confidence") near 1 and an entropy of ln 10 = 2.303.
"""

import sys
from pathlib import Path

import torch
from torch import nn

from ganctl.assembly.reopening import reopen
from ganctl.config.schema import Mnist5k
from ganctl.data import DATASETS


def reopened(run):
    """The experiment of a run folder, with its averaged weights where there are any."""
    return reopen(Path(run), Path(run), [], "cpu", None)[0]


def trained_classifier():
    """28x28 in [0, 1] to ten logits, trained on the 5,000 digits of mnist5k."""
    images = DATASETS["mnist5k"](Mnist5k())
    x, y = images.pixels.float() / 255, torch.arange(5000) // 500
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        for _ in range(12):
            for chosen in torch.randperm(5000).split(100):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x[chosen]), y[chosen]).backward()
                optimizer.step()
    return network.eval()


def judged(network, run, count=1000):
    """(confidence, entropy in nats) of samples of a run folder."""
    experiment = reopened(run)
    low, high = experiment.value_range
    images = (experiment.draw_samples(count, torch.Generator().manual_seed(0)) - low) / (high - low)
    with torch.no_grad():
        probabilities = network(images).softmax(dim=1)
    share = torch.bincount(probabilities.argmax(dim=1), minlength=10).double() / count
    entropy = -(share[share > 0] * share[share > 0].log()).sum().item()
    return probabilities.max(dim=1).values.mean().item(), entropy


if __name__ == "__main__":
    classifier = trained_classifier()
    for folder in sys.argv[1:]:
        print("{}: confidence {:.3f}, entropy {:.3f}".format(folder, *judged(classifier, folder)))
