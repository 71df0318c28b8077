"""How fast a training step is, beside the loop of a textbook and beside its matrix products and convolutions alone.

    python benchmarks/train.py [--repeats 5] [--json FILE] [CASE...]

For each case three ways take turns, and the medians of their times are divided:

- `ganctl`: the loop as `ganctl train` runs it, scalars every tenth step, hooks left out;
- `textbook`: the same networks and the same steps written as tutorials write them: a DataLoader that turns one image
  after the other into a tensor, a backward pass for real and one for generated samples, two `.item()` a step, Adam as
  torch has it by default, subnormal numbers kept by all of its threads, which is why it has a process of its own;
- `floor`: the matrix products and convolutions of a ganctl step alone, on the tensors that they had there; what they
  give is thrown away.

Games that make images from images have no textbook here.

Where there is a GPU, the same on it, in each precision and compiled: the textbook as torch has it by default, the floor
in the precision of the case. Nothing else should run meanwhile. Only the ratios mean something on another machine.
"""

import argparse
import copy
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import measuring
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, ToTensor

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.config.schema import Config
from ganctl.data import ImageSet
from ganctl.models.convolutions import FromGray, FromPoint, ToGray, ToPoint
from ganctl.models.layers import Dropout
from ganctl.training.experiment import Experiment
from ganctl.training.loop import train


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        words: of `ganctl train`.
        steps: timed at once.
        saturated: whether D has won before the clock starts, so that gradients of a saturating loss are subnormal.
        side: of the images; above 28 real ones are enlarged.
        textbook: whether there is a textbook's loop of such a game.
    """

    words: tuple[str, ...]
    steps: int
    saturated: bool = False
    side: int = 28
    textbook: bool = True


MLP = ("data=mnist5k", "model=mlp", "batch_size=100", "optim.lr=0.001")
DCGAN = ("data=mnist5k", "model=dcgan", "batch_size=64", "optim.lr=0.0002")
ONE_THREAD = "threads=1"
SMALL = ("data=mnist5k",)  # the default
CPU_CASES = {
    "default": Case((*SMALL, "loss=nonsaturating", ONE_THREAD), 50),
    "mlp": Case((*MLP, "loss=nonsaturating"), 50),
    "mlp, one thread": Case((*MLP, "loss=nonsaturating", ONE_THREAD), 50),
    "mlp, bf16": Case((*MLP, "loss=nonsaturating", "precision=bf16"), 20),
    "mlp, minimax, saturated": Case((*MLP, "loss=minimax"), 10, saturated=True),
    "mlp, minimax, saturated, one thread": Case((*MLP, "loss=minimax", ONE_THREAD), 10, saturated=True),
    "dcgan": Case(DCGAN, 10),
    "dcgan, one thread": Case((*DCGAN, ONE_THREAD), 10),
    "dcgan, minimax, saturated": Case((*DCGAN, "loss=minimax"), 3, saturated=True),
    "dcgan, 64 pixels": Case((*DCGAN, "model.width=32"), 3, side=64),
    "dcgan, 64 pixels, one thread": Case((*DCGAN, "model.width=32", ONE_THREAD), 3, side=64),
    "srgan": Case(("experiment=srgan", "game.pretrain_steps=0"), 10, textbook=False),
    "srgan, one thread": Case(("experiment=srgan", "game.pretrain_steps=0", ONE_THREAD), 10, textbook=False),
    "cyclegan": Case(("experiment=cyclegan",), 5, textbook=False),
    "cyclegan, one thread": Case(("experiment=cyclegan", ONE_THREAD), 5, textbook=False),
}
GPU_SETTINGS = {
    "fp32": ("precision=fp32",),
    "tf32": ("precision=tf32",),
    "bf16": ("precision=bf16",),
    "fp32, compiled": ("precision=fp32", "compile=true"),
    "bf16, compiled": ("precision=bf16", "compile=true"),
}
CASES = {name: replace(case, words=(*case.words, "device=cpu")) for name, case in CPU_CASES.items()} | {
    f"{name}, GPU, {setting}": replace(
        CPU_CASES[name], words=(*CPU_CASES[name].words, "device=cuda", *words), steps=100
    )
    for name in ("mlp", "dcgan", "dcgan, 64 pixels")
    for setting, words in GPU_SETTINGS.items()
}
PRODUCTS = ("mm", "addmm", "bmm", "convolution", "convolution_backward")


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images that become tensors one after the other, as torchvision's own data sets hand them out."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        self.transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index, 0].numpy())), 0


class Textbook:
    """The loop that tutorials show, on copies of the networks of an experiment; on the CPU until `move` is called."""

    def __init__(self, experiment: Experiment, batch_size: int, rate: float, saturating: bool) -> None:
        self.generator, self.discriminator = (
            plain(experiment.training.game.networks[name]) for name in ("generator", "discriminator")
        )
        self.loader = DataLoader(Pictures(experiment.dataset.pixels.cpu()), batch_size, shuffle=True, drop_last=True)  # type: ignore[attr-defined]
        self.latent_dim = experiment.training.game.networks["generator"].latent_dim
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))
            for network in (self.discriminator, self.generator)
        ]
        self.saturating = saturating
        self.batches: Iterator[Any] = iter(())
        self.seen: list[tuple[float, float]] = []
        self.device = torch.device("cpu")

    def move(self, device: torch.device) -> None:
        """Puts the networks on a device; the optimizers know them still."""
        self.device = device
        for network in (self.generator, self.discriminator):
            network.to(device)

    def step(self) -> None:
        """D on real, D on generated, G: three forward passes of D and three backward passes."""
        real = self._next().to(self.device)
        ones, zeros = torch.ones(len(real), device=self.device), torch.zeros(len(real), device=self.device)
        d_optimizer, g_optimizer = self.optimizers
        d_optimizer.zero_grad()
        on_real = binary_cross_entropy_with_logits(self.discriminator(real), ones)
        on_real.backward()
        fake = self.generator(torch.randn(len(real), self.latent_dim, device=self.device))
        on_fake = binary_cross_entropy_with_logits(self.discriminator(fake.detach()), zeros)
        on_fake.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        logits = self.discriminator(self.generator(torch.randn(len(real), self.latent_dim, device=self.device)))
        loss = -binary_cross_entropy_with_logits(logits, zeros) if self.saturating else (
            binary_cross_entropy_with_logits(logits, ones)
        )  # fmt: skip
        loss.backward()
        g_optimizer.step()
        self.seen.append(((on_real + on_fake).item(), loss.item()))

    def _next(self) -> Tensor:
        try:
            return next(self.batches)[0]
        except StopIteration:
            self.batches = iter(self.loader)
            return next(self.batches)[0]


def play_textbook(connection: Connection, threads: int, device: torch.device) -> None:
    """Receives a textbook, then plays as many of its steps as it is sent numbers, a word back for each."""
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)
    textbook = connection.recv()
    textbook.move(device)
    with suppress(EOFError):  # where the benchmark is done with it
        while True:
            for _ in range(connection.recv()):
                textbook.step()
            finish(device)
            connection.send("done")


def finish(device: torch.device) -> None:
    """Waits until the device has done all that it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def plain(network: nn.Module) -> nn.Module:
    """A copy of torch's own layers, in torch's own memory format, every weight trained."""
    found = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).requires_grad_(True)  # type: ignore[call-overload]
    for parent in found.modules():
        for name, child in parent.named_children():
            if isinstance(child, Dropout):
                setattr(parent, name, nn.Dropout(child.rate))
            elif isinstance(child, (FromGray, FromPoint, ToGray, ToPoint)):
                child.__class__ = type(child).__base__
    return found


