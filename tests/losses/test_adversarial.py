"""Losses against closed forms, golden values, finite differences, and what their papers say of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganctl.losses import LOSSES, AdversarialLoss
from tests.losses.closed_forms import FORMS

LN2 = math.log(2)
REAL = torch.tensor([-5.0, 1.4, 12.5, 2.7], dtype=torch.float64)
FAKE = torch.tensor([10.0, 4.4, -5.5, 3.6], dtype=torch.float64)


def made(form):
    return LOSSES[form.name].configured(**form.options)


def gradient(objective, real, fake):
    """dJ/dr and dJ/df."""
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    slopes = torch.autograd.grad(objective(real, fake), (real, fake), allow_unused=True)
    return [torch.zeros_like(real) if slope is None else slope for slope in slopes]


def forms():
    return pytest.mark.parametrize("form", FORMS, ids=lambda form: form.id)


def test_every_loss_has_a_closed_form_here():
    assert {form.name for form in FORMS} == set(LOSSES)


@forms()
@pytest.mark.parametrize("spread", [0.3, 2.0, 8.0])
def test_values_and_gradients_are_the_closed_forms(form, spread):
    loss, draws = made(form), np.random.default_rng(0)
    real, fake = draws.normal(size=(2, 16)) * spread + 0.1
    r, f = torch.from_numpy(real), torch.from_numpy(fake)
    close = {"rel": 1e-9, "abs": 1e-12}
    assert loss.discriminator(r, f).item() == pytest.approx(form.d(real, fake), **close)
    assert loss.generator(r, f).item() == pytest.approx(form.g(real, fake), **close)
    d_r, d_f = gradient(loss.discriminator, r, f)
    _, g_f = gradient(loss.generator, r, f)
    np.testing.assert_allclose(d_r, form.d_r(real, fake), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(d_f, form.d_f(real, fake), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(g_f, form.g_f(real, fake), rtol=1e-9, atol=1e-12)


@forms()
def test_gradients_are_finite_differences(form):
    # Points away from the kinks of hinges: none of r, f, r - f and their means lies near -1 or 1.
    loss = made(form)
    real = torch.tensor([-0.53, 0.61, 1.72, -2.11], dtype=torch.float64, requires_grad=True)
    fake = torch.tensor([0.37, -1.62, 0.08, 2.41], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss.discriminator, (real, fake), eps=1e-6, atol=1e-8, rtol=1e-6)
    assert torch.autograd.gradcheck(lambda f: loss.generator(real.detach(), f), (fake,), eps=1e-6, atol=1e-8, rtol=1e-6)


@forms()
@pytest.mark.parametrize("real", [-100.0, 100.0])
@pytest.mark.parametrize("fake", [-100.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_finite_and_gradients_right_at_extreme_logits(form, real, fake, dtype):
    # In float32 e^100 does not exist. The exponentials go on along their tangent from 40 on; their slope is e^40 there.
    loss = made(form)
    r, f = torch.full((3,), real, dtype=dtype), torch.full((3,), fake, dtype=dtype)
    for objective in (loss.discriminator, loss.generator):
        assert torch.isfinite(objective(r, f))
    slopes = [*gradient(loss.discriminator, r, f), gradient(loss.generator, r, f)[1]]
    for slope, exact in zip(slopes, (form.d_r, form.d_f, form.g_f), strict=True):
        expected = exact(r.double().numpy(), f.double().numpy())
        if dtype == torch.float32:
            expected = np.clip(expected, -math.exp(40) / 3, math.exp(40) / 3)
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-30)


@forms()
def test_each_player_pulls_its_logits_its_own_way(form):
    # Where no hinge is satisfied and no code is reached, D raises r and lowers f, and G raises f. A changed sign fails.
    loss = made(form)
    reached = {"": 0.0, "fake_code=0": 0.5, "fake_code=-1": -0.5}
    codes = f"fake_code={form.options.get('fake_code', 0):.0f}" if form.name == "least_squares" else ""
    near = reached[codes] + torch.tensor([-0.2, 0.1, 0.3], dtype=torch.float64)
    recalled = {"k": torch.tensor(0.5)} if form.name == "began" else {}
    d_r, d_f = gradient(lambda r, f: loss.discriminator(r, f, **recalled), near, near.flip(0))
    _, g_f = gradient(loss.generator, near, near.flip(0))
    assert (d_r < 0).all() and (d_f > 0).all() and (g_f < 0).all()


# The inputs of tensorflow/gan's losses_impl_test.py; values of the plain definitions on them, without label smoothing.
GOLDEN = [
    ("minimax", {}, 5.833866, -5.833866),
    ("nonsaturating", {}, 5.833866, 1.385821),
    ("nonsaturating", {"half": True}, 2.916933, 0.6929105),
    ("nonsaturating", {"label_smoothing": 0.125}, 6.19637, 1.385821),
    ("least_squares", {}, 41.73375, 17.69625),
    ("least_squares", {"fake_code": -1.0, "generator_code": 0.0}, 45.35875, 20.32125),
    ("mean_squared_error", {"half": True}, 0.494136, 0.124091),
    ("wasserstein", {}, 0.225, -3.125),
    ("hinge", {}, 6.75, -3.125),
    ("relativistic_paired", {}, 4.822435, 4.597435),
    ("relativistic_average", {}, 5.212013, 4.762013),
    ("relativistic_average", {"form": "least_squares"}, 73.093125, 71.293125),
    ("relativistic_average", {"form": "hinge"}, 6.39375, 5.1625),
]


@pytest.mark.parametrize(("name", "options", "discriminator", "generator"), GOLDEN)
def test_golden_values(name, options, discriminator, generator):
    loss = LOSSES[name].configured(**options)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-5)
    assert loss.generator(REAL, FAKE).item() == pytest.approx(generator, rel=1e-5)


def test_golden_value_of_the_generated_part_of_minimax():
    assert LOSSES["minimax"].generator(None, FAKE).item() == pytest.approx(-4.510821, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("nonsaturating", 3.1251488, 0.9509911),
        ("minimax", 3.1251488, -3.1251488),
        ("least_squares", 19.76125, 7.3425),
        ("wasserstein", -2.625, -2.1),
    ],
)
def test_golden_values_of_a_second_library(name, discriminator, generator):
    # torchgan's tests/torchgan/test_losses.py.
    real, fake = torch.tensor([1.3, 2.9, 8.4, 6.3]), torch.tensor([4.8, 1.2, -3.5, 5.9])
    assert LOSSES[name].discriminator(real, fake).item() == pytest.approx(discriminator, rel=1e-5)
    assert LOSSES[name].generator(real, fake).item() == pytest.approx(generator, rel=1e-5)
    assert LOSSES["minimax"].generator(None, fake).item() == pytest.approx(-3.0509911, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "bound", "generator"),
    [
        ("fgan_kl", 0.150249, -0.499751),
        ("fgan_reverse_kl", 0.083182, 1.075),
        ("fgan_pearson", 0.489375, -0.160625),
        ("fgan_squared_hellinger", -0.350281, -0.358463),
        ("fgan_jensen_shannon", 0.042912, -0.073147),
        ("fgan_total_variation", 0.149474, -0.001693),
    ],
)
def test_golden_bounds_of_the_divergences(name, bound, generator):
    real = torch.tensor([-1, 0.4, 2.5, 0.7], dtype=torch.float64)
    fake = torch.tensor([1, -0.4, -1.5, 0.6], dtype=torch.float64)
    # The given digits end at the sixth decimal.
    assert -LOSSES[name].discriminator(real, fake).item() == pytest.approx(bound, rel=1e-5, abs=6e-7)
    assert LOSSES[name].generator(real, fake).item() == pytest.approx(generator, rel=1e-5, abs=6e-7)


AT_EQUILIBRIUM = {
    "minimax": (2 * LN2, -2 * LN2),
    "minimax_swapped": (2 * LN2, 2 * LN2),
    "nonsaturating": (2 * LN2, LN2),
    "least_squares": (0.5, 0.5),
    "mean_squared_error": (0.5, 0.25),
    "wasserstein": (0.0, 0.0),
    "hinge": (2.0, 0.0),
    "relativistic_paired": (LN2, LN2),
    "relativistic_average": (2 * LN2, 2 * LN2),
    "fgan_reverse_kl": (0.0, 1.0),
    "fgan_pearson": (0.0, 0.0),
    "fgan_squared_hellinger": (0.0, 0.0),
    "fgan_jensen_shannon": (0.0, 0.0),
    "fgan_total_variation": (0.0, 0.0),
    "ebgan": (1.0, 0.0),
    "began": (0.0, 0.0),
}


@pytest.mark.parametrize("name", AT_EQUILIBRIUM)
def test_values_at_zero_logits(name):
    zero = torch.zeros(5, dtype=torch.float64)
    discriminator, generator = AT_EQUILIBRIUM[name]
    assert LOSSES[name].discriminator(zero, zero).item() == pytest.approx(discriminator, abs=1e-12)
    assert LOSSES[name].generator(zero, zero).item() == pytest.approx(generator, abs=1e-12)


def test_the_kl_bound_is_zero_where_its_optimum_is():
    # T* = f'(1) = 1 at p = q, so v = 1 there.
    one = torch.ones(5, dtype=torch.float64)
    assert LOSSES["fgan_kl"].discriminator(one, one).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("form", ["least_squares", "hinge"])
def test_relativistic_forms_at_zero_logits(form):
    zero = torch.zeros(3)
    for name, value in {"relativistic_average": 2.0, "relativistic_paired": 1.0}.items():
        loss = LOSSES[name].configured(form=form)
        assert loss.discriminator(zero, zero).item() == loss.generator(zero, zero).item() == value


def test_least_squares_at_its_own_equilibrium():
    # With D = (a + b) / 2 everywhere: 0/1/1 gives 1/4 and 1/8, -1/1/0 gives 1 and 0 (Mao et al. 2017).
    for codes, place, expected in [((0.0, 1.0, 1.0), 0.5, (0.25, 0.125)), ((-1.0, 1.0, 0.0), 0.0, (1.0, 0.0))]:
        loss = LOSSES["least_squares"].configured(fake_code=codes[0], real_code=codes[1], generator_code=codes[2])
        logits = torch.full((4,), place)
        assert (loss.discriminator(logits, logits).item(), loss.generator(logits, logits).item()) == expected


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=8),
    st.lists(st.floats(-100, 100), min_size=1, max_size=8),
)
def test_minimax_is_zero_sum(real, fake):
    real, fake = torch.tensor(real, dtype=torch.float64), torch.tensor(fake, dtype=torch.float64)
    for options in ({}, {"half": True}, {"label_smoothing": 0.1}):
        loss = LOSSES["minimax"].configured(**options)
        total = loss.generator(real, fake) + loss.discriminator(real, fake)
        assert abs(total.item()) <= 1e-12 * max(1.0, abs(loss.discriminator(real, fake).item()))


def test_swapped_value_is_the_discriminators_loss_on_flipped_labels():
    # -log(1 - D(x)) is cross-entropy with the real sample labelled fake, so exchanging the arguments gives J(G).
    loss = LOSSES["minimax_swapped"]
    assert loss.generator(REAL, FAKE).item() == pytest.approx(loss.discriminator(FAKE, REAL).item(), abs=1e-12)


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


def test_the_jensen_shannon_row_is_cross_entropy_less_its_constant():
    # D_GAN = 2 JS - log 4, so the bounds differ by 2 ln 2 and their gradients do not (Nowozin et al. 2016, table 2).
    js, gan = LOSSES["fgan_jensen_shannon"], LOSSES["minimax"]
    difference = js.discriminator(REAL, FAKE) - gan.discriminator(REAL, FAKE)
    assert difference.item() == pytest.approx(-2 * LN2, abs=1e-12)
    for one, other in [(js.discriminator, gan.discriminator), (js.generator, gan.generator)]:
        torch.testing.assert_close(gradient(one, REAL, FAKE)[1], gradient(other, REAL, FAKE)[1])


@pytest.mark.parametrize("name", ["relativistic_paired", "relativistic_average"])
def test_relativistic_losses_see_differences_only(name):
    loss = LOSSES[name]
    for objective in (loss.discriminator, loss.generator):
        assert objective(REAL + 3, FAKE + 3).item() == pytest.approx(objective(REAL, FAKE).item(), rel=1e-12)


def test_pairs_of_different_numbers_are_refused():
    with pytest.raises(ValueError, match="pairs need as many"):
        LOSSES["relativistic_paired"].discriminator(REAL, FAKE[:2])


def test_energies_on_worked_numbers():
    # L(x) = 0.4 and L(G) = 0.25; BEGAN with k = 0.3, gamma = 0.75, lambda = 0.001; EBGAN with m = 1.
    real, fake = -torch.tensor([0.4], dtype=torch.float64), -torch.tensor([0.25], dtype=torch.float64)
    began = LOSSES["began"].configured(gamma=0.75)
    assert began.discriminator(real, fake, k=0.3).item() == pytest.approx(0.325, rel=1e-9)
    assert began.generator(real, fake).item() == pytest.approx(0.25, rel=1e-9)
    noted = began.remember(real, fake, k=torch.tensor(0.3, dtype=torch.float64))
    assert noted["k"].item() == pytest.approx(0.30005, rel=1e-9)
    assert noted["convergence"].item() == pytest.approx(0.45, rel=1e-9)
    assert LOSSES["ebgan"].discriminator(real, fake).item() == pytest.approx(1.15, rel=1e-9)
    assert LOSSES["ebgan"].generator(real, fake).item() == pytest.approx(0.25, rel=1e-9)


@pytest.mark.parametrize(("k", "real", "fake", "expected"), [(0.0, 0.0, 9.0, 0.0), (1.0, 9.0, 0.0, 1.0)])
def test_the_balance_of_began_stays_within_its_bounds(k, real, fake, expected):
    noted = LOSSES["began"].remember(torch.tensor([-real]), torch.tensor([-fake]), k=torch.tensor(k))
    assert noted["k"].item() == expected


@forms()
def test_without_real_logits_only_the_constant_is_missing(form):
    loss = made(form)
    if loss.real_in_generator == "needed":
        r, f = gradient(loss.generator, REAL, FAKE)
        assert r.abs().max() > 0 and f.abs().max() > 0
        return
    _, full = gradient(loss.generator, REAL, FAKE)
    fake = FAKE.clone().requires_grad_()
    (partial,) = torch.autograd.grad(loss.generator(None, fake), fake)
    torch.testing.assert_close(partial, full)
    same = loss.generator(None, FAKE).item() == loss.generator(REAL, FAKE).item()
    assert same == (loss.real_in_generator == "absent")


def test_an_option_that_a_loss_does_not_have_is_refused_by_name():
    with pytest.raises(ValueError, match="codes: no such option; options are fake_code, generator_code, real_code"):
        LOSSES["least_squares"].configured(codes=1)
    with pytest.raises(ValueError, match="k: no such option"):  # it is a memory, not an option
        LOSSES["began"].configured(k=0.5)


def test_a_row_of_a_user_takes_its_keywords_as_options():
    mine = AdversarialLoss(lambda r, f, slope=1.0: slope * (f - r).mean(), lambda r, f: -f.mean(), "mine")
    assert mine.configured(slope=3.0).discriminator(REAL, FAKE).item() == pytest.approx(3 * 0.225, rel=1e-9)


def test_a_logit_is_called_log_odds_where_the_best_discriminator_makes_it_so():
    # On one point with densities p and q, J(D) = p d(r) + q d'(f) with r = f; log(p / q) must be its stationary point.
    odds = torch.tensor(0.7, dtype=torch.float64)
    for name, loss in LOSSES.items():
        if loss.real_in_generator == "needed" or loss.critic == "autoencoder":
            assert not loss.log_odds
            continue
        logit = odds.log().view(1)
        d_r, d_f = gradient(loss.discriminator, logit, logit)
        stationary = abs((odds * d_r + d_f).item()) < 1e-12
        assert loss.log_odds == stationary, name
