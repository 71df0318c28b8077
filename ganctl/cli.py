"""The command line: parse, call, print. Imports no torch, so that --help and a refused override answer at once."""

import contextlib
import errno
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ganctl import __version__
from ganctl.errors import BadInput, Interrupted, RunFailed, one_line, printable
from ganctl.leaving import leaving
from ganctl.studies.stopping import ending
from ganctl.terminal.screen import open_closed_streams

# What the parser raises for an unknown command, option or value; typer has no public name for it.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # what formats help with rich takes as long to import as all the rest
    help="Controlled experiments with GANs: change one thing, hold everything else equal, look at the answer.",
)


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
ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print the composed configuration and stop.")]


@app.command()
def train(
    overrides: Overrides = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            parser=_path,
            metavar="FOLDER",
            help="Go on with the run in FOLDER, bit for bit; a larger steps= or epochs= extends it.",
        ),
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            parser=_path,
            metavar="FOLDER",
            help="Train the run in FOLDER again, beside it, and say whether every number and weight is the same.",
        ),
    ] = None,
    show_config: ShowConfig = False,
) -> None:
    """Train one GAN: one run, one run folder."""
    given = overrides or []
    if verify is not None and (resume is not None or show_config):
        raise BadInput(f"--verify {verify}: trains that run again and nothing else; leave out the other options")
    from ganctl.config.load import dump, load, read
    from ganctl.config.overrides import listed, parse, refuse_twice
    from ganctl.store.runs import find
    from ganctl.studies.continuing import continued, verified

    # A refused override costs no import of torch.
    if verify is not None:
        verified(find(verify), given)
        with leaving():
            from ganctl.commands.verify import verify as check

        _print(check(verify, given))
        return
    if resume is None:
        refuse_twice(parse(listed(given)))
        config = load(given)
    else:
        config = continued(find(resume), given) if given or not show_config else read(find(resume).config)
    if show_config:
        _print(dump(config), end="")
        return
    with leaving():
        from ganctl.commands.train import resume_run
        from ganctl.commands.train import train as run

    _print(run(given) if resume is None else resume_run(resume, given))


@app.command()
def sample(
    run: Run = None,
    num: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            help="Samples to draw, each by itself; 64 images or 2,000 points if left out. With --labels and --sweep, "
            "latent vectors; with --interpolate, pairs of them; with --reconstruct, images.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise; the run's if left out.")] = None,
    columns: Annotated[
        int | None,
        typer.Option(min=1, help="Columns of the grid; with --sweep and --interpolate, steps from end to end."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS[,...]",
            help="Samples of that class, its name or number; with --interpolate, from one to another.",
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="all", help="A row for each class, a column for each latent vector.")
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Go along a code: a row for each latent vector, a column for each category, or from -2 to 2.",
        ),
    ] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="From one latent vector to another, a row for each pair.")
    ] = False,
    reconstruct: Annotated[
        bool, typer.Option("--reconstruct", help="Real images over what an auto-encoder makes of them.")
    ] = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="An animation of the run's own grids, as progress.gif.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=_path,
            metavar="FILE",
            help="File to write; in the run folder if left out. With --sweep and --interpolate, .gif or .webp make an "
            "animation.",
        ),
    ] = None,
    npz: Annotated[
        bool, typer.Option("--npz", help="Write arrays instead of a picture: samples, and what was chosen of each.")
    ] = False,
    ema: Annotated[
        bool | None,
        typer.Option("--ema/--no-ema", help="Averaged weights or the last ones; averaged if the run has them."),
    ] = None,
    plugin: Annotated[
        list[str] | None, typer.Option(help="Python module that the run's parts come from; repeatable.")
    ] = None,
) -> None:
    """Draw samples from a run.

    A grid of images, points over their density, or an animation.
    """
    from ganctl.commands.flags import SAMPLE, in_flags

    with leaving():
        from ganctl.commands.sample import Asked
        from ganctl.commands.sample import sample as draw

    asked = Asked(label, labels, sweep, interpolate, reconstruct, progress)
    with in_flags(SAMPLE):
        path = draw(run, num, seed, columns, out, npz, ema, plugin or [], asked)
    _print(path)


