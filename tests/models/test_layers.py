"""Dropout: kept with probability 1 - rate, expectation unchanged, mask from its own stream."""

import pytest
import torch

from ganctl.models.layers import Dropout, attach_noise_
from ganctl.numerics.streams import Masks


def layer(rate, seed=0):
    dropout = Dropout(rate)
    attach_noise_(dropout, Masks(seed))
    return dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_share_and_expectation(rate):
    n = 400_000
    out = layer(rate)(torch.ones(n))
    kept = (out != 0).double().mean().item()
    # Five standard errors of a binomial share.
    assert kept == pytest.approx(1 - rate, abs=5 * (rate * (1 - rate) / n) ** 0.5)
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-4)


def test_neighbours_are_dropped_independently():
    # Four masks come from one 64-bit word; their correlations must vanish all the same.
    kept = (layer(0.3)(torch.ones(400_000)) != 0).double().view(-1, 4)
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max().item() < 5 / len(kept) ** 0.5


def test_gradient_goes_through_the_kept_elements_only():
    x = torch.ones(1000, requires_grad=True)
    out = layer(0.3)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())


def test_the_mask_comes_from_the_layers_stream_alone():
    before = torch.default_generator.get_state()
    first, second = layer(0.5, seed=1)(torch.ones(100)), layer(0.5, seed=1)(torch.ones(100))
    assert torch.equal(first, second)
    assert not torch.equal(first, layer(0.5, seed=2)(torch.ones(100)))
    assert torch.equal(before, torch.default_generator.get_state())


def test_evaluation_and_rate_zero_change_nothing():
    x = torch.randn(10)
    assert torch.equal(layer(0.5).eval()(x), x)
    assert torch.equal(layer(0.0)(x), x)


def test_a_layer_in_nobodys_run_draws_from_torchs_own_stream():
    torch.manual_seed(0)
    out = Dropout(0.5)(torch.ones(10_000))
    assert out.unique().tolist() == [0, 2] and 4500 < (out == 0).sum() < 5500
