"""VGG-19 (Simonyan and Zisserman 2015, arXiv:1409.1556, configuration E), for distances in its features."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

# Channels of the convolutions; between two groups the resolution is halved.
GROUPS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
# Mean and standard deviation of ImageNet's channels in [0, 1], with which torchvision's weights were trained.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What torchvision's file has besides: the fully connected layers.
CLASSIFIER = {"0": (4096, 512 * 7 * 7), "3": (4096, 4096), "6": (1000, 4096)}


class Vgg19(nn.Module):
    """Images [N, 1 or 3, H, W] within [-1, 1] to the features of the last convolution after its ReLU, [N, D], and None.

    These are the features "VGG5,4" of SRGAN (Ledig et al. 2017, arXiv:1609.04802, section 2.2.1). Sides must be at
    least 16 pixels. The names of the weights are those of torchvision.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {}
        place, before = 0, 3
        self.pooled = []  # places of the convolutions before which the resolution is halved
        for group in GROUPS:
            if place:
                self.pooled.append(str(place + 1))
                place += 1  # torchvision counts the pooling layer
            for channels in group:
                layers[str(place)] = nn.Conv2d(before, channels, 3, padding=1)
                before, place = channels, place + 2  # and the ReLU
        self.features = nn.ModuleDict(layers)
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        x = ((images.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.std
        for place, convolution in self.features.items():
            if place in self.pooled:
                x = max_pool2d(x, 2)
            x = relu(convolution(x))
        return x.flatten(1), None
