"""`ganctl doctor`: checks computations with known results on this machine."""

import math
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.errors import RunFailed
from ganctl.losses import LOSSES, PENALTIES, AdversarialLoss
from ganctl.metrics import frechet_distance, inception_score, kernel_distance, precision_recall
from ganctl.numerics.machine import prepare_machine
from ganctl.store.host import available_cores, versions
from ganctl.terminal.abilities import console


@dataclass(frozen=True)
class Check:
    """The name of a check, whether it passed (None: it is only a note), and the value seen."""

    name: str
    passed: bool | None
    seen: str


WORDS = {True: ("ok", "green"), False: ("FAILED", "bold red"), None: ("note", "yellow")}


def doctor() -> None:
    """Prints a table of checks on stdout.

    Raises:
        RunFailed: a check failed.
    """
    table = Table(title="ganctl doctor: known answers on this machine", title_justify="left")
    table.add_column("check")
    table.add_column("", no_wrap=True)
    table.add_column("seen")
    failed = []
    for section in (machine, identities, gradients, extremes, penalties, scores, compilation, repetition):
        for check in _tried(section):
            table.add_row(Text(check.name), Text(*WORDS[check.passed]), Text(check.seen))
            if check.passed is False:
                failed.append(check.name)
        table.add_section()
    console(sys.stdout).print(table)
    if failed:
        raise RunFailed(f"{len(failed)} checks: {'; '.join(failed)}")


