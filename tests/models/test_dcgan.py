"""dcgan: what is computed in another way than it is written."""

import pytest
import torch

from ganctl.models import dcgan


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
@pytest.mark.parametrize(
    "layer,shape",
    [(dcgan.FromPoint(5, 6, 7, bias=False), (3, 5, 1, 1)), (dcgan.ToPoint(6, 5, 7), (3, 6, 7, 7))],
    ids=["from a point", "to a point"],
)
def test_a_product_is_the_convolution_that_it_stands_for(layer, shape, layout):
    layer = layer.double().to(memory_format=layout)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found, expected = layer(x), type(layer).__base__.forward(layer, x)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected)
    inputs = [x, *layer.parameters()]
    for one, other in zip(
        torch.autograd.grad(found, inputs, upstream), torch.autograd.grad(expected, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(one, other)
    assert found.shape == expected.shape
