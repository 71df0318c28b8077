"""Data sets of two unpaired domains: folders trainA and trainB, and digits with a known translation."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.config.schema import TorchvisionImages
from ganctl.data.dataset import ImageSet
from ganctl.data.digits import mnist, mnist5k, mnist_test
from ganctl.data.domains import Domains, Truth
from ganctl.data.folders import named, read
from ganctl.errors import BadInput

TINT = (1.0, 0.75, 0.4)  # of the digits' paper: red, green, blue


def mnist_to_colour(options: Any) -> Domains:
    """Digits, white on black (A), and other digits, black on orange (B), of mnist5k or of the whole MNIST.

    The right translation is known: it inverts a digit and tints its paper. No digit is in both domains.
    """
    if options.root is None:
        digits = mnist5k(options)
        held_out = digits.held_out
    else:
        whole = TorchvisionImages(root=options.root)
        digits, held_out = mnist(whole), mnist_test(whole)
    found = _halves(digits)
    if held_out is not None:
        found.held_out = _halves(held_out)
    return found


def _halves(digits: ImageSet) -> Domains:
    assert digits.labels is not None
    grey = digits.pixels.expand(-1, 3, -1, -1)
    coloured = (inverted(grey[1::2].float() / 255) * 255).round().to(torch.uint8)
    source, target = ImageSet(grey[::2].contiguous(), digits.labels[::2]), ImageSet(coloured, digits.labels[1::2])
    source.class_names = target.class_names = digits.class_names
    return Domains(target, source, truth=Truth(inverted, uninverted))


def inverted(images: Tensor) -> Tensor:
    """White digits on black [N, 3, H, W] within [0, 1] as black digits on tinted paper."""
    return (1 - images) * torch.tensor(TINT, device=images.device).view(3, 1, 1)


def uninverted(images: Tensor) -> Tensor:
    """Black digits on tinted paper [N, 3, H, W] within [0, 1] as white digits on black."""
    return 1 - (images / torch.tensor(TINT, device=images.device).view(3, 1, 1)).mean(dim=1, keepdim=True).expand(
        -1, 3, -1, -1
    )


def unpaired(options: Any) -> Domains:
    """The pictures in the folders trainA and trainB of `options.root`; those in testA and testB are held out.

    Raises:
        BadInput: a folder is missing or holds no picture, or there is only one of testA and testB.
    """
    root = named(options.root, "data.root=")
    missing = [name for name in ("trainA", "trainB") if not (root / name).is_dir()]
    if missing:
        raise BadInput(
            f"data.root={options.root}: holds no folder {missing[0]}; give a folder with trainA and trainB in it, each "
            "with pictures of one domain"
        )
    tests = [name for name in ("testA", "testB") if (root / name).is_dir()]
    if len(tests) == 1:
        raise BadInput(f"data.root={options.root}: holds {tests[0]} alone; give both testA and testB, or none of them")
    found = _domains(root, "train", options)
    if tests:
        found.held_out = _domains(root, "test", options)
    return found


def _domains(root: Path, split: str, options: Any) -> Domains:
    source, target = (
        read(str(root / f"{split}{domain}"), options.image_size, options.channels, background=options.background)
        for domain in "AB"
    )
    for images, folder in ((source, f"{split}A"), (target, f"{split}B")):
        images.left_out = {f"{folder}/{name}": reason for name, reason in images.left_out.items()}
    if source.class_names != target.class_names:  # numbers of other classes do not compare
        source, target = _unlabelled(source), _unlabelled(target)
    return Domains(target, source)


def _unlabelled(images: ImageSet) -> ImageSet:
    found = ImageSet(images.pixels)
    found.left_out, found.files = images.left_out, images.files
    return found
