"""What the long forms share: they say how far they are, and at once what they found."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from ganctl.errors import printable

EVERY = 30.0  # seconds
BROKEN = "broken promises"  # the row of a table that must be 0
Item = TypeVar("Item")


def paced(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items one after another; on stderr how many are done and how long the rest takes, twice a minute."""
    began = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said > EVERY:
            said, left = now, (now - began) / done * (len(items) - done)
            print(f"{what}: {done} of {len(items)}, {left / 60:.0f} min left", file=sys.stderr, flush=True)
        yield item


class Found(list[str]):
    """Broken promises, each said when it is found."""

    def append(self, fault: str) -> None:
        print("FOUND", *map(printable, fault.splitlines()), sep="\n  ", file=sys.stderr, flush=True)
        super().append(fault)