def _tried(section: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks of a section; an exception counts as a failed check."""
    try:
        yield from section()
    except Exception as error:  # after any error, the other sections are still useful
        reason = " ".join(str(error).split())
        yield Check(section.__name__, False, f"{type(error).__name__}: {reason[:200]}")


def machine() -> Iterator[Check]:
    """Versions, processor and device. These checks cannot fail."""
    yield Check("versions", True, ", ".join(f"{name} {version}" for name, version in versions().items()))
    yield Check(
        "processor", True, f"{platform.machine()}, {available_cores()} cores, {torch.get_num_threads()} threads"
    )
    count = torch.cuda.device_count()
    devices = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
    yield Check("device=auto", True, devices or ("mps" if torch.backends.mps.is_available() else "cpu: no GPU found"))


# Logits away from the kinks of hinges, in double precision, so that finite differences are accurate.
REAL = torch.tensor([-0.53, 0.61, 1.72, -2.11], dtype=torch.float64)
FAKE = torch.tensor([0.37, -1.62, 0.08, 2.41], dtype=torch.float64)


def slope(objective: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """The gradient of a scalar objective with respect to the logits."""
    logits = logits.clone().requires_grad_()
    value = objective(logits)
    if not value.requires_grad:
        return torch.zeros_like(logits)
    (found,) = torch.autograd.grad(value, logits, materialize_grads=True)
    return found


def generator_slope(loss: AdversarialLoss) -> Tensor:
    """dJ(G)/df at the logits above."""
    return slope(lambda fake: loss.generator(REAL, fake), FAKE)


def apart(one: Tensor, other: Tensor | float) -> float:
    """The largest absolute difference between two tensors."""
    return (one - other).abs().max().item()


def identities() -> Iterator[Check]:
    """Identities of the losses that are known from their papers."""
    zero = torch.zeros(4, dtype=torch.float64)
    minimax, plain = LOSSES["minimax"], LOSSES["nonsaturating"]
    one, other = generator_slope(minimax), generator_slope(plain)
    differences = {
        "minimax: J(G) + J(D) = 0": minimax.generator(REAL, FAKE) + minimax.discriminator(REAL, FAKE),
        "minimax: dJ(G)/df = -D(G(z)) / n": one + FAKE.sigmoid() / 4,
        "nonsaturating: dJ(G)/df = (D(G(z)) - 1) / n": other + (-FAKE).sigmoid() / 4,
        "minimax gradient = e^f x nonsaturating gradient": one - FAKE.exp() * other,
        "minimax_swapped: gradient of nonsaturating": generator_slope(LOSSES["minimax_swapped"]) - other,
        "cross-entropy: 2 ln 2 at D = 1/2": plain.discriminator(zero, zero) - 2 * math.log(2),
        "hinge: 2 where D cannot tell": LOSSES["hinge"].discriminator(zero, zero) - 2,
        "relativistic_paired: only r - f counts": LOSSES["relativistic_paired"].discriminator(REAL + 3, FAKE + 3)
        - LOSSES["relativistic_paired"].discriminator(REAL, FAKE),
        "fgan_jensen_shannon = minimax - 2 ln 2": LOSSES["fgan_jensen_shannon"].discriminator(REAL, FAKE)
        - minimax.discriminator(REAL, FAKE)
        + 2 * math.log(2),
    }
    for name, difference in differences.items():
        largest = apart(difference, 0.0)
        yield Check(name, largest < 1e-12, f"off by {largest:.1e}")


def gradients() -> Iterator[Check]:
    """Compares every gradient of every loss with central differences."""
    for name, loss in LOSSES.items():
        largest = max(_differences(loss))
        yield Check(f"loss {name}: gradients", largest < 1e-7, f"off finite differences by {largest:.1e}")


def _differences(loss: AdversarialLoss) -> list[float]:
    return [
        _difference(lambda real: loss.discriminator(real, FAKE), REAL),
        _difference(lambda fake: loss.discriminator(REAL, fake), FAKE),
        _difference(lambda fake: loss.generator(REAL, fake), FAKE),
    ]


def _difference(objective: Callable[[Tensor], Tensor], logits: Tensor, step: float = 1e-5) -> float:
    """The largest difference between the gradient and central differences, relative to the largest gradient."""
    found = slope(objective, logits)
    steps = torch.eye(len(logits), dtype=logits.dtype) * step
    central = torch.stack([(objective(logits + h) - objective(logits - h)) / (2 * step) for h in steps])
    return apart(found, central) / max(1.0, found.abs().max().item())


def extremes() -> Iterator[Check]:
    """Checks that values and gradients are finite in float32 on a run's device, at logits whose sigmoid is 0 or 1."""
    device = prepare_machine(load([]))
    places = [(real, fake) for real in (-100.0, 100.0) for fake in (-100.0, 100.0)]
    bad = [
        f"{name} at r = {real:g}, f = {fake:g}"
        for name, loss in LOSSES.items()
        for real, fake in places
        if not _finite(loss, torch.full((3,), real, device=device), torch.full((3,), fake, device=device))
    ]
    seen = ", ".join(bad) or f"{len(LOSSES)} losses on {device}"
    yield Check("every loss: finite at logits of +-100", not bad, seen)


def _finite(loss: AdversarialLoss, real: Tensor, fake: Tensor) -> bool:
    found = [
        loss.discriminator(real, fake),
        loss.generator(real, fake),
        slope(lambda x: loss.discriminator(x, fake), real),
        slope(lambda x: loss.discriminator(real, x), fake),
        slope(lambda x: loss.generator(real, x), fake),
    ]
    return all(bool(torch.isfinite(value).all()) for value in found)


class LinearCritic(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).flatten(1).sum(dim=1)


def penalties() -> Iterator[Check]:
    """Compares the penalties of a linear critic, |w| = 2.5, with known values, on a run's device, for three batches."""
    device = prepare_machine(load([]))
    stream = torch.Generator(device).manual_seed(0)
    weight = torch.randn(3, 4, 4, generator=stream, device=device)
    critic = LinearCritic(weight / weight.norm() * 2.5)
    for name in PENALTIES:
        off = 0.0
        for count in (1, 4, 64):
            real, fake = torch.randn(2, count, 3, 4, 4, generator=stream, device=device)
            if name == "consistency":  # images of a single colour, which a shift does not change
                real = real.mean(dim=(2, 3), keepdim=True).expand_as(real)
            known = _known_penalty(name, critic(real), critic(fake))
            off = max(off, abs(PENALTIES[name](critic, real, fake, stream).item() - known) / max(1.0, known))
        yield Check(f"penalty {name} of a linear critic", off < 1e-5, f"off by {off:.1e} on {device}")
    clip = PENALTIES["weight_clip"].constrain
    assert clip
    clip(critic)
    largest = critic.weight.abs().max().item()
    yield Check("weight_clip: every weight within 0.01", abs(largest - 0.01) < 1e-8, f"largest {largest:.2g}")


def _known_penalty(name: str, real: Tensor, fake: Tensor) -> float:
    """A penalty's value by hand, from |w| = 2.5 and the logits: (|w| - 1)^2, |w|^2 / 2, or mean squares of logits."""
    norm = 2.5
    constants = {
        "gradient": (norm - 1) ** 2,
        "dragan": (norm - 1) ** 2,
        "r1": norm**2 / 2,
        "r2": norm**2 / 2,
        "r1r2": norm**2,
    }
    if name in constants:
        return constants[name]
    squares = {"logit_drift": real.square().mean().item(), "lecam": (real.square() + fake.square()).mean().item()}
    return squares.get(name, 0.0)


def scores() -> Iterator[Check]:
    """Compares metrics with closed forms, and checks which of precision and recall is which."""
    line = torch.linspace(-1, 1, 101, dtype=torch.float64)
    line = (line / line.std())[:, None]
    # For N(1, 2^2) and N(3, 5^2) it is (1 - 3)^2 + (2 - 5)^2.
    yield _near("Fréchet distance of N(1, 4) and N(3, 25)", frechet_distance(1 + 2 * line, 3 + 5 * line), 13)
    collapsed = frechet_distance(line, torch.zeros(101, 1))
    yield _near("Fréchet distance to a single image", collapsed, 1)
    points = ([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 1.0], [3.0, 0.0]])
    yield _near("kernel distance of two triangles", kernel_distance(*points)[0], -13.5555556)
    yield _near("inception score of sure and equal classes", inception_score(torch.eye(10).repeat(10, 1), 1)[0], 10)
    stream = torch.Generator().manual_seed(0)
    cloud = torch.randn(500, 4, generator=stream, dtype=torch.float64)
    precision, recall = precision_recall(cloud, 0.1 * cloud)
    yield Check(
        "a cluster is precise and recalls little", precision > 0.8 and recall < 0.3, f"{precision:.2f}, {recall:.2f}"
    )


