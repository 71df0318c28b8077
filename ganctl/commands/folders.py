"""The folders of pictures that `evaluate` measures, and those that it measures against."""

from pathlib import Path

from ganctl.data import ImageSet
from ganctl.data.folders import first_shape, folder
from ganctl.errors import BadInput
from ganctl.schema import Folder


def pictures(flag: str, path: Path, shape: tuple[int, ...]) -> ImageSet:
    """The pictures in a folder, at the size and with the channels of `shape`."""
    try:
        return folder(Folder(root=str(path), image_size=shape[1], channels=shape[0]))
    except BadInput as error:
        raise BadInput(str(error).replace("data.root=", f"{flag} ")) from None


def shape_of(path: Path) -> tuple[int, int, int]:
    """The shape that a folder's images are read in: that of the first, cut to a square."""
    found = first_shape(path)
    if found is None:
        raise BadInput(f"--against {path}: holds no picture that can be read; name a folder of pictures")
    return found[0], min(found[1:]), min(found[1:])
