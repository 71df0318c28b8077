"""Rewrites messages of shared code, which name settings, so that they name a command's flags. Imports no torch."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ganctl.errors import BadInput, RunFailed

# {setting of `train`: flag that `evaluate` or `sample` has instead}.
EVALUATE = {
    "data.root": "--root", "data": "--data", "features": "--features", "metrics": "--metrics", "split": "--split",
    "num": "--num", "output_dir": "--out",
}  # fmt: skip
SAMPLE = {"num": "--num", "output_dir": "--out"}


def flagged(text: str, flags: dict[str, str]) -> str:
    """The text with settings replaced by flags; commands in backticks stay unchanged.

    Args:
        flags: {setting: flag}.
    """
    setting = re.compile(rf"(?:^|(?<=[ (]))({'|'.join(map(re.escape, flags))})=")
    parts = text.removeprefix("output_dir: ").split("`")

    def as_flag(found: re.Match[str]) -> str:
        word_before = found.string[: found.start()].rstrip().rpartition(" ")[2]
        if word_before.startswith("--"):  # the word is the value of a flag, not a setting
            return found[0]
        return flags[found[1]] + ("" if found.string.startswith(":", found.end()) else " ")

    parts[::2] = [setting.sub(as_flag, part) for part in parts[::2]]
    return "`".join(parts)


@contextmanager
def in_flags(flags: dict[str, str]) -> Iterator[None]:
    """A context in which errors and warnings name flags instead of settings."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *rest: before(flagged(str(message), flags), *rest)
    try:
        yield
    except BadInput as error:
        raise BadInput(flagged(str(error), flags)) from None
    except MemoryError:
        raise RunFailed("there is not enough memory; ask for fewer samples with --num") from None
    finally:
        warnings.formatwarning = before
