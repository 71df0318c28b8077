"""dcgan: what is computed in another way than it is written."""

import pytest
import torch

from ganctl.models import convolutions, dcgan


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
@pytest.mark.parametrize(
    "layer,shape",
    [
        (convolutions.FromPoint(5, 6, 7, bias=False), (3, 5, 1, 1)),
        (convolutions.ToPoint(6, 5, 7), (3, 6, 7, 7)),
        (convolutions.FromGray(1, 6, 4, stride=2, padding=1), (3, 1, 8, 8)),
        (convolutions.ToGray(6, 1, 4, stride=2, padding=1), (3, 6, 4, 4)),
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


def test_parts_of_a_batch_are_normalized_as_in_a_pass_each():
    """The logits, and what batch norm keeps for evaluation; without parts both differ."""

    def discriminator():
        torch.manual_seed(0)
        return dcgan.DcganDiscriminator(1, 28, 4, hidden=8).double()

    real, fake = (scale * torch.randn(6, 1, 28, 28, dtype=torch.float64) for scale in (1, 3))
    both, twice, mixed = discriminator(), discriminator(), discriminator()
    with both.parted(2):
        found = both(torch.cat([real, fake]))
    expected = torch.cat([twice(real), twice(fake)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(both.state_dict(), twice.state_dict())
    assert not torch.allclose(mixed(torch.cat([real, fake])), expected)
    torch.testing.assert_close(both(real), twice(real))  # afterwards a batch is one again


def test_spectral_norm_takes_a_step_in_each_pass():
    assert not dcgan.DcganDiscriminator(1, 28, 4, spectral_norm=True).takes_parts
