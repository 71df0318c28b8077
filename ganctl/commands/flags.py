"""What shared code says of settings, in the flags of the command that shows it. Imports no torch."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ganctl.errors import BadInput, RunFailed

# Settings of `train`, and what `evaluate` and `sample` have in their place.
EVALUATE = {
    "data.root": "--root", "data": "--data", "features": "--features", "metrics": "--metrics", "split": "--split",
    "num": "--num", "output_dir": "--out",
}  # fmt: skip
SAMPLE = {"num": "--num", "output_dir": "--out"}


def flagged(text: str, flags: dict[str, str]) -> str:
    """The text with flags in place of settings; a command in backticks stays as it is.

    Args:
        flags: by the setting that each stands for.
    """
    setting = re.compile(rf"(?:^|(?<=[ (]))({'|'.join(map(re.escape, flags))})=")
    parts = text.removeprefix("output_dir: ").split("`")

    def as_flag(found: re.Match[str]) -> str:
        word_before = found.string[: found.start()].rstrip().rpartition(" ")[2]
        if word_before.startswith("--"):  # what a flag gave is no setting
            return found[0]
        return flags[found[1]] + ("" if found.string.startswith(":", found.end()) else " ")

    parts[::2] = [setting.sub(as_flag, part) for part in parts[::2]]
    return "`".join(parts)


@contextmanager
def in_flags(flags: dict[str, str]) -> Iterator[None]:
    """Inside, errors and warnings speak of flags."""
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