class Recorder(TorchDispatchMode):
    """Notes every matrix product and convolution inside, with tensors of the same strides to repeat it on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        if func._schema.name.removeprefix("aten::") in PRODUCTS:
            self.calls.append(lambda: func(*args, **kwargs))
        return func(*args, **kwargs)


def saturate(experiment: Experiment) -> None:
    """Makes D sure of every sample, so that what a saturating loss hands to G is subnormal.

    A minimax arm that has died gets there after epochs. D learns to tell by 300 turns against a generator that stands
    still; then an affine map of its logits, in its last layer, takes it there at once. Generated samples get logits
    around -87: their gradient, e^-87 over the batch, is about 1e-40. From there on nobody learns: Adam does its work
    with a rate of 0, so that every timed step is in that state.
    """
    training = experiment.training
    (generators,), (discriminators,) = (training.optimizers[p].param_groups for p in ("generator", "discriminator"))
    generators["lr"] = 0.0
    train(training, training.step + 300, 100, [], lambda: False)
    observed = training.play_step(log=True)
    discriminators["lr"] = 0.0
    real, fake = float(observed["logit/real"]), float(observed["logit/fake"])
    *_, weight, bias = training.game.networks["discriminator"].parameters()
    stretch = (87 + 30) / (real - fake)
    with torch.no_grad():
        weight.mul_(stretch)
        bias.mul_(stretch).sub_(87 + stretch * fake)


def ways(case: Case) -> dict[str, Callable[[], None]]:
    """What is timed of a case: each plays `case.steps` steps."""
    config = load(["steps=1000000", *case.words])
    experiment = build(config)
    if case.side != 28:
        dataset = experiment.dataset
        large = nn.functional.interpolate(dataset.pixels[:1000].cpu().float(), case.side).to(torch.uint8)  # type: ignore[attr-defined]
        experiment = build(config, ImageSet(large))
    if case.saturated:
        saturate(experiment)
    device = experiment.training.streams.device
    eager = experiment
    if config.compile:  # what is compiled hides its products
        words = [word for word in case.words if word != "compile=true"]
        eager = build(load(["steps=1000000", *words]), experiment.dataset)
    with Recorder() as recorder:
        eager.training.play_step(log=False)

    def ours() -> None:
        torch.set_flush_denormal(True)
        train(experiment.training, experiment.training.step + case.steps, 10, [], lambda: False)
        finish(device)

    def floor() -> None:
        torch.set_flush_denormal(True)
        with torch.no_grad(), experiment.training.precision.turn():
            for _ in range(case.steps):
                for call in recorder.calls:
                    call()
        finish(device)

    theirs = {"textbook": textbook_of(case, config, experiment)} if case.textbook else {}
    return {"ganctl": ours, **theirs, "floor": floor}


def textbook_of(case: Case, config: Config, experiment: Experiment) -> Callable[[], None]:
    """What plays `case.steps` steps of the textbook, in a process of its own."""
    rate = 0.0 if case.saturated else config.optim.lr
    textbook = Textbook(experiment, config.batch_size, rate, "minimax" in " ".join(case.words))
    context = multiprocessing.get_context("spawn")
    ours_end, its_end = context.Pipe()
    arguments = (its_end, torch.get_num_threads(), experiment.training.streams.device)
    context.Process(target=play_textbook, args=arguments, daemon=True).start()
    ours_end.send(textbook)

    def theirs() -> None:
        ours_end.send(case.steps)
        ours_end.recv()

    return theirs


def measured(case: Case, repeats: int) -> dict[str, float]:
    """Images of the data set a second, by way, and the two ratios."""
    times: dict[str, list[float]] = {}
    batch = load(list(case.words)).batch_size
    played = ways(case)
    for repeat in range(repeats + 1):
        for name, play in played.items():
            began = time.perf_counter()
            play()
            if repeat:  # the first time is a warm-up
                times.setdefault(name, []).append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in times.items()}
    found = {name: case.steps * batch / median for name, median in medians.items()}
    if case.textbook:
        found["times the textbook"] = medians["textbook"] / medians["ganctl"]
    return found | {"times the floor": medians["ganctl"] / medians["floor"]}


def subnormal() -> dict[str, float]:
    """How much longer this CPU takes for a product of subnormal numbers than for one of others, nothing flushed."""
    torch.set_flush_denormal(False)
    torch.set_num_threads(1)
    left, right = torch.randn(100, 1024), torch.randn(1024, 784)
    found = {}
    for name, scale in {"normal": 1.0, "subnormal": 1e-40}.items():
        scaled = left * scale
        times = []
        for _ in range(20):
            began = time.perf_counter()
            scaled @ right
            times.append(time.perf_counter() - began)
        found[name] = statistics.median(times)
    ratio = found["subnormal"] / found["normal"]
    print(f"a matrix product of subnormal numbers takes {ratio:.2f} times that of others on this CPU")
    return found | {"ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="of those below; all if left out")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    possible = [name for name, case in CASES.items() if "device=cuda" not in case.words or torch.cuda.is_available()]
    if unknown := set(given.cases) - {*possible}:
        parser.error(f"no case {unknown.pop()!r} on this machine; choose from: {'; '.join(possible)}")
    results: dict[str, dict[str, float]] = {}
    print(f"{'case':44s}{'ganctl':>10s}{'textbook':>10s}{'floor':>10s}   images/s")
    results["subnormal"] = subnormal()
    for name in given.cases or possible:
        found = results[name] = measured(CASES[name], given.repeats)
        rates = "".join(
            f"{found[way]:10.0f}" if way in found else f"{'':10s}" for way in ("ganctl", "textbook", "floor")
        )
        beside = f"{found['times the textbook']:.2f} times the textbook, " if "times the textbook" in found else ""
        print(f"{name:44s}{rates}   {beside}{found['times the floor']:.2f} times the time of the floor", flush=True)
    measuring.write(given.json, results)


if __name__ == "__main__":
    main()
