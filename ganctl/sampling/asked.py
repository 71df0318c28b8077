"""What the options of `ganctl sample` ask to see, and which of them exclude each other."""

from dataclasses import dataclass
from pathlib import Path

from ganctl.errors import BadInput

ANIMATED = ("gif", "webp")


@dataclass(frozen=True)
class Asked:
    """What a picture is to show, instead of any samples.

    Attributes:
        label: classes, as in cat,dog or 3,7.
        labels: all, for a row a class.
        sweep: the code to go along.
        interpolate: from one latent vector to another.
        reconstruct: real images and what the game makes of them.
        progress: the run's own grids, as an animation.
        upscale: the user's own picture, or a folder of them, to be made larger.
        translate: the same, to be translated.
        to: the domain to translate to, A or B.
    """

    label: str | None = None
    labels: str | None = None
    sweep: str | None = None
    interpolate: bool = False
    reconstruct: bool = False
    progress: bool = False
    upscale: Path | None = None
    translate: Path | None = None
    to: str | None = None

    @property
    def flags(self) -> list[str]:
        """As the command line has them."""
        return [
            f"--{name}" if value is True else f"--{name} {value}"
            for name, value in vars(self).items()
            if value not in (None, False) and name != "to"
        ]

    @property
    def moves(self) -> bool:
        """Whether it can be an animation."""
        return self.interpolate or self.sweep is not None or self.progress


def refuse_both(asked: Asked, options: dict[str, object], npz: bool) -> None:
    """Raises BadInput where two things are asked that exclude each other."""
    flags = asked.flags
    if len(flags) > 1 and not (len(flags) == 2 and asked.label is not None and asked.interpolate):
        raise BadInput(f"{flags[0]} and {flags[1]}: ask for two pictures; choose one (--label goes with --interpolate)")
    if asked.labels not in (None, "all"):
        raise BadInput(f"--labels {asked.labels}: only all is known; for some classes use --label, as in --label 3,7")
    if asked.progress:
        given = [name for name, value in options.items() if value is not None] + ["--npz"] * npz
        if given:
            raise BadInput(f"--progress: shows the grids that the run has drawn; leave out {given[0]}")
    given = [name for name, value in options.items() if value is not None and not name.startswith("--ema")]
    if (asked.upscale or asked.translate) and (npz or given):
        raise BadInput(f"{flags[0]}: gives a picture for each of yours; leave out {(given or ['--npz'])[0]}")
    if (asked.translate is None) != (asked.to is None):
        missing = "--translate FILE_OR_DIR" if asked.translate is None else "--to A or --to B"
        raise BadInput(f"{flags[0] if asked.translate else f'--to {asked.to}'}: add {missing}; they go together")
    if asked.labels and options["--columns"] is not None:
        raise BadInput("--columns: with --labels all a column is a latent vector; say how many with --num")


def refuse_ending(asked: Asked, out: Path | None, npz: bool) -> None:
    """Raises BadInput where the file's name promises another kind of file."""
    if asked.translate or asked.upscale:
        given = asked.translate or asked.upscale
        assert given is not None
        if out is not None and given.is_file() and out.suffix != ".png":
            raise BadInput(f"--out {out}: the file is written as png; give it a name that ends in .png")
        return
    endings = ("npz",) if npz else ANIMATED if asked.progress else ("png", *ANIMATED) if asked.moves else ("png",)
    if out is None or out.suffix in [f".{ending}" for ending in endings]:
        return
    if out.suffix[1:] in ANIMATED and not npz:
        raise BadInput(f"--out {out}: nothing moves in this picture; add --sweep NAME or --interpolate, or use .png")
    raise BadInput(
        f"--out {out}: the file is written as {' or '.join(endings)}; give it a name that ends in "
        f"{' or '.join(f'.{ending}' for ending in endings)}"
    )
