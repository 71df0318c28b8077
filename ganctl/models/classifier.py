"""A small convolutional classifier. The metrics use the features of its last hidden layer."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

FEATURES = 256  # units of the last hidden layer


class Classifier(nn.Module):
    """Three convolutions with batch norm, a hidden layer of 256 units, and a linear output.

    Args:
        shape: shape of an image, [C, H, W], at least 8 pixels per side.
        classes: number of classes.
        width: channels of the first convolution; the next two have two and four times as many.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 16) -> None:
        super().__init__()
        channels = (shape[0], width, 2 * width, 4 * width)
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2 if place == 0 else 1, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2) if place else nn.Identity(),
            )
            for place, (before, after) in enumerate(itertools.pairwise(channels))
        )
        with torch.no_grad():
            flat = self._convolved(torch.zeros(2, *shape)).shape[1]
        self.hidden = nn.Linear(flat, FEATURES)
        self.output = nn.Linear(FEATURES, classes)

    def _convolved(self, images: Tensor) -> Tensor:
        for convolution in self.convolutions:
            images = convolution(images)
        return images.flatten(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] in [-1, 1] -> nonnegative features [N, 256] and logits [N, classes]."""
        features = relu(self.hidden(self._convolved(images)))
        return features, self.output(features)
