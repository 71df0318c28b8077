"""What a step costs: counted operations against the arithmetic of the layers."""

import itertools

import pytest

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.losses import LOSSES, AdversarialLoss
from ganctl.studies.cost import cost

WIDTHS = [
    "model=mlp",
    "model.latent_dim=10",
    "model.generator_widths=[20]",
    "model.discriminator_widths=[30]",
    "batch_size=50",
]


def priced(*overrides):
    config = load([*WIDTHS, "threads=1", *overrides])
    return cost(config, build(config))


def products(layers):
    """Multiplications and additions of one sample through linear layers of these widths."""
    return sum(2 * before * after for before, after in itertools.pairwise(layers))


def test_the_operations_of_a_step_are_those_of_its_matrix_products():
    generator, discriminator = [10, 20, 784], [784, 30, 1]
    forward_g, forward_d = products(generator), products(discriminator)
    # D's turn: G forward without gradient, D forward on real and generated samples, the gradient of D's weights and of
    # its hidden layer; G's turn: both forward, the gradient through D to its input, then G's weights and hidden layer.
    weights_only = 2 * forward_d - products(discriminator[:2])
    d_turn = forward_g + 2 * (forward_d + weights_only)
    g_turn = forward_g + forward_d + forward_d + 2 * forward_g - products(generator[:2])
    assert priced()["flops_per_step"] == 50 * (d_turn + g_turn)


def test_what_an_arm_gets_is_counted_by_its_turns():
    found = priced("game.discriminator_turns=5", "optim.discriminator_lr=0.004")
    assert found["turns"] == {"discriminator": 5, "generator": 1}
    assert found["learning_rates"] == {"discriminator": 0.004, "generator": 0.002}
    assert (found["real_images_per_step"], found["generated_images_per_step"]) == (250, 300)
    assert found["parameters"] == {
        "generator": 10 * 20 + 20 + 20 * 784 + 784,
        "discriminator": 784 * 30 + 30 + 30 + 1,
    }


def test_a_penalty_costs_more_and_less_where_it_is_paid_seldom():
    plain, always, seldom = (
        priced(*words) for words in ([], ["penalty=r1"], ["penalty=r1", "penalty.every=4", "penalty.weight=2"])
    )
    extra = always["flops_per_step"] - plain["flops_per_step"]
    assert extra > 0 and seldom["flops_per_step"] == pytest.approx(plain["flops_per_step"] + extra / 4, rel=1e-9)
    assert (plain["penalty"], seldom["penalty"]) == ("none", "r1, weight 2, every 4 turns")


def test_a_loss_that_breaks_has_no_count_and_breaks_nothing_else(monkeypatch):
    def broken(real, fake, label_smoothing=0.0, half=False):
        raise RuntimeError("mine")

    monkeypatch.setitem(LOSSES, "nonsaturating", AdversarialLoss(broken, broken, "mine"))
    assert priced()["flops_per_step"] is None


@pytest.mark.parametrize(("turns", "every"), [(2, 4), (2, 3), (5, 4), (5, 16), (3, 3), (1, 7)])
def test_a_seldom_penalty_is_counted_by_how_often_it_is_paid(turns, every):
    words = ["penalty=r1", f"game.discriminator_turns={turns}"]
    plain = priced(f"game.discriminator_turns={turns}")["flops_per_step"]
    always = priced(*words)["flops_per_step"]
    seldom = priced(*words, f"penalty.every={every}")["flops_per_step"]
    assert seldom == pytest.approx(plain + (always - plain) / every, abs=1)
