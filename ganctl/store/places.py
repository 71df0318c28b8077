"""Paths from the user, and checks that they can be written."""

import errno
import os
import shlex
from pathlib import Path

from ganctl.errors import BadInput


def cache_dir() -> Path:
    """The folder for downloads and for files that can be recreated: $XDG_CACHE_HOME/ganctl, or ~/.cache/ganctl.

    Raises:
        BadInput: the user has no home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path.home() / ".cache") / "ganctl"
    except RuntimeError:
        raise BadInput(
            "this user has no home folder to keep files in; set XDG_CACHE_HOME=DIR, a folder you may write to"
        ) from None


def expanded(path: str, key: str) -> Path:
    """The path with a leading ~ or ~user replaced by that home folder.

    Args:
        key: the setting that has this path, for the message.

    Raises:
        BadInput: there is no such home folder, or the name is longer than a file system takes.
    """
    try:
        found = Path(path).expanduser()
        found.exists()
    except RuntimeError:
        raise BadInput(f"{key}={path}: there is no such home folder; write the whole path") from None
    except OSError as error:  # of others, the caller says what they mean
        if error.errno == errno.ENAMETOOLONG:
            raise BadInput(f"{key}={path}: {error.strerror}; give a shorter one") from None
    return found


def shown(path: Path) -> str:
    """The path as a person would type it into a shell."""
    return shlex.quote(str(path))


def unwritable(path: Path, error: OSError, begun: bool = False) -> BadInput:
    """The error for an output folder that cannot be written; it names a file that is in the way, if there is one.

    Args:
        begun: whether the folder belongs to an existing run, so that another output_dir is no remedy.
    """
    in_the_way = isinstance(error, (IsADirectoryError, NotADirectoryError, FileExistsError))
    place = (error.filename2 or error.filename or path) if in_the_way else path
    told = f"{place} cannot be written ({error.strerror or error}); mend that"
    if begun:
        return BadInput(f"{told}, then give the same command again")
    return BadInput(f"output_dir: {told}, or give output_dir=DIR, a folder you may write to")


def try_to_write(folder: Path) -> None:
    """Checks that results can be written, before the work begins. Leaves no file.

    Args:
        folder: the output folder, which need not exist yet.

    Raises:
        OSError: nothing can be written there.
    """
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    probe = nearest / f".ganctl-{os.getpid()}.probe"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        error.filename = str(nearest)
        raise
