"""Animations: there and back along a code or between latent vectors, and a run's grids while it trains."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganctl.data.pictures import captioned, to_animation
from ganctl.errors import BadInput
from ganctl.store.files import read_picture
from ganctl.store.runs import find, latest
from ganctl.terminal.screen import say

MOVING, HELD, CATEGORY, LAST = 60, 600, 700, 2000  # milliseconds of a frame
MOST = 200  # frames of a run's progress


def there_and_back(frames: Sequence[np.ndarray], captions: Sequence[str], smooth: bool, ending: str) -> bytes:
    """An endless animation from the first frame to the last and back.

    Args:
        frames: pictures uint8 [height, width, 3].
        captions: a line above each; empty: none.
        smooth: whether a frame is close to the next; such ones are short, and both ends are held.
        ending: gif or webp.

    Returns: the bytes of the file.
    """
    if captions:
        frames = [captioned(frame, caption) for frame, caption in zip(frames, captions, strict=True)]
    ends = (0, len(frames) - 1)
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    times = [CATEGORY if not smooth else HELD if place in ends else MOVING for place in order]
    return to_animation([frames[place] for place in order], times, ending)


def progress(run: Path | None, out: Path | None) -> tuple[Path, bytes]:
    """A run's own grids, all from the same noise, as an animation with the step above each.

    Args:
        run: a run folder or one of its checkpoints; None: the latest run.
        out: the file to write; None: progress.gif in the run folder.

    Returns: the file, and its bytes.

    Raises:
        BadInput: there is no run, or it has no grid, or one cannot be read.
    """
    if run is not None and (run / "checkpoint.json").exists():
        run = run.resolve().parent.parent
    home = latest(Path("outputs")) if run is None else find(run)
    grids = home.grids()
    if not grids:
        raise BadInput(f"--progress: {home.samples} has no grid yet; train longer, or name another run")
    if len(grids) > MOST:
        say(f"{home.path}: {MOST} of its {len(grids)} grids, evenly over the run")
        grids = [grids[place] for place in np.linspace(0, len(grids) - 1, MOST).round().astype(int)]
    # A scatter plot's title says the step already.
    titled = len(home.sample_shape or ()) == 1
    frames = []
    for path in grids:
        try:
            frame = np.asarray(read_picture(path))
        except ValueError:
            raise BadInput(f"{path}: cannot be read as a picture; remove it") from None
        frames.append(frame if titled else captioned(frame, f"step {int(path.stem[5:]):,}"))
    each = min(500, max(50, 10_000 // len(frames) // 10 * 10))  # about ten seconds; a GIF counts in hundredths
    path = out or home.path / "progress.gif"
    return path, to_animation(frames, [each] * (len(frames) - 1) + [LAST], path.suffix[1:])