def _near(name: str, seen: float, expected: float) -> Check:
    return Check(name, abs(seen - expected) <= 1e-6 * max(1, abs(expected)), f"{seen:.7g}, expected {expected:.7g}")


def compilation() -> Iterator[Check]:
    """Whether torch.compile keeps the second derivatives that a penalty needs; some releases drop them silently.

    ganctl runs penalties eagerly, so only the eager gradient, compared with finite differences, can fail. The result of
    the compiled one is a note.
    """
    stream = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 6, 4, generator=stream, dtype=torch.float64)
    first, last = (torch.randn(*shape, generator=stream, dtype=torch.float64) for shape in ((8, 4), (1, 8)))

    def paid(first: Tensor, last: Tensor) -> Tensor:
        return PENALTIES["r1"](lambda x: nn.functional.leaky_relu(x @ first.T, 0.2) @ last.T, real, fake)

    difference = _difference(lambda flat: paid(flat.view(8, 4), last), first.flatten())
    yield Check("eager penalty gradient", difference < 1e-7, f"off finite differences by {difference:.1e}")
    eager = slope(lambda weights: paid(weights, last), first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # This backend traces like the default one and needs no C++ compiler.
            traced = slope(lambda weights: torch.compile(paid, backend="aot_eager")(weights, last), first)
        except Exception as error:  # torch has no common base class for its tracer's errors
            seen = f"cannot be compiled here ({str(error).strip().splitlines()[0][:60]})"
        else:
            off = apart(eager, traced)
            seen = "equal" if off < 1e-9 else f"WRONG by {off:.1e} with torch.compile: do not compile a penalty"
    yield Check("compiled penalty gradient", None, f"{seen}; ganctl runs penalties eagerly")


def repetition() -> Iterator[Check]:
    """Trains ten steps twice, on the device that a run would use, and compares the weights."""
    words = ["data=ring8", "steps=10", "penalty=gradient", "model.dropout=0.3", "batch_size=64"]
    ends = []
    for _ in range(2):
        training = build(load(words)).training
        for _ in range(10):
            training.play_step(log=False)
        ends.append([p.detach().cpu() for network in training.game.networks.values() for p in network.parameters()])
    same = all(torch.equal(one, other) for one, other in zip(*ends, strict=True))
    device = training.streams.device
    yield Check(f"ten steps twice on {device}: equal bit for bit", same, f"{sum(p.numel() for p in ends[0]):,} weights")
