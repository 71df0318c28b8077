"""What every image recipe reaches, over seeds, on one thread: the table and the pictures of docs/recipes.md.

    python benchmarks/recipes.py                            prints the tables from docs/recipes.csv
    python benchmarks/recipes.py --root DIR [RECIPE...]     trains and measures first, and draws the pictures

Each run is the command in its row of the table, with a seed. A run that has ended is not trained again, so the command
goes on where it was stopped. Confidence (mean probability of the likeliest class) and entropy (of the classes that are
found, in nats; ten equal classes have 2.303) are of 1,000 samples: digits by the small classifier of `tests.judge`,
Fashion-MNIST by the classifier that `ganctl evaluate` uses. fid is that of `ganctl evaluate RUN --metrics fid` against
the test split, with `--data mnist --root DIR` for mnist5k, which has none. Seconds are CPU time of the training
process, its start included.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILE = DOCS / "recipes.csv"
COLUMNS = ("recipe", "data", "seed", "steps", "seconds", "confidence", "entropy", "fid")
PLAIN = ("vanilla", "dcgan", "lsgan", "wgan", "wgan_gp", "dragan", "hinge_sn", "r1", "r3gan", "began", "ebgan")
GAMES = ("cgan", "projection", "acgan", "infogan")
DEAR = ("wgan", "wgan_gp", "dragan", "r1", "r3gan")  # five turns of the critic, or a penalty on a gradient
SETS = {"mnist": "Digits", "fashion_mnist": "Fashion-MNIST"}
SEEDS = (0, 1, 2)
LINE = 2  # pixels between the samples of a grid
ROW = 28 + LINE
SPENT = "cpu-seconds"  # the file in a run folder that keeps what its process took
CLEAR = {"confidence": 0.9, "entropy": 2.1}  # clear digits of every kind


def words(recipe: str, data: str) -> list[str]:
    """The words of `ganctl train` that make a recipe on a data set."""
    if recipe in GAMES:
        return [f"experiment={recipe}_{data}", "data.root=DIR"]
    return [f"experiment={recipe}", *([] if data == "mnist" else [f"data={data}", "data.root=DIR"])]


def trained(folder: Path, root: str, key: tuple[str, str, int]) -> Path:
    """The finished run of a recipe, a data set and a seed."""
    recipe, data, seed = key
    name = f"{recipe}-{data}-{seed}"
    for info in folder.glob(f"*/*-{name}/run.json"):
        if json.loads(info.read_text())["status"] == "completed" and (info.parent / SPENT).exists():
            return info.parent
    command = [sys.executable, "-m", "ganctl", "train", *words(recipe, data), f"seed={seed}", "threads=1"]
    command = [word.replace("DIR", root) for word in command]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*command, f"name={name}", f"output_dir={folder}"], stdout=said, stderr=subprocess.DEVNULL
        )
        _, code, usage = os.wait4(process.pid, 0)
        said.seek(0)
        run = Path(said.read().strip().splitlines()[-1]) if code == 0 else None
    if run is None:
        raise SystemExit(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(code)}")
    (run / SPENT).write_text(str(round(usage.ru_utime + usage.ru_stime)))
    return run


@cache
def judges(data: str, root: str) -> tuple:
    """The classifier of a data set, from images in [0, 1] to logits, and what measures fid on it."""
    from ganctl.config.schema import TorchvisionImages
    from ganctl.data import DATASETS, TEST_SPLITS
    from ganctl.evaluation import ImageEvaluator
    from ganctl.evaluation.classifier import classifier_of
    from tests.judge import trained_classifier

    options = TorchvisionImages(data, root)
    train, test = DATASETS[data](options), TEST_SPLITS[data](options)
    evaluator = ImageEvaluator(train, test, ["fid"])
    if data == "mnist":
        return trained_classifier(), evaluator
    network = classifier_of(train, test)[0]
    return lambda images: network(images * 2 - 1)[1], evaluator


def measured(run: Path, root: str, key: tuple[str, str, int]) -> dict[str, str]:
    """A row of the file."""
    from tests.judge import judged, reopened

    classifier, evaluator = judges(key[1], root)
    confidence, entropy = judged(classifier, run)
    experiment = reopened(run)
    fid = evaluator.evaluate(experiment.draw_measured, experiment.weights, errors=False).estimates["fid"].value
    figures = (f"{confidence:.3f}", f"{entropy:.3f}", f"{fid:.4g}")
    values = (*key, experiment.training.step, (run / SPENT).read_text(), *figures)
    return dict(zip(COLUMNS, map(str, values), strict=True))


def rows() -> list[dict[str, str]]:
    """What was measured so far."""
    if not FILE.exists():
        return []
    with FILE.open() as file:
        return [*csv.DictReader(file)]


def write(found: list[dict[str, str]]) -> None:
    """Writes the file, sorted as the tables are."""
    order = [*PLAIN, *GAMES]
    found = sorted(found, key=lambda row: ([*SETS].index(row["data"]), order.index(row["recipe"]), int(row["seed"])))
    with FILE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def measure(root: str, folder: Path, recipes: list[str], jobs: int) -> None:
    """Trains and measures what is asked for, and keeps every row as it comes."""
    keys = [(recipe, data, seed) for data in SETS for recipe in recipes for seed in SEEDS]
    runs = {}
    with ThreadPoolExecutor(jobs) as pool:
        for key, run in zip(keys, pool.map(partial(trained, folder, root), keys), strict=True):
            runs[key] = run
            row = measured(run, root, key)
            print(" ".join(row.values()), flush=True)
            write([*(old for old in rows() if (old["recipe"], old["data"], int(old["seed"])) != key), row])
    for data, title in SETS.items():
        shown = {recipe: run for (recipe, of, seed), run in runs.items() if (of, seed) == (data, SEEDS[0])}
        if len(shown) == len(PLAIN + GAMES):
            draw(shown, title, DOCS / f"recipes-{data}.png")


def draw(runs: dict[str, Path], title: str, file: Path) -> None:
    """The upper half of each run's last grid, in whole rows, side by side."""
    import numpy as np
    from matplotlib.figure import Figure
    from PIL import Image

    columns = 5
    figure = Figure(figsize=(2.3 * columns, 1.42 * -(-len(runs) // columns)), dpi=110, layout="constrained")
    for place, (recipe, run) in enumerate(runs.items()):
        panel = figure.add_subplot(-(-len(runs) // columns), columns, place + 1)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        panel.set_title(recipe, fontsize=9)
        with Image.open(max((run / "samples").glob("*.png"))) as grid:
            panel.imshow(np.asarray(grid)[: grid.height // 2 // ROW * ROW + LINE], interpolation="nearest")
    figure.suptitle(f"{title}, seed {SEEDS[0]}", fontsize=10)
    figure.savefig(file)


def spread(values: list[float], digits: Callable[[float], str]) -> str:
    """The mean, and the lowest and highest value in brackets."""
    return f"{digits(statistics.mean(values))} [{digits(min(values))}, {digits(max(values))}]"


def tables() -> Iterator[str]:
    """The lines of the tables, a table for each data set."""
    found = rows()
    two, one = "{:.2f}".format, "{:.1f}".format
    for data, title in SETS.items():
        if not any(row["data"] == data for row in found):
            continue
        yield f"### {title}"
        yield ""
        yield "| command | steps | seconds | confidence | entropy | fid |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for recipe in (*PLAIN, *GAMES):
            mine = [row for row in found if (row["recipe"], row["data"]) == (recipe, data)]
            if len(mine) < len(SEEDS):
                continue
            values = {name: [float(row[name]) for row in mine] for name in COLUMNS[3:]}
            shown = [
                f"`ganctl train {' '.join(words(recipe, data))}`",
                f"{int(values['steps'][0]):,}",
                f"{statistics.median(values['seconds']):.0f}",
                spread(values["confidence"], two),
                spread(values["entropy"], two),
                spread(values["fid"], one),
            ]
            yield "| " + " | ".join(shown) + " |"
        yield ""


def clear(found: list[dict[str, str]]) -> list[str]:
    """The recipes whose digits are clear and of every kind, within two minutes, or four for the dear ones."""
    good = []
    for recipe in (*PLAIN, *GAMES):
        mine = [row for row in found if (row["recipe"], row["data"]) == (recipe, "mnist")]
        if len(mine) < len(SEEDS):
            continue
        enough = all(statistics.mean(float(row[name]) for row in mine) >= least for name, least in CLEAR.items())
        if enough and all(float(row["seconds"]) <= (240 if recipe in DEAR else 120) for row in mine):
            good.append(recipe)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="all if left out")
    parser.add_argument("--root", help="folder that holds MNIST/raw and FashionMNIST/raw")
    parser.add_argument("--runs", type=Path, default=Path("outputs/recipes"), help="where the runs go")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    given = parser.parse_args()
    if given.root:
        measure(given.root, given.runs, given.recipes or [*PLAIN, *GAMES], given.jobs)
    print("\n".join(tables()))
    reached = clear(rows())
    print(f"{len(reached)} of {len(PLAIN + GAMES)} recipes make clear digits in time: {', '.join(reached)}.")


if __name__ == "__main__":
    main()
