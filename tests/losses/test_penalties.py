"""Penalties against closed forms on critics whose gradient is known, sample by sample.

On a linear critic D(x) = <w, x> every gradient is w: with n = |w|, WGAN-GP and DRAGAN are (n - 1)^2, R1 and R2 n^2 / 2.
"""

import pytest
import torch
from torch import nn

from ganctl.losses import PENALTIES, pulling_away
from ganctl.losses.penalties import shifted

SHAPES = {"points": (7,), "grey": (1, 6, 6), "colour": (3, 5, 5), "video": (3, 2, 4, 4)}
OF_GRADIENTS = ["gradient", "r1", "r2", "r1r2", "dragan"]


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def samples(count, shape, seed=0):
    return torch.randn(2, count, *shape, generator=stream(seed), dtype=torch.float64)


class Linear(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return (x * self.weight).flatten(1).sum(dim=1)


def expected(name, weight):
    """The penalty on a linear critic and its gradient with respect to w."""
    norm = weight.norm()
    return {
        "gradient": ((norm - 1) ** 2, 2 * (norm - 1) * weight / norm),
        "dragan": ((norm - 1) ** 2, 2 * (norm - 1) * weight / norm),
        "r1": (norm**2 / 2, weight),
        "r2": (norm**2 / 2, weight),
        "r1r2": (norm**2, 2 * weight),
    }[name]


@pytest.mark.parametrize("name", OF_GRADIENTS)
@pytest.mark.parametrize("count", [1, 4, 64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [0.3, 2.5])
def test_value_and_gradient_on_a_linear_critic(name, count, shape, length):
    weight = torch.randn(SHAPES[shape], generator=stream(1), dtype=torch.float64)
    weight = weight / weight.norm() * length
    critic = Linear(weight)
    value = PENALTIES[name](critic, *samples(count, SHAPES[shape]), stream())
    value.backward()
    known, slope = expected(name, weight)
    assert value.shape == () and value.item() == pytest.approx(known.item(), rel=1e-9)
    torch.testing.assert_close(critic.weight.grad, slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("length", "value"), [(0.3, 0.0), (2.5, 2.25)])
def test_one_sided_costs_only_slopes_above_one(length, value):
    weight = torch.full((4,), length / 2, dtype=torch.float64)
    found = PENALTIES["gradient"].configured(one_sided=True)(Linear(weight), *samples(8, (4,)), stream())
    assert found.item() == pytest.approx(value, abs=1e-12)


def test_golden_values_on_a_critic_that_doubles():
    # tensorflow/gan's losses_impl_test.py: D(x) = 2x for each of 4 elements has |grad| = 4, so WGAN-GP is 9; with
    # gamma = 10, R1 is 10 * 16 / 2 = 80.
    real, fake = samples(5, (4,))
    assert PENALTIES["gradient"](lambda x: 2 * x, real, fake, stream()).item() == pytest.approx(9, rel=1e-12)
    assert 10 * PENALTIES["r1"](lambda x: 2 * x, real, fake).item() == pytest.approx(80, rel=1e-12)


def test_the_gradient_penalty_of_a_flat_critic_is_one():
    flat = Linear(torch.zeros(4, dtype=torch.float64))
    assert PENALTIES["gradient"](flat, *samples(6, (4,)), stream()).item() == 1
    assert PENALTIES["r1r2"](flat, *samples(6, (4,))).item() == 0


@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_the_gradient_is_finite_where_the_critics_is_zero(name):
    networks = [
        Linear(torch.zeros(4, dtype=torch.float64)),
        nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)).double(),
    ]
    networks[1][0].bias.data.fill_(-100)  # every unit is off for every sample
    for critic in networks:
        value = PENALTIES[name](critic, *samples(6, (4,)), stream())
        value.backward()
        assert torch.isfinite(value)
        assert all(torch.isfinite(p.grad).all() for p in critic.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_a_critic_that_looks_at_nothing_has_slope_zero(name):
    value = PENALTIES[name](lambda x: torch.zeros(len(x)), *samples(3, (4,)), stream())
    assert value.item() == (1.0 if name in ("gradient", "dragan") else 0.0)


# On D(x) = |x|^2 / 2 the gradient is x itself, so it shows where a penalty looks.
def bowl(x):
    return x.square().flatten(1).sum(dim=1) / 2


def test_r1_looks_at_real_samples_and_r2_at_generated_ones():
    real, fake = samples(6, (1, 3, 3))
    of = {"real": real.square().flatten(1).sum(1).mean() / 2, "fake": fake.square().flatten(1).sum(1).mean() / 2}
    assert PENALTIES["r1"](bowl, real, fake).item() == pytest.approx(of["real"].item(), rel=1e-12)
    assert PENALTIES["r2"](bowl, real, fake).item() == pytest.approx(of["fake"].item(), rel=1e-12)
    total = of["real"].item() + of["fake"].item()
    assert PENALTIES["r1r2"](bowl, real, fake).item() == pytest.approx(total, rel=1e-12)
    # Not as many of each: each kind is averaged by itself.
    few = PENALTIES["r1"](bowl, real[:2], fake).item() + of["fake"].item()
    assert PENALTIES["r1r2"](bowl, real[:2], fake).item() == pytest.approx(few, rel=1e-12)


def test_the_gradient_penalty_looks_between_each_pair_at_a_place_of_its_own():
    # Real samples of length 1 and generated ones at 0: the gradient of the bowl at e x is e x, so |grad| = e.
    real = nn.functional.normalize(samples(64, (5,))[0], dim=1)
    share = torch.rand(64, generator=stream(3), dtype=torch.float64)
    assert share.std() > 0.2
    found = PENALTIES["gradient"](bowl, real, torch.zeros_like(real), stream(3))
    assert found.item() == pytest.approx((share - 1).square().mean().item(), rel=1e-12)
    # With real at 0 and generated of length 1 it is 1 - e.
    found = PENALTIES["gradient"](bowl, torch.zeros_like(real), real, stream(3))
    assert found.item() == pytest.approx(share.square().mean().item(), rel=1e-12)


def test_the_gradient_penalty_looks_nowhere_else_where_both_samples_are_one():
    # e x + (1 - e) x = x for every e.
    real = samples(16, (5,))[0]
    found = PENALTIES["gradient"](bowl, real, real, stream(3))
    assert found.item() == pytest.approx((real.norm(dim=1) - 1).square().mean().item(), rel=1e-12)


def test_dragan_looks_up_to_half_a_standard_deviation_above_each_real_sample():
    real, fake = samples(4000, (1, 4, 4))
    seen = []

    def critic(x):
        seen.append(x.detach())
        return bowl(x)

    PENALTIES["dragan"](critic, real, fake, stream())
    steps = (seen[0] - real) / real.std(correction=0)
    # a u / 2 with a and u from U[0, 1): mean 1/8, never below 0 nor above 1/2; a is one number a sample.
    assert steps.min() >= 0 and 0.49 < steps.max() <= 0.5
    assert steps.mean().item() == pytest.approx(1 / 8, abs=0.002)
    within = steps.flatten(1)
    # A sample's mean step is a U / 2 with U the mean of its 16 u: E a^2 E U^2 / 4 - (1/8)^2 = 0.0751^2.
    variance = (1 / 3) * (1 / 4 + 1 / 12 / 16) / 4 - 1 / 64
    assert within.mean(dim=1).std().item() == pytest.approx(variance**0.5, rel=0.05)


@pytest.mark.parametrize("name", ["gradient", "dragan"])
def test_random_places_come_from_the_given_stream(name):
    real, fake = samples(8, (1, 3, 3))
    state = torch.default_generator.get_state()
    one, two, other = (PENALTIES[name](bowl, real, fake, stream(seed)).item() for seed in (1, 1, 2))
    assert one == two != other
    assert torch.equal(torch.default_generator.get_state(), state)


@pytest.mark.parametrize("name", ["gradient", "r1", "r2", "r1r2", "dragan", "consistency", "lecam", "logit_drift"])
def test_gradients_with_respect_to_the_critic_are_finite_differences(name):
    real, fake = samples(5, (1, 3, 3))
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    weights = dict(critic.named_parameters())

    def value(*changed):
        named = dict(zip(weights, changed, strict=True))
        return PENALTIES[name](lambda x: torch.func.functional_call(critic, named, (x,)), real, fake, stream())

    assert torch.autograd.gradcheck(value, tuple(weights.values()), eps=1e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("name", ["gradient", "r1", "r2", "r1r2", "dragan"])
def test_samples_receive_no_gradient(name):
    real, fake = (x.requires_grad_() for x in samples(4, (4,)))
    critic = Linear(torch.ones(4, dtype=torch.float64))
    PENALTIES[name](critic, real, fake, stream()).backward()
    assert real.grad is None and fake.grad is None


def test_pairs_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes must be equal"):
        PENALTIES["gradient"](bowl, torch.zeros(3, 2), torch.zeros(4, 2))


REAL = torch.tensor([-5.0, 1.4, 12.5, 2.7], dtype=torch.float64)
FAKE = torch.tensor([10.0, 4.4, -5.5, 3.6], dtype=torch.float64)


@pytest.mark.parametrize(("one_sided", "value"), [(True, 52.496875), (False, 86.905)])
def test_golden_values_of_lecam(one_sided, value):
    lecam = PENALTIES["lecam"].configured(one_sided=one_sided).of_logits
    found = lecam(REAL, FAKE, real_anchor=0.5, fake_anchor=-0.25)
    assert found.item() == pytest.approx(value, rel=1e-9)


def test_lecam_anchors_are_moving_averages():
    lecam = PENALTIES["lecam"].configured(decay=0.9)
    noted = lecam.remember(REAL, FAKE, real_anchor=torch.tensor(1.0), fake_anchor=torch.tensor(2.0))
    assert noted["real_anchor"].item() == pytest.approx(0.9 + 0.1 * 2.9, rel=1e-6)
    assert noted["fake_anchor"].item() == pytest.approx(1.8 + 0.1 * 3.125, rel=1e-6)
    assert lecam.memory == {"real_anchor": 0.0, "fake_anchor": 0.0}


def test_penalties_on_logits_are_called_like_the_others():
    real, fake = samples(4, (3,))
    critic = Linear(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    r, f = critic(real), critic(fake)
    drift = PENALTIES["logit_drift"](critic, real, fake)
    assert drift.item() == pytest.approx(r.square().mean().item(), rel=1e-12)
    lecam = PENALTIES["lecam"](critic, real, fake)
    assert lecam.item() == pytest.approx((r.square() + f.square()).mean().item(), rel=1e-12)


@pytest.mark.parametrize("name", ["none", "weight_clip"])
def test_what_costs_nothing_is_zero(name):
    found = PENALTIES[name](bowl, *samples(3, (2,)))
    assert found.shape == () and found.item() == 0


def test_clipping_puts_every_weight_within_its_bounds_and_moves_no_other():
    critic = nn.Linear(3, 2)
    critic.weight.data.copy_(torch.tensor([[-5.0, 0.02, 0.5], [0.3, -0.04, 0.05]]))
    PENALTIES["weight_clip"].configured(clip=0.05).constrain(critic)
    assert torch.equal(critic.weight, torch.tensor([[-0.05, 0.02, 0.05], [0.05, -0.04, 0.05]]))
    assert critic.bias.abs().max() <= 0.05


def test_shifted_images_are_moved_whole_with_their_edges_repeated():
    images = torch.arange(36.0).view(1, 1, 6, 6).expand(200, 3, 6, 6)
    moved = shifted(images, 2, stream())
    rows, columns = moved[:, 0, :, 0] // 6, moved[:, 0, 0, :] % 6
    moves = torch.randint(-2, 3, (2, 200, 1), generator=stream())[..., 0].T.tolist()
    steps = set()
    for row, column, move in zip(rows, columns, moves, strict=True):
        down, right = int(row[3] - 3), int(column[3] - 3)
        steps.add((down, right))
        assert [down, right] == move
        assert row.tolist() == [min(5, max(0, place + down)) for place in range(6)]
        assert column.tolist() == [min(5, max(0, place + right)) for place in range(6)]
    assert steps == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}
    assert torch.equal(moved[:, 0], moved[:, 2])  # channels move together
    with pytest.raises(ValueError, match="which alone can shift"):
        shifted(torch.zeros(3, 2), 1)


@pytest.mark.parametrize("shape", ["grey", "colour", "video"])
def test_consistency_on_a_linear_critic(shape):
    # D(x) - D(T(x)) = <w, x - T(x)>; zero on pictures of one colour, whatever T is.
    real, fake = samples(6, SHAPES[shape])
    weight = torch.randn(SHAPES[shape], generator=stream(2), dtype=torch.float64)
    penalty = PENALTIES["consistency"].configured(shift=1)
    found = penalty(Linear(weight), real, fake, stream(5))
    difference = ((real - shifted(real, 1, stream(5))) * weight).flatten(1).sum(dim=1)
    assert found.item() == pytest.approx(difference.square().mean().item(), rel=1e-12) and found > 0
    assert penalty(Linear(weight), torch.ones_like(real), fake, stream(5)).item() == 0


def test_the_pulling_away_term_is_the_mean_squared_cosine():
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]], dtype=torch.float64)
    assert pulling_away(features).item() == pytest.approx(1 / 3, rel=1e-9)
    assert pulling_away(torch.eye(4)).item() == 0
    assert pulling_away(torch.ones(5, 3)).item() == pytest.approx(1, rel=1e-6)


def test_the_rows_say_which_of_them_bound_a_slope():
    bounding = {name for name, row in PENALTIES.items() if row.bounds_slope}
    assert bounding == {"gradient", "r1", "r2", "r1r2", "dragan", "weight_clip"}


def test_an_option_that_a_penalty_does_not_have_is_refused_by_name():
    with pytest.raises(ValueError, match="target: no such option; options are one_sided"):
        PENALTIES["gradient"].configured(target=2)
    with pytest.raises(ValueError, match="clip: no such option; it has none"):
        PENALTIES["r1"].configured(clip=1)