@app.command()
def compare_losses(overrides: Sweep = None, show_config: ShowConfig = False) -> None:
    """Train every arm with every seed and write one report.

    Several values of a key make arms (loss=minimax,nonsaturating). seed=0,1,2 repeats each arm; without it, seeds are 0
    to 5. With no arguments the command compares J(G) = -J(D) with the non-saturating J(G) (experiment=jg). The same
    command again continues where it stopped.
    """
    from ganctl.studies.planning import plan
    from ganctl.studies.study import describe

    study = plan(overrides or [])
    if show_config:
        _print(describe(study), end="")
        return
    from ganctl.studies.workers import start_server

    start_server()  # it imports torch while this process does
    with leaving():
        from ganctl.commands.compare_losses import compare_losses as run

    _print(run(study))


@app.command()
def evaluate(
    run: Run = None,
    images: Annotated[
        Path | None, typer.Option(parser=_path, metavar="DIR", help="Measure the images in DIR instead of a run's.")
    ] = None,
    metrics: Annotated[
        str, typer.Option(metavar="NAME,NAME...", help="What to measure; all that train nothing if left out.")
    ] = "",
    features: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Network to look with: classifier (trained once on the data), pixels, inception; auto: the first "
            "where the data have classes, pixels otherwise.",
        ),
    ] = "auto",
    num: Annotated[
        int | None, typer.Option(min=20, max=1_000_000, help="Samples; as many as the split has, up to 10,000.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="test|train", help="Real images to measure against.")] = "test",
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Data set to measure against; the run's own if left out.")
    ] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="Where that data set is, as data.root=.")] = None,
    against: Annotated[
        Path | None, typer.Option(parser=_path, metavar="DIR", help="Folder of real images to measure against instead.")
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="Measure against all images where there is no test split: twice as many, no floor."
        ),
    ] = False,
    image_size: Annotated[
        int | None,
        typer.Option(min=4, max=4096, help="Read two folders at this size; that of the smaller pictures if left out."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(parser=_path, metavar="FILE", help="Weights of the inception network; downloaded if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    ema: Annotated[
        bool | None,
        typer.Option("--ema/--no-ema", help="Averaged weights or the last ones; averaged if the run has them."),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Exit with 1 where it holds, as in fid>20; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=_path,
            metavar="DIR",
            help="Folder for metrics.json and nearest.png; the run's, or a new one, if left out.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON on stdout.")] = False,
    plugin: Annotated[list[str] | None, typer.Option(help="Python module that a part comes from; repeatable.")] = None,
) -> None:
    """Measure how good samples are.

    Of a run or of any folder of images; every number with an interval and a floor.
    """
    if images is not None and (run is not None or ema is not None):
        raise BadInput(f"--images {images}: is measured instead of a run; leave out RUN, --ema and --no-ema")
    import json

    with leaving():
        from ganctl.commands.evaluate import evaluate_images, evaluate_run
    from ganctl.commands.flags import EVALUATE, in_flags
    from ganctl.evaluation.wanted import Wanted, condition, fail_where
    from ganctl.terminal.live import Activity

    if whole and split != "test":
        raise BadInput(f"--whole: measures against all images, and --split {split} against some; leave one out")
    if split == "whole":
        raise BadInput("--split whole: choose from test, train; all images of data without a test split are --whole")
    split = "whole" if whole else split
    names = [name for name in metrics.replace(" ", "").split(",") if name]
    conditions = [condition(text, names, plugin or []) for text in fail_if or []]
    needed = [each.metric for each in conditions]
    wanted = Wanted(
        names, features, weights, num, split, data, root, against, seed, plugin or [], needed, image_size, out, as_json
    )
    with Activity() as activity, in_flags(EVALUATE):
        if images is None:
            file, entry = evaluate_run(run, wanted, ema, activity)
        else:
            file, entry = evaluate_images(images, wanted, activity)
    _print(json.dumps({"file": None if file is None else str(file), **entry}, indent=2) if as_json else file)
    fail_where(conditions, entry)


