"""dcgan: what is computed in another way than it is written."""

import pytest
import torch

from ganctl.models import dcgan


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
@pytest.mark.parametrize(
    "layer,shape",
    [
        (dcgan.FromPoint(5, 6, 7, bias=False), (3, 5, 1, 1)),
        (dcgan.ToPoint(6, 5, 7), (3, 6, 7, 7)),
        (dcgan.FromGray(1, 6, 4, stride=2, padding=1), (3, 1, 8, 8)),
        (dcgan.ToGray(6, 1, 4, stride=2, padding=1), (3, 6, 4, 4)),
    ],
    ids=["from a point", "to a point", "from gray images", "to gray images"],
)
def test_a_product_is_the_convolution_that_it_stands_for(layer, shape, layout):
    layer = layer.double().to(memory_format=layout)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found, expected = layer(x), type(layer).__base__.forward(layer, x)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected).requires_grad_()
    inputs = [x, *layer.parameters()]
    gradients = [torch.autograd.grad(value, inputs, upstream, create_graph=True) for value in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
    # As a gradient penalty needs them: of the gradients in turn, towards all that these depend on.
    seconds = [
        torch.autograd.grad(sum(gradient.square().sum() for gradient in firsts), [*inputs, upstream], allow_unused=True)
        for firsts in gradients
    ]
    for one, other in zip(*seconds, strict=True):
        torch.testing.assert_close(one, other)
    assert found.shape == expected.shape
