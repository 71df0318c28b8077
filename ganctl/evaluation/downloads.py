"""Files of weights that others publish: downloaded once, checked, and kept where torch keeps them."""

from pathlib import Path

import torch

from ganctl.digests import sha256
from ganctl.evaluation.telling import Told, silent


def downloaded(url: str, told: Told = silent) -> Path:
    """The file at `url`, from torch's folder of checkpoints if it is there. Its name ends with the first digits of its
    SHA-256.

    Raises:
        ValueError: the file has another content, or the user has no home folder.
        OSError: it cannot be downloaded or written.
    """
    file = _hub() / "checkpoints" / url.rsplit("/", 1)[-1]
    digits = file.stem.rsplit("-", 1)[-1]
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        told(f"downloading {file.name}")
        torch.hub.download_url_to_file(url, str(file), digits, progress=False)
    if not sha256(file).startswith(digits):
        raise ValueError(f"{file} is not the published file; remove it")
    return file


def _hub() -> Path:
    """The folder in which torch.hub keeps files.

    Raises:
        ValueError: the user has no home folder, so torch.hub would use a folder named ~.
    """
    folder = torch.hub.get_dir()
    if folder.startswith("~"):
        raise ValueError("this user has no home folder to keep them in; set TORCH_HOME=DIR")
    return Path(folder)
