"""How soon generated digits are good: ganctl's default beside the DCGAN of the tutorials, on one thread.

    python benchmarks/quality.py --root DIR [--seconds 90] [--tutorial-seconds 600] [--json FILE] [--figure FILE]

Both train on full MNIST. From time to time the clock stops, and the Fréchet distance (fid) of 2,000 samples to the test
split is measured. ganctl trains a second time on the 5,000 digits of mnist5k, where the sliced Wasserstein
distance is measured. The clock counts the CPU time of the one thread that trains, so that other programs do not matter;
measurements do not count. Samples are those that a person would get: ganctl's from the averaged weights, the tutorial's
from its generator in evaluation mode. Samples of 32 pixels are shrunk to 28 first.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import measuring
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, Resize, ToTensor

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.config.schema import TorchvisionImages
from ganctl.data import DATASETS, TEST_SPLITS, ImageSet, Samples
from ganctl.evaluation import ImageEvaluator
from ganctl.training.experiment import Experiment
from ganctl.training.loop import train
from ganctl.watching.measures import Quality

SAMPLES = 2000  # of each measurement
BOUNDS = {"fid": (50, 20, 10), "sliced distance": (0.15, 0.1, 0.08)}
Point = tuple[float, float]  # seconds of training, distance


class Pictures(Dataset[tuple[Tensor, int]]):
    """Digits that become tensors of 32 pixels one after the other, as torchvision's own data sets hand them out."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        self.transform = Compose([Resize(32), ToTensor(), Normalize([0.5], [0.5])])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index, 0].numpy())), 0


class TutorialGenerator(nn.Module):
    """A linear layer to 8x8 maps, then two times upsampling and a 3x3 convolution: 128, 128 and 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(100, 128 * 8 * 8)
        self.convolutions = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128), nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, padding=1), nn.BatchNorm2d(64), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 1, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        return self.convolutions(self.linear(latent).view(-1, 128, 8, 8))


def tutorial_discriminator() -> nn.Module:
    """Four strided convolutions of 16, 32, 64 and 128 channels with dropout, and a probability."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(itertools.pairwise([1, 16, 32, 64, 128])):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Dropout2d(0.25), *([nn.BatchNorm2d(after)] if place else [])]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, 1), nn.Sigmoid())


def initialize_(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), those of batch norm from N(1, 0.02), as the tutorials have it."""
    if isinstance(layer, nn.Conv2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


class Tutorial:
    """The loop of the tutorials: batches of 64 from a DataLoader, Adam at 2e-4 with beta1 0.5, binary cross-entropy."""

    def __init__(self, images: ImageSet) -> None:
        torch.manual_seed(0)
        self.generator, self.discriminator = TutorialGenerator(), tutorial_discriminator()
        self.generator.apply(initialize_)
        self.discriminator.apply(initialize_)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.generator, self.discriminator)
        )
        self.loss = nn.BCELoss()
        loader = DataLoader(Pictures(images.pixels), 64, shuffle=True)
        self.batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def step(self) -> None:
        """The generator's update, then the discriminator's on real images and on the same generated ones."""
        real, _ = next(self.batches)
        valid, generated = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        self.g_optimizer.zero_grad()
        made = self.generator(torch.randn(len(real), 100))
        self.loss(self.discriminator(made), valid).backward()
        self.g_optimizer.step()
        self.d_optimizer.zero_grad()
        on_real = self.loss(self.discriminator(real), valid)
        on_made = self.loss(self.discriminator(made.detach()), generated)
        ((on_real + on_made) / 2).backward()
        self.d_optimizer.step()

    @torch.no_grad()
    def draw(self, count: int, noise: torch.Generator) -> Samples:
        """`count` samples as uint8 [N, 1, 28, 28]."""
        self.generator.eval()
        made = self.generator(torch.randn(count, 100, generator=noise))
        self.generator.train()
        made = interpolate(made, 28, mode="bilinear", antialias=True)
        return Samples(made.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8), None)


def followed(play: Callable[[], None], measure: Callable[[], float], seconds: float, every: float) -> Iterator[Point]:
    """The distance each time that `every` seconds of training have passed, or a tenth of the time so far if longer."""
    spent, due = 0.0, every
    while spent < seconds:
        began = time.process_time()
        play()
        spent += time.process_time() - began
        if spent >= due:
            due = spent + max(every, spent / 10)
            yield spent, measure()


def collected(name: str, points: Iterator[Point]) -> list[Point]:
    """The points, each printed as it comes."""
    found = []
    for seconds, distance in points:
        print(f"{name:28s}{seconds:8.1f} s{distance:10.4g}", flush=True)
        found.append((seconds, distance))
    return found


def ganctl_of(words: list[str]) -> tuple[Experiment, Callable[[], None]]:
    """ganctl's default run, and what plays ten of its steps."""
    experiment = build(load(["steps=10000000", "seed=0", "threads=1", *words]))

    def play() -> None:
        train(experiment.training, experiment.training.step + 10, 10, [], lambda: False)

    return experiment, play


