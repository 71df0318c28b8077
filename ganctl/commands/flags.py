"""What shared code says of settings, in the flags of the command that shows it. Imports no torch."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganctl.errors import BadInput, RunFailed

# Settings of `train` and what `evaluate` has in their place.
FLAGS = {
    "data.root": "--root", "data": "--data", "features": "--features", "metrics": "--metrics", "split": "--split",
    "num": "--num", "output_dir": "--out",
}  # fmt: skip
SETTING = re.compile(rf"(?:^|(?<=[ (]))({'|'.join(map(re.escape, FLAGS))})=")


def flagged(text: str, folders: dict[str, Path | None] | None = None) -> str:
    """The text with flags in place of settings.

    Args:
        folders: what other flags name as a folder of pictures.
    """
    for flag, folder in (folders or {}).items():
        if folder is not None and text.startswith(f"data.root={folder}:"):
            text = text.replace("data.root=", f"{flag} ")

    def as_flag(found: re.Match[str]) -> str:
        word_before = text[: found.start()].rstrip().rpartition(" ")[2]
        if word_before.startswith("--"):  # what a flag gave is no setting
            return found[0]
        return FLAGS[found[1]] + ("" if text.startswith(":", found.end()) else " ")

    return SETTING.sub(as_flag, text.removeprefix("output_dir: "))


@contextmanager
def in_flags(**folders: Path | None) -> Iterator[None]:
    """Inside, errors and warnings speak of flags.

    Args:
        folders: of pictures, by the flag that names them.
    """
    named = {f"--{flag}": folder for flag, folder in folders.items()}
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *rest: before(flagged(str(message), named), *rest)
    try:
        yield
    except BadInput as error:
        raise BadInput(flagged(str(error), named)) from None
    except MemoryError:
        raise RunFailed("there is not enough memory; ask for fewer samples with --num") from None
    finally:
        warnings.formatwarning = before
