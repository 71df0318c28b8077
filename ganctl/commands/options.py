"""What the commands take: arguments and options with their help. Imports no torch."""

from pathlib import Path
from typing import Annotated

import typer


def _path(text: str) -> Path:
    """A path that was given. An empty one, as of a variable that is not set, would be the current folder."""
    if not text:
        raise typer.BadParameter("is empty; name a file or a folder, or leave it out")
    return Path(text)


Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...", help="Hydra overrides, such as loss=minimax data=ring8 seed=3 steps=1000."
    ),
]
Sweep = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE,VALUE...]...",
        help="Sweeps and settings, such as loss=minimax,nonsaturating seed=0,1,2.",
    ),
]
Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", parser=_path, help="A run folder, or one of its checkpoints; the latest run if left out."
    ),
]
Group = Annotated[
    str | None, typer.Argument(metavar="[GROUP]", help="loss, penalty, model, ...; all groups if left out.")
]

# Of several commands.
ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print the composed configuration and stop.")]
Averaged = Annotated[
    bool | None,
    typer.Option("--ema/--no-ema", help="Averaged weights or the last ones; averaged if the run has them."),
]

# Of `train`.
Resume = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="FOLDER",
        help="Go on with the run in FOLDER, bit for bit; a larger steps= or epochs= extends it.",
    ),
]
Verify = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="FOLDER",
        help="Train the run in FOLDER again, beside it, and say whether every number and weight is the same.",
    ),
]

# Of `sample`.
Count = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1_000_000,
        help="Samples to draw, each by itself; 64 images or 2,000 points if left out. With --labels and --sweep, "
        "latent vectors; with --interpolate, pairs of them; with --reconstruct, images.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the noise; the run's if left out.")]
Columns = Annotated[
    int | None,
    typer.Option(min=1, help="Columns of the grid; with --sweep and --interpolate, steps from end to end."),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS[,...]",
        help="Samples of that class, its name or number; with --interpolate, from one to another.",
    ),
]
Labels = Annotated[
    str | None, typer.Option(metavar="all", help="A row for each class, a column for each latent vector.")
]
Code = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Go along a code: a row for each latent vector, a column for each category, or from -2 to 2.",
    ),
]
Interpolate = Annotated[
    bool, typer.Option("--interpolate", help="From one latent vector to another, a row for each pair.")
]
Reconstruct = Annotated[
    bool,
    typer.Option(
        "--reconstruct",
        help="Real images, and what an auto-encoder, a super-resolution or a translation makes of them.",
    ),
]
Upscale = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="FILE_OR_DIR",
        help="Your own pictures, of any size, made larger by a run of game=srgan.",
    ),
]
Translate = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="FILE_OR_DIR",
        help="Your own pictures, translated by a run of game=cyclegan at the size of its training; with --to.",
    ),
]
To = Annotated[str | None, typer.Option(metavar="A|B", help="The domain that --translate translates to.")]
Progress = Annotated[bool, typer.Option("--progress", help="An animation of the run's own grids, as progress.gif.")]
File = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="FILE",
        help="File to write; in the run folder if left out. With --sweep and --interpolate, .gif or .webp make an "
        "animation.",
    ),
]
Npz = Annotated[
    bool, typer.Option("--npz", help="Write arrays instead of a picture: samples, and what was chosen of each.")
]
PartsOfRun = Annotated[list[str] | None, typer.Option(help="Python module that the run's parts come from; repeatable.")]

# Of `evaluate`.
Images = Annotated[
    Path | None, typer.Option(parser=_path, metavar="DIR", help="Measure the images in DIR instead of a run's.")
]
Metrics = Annotated[
    str, typer.Option(metavar="NAME,NAME...", help="What to measure; all that train nothing if left out.")
]
Features = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Network to look with: classifier (trained once on the data), pixels, inception; auto: the first "
        "where the data have classes, pixels otherwise.",
    ),
]
Samples = Annotated[
    int | None, typer.Option(min=20, max=1_000_000, help="Samples; as many as the split has, up to 10,000.")
]
Split = Annotated[str, typer.Option(metavar="test|train", help="Real images to measure against.")]
Data = Annotated[
    str | None, typer.Option(metavar="NAME", help="Data set to measure against; the run's own if left out.")
]
Root = Annotated[str | None, typer.Option(metavar="DIR", help="Where that data set is, as data.root=.")]
Against = Annotated[
    Path | None, typer.Option(parser=_path, metavar="DIR", help="Folder of real images to measure against instead.")
]
Whole = Annotated[
    bool,
    typer.Option("--whole", help="Measure against all images where there is no test split: twice as many, no floor."),
]
Measured = Annotated[
    str | None,
    typer.Option(
        metavar="A|B", help="Measure images translated to that domain, of a run of game=cyclegan; B if left out."
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(min=4, max=4096, help="Read two folders at this size; that of the smaller pictures if left out."),
]
Weights = Annotated[
    Path | None,
    typer.Option(parser=_path, metavar="FILE", help="Weights of the inception network; downloaded if left out."),
]
NoiseSeed = Annotated[int, typer.Option(help="Seed of the noise.")]
Conditions = Annotated[
    list[str] | None,
    typer.Option(metavar="CONDITION", help="Exit with 1 where it holds, as in fid>20; repeatable."),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        parser=_path,
        metavar="DIR",
        help="Folder for metrics.json and nearest.png; the run's, or a new one, if left out.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print what was found as JSON on stdout.")]
Plugins = Annotated[list[str] | None, typer.Option(help="Python module that a part comes from; repeatable.")]