@app.command("list")
def list_(
    group: Annotated[
        str | None, typer.Argument(metavar="[GROUP]", help="loss, penalty, model, ...; all groups if left out.")
    ] = None,
) -> None:
    """List every choice, with its paper.

    Losses, penalties, models, games, data sets and experiments.
    """
    from ganctl.commands.choices import list_choices
    from ganctl.terminal.abilities import width

    _print(list_choices(group, width(sys.stdout)))


@app.command()
def doctor() -> None:
    """Check known answers on this machine.

    Every loss, every gradient, penalties, repeatability.
    """
    from ganctl.commands.doctor import doctor as check

    check()


def _version(wanted: bool) -> None:
    if wanted:
        _print(f"ganctl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    del version
    if context.invoked_subcommand is None:
        _print(context.get_help())


def _end(code: int, line: str | None = None) -> NoReturn:
    if line is not None:
        with contextlib.suppress(OSError):
            print(f"ganctl: {printable(line)}", file=sys.stderr)
    sys.exit(code)


def main() -> None:
    """Runs the command line; every expected ending has its exit code and at most one line."""
    open_closed_streams()
    warnings.formatwarning = lambda message, *_: f"ganctl: warning: {printable(str(message))}\n"
    before = {number: signal.signal(number, _interrupt) for number in ending()}
    try:
        _run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> NoReturn:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: what it was writing aside goes away."""
    raise KeyboardInterrupt


def _run() -> None:
    sys.stderr = _Screen(sys.stderr)
    try:
        _check_place()
        # Without its standalone mode, typer returns the code that a Ctrl-C or an Exit asks for.
        code = app(standalone_mode=False)
        if code == 130:
            _end(code, "interrupted")
        sys.exit(code)
    except UsageError as error:
        dashed = "No such option" in error.format_message()
        hint = "; a setting is written without dashes, as in steps=1000" if dashed else ""
        _end(2, f"{' '.join(error.format_message().split())}{hint}; see ganctl --help")
    except BadInput as error:
        _end(2, str(error))
    except RunFailed as error:
        _end(1, f"failed: {error}")
    except (Interrupted, KeyboardInterrupt) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of which more may come
        _end(130, "interrupted" if isinstance(error, KeyboardInterrupt) else None)
    except BrokenPipeError:  # whoever read what is printed is gone
        _drop_output()
        _end(1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # of a file or folder that was asked for
            _end(2, f"{one_line(error)}; give a shorter one")
        _end(1, f"failed: {one_line(error)}; what is on the disk is whole, so the same command may be given again")
    except MemoryError:
        _end(1, "failed: there is not enough memory; use a smaller model or batch_size, or fewer jobs")
    except Exception as error:
        _end(1, f"failed: {one_line(error)}; {_reported()}")


class _Screen:
    """Standard error, which may be closed, or full, without an end to the work that is told of there."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _check_place() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInput("the current folder is gone; cd to one that is there") from None


def _print(text: object, end: str = "\n") -> None:
    """The result, on standard output.

    Raises:
        BrokenPipeError: nobody reads it any more.
        RunFailed: it cannot be written.
    """
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise RunFailed(f"standard output: {error.strerror}; what the command made is whole") from None


def _drop_output() -> None:
    """What is left of the output must not be tried again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reported() -> str:
    """Where the traceback of what nobody expected is."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="ganctl-", suffix=".txt", delete=False) as file:
            traceback.print_exc(file=file)
        return f"this is a bug of ganctl: please report it with {file.name}"
    except OSError:
        return "this is a bug of ganctl: please report it"
