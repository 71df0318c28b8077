"""The tables and pictures of docs/games.md.

python docs/games.py                    prints the tables from docs/games.csv
python docs/games.py DATA_ROOT RUN...   writes that file anew from the newest evaluation of each run folder first, and
                                        the pictures from the runs of seed 0
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "games.csv"
TABLES = {
    "Games of labels": (("cgan", "projection", "acgan"), ("label_agreement", "diversity", "least diversity", "fid")),
    "InfoGAN": (("infogan",), ("code_match", "mutual_information", "slant", "width", "fid")),
    "Auto-encoders": (
        ("aae", "aae_semisupervised"),
        ("reconstruction_error", "principal components", "prior_distance", "prior_p", "confidence", "label_error"),
    ),
}
# What `ganctl sample` is asked to show of each game.
CLASSES = ["--labels", "all", "--num", "16"]
PICTURES = {
    "cgan": {"": CLASSES},
    "projection": {"": CLASSES},
    "acgan": {"": CLASSES},
    "infogan": {"": ["--sweep", "c1", "--num", "8"], "-c2": ["--sweep", "c2", "--num", "8", "--columns", "10"]},
    "aae": {"": ["--reconstruct", "--num", "16"]},
    "aae_semisupervised": {"": CLASSES},
}


def take_over(root: str, runs: list[Path]) -> None:
    """A row for each number of each run."""
    rows = []
    for run in runs:
        config = yaml.safe_load((run / "config.yaml").read_text())
        info = json.loads((run / "run.json").read_text())
        entry = json.loads((run / "metrics.json").read_text())["evaluations"][-1]
        game = config["game"]["name"]
        found = {name: (row["value"], row["low"], row["high"]) for name, row in entry["metrics"].items()}
        if "classes" in entry:
            found["least diversity"] = (min(entry["classes"]["diversity"]), None, None)
        if game == "infogan":
            found |= {name: (value, None, None) for name, value in followed(run).items()}
        if game.startswith("aae"):
            found["principal components"] = (principal_error(config, root), None, None)
        about = [game, config["data"]["name"], config["seed"], entry["step"], round(info["seconds"])]
        rows += [[*about, name, *("" if n is None else f"{n:.6g}" for n in values)] for name, values in found.items()]
        if (config["data"]["name"], config["seed"]) == ("mnist", 0):
            draw(game, run)
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["game", "data", "seed", "steps", "seconds", "metric", "value", "low", "high"])
        writer.writerows(rows)


def draw(game: str, run: Path) -> None:
    """The pictures of a game, from a run."""
    for name, words in PICTURES[game].items():
        file = FILE.with_name(f"games-{game}{name}.png")
        subprocess.run([sys.executable, "-m", "ganctl", "sample", run, *words, "--out", file], check=True)


def followed(run: Path) -> dict[str, float]:
    """The rank correlation of slant and of width with the continuous code that follows each most, within categories."""
    import torch
    from scipy.stats import spearmanr

    from ganctl.assembly.reopening import reopen

    experiment, _ = reopen(run, run, [], "cpu", None)
    game = experiment.training.game
    inputs = game.draw(5000, torch.Generator().manual_seed(0))
    low, high = experiment.value_range
    images = ((experiment.make(inputs) - low) / (high - low)).sum(dim=1).double()
    mass = images.sum(dim=(1, 2)).clamp(min=1e-9)
    rows, columns = (torch.arange(size, dtype=torch.float64) for size in images.shape[1:])
    above = rows - ((images.sum(dim=2) @ rows) / mass)[:, None]
    aside = columns - ((images.sum(dim=1) @ columns) / mass)[:, None]
    # Second moments of the ink: how far each row lies to the side, and how far the ink reaches to both sides.
    slant = torch.einsum("nij,ni,nj->n", images, above, aside) / torch.einsum("nij,ni->n", images, above**2)
    width = torch.einsum("nij,nj->n", images, aside**2) / mass
    kinds = inputs.codes["c1"].argmax(dim=1)
    best = {}
    for name, statistic in {"slant": slant, "width": width}.items():
        found = []
        for code in (code for code, about in game.codes.items() if not about.classes):
            values = inputs.codes[code][:, 0]
            within = [spearmanr(values[kinds == kind], statistic[kinds == kind])[0] for kind in range(10)]
            found.append(sum(within) / 10)
        best[name] = max(found, key=abs)
    return best


def principal_error(config: dict, root: str) -> float:
    """The error of test images after as many principal components of the training images as a code has numbers."""
    import torch

    from ganctl.config.schema import TorchvisionImages
    from ganctl.data import DATASETS, TEST_SPLITS

    options = TorchvisionImages(config["data"]["name"], root)
    train, test = (made[options.name](options).pixels.flatten(1).double() / 255 for made in (DATASETS, TEST_SPLITS))
    mean = train.mean(dim=0)
    _, vectors = torch.linalg.eigh((train - mean).T @ (train - mean))
    kept = vectors[:, -config["model"]["latent_dim"] :]
    rest = test - mean
    return float((rest - rest @ kept @ kept.T).square().mean())


def short(text: str) -> str:
    """A number as the tables show it."""
    if not text:
        return "–"
    value = float(text)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def main() -> None:
    if len(sys.argv) > 1:
        take_over(sys.argv[1], [Path(word) for word in sys.argv[2:]])
    with FILE.open() as file:
        rows = [*csv.DictReader(file)]
    found = {(row["game"], row["data"], int(row["seed"]), row["metric"]): row for row in rows}
    for title, (games, metrics) in TABLES.items():
        print(f"### {title}\n")
        print("| game | data | seed | steps | minutes | " + " | ".join(metrics) + " |")
        print("| --- |" + " --- |" * (4 + len(metrics)))
        for game, data, seed in sorted({key[:3] for key in found if key[0] in games}, key=lambda key: (
            games.index(key[0]), key[1] != "mnist", key[2]
        )):  # fmt: skip
            any_row = next(row for key, row in found.items() if key[:3] == (game, data, seed))
            cells = []
            for metric in metrics:
                row = found.get((game, data, seed, metric), {"value": "", "low": "", "high": ""})
                interval = f" [{short(row['low'])}, {short(row['high'])}]" if row["low"] else ""
                cells.append(short(row["value"]) + interval)
            about = [f"`{game}`", data, str(seed), f"{int(any_row['steps']):,}", f"{int(any_row['seconds']) / 60:.1f}"]
            print("| " + " | ".join([*about, *cells]) + " |")
        print()


if __name__ == "__main__":
    main()
