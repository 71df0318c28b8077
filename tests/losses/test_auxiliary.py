"""The bounds of information against closed forms, published values and finite differences."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from ganctl.losses import categorical_information, gaussian_information

LN_2PI = math.log(2 * math.pi)


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kinds", [2, 3, 10])
def test_of_a_category_it_is_ln_k_less_the_cross_entropy(kinds):
    logits, values = doubles(7, kinds), torch.arange(7) % kinds
    found = categorical_information(logits, one_hot(values, kinds).double())
    for row, value, bound in zip(logits, values, found, strict=True):
        known = math.log(kinds) + row[value].item() - math.log(sum(math.exp(x) for x in row.tolist()))
        assert bound.item() == pytest.approx(known, rel=1e-9)


def test_of_a_number_it_is_the_log_density_of_a_gaussian_and_the_entropy_of_a_uniform():
    means, codes = doubles(7), 2 * torch.rand(7, dtype=torch.float64) - 1
    known = torch.distributions.Normal(means, 1.0).log_prob(codes) + math.log(2)
    torch.testing.assert_close(gaussian_information(means, codes), known, rtol=1e-9, atol=1e-12)


def test_both_have_the_published_golden_values():
    # tensorflow/gan's losses_impl_test.py, MutualInformationPenaltyTest: the value 1 of two with logits 1 and 2, and
    # the number 2 with mean 0; the mean of both is its 1.61610.
    second = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    of_category = math.log(2) - categorical_information(torch.tensor([[1.0, 2.0]], dtype=torch.float64), second)
    of_number = math.log(2) - gaussian_information(torch.zeros(1), torch.full((1,), 2.0))
    assert of_category.item() == pytest.approx(0.313262, abs=1e-6)
    assert of_number.item() == pytest.approx(2.918939, abs=1e-6)
    assert (of_category.item() + of_number.item()) / 2 == pytest.approx(1.61610, abs=1e-5)


def test_neither_exceeds_what_there_is_to_know():
    codes = torch.eye(5, dtype=torch.float64)
    assert categorical_information(1000 * codes, codes).tolist() == [pytest.approx(math.log(5), rel=1e-12)] * 5
    assert categorical_information(torch.zeros(5, 5), codes).abs().max().item() == pytest.approx(0, abs=1e-6)
    assert (categorical_information(doubles(5, 5), codes) < math.log(5)).all()
    assert gaussian_information(codes[0], codes[0]).max().item() == pytest.approx(math.log(2) - LN_2PI / 2, rel=1e-9)
    assert (gaussian_information(doubles(5), codes[0]) < math.log(2) - LN_2PI / 2).all()


def test_their_gradients_are_finite_differences():
    codes = torch.eye(4, dtype=torch.float64)[[0, 2, 3]]
    assert torch.autograd.gradcheck(lambda x: categorical_information(x, codes), doubles(3, 4).requires_grad_())
    assert torch.autograd.gradcheck(lambda x: gaussian_information(x, codes[:, 0]), doubles(3).requires_grad_())
