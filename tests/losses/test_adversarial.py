"""Expected values follow from D(x) = sigmoid(r) and the formulas of Goodfellow et al. 2014; gradients by hand.

With n samples and the mean over them: d(-log D(x))/dr = (sigmoid(r) - 1) / n, d(-log(1 - D))/df = sigmoid(f) / n.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganctl.losses import LOSSES

LN2 = math.log(2)
REAL = torch.tensor([-5.0, 1.4, 12.5, 2.7], dtype=torch.float64)
FAKE = torch.tensor([10.0, 4.4, -5.5, 3.6], dtype=torch.float64)


def gradient(objective, real, fake):
    """dJ/dr and dJ/df."""
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    return torch.autograd.grad(objective(real, fake), (real, fake), allow_unused=True)


@pytest.mark.parametrize(
    ("name", "generator"), [("minimax", -2 * LN2), ("minimax_swapped", 2 * LN2), ("nonsaturating", LN2)]
)
def test_values_where_the_discriminator_cannot_tell(name, generator):
    undecided = torch.zeros(3, dtype=torch.float64)
    assert LOSSES[name].discriminator(undecided, undecided).item() == pytest.approx(2 * LN2, abs=1e-12)
    assert LOSSES[name].generator(undecided, undecided).item() == pytest.approx(generator, abs=1e-12)


@pytest.mark.parametrize(("name", "generator"), [("minimax", -5.833866), ("nonsaturating", 1.385821)])
def test_values_on_published_test_inputs(name, generator):
    # The inputs are those of tensorflow/gan's losses_impl_test.py, the values the plain definitions of the paper on
    # them (no label smoothing); J(G) of minimax is -J(D), real term included.
    assert LOSSES[name].discriminator(REAL, FAKE).item() == pytest.approx(5.833866, abs=1e-6)
    assert LOSSES[name].generator(REAL, FAKE).item() == pytest.approx(generator, abs=1e-6)


def test_swapped_value_is_the_discriminators_loss_on_flipped_labels():
    # -log(1 - D(x)) is cross-entropy with the real sample labelled fake, so exchanging the arguments gives J(G).
    loss = LOSSES["minimax_swapped"]
    assert loss.generator(REAL, FAKE).item() == pytest.approx(loss.discriminator(FAKE, REAL).item(), abs=1e-12)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=8),
    st.lists(st.floats(-100, 100), min_size=1, max_size=8),
)
def test_minimax_is_zero_sum(real, fake):
    real, fake = torch.tensor(real, dtype=torch.float64), torch.tensor(fake, dtype=torch.float64)
    loss = LOSSES["minimax"]
    total = loss.generator(real, fake) + loss.discriminator(real, fake)
    assert abs(total.item()) <= 1e-12 * max(1.0, loss.discriminator(real, fake).item())


def test_gradients_of_the_discriminator_are_the_closed_forms():
    for loss in LOSSES.values():
        real, fake = gradient(loss.discriminator, REAL, FAKE)
        torch.testing.assert_close(real, -(-REAL).sigmoid() / 4, rtol=1e-12, atol=0)
        torch.testing.assert_close(fake, FAKE.sigmoid() / 4, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minimax", -FAKE.sigmoid() / 4),
        ("minimax_swapped", -(-FAKE).sigmoid() / 4),
        ("nonsaturating", -(-FAKE).sigmoid() / 4),
    ],
)
def test_gradients_of_the_generator_are_the_closed_forms(name, expected):
    _, fake = gradient(LOSSES[name].generator, REAL, FAKE)
    torch.testing.assert_close(fake, expected, rtol=1e-12, atol=0)


def test_the_saturating_gradient_is_exp_of_the_logit_times_the_other():
    # sigmoid(f) / (1 - sigmoid(f)) = exp(f): at f = -10 minimax leaves 4.5e-5 of the non-saturating gradient.
    fake = torch.linspace(-12, 6, 19, dtype=torch.float64)
    _, saturating = gradient(LOSSES["minimax"].generator, fake, fake)
    _, nonsaturating = gradient(LOSSES["nonsaturating"].generator, fake, fake)
    torch.testing.assert_close(saturating / nonsaturating, fake.exp(), rtol=1e-9, atol=0)


def test_swapped_and_nonsaturating_differ_in_value_and_not_in_gradient():
    swapped, plain = LOSSES["minimax_swapped"].generator, LOSSES["nonsaturating"].generator
    assert swapped(REAL, FAKE).item() - plain(REAL, FAKE).item() == pytest.approx(
        -torch.log(1 - REAL.sigmoid()).mean().item(), rel=1e-6
    )
    torch.testing.assert_close(gradient(swapped, REAL, FAKE)[1], gradient(plain, REAL, FAKE)[1])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-100.0, 100.0])
def test_value_and_gradient_are_exact_at_extreme_logits(name, logit):
    # In float32: sp(100) = 100 and sp(-100) = exp(-100); a sigmoid followed by a logarithm gives inf or a clamped 0.
    real, fake = torch.full((2,), -logit), torch.full((2,), logit)
    expected = {
        "minimax": -2 * max(logit, 0.0),
        "minimax_swapped": 2 * max(-logit, 0.0),
        "nonsaturating": max(-logit, 0.0),
    }[name]
    assert LOSSES[name].generator(real, fake).item() == pytest.approx(expected, abs=1e-6)
    _, slope = gradient(LOSSES[name].generator, real, fake)
    saturates = logit < 0 if name == "minimax" else logit > 0
    torch.testing.assert_close(slope, torch.full((2,), 0.0 if saturates else -0.5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_without_real_logits_only_the_constant_is_missing(name):
    loss = LOSSES[name]
    _, full = gradient(loss.generator, REAL, FAKE)
    fake = FAKE.clone().requires_grad_()
    (partial,) = torch.autograd.grad(loss.generator(None, fake), fake)
    torch.testing.assert_close(partial, full)
    same = loss.generator(None, FAKE).item() == loss.generator(REAL, FAKE).item()
    assert same == (loss.real_in_generator == "absent")
