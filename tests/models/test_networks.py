"""The networks are those of the configuration: sizes, ranges, initial weights."""

import pytest
import torch
from torch import nn

from ganctl.config.schema import Dcgan, Mlp
from ganctl.errors import BadInput
from ganctl.models import MODELS, Discriminator, Encoder, Generator, Head

IMAGE = (1, 28, 28)


def made(name, options, shape):
    return {network: factory() for network, factory in MODELS[name](options, shape).items()}


def linears(network):
    return [(layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize(("shape", "size"), [((1, 28, 28), 784), ((2,), 2)])
def test_mlp_has_the_published_widths(shape, size):
    networks = made("mlp", Mlp(), shape)
    assert linears(networks["generator"]) == [(100, 256), (256, 512), (512, 1024), (1024, size)]
    assert linears(networks["discriminator"]) == [(size, 1024), (1024, 512), (512, 256), (256, 1)]
    rates = [layer.rate for layer in networks["discriminator"].modules() if hasattr(layer, "rate")]
    assert rates == [0.3, 0.3, 0.3]


@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "tanh", "elu"])
@pytest.mark.parametrize(("output", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1)])
def test_mlp_options_reach_the_network(activation, output, low, high):
    networks = made("mlp", Mlp(activation=activation, output=output, generator_widths=[8]), (1, 4, 4))
    for weight in networks["generator"].parameters():
        weight.data.mul_(20)
    samples = networks["generator"](torch.randn(500, 100))
    assert samples.shape == (500, 1, 4, 4)
    assert low <= samples.min() < low + 0.1 and high - 0.1 < samples.max() <= high
    assert networks["generator"].output_range == (low, high)
    kinds = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "tanh": nn.Tanh, "elu": nn.ELU}
    assert any(isinstance(layer, kinds[activation]) for layer in networks["discriminator"].modules())


def test_an_output_that_does_not_fit_the_data_is_refused():
    with pytest.raises(BadInput, match="none for points"):
        MODELS["mlp"](Mlp(output="tanh"), (2,))
    with pytest.raises(BadInput, match="tanh or sigmoid for images"):
        MODELS["mlp"](Mlp(output="none"), (1, 28, 28))


@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_dcgan_makes_and_judges_images_of_each_size(size, channels):
    networks = made("dcgan", Dcgan(width=4), (channels, size, size))
    images = networks["generator"](torch.randn(3, 100))
    assert images.shape == (3, channels, size, size) and images.abs().max() <= 1
    assert networks["discriminator"](images).shape == (3,)


def test_dcgan_follows_the_guidelines():
    networks = made("dcgan", Dcgan(), (3, 64, 64))
    convolutions = [layer for layer in networks["discriminator"].modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    for network in networks.values():
        layers = list(network.layers)
        assert not any(isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)) for layer in layers)
        weights = torch.cat(
            [layer.weight.flatten() for layer in layers if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
        )
        assert weights.mean().abs() < 1e-3 and weights.std().item() == pytest.approx(0.02, rel=0.02)
    # Batch norm everywhere but at the generator's output and the discriminator's input.
    assert isinstance(networks["generator"].layers[-2], nn.ConvTranspose2d)
    assert isinstance(networks["discriminator"].layers[1], nn.LeakyReLU)


def test_a_discriminator_gives_raw_logits():
    for name, options, shape in [("mlp", Mlp(), (1, 28, 28)), ("dcgan", Dcgan(width=4), (1, 28, 28))]:
        discriminator = made(name, options, shape)["discriminator"]
        assert not any(isinstance(layer, (nn.Sigmoid, nn.Softmax)) for layer in discriminator.modules())


def test_samples_are_coupled_exactly_where_one_sees_its_neighbours():
    for name, options in [("mlp", Mlp(dropout=0.0)), ("dcgan", Dcgan(width=4))]:
        discriminator = made(name, options, (1, 28, 28))["discriminator"]
        x = torch.randn(4, 1, 28, 28)
        alone, other = discriminator(x)[:2], discriminator(torch.cat([x[:2], 3 * x[2:]]))[:2]
        assert (discriminator.coupling == "norm") != torch.allclose(alone, other, atol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (1, 30, 30), (3, 64, 32)])
def test_dcgan_refuses_what_it_cannot_make(shape):
    with pytest.raises(BadInput, match="model=dcgan"):
        MODELS["dcgan"](Dcgan(), shape)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize(("condition", "how"), [(0, "input"), (10, "norm"), (12, "input")])
def test_hidden_adds_one_fully_connected_layer_to_each_network_of_dcgan(norm, condition, how):
    roles = {
        "generator": Generator(IMAGE, condition, how),
        "discriminator": Discriminator(IMAGE, condition, "projection" if how == "norm" else "input"),
        "head": Head("discriminator", 5),
    }
    options = Dcgan(latent_dim=7, width=4, hidden=11, discriminator_norm=norm)
    plain, deeper = (
        {name: make() for name, make in MODELS["dcgan"].factories(given, roles).items()}
        for given in (Dcgan(latent_dim=7, width=4, discriminator_norm=norm), options)
    )
    inputs = 7 + (condition if how == "input" else 0)
    first = deeper["generator"].layers[0]
    assert (first.in_features, first.out_features) == (inputs, 11)
    products = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    depths = [
        {name: sum(isinstance(layer, products) for layer in network.layers) for name, network in networks.items()}
        for networks in (plain, deeper)
    ]
    assert {name: depths[1][name] - depths[0][name] for name in depths[0] if name != "head"} == {
        "generator": 1, "discriminator": 1,
    }  # fmt: skip
    given = torch.eye(condition)[:3] if condition else None
    images = deeper["generator"](torch.randn(3, 7), given)
    assert images.shape == (3, 1, 28, 28)
    critic = deeper["discriminator"].eval()
    features = critic.features(images, given)
    assert features.shape == (3, 11, 1, 1)
    assert torch.equal(critic(images, given), critic.logit(features, given))
    assert deeper["head"](features).shape == (3, 5)


def test_the_hidden_layer_of_an_encoder_is_one_too():
    roles = {"encoder": Encoder(IMAGE, 10), "decoder": Generator(IMAGE, 3)}
    networks = MODELS["dcgan"].factories(Dcgan(latent_dim=7, width=4, hidden=11), roles)
    encoder = networks["encoder"]()
    assert encoder.layers[-1].in_features == 11 and encoder(torch.randn(4, 1, 28, 28)).shape == (4, 10)
    assert networks["decoder"]().layers[0].out_features == 11
