"""`ganctl sample`: a picture of what a run's generator makes."""

import io
import sys
from pathlib import Path

from ganctl.build import reopen
from ganctl.errors import BadInput
from ganctl.pictures import to_pixels, to_png
from ganctl.run import write_atomically
from ganctl.streams import Streams


def sample(
    run: Path | None,
    num: int | None,
    seed: int | None,
    columns: int,
    out: Path | None,
    npz: bool,
    ema: bool | None,
    plugins: list[str],
) -> Path:
    """Draws `num` samples and writes them as a PNG (a grid, or a scatter plot of points) or as arrays.

    Args:
        run: a run folder or one of its checkpoints; None: the latest run.
        num: how many samples; None: 64 images, or 2,000 points.
        seed: of the latent noise; None: the run's, which with its default number gives the samples of its own grids.
        columns: of the grid; at least 1.
        out: the file to write; None: in the run folder.
        npz: write arrays instead: `images` uint8 [N, H, W, C], or `points` float32 [N, 2].
        ema: use the averaged weights; None: where there are any.
        plugins: modules of the user that the run needs.

    Returns: the file.
    """
    import numpy as np

    experiment, checkpoint_path = reopen(run, Path("outputs"), plugins, "auto", ema)
    training = experiment.training
    seed = training.streams.seed if seed is None else seed
    num = experiment.picture_count if num is None else num
    kind = "averaged" if training.average else "last"
    print(f"sampling {checkpoint_path}, {kind} weights, seed {seed}", file=sys.stderr)
    samples = experiment.draw_samples(num, Streams(seed).fresh("sampling"))
    ending = "npz" if npz else "png"
    weights = "" if training.average else "-no-ema" if ema is False else ""
    name = f"sample-step-{training.step:08d}-seed-{seed}-num-{num}{weights}.{ending}"
    path = out or checkpoint_path.resolve().parent.parent / name
    if path.suffix != f".{ending}":
        raise BadInput(f"--out {path}: the file is written as {ending}; give it a name that ends in .{ending}")
    if npz:
        buffer = io.BytesIO()
        if samples.ndim == 2:
            np.savez_compressed(buffer, points=samples.numpy())
        else:
            np.savez_compressed(buffer, images=to_pixels(samples, experiment.value_range))
        content = buffer.getvalue()
    else:
        content = to_png(experiment.picture(samples, columns, f"step {training.step:,}"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise BadInput(
            f"--out {path}: cannot be written ({error.strerror}); name a file in a folder you may write to"
        ) from None
    return path