def until(points: list[Point], bound: float) -> float | None:
    """The seconds at which the distance was first at most `bound`; None if it never was."""
    return next((seconds for seconds, distance in points if distance <= bound), None)


def draw(curves: dict[str, list[Point]]) -> Figure:
    """The classifier's fid over the seconds of training, both on a logarithmic scale."""
    figure = Figure(figsize=(7, 3.8), dpi=110, layout="constrained")
    panel = figure.add_subplot()
    for (name, points), color in zip(curves.items(), ("#00798c", "#d1495b"), strict=True):
        panel.plot(*zip(*points, strict=True), color=color, marker="o", markersize=3, label=name)
    for bound in BOUNDS["fid"]:
        panel.axhline(bound, color="0.6", linewidth=0.8, linestyle=":")
    panel.set(xscale="log", yscale="log", xlabel="seconds of one thread", ylabel="fid in the classifier's features")
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder that holds MNIST/raw")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--tutorial-seconds", type=float, default=600)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    options = TorchvisionImages("mnist", given.root)
    digits, test = DATASETS["mnist"](options), TEST_SPLITS["mnist"](options)
    assert isinstance(digits, ImageSet) and isinstance(test, ImageSet)
    evaluator = ImageEvaluator(digits, test, ["fid"], num=SAMPLES)

    def fid(draw: Callable[[int, torch.Generator], Samples], weights: str) -> Callable[[], float]:
        return lambda: evaluator.evaluate(draw, weights, errors=False).estimates["fid"].value

    experiment, play = ganctl_of(["data=mnist", f"data.root={given.root}"])
    curves = {
        "ganctl, fid": collected(
            "ganctl, fid", followed(play, fid(experiment.draw_measured, experiment.weights), given.seconds, 1.0)
        )
    }
    small, play = ganctl_of([])
    quality = Quality(small, every=1, log_every=1, select=False)
    curves["ganctl, sliced distance"] = collected(
        "ganctl, sliced distance",
        followed(play, lambda: quality.measure(small.training)["quality/sliced_wasserstein"], given.seconds / 3, 1.0),
    )
    tutorial = Tutorial(digits)
    torch.set_flush_denormal(False)  # torch's default, which ganctl changes
    curves["tutorial, fid"] = collected(
        "tutorial, fid", followed(tutorial.step, fid(tutorial.draw, "last"), given.tutorial_seconds, 10.0)
    )
    reached = {
        name: {str(bound): until(points, bound) for bound in BOUNDS[name.split(", ")[1]]}
        for name, points in curves.items()
    }
    for name, bounds in reached.items():
        print(name, ", ".join(f"{bound}: {'never' if s is None else f'{s:.1f} s'}" for bound, s in bounds.items()))
    last = curves["tutorial, fid"][-1][0]
    ours, theirs = reached["ganctl, fid"]["50"], reached["tutorial, fid"]["50"]
    ratio = None if ours is None else (theirs or last) / ours
    print(f"fid 50: {'at least ' if theirs is None else ''}{ratio or 0:.1f} times sooner")
    measuring.write(given.json, {"reached": reached, "ratio at fid 50": ratio, "curves": curves})
    if given.figure:
        draw({"ganctl": curves["ganctl, fid"], "tutorial": curves["tutorial, fid"]}).savefig(given.figure)


if __name__ == "__main__":
    main()
