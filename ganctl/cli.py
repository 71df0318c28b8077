"""The command line: parse, call, print. Imports no torch, so that --help and a refused override answer at once."""

import sys
from typing import Annotated

import typer

from ganctl import __version__
from ganctl.commands import options
from ganctl.commands.ending import carry_out, print_result
from ganctl.errors import BadInput
from ganctl.leaving import leaving

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # what formats help with rich takes as long to import as all the rest
    help="Controlled experiments with GANs: change one thing, hold everything else equal, look at the answer.",
)


@app.command()
def train(
    overrides: options.Overrides = None,
    resume: options.Resume = None,
    verify: options.Verify = None,
    show_config: options.ShowConfig = False,
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

        print_result(check(verify, given))
        return
    if resume is None:
        refuse_twice(parse(listed(given)))
        config = load(given)
    else:
        config = continued(find(resume), given) if given or not show_config else read(find(resume).config)
    if show_config:
        print_result(dump(config), end="")
        return
    with leaving():
        from ganctl.commands.train import resume_run
        from ganctl.commands.train import train as run

    print_result(run(config) if resume is None else resume_run(resume, config))


@app.command()
def sample(
    run: options.Run = None,
    num: options.Count = None,
    seed: options.Seed = None,
    columns: options.Columns = None,
    label: options.Label = None,
    labels: options.Labels = None,
    sweep: options.Code = None,
    interpolate: options.Interpolate = False,
    reconstruct: options.Reconstruct = False,
    upscale: options.Upscale = None,
    translate: options.Translate = None,
    to: options.To = None,
    progress: options.Progress = False,
    out: options.File = None,
    npz: options.Npz = False,
    ema: options.Averaged = None,
    plugin: options.PartsOfRun = None,
) -> None:
    """Draw samples from a run.

    A grid of images, points over their density, or an animation.
    """
    from ganctl.commands.flags import SAMPLE, in_flags

    with leaving():
        from ganctl.commands.sample import Asked
        from ganctl.commands.sample import sample as draw

    asked = Asked(label, labels, sweep, interpolate, reconstruct, progress, upscale, translate, to)
    with in_flags(SAMPLE):
        path = draw(run, num, seed, columns, out, npz, ema, plugin or [], asked)
    print_result(path)


@app.command()
def compare_losses(overrides: options.Sweep = None, show_config: options.ShowConfig = False) -> None:
    """Train every arm with every seed and write one report.

    Several values of a key make arms (loss=minimax,nonsaturating). seed=0,1,2 repeats each arm; without it, seeds are 0
    to 5. With no arguments the command compares J(G) = -J(D) with the non-saturating J(G) (experiment=jg). The same
    command again continues where it stopped.
    """
    from ganctl.studies.planning import plan
    from ganctl.studies.study import describe

    study = plan(overrides or [])
    if show_config:
        print_result(describe(study), end="")
        return
    from ganctl.studies.workers import start_server

    start_server()  # it imports torch while this process does
    with leaving():
        from ganctl.commands.compare_losses import compare_losses as run

    print_result(run(study))


@app.command()
def evaluate(
    run: options.Run = None,
    images: options.Images = None,
    metrics: options.Metrics = "",
    features: options.Features = "auto",
    num: options.Samples = None,
    split: options.Split = "test",
    data: options.Data = None,
    root: options.Root = None,
    against: options.Against = None,
    whole: options.Whole = False,
    to: options.Measured = None,
    image_size: options.ImageSize = None,
    weights: options.Weights = None,
    seed: options.NoiseSeed = 0,
    ema: options.Averaged = None,
    fail_if: options.Conditions = None,
    out: options.Folder = None,
    as_json: options.Json = False,
    plugin: options.Plugins = None,
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
        names,
        features,
        weights,
        num,
        split,
        data,
        root,
        against,
        seed,
        plugin or [],
        needed,
        image_size,
        out,
        as_json,
        to,
    )
    with Activity() as activity, in_flags(EVALUATE):
        if images is None:
            file, entry = evaluate_run(run, wanted, ema, activity)
        else:
            file, entry = evaluate_images(images, wanted, activity)
    print_result(json.dumps({"file": None if file is None else str(file), **entry}, indent=2) if as_json else file)
    fail_where(conditions, entry)


@app.command("list")
def list_(group: options.Group = None) -> None:
    """List every choice, with its paper.

    Losses, penalties, models, games, data sets and experiments.
    """
    from ganctl.commands.choices import list_choices
    from ganctl.terminal.abilities import width

    print_result(list_choices(group, width(sys.stdout)))


@app.command()
def doctor() -> None:
    """Check known answers on this machine.

    Every loss, every gradient, penalties, repeatability.
    """
    from ganctl.commands.doctor import doctor as check

    check()


def _version(wanted: bool) -> None:
    if wanted:
        print_result(f"ganctl {__version__}")
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
        print_result(context.get_help())


def main() -> None:
    """Runs the command line and ends the process."""
    # Without its standalone mode, typer returns the code that a Ctrl-C or an Exit asks for.
    carry_out(lambda: app(standalone_mode=False))
