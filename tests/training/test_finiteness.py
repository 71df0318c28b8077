"""Numbers that are not finite end a run before any weight has followed them, and the message says whose they are."""

from dataclasses import replace

import pytest
import torch

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.errors import NotFinite
from ganctl.losses import LOSSES
from ganctl.training.finiteness import Guard
from ganctl.training.loop import train
from tests.conftest import TINY


def training(*overrides):
    return build(load([*TINY, "log_every=4", *overrides])).training


def broken_at(calls, what, player="discriminator"):
    """A player's objective that is as ever but at its `calls`-th call."""
    made = []

    def objective(real, fake):
        made.append(1)
        value = getattr(LOSSES["wasserstein"], player)(real, fake)
        return what(value, fake) if len(made) == calls else value

    return objective


# A square root at 0 has a finite value and an infinite slope; times 0 this is nan.
BREAKS = {
    "term": (lambda value, fake: value * float("nan"), r"step 3: the discriminator's term adversarial is nan"),
    "infinite": (lambda value, fake: value + float("inf"), r"step 3: the discriminator's term adversarial is inf"),
    "gradient": (
        lambda value, fake: value + (fake - fake).sqrt().mean(),
        r"step 3: the discriminator's gradient is nan \(of adversarial, which are finite\)",
    ),
}


@pytest.mark.parametrize("waits", [True, False], ids=["asked at once", "asked later"])
@pytest.mark.parametrize(("what", "line"), BREAKS.values(), ids=BREAKS)
def test_no_weight_follows_what_is_not_finite(monkeypatch, waits, what, line):
    monkeypatch.setitem(LOSSES, "odd", replace(LOSSES["hinge"], discriminator=broken_at(3, what)))
    played = training("plugins=[json]", "loss=odd")  # any module: a loss without a file is a plugin's
    played.guard.waits = waits
    with pytest.raises(NotFinite, match=line):
        train(played, 8, log_every=4, hooks=[], stopped=lambda: False)
    played.guard.kept.clear()
    played.check_weights()
    assert played.step == (3 if waits else 4)


@pytest.mark.parametrize("waits", [True, False], ids=["as a CPU", "as a GPU"])
def test_the_norm_is_that_of_all_gradients_from_vanishing_to_exploding(waits):
    guard = Guard(torch.device("cpu"), {})
    guard.waits = waits
    shapes = [(300, 40), (40,), (8, 3, 4, 4)]
    for size in (1e-25, 1e-13, 1e-4, 1.0, 1e16, 1e30):
        gradients = [torch.randn(shape, dtype=torch.float64) * size for shape in shapes]
        exact = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
        given = [gradient.float() for gradient in gradients]
        given[2] = given[2].contiguous(memory_format=torch.channels_last)
        assert guard.norm(given).item() == pytest.approx(exact, rel=1e-5)
    for odd in (float("nan"), float("inf")):
        given[1][7] = odd
        assert not guard.norm(given).isfinite()


def test_the_norm_of_nothing_is_0_where_the_run_is():
    assert Guard(torch.device("meta"), {}).norm([]).device.type == "meta"
    assert Guard(torch.device("cpu"), {}).norm([]).item() == 0


def test_the_first_turn_that_was_not_finite_is_the_one_that_is_named(monkeypatch):
    """Where nobody waits, an optimizer that is not fused follows the generator's nan, and soon everybody's is."""
    for waits in (True, False):
        broken = broken_at(2, lambda value, fake: value * float("nan"), "generator")
        monkeypatch.setitem(LOSSES, "odd", replace(LOSSES["hinge"], generator=broken))
        played = training("plugins=[json]", "loss=odd", "optim=rmsprop")
        played.guard.waits = waits
        with pytest.raises(NotFinite, match="step 2: the generator's term adversarial is nan"):
            train(played, 8, log_every=4, hooks=[], stopped=lambda: False)


def test_a_million_numbers_are_summed_to_five_digits():
    gradient = torch.rand(1000, 1000) + 0.5  # of one sign: the hardest sum for single precision
    exact = gradient.double().norm().item()
    assert Guard(torch.device("cpu"), {}).norm([gradient]).item() == pytest.approx(exact, rel=1e-5)
