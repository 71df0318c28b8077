"""What games ask of networks: conditional batch norm against torch's own, inputs beside, heads and auto-encoders."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm

from ganctl.config.schema import Dcgan, Mlp
from ganctl.models import MODELS, Discriminator, Encoder, Generator, Head, Translator, plain
from ganctl.models.conditioning import ConditionalBatchNorm, Projection

SHAPES = {1: (12, 3), 2: (12, 3, 4, 4)}
OPTIONS = {
    "mlp": Mlp(latent_dim=5, generator_widths=[16], discriminator_widths=[16]),
    "dcgan": Dcgan(latent_dim=5, width=2),
}
every_model = pytest.mark.parametrize("model", OPTIONS)


def doubles(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def conditional(dimensions):
    norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}[dimensions](3, affine=False)
    layer = ConditionalBatchNorm(norm, 4).double()
    layer.scale.data, layer.shift.data = doubles(4, 3, seed=1), doubles(4, 3, seed=2)
    return layer


IMAGE = (1, 28, 28)


def made(model, roles):
    return {name: factory() for name, factory in MODELS[model].factories(OPTIONS[model], roles).items()}


@pytest.mark.parametrize("dimensions", SHAPES)
def test_conditional_batch_norm_is_torchs_with_the_weights_of_the_class_of_each_sample(dimensions):
    layer, x = conditional(dimensions), 3 * doubles(*SHAPES[dimensions]) + 1
    classes = torch.arange(12) % 4
    found = layer(x, torch.eye(4, dtype=torch.float64)[classes])
    for kind in range(4):
        known = batch_norm(x, None, None, layer.scale[kind], layer.shift[kind], training=True)
        torch.testing.assert_close(found[classes == kind], known[classes == kind], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dimensions", SHAPES)
def test_shares_of_classes_mix_their_scales_and_shifts(dimensions):
    layer, x = conditional(dimensions), doubles(*SHAPES[dimensions])
    one, other = torch.eye(4, dtype=torch.float64)[[1] * 12], torch.eye(4, dtype=torch.float64)[[3] * 12]
    known = 0.3 * layer(x, one) + 0.7 * layer(x, other)
    torch.testing.assert_close(layer(x, 0.3 * one + 0.7 * other), known, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dimensions", SHAPES)
def test_classes_share_the_running_statistics(dimensions):
    layer, x = conditional(dimensions), doubles(*SHAPES[dimensions]) + 2
    layer(x, torch.eye(4, dtype=torch.float64)[torch.arange(12) % 4])
    channels = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(layer.norm.running_mean, 0.1 * channels.mean(dim=1))
    torch.testing.assert_close(layer.norm.running_var, 0.9 + 0.1 * channels.var(dim=1))
    layer.eval()
    hot = torch.eye(4, dtype=torch.float64)[[2] * 12]
    mean, variance = layer.norm.running_mean, layer.norm.running_var
    known = batch_norm(x, mean, variance, layer.scale[2], layer.shift[2], training=False)
    torch.testing.assert_close(layer(x, hot), known, rtol=1e-9, atol=1e-12)
    assert torch.equal(mean, layer.norm.running_mean)


def test_classes_begin_as_plain_batch_norm_with_a_shift_that_tells_them_apart():
    layer, x = ConditionalBatchNorm(nn.BatchNorm1d(300, affine=False), 4), torch.randn(6, 300)
    classes = [0, 1, 2, 3, 0, 1]
    moved = layer(x, torch.eye(4)[classes]) - nn.BatchNorm1d(300)(x)
    torch.testing.assert_close(moved, layer.shift[classes].detach())
    assert layer.shift.std(dim=1).tolist() == pytest.approx([0.5] * 4, rel=0.15)


@pytest.mark.parametrize(("spectral_norm", "scale"), [(False, 1 / 8), (True, 1.0)])
def test_the_projection_is_the_inner_product_with_the_vector_of_the_class(spectral_norm, scale):
    layer, features = Projection(4, 64, spectral_norm), torch.randn(6, 64)
    classes = [0, 1, 2, 3, 0, 1]
    vectors = layer.embedding.weight.T[classes]
    known = torch.stack([scale * torch.dot(row, vector) for row, vector in zip(features, vectors, strict=True)])
    torch.testing.assert_close(layer(features, torch.eye(4)[classes]), known)


@every_model
@pytest.mark.parametrize("generator", ["input", "norm"])
@pytest.mark.parametrize("discriminator", ["none", "input", "projection"])
def test_logits_are_those_of_the_features_and_a_head_reads_the_same(model, generator, discriminator):
    judges = Discriminator(IMAGE) if discriminator == "none" else Discriminator(IMAGE, 4, discriminator)
    roles = {"generator": Generator(IMAGE, 4, generator), "discriminator": judges, "head": Head("discriminator", 7)}
    networks = made(model, roles)
    hot = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    samples, critic = networks["generator"](torch.randn(6, 5), hot), networks["discriminator"].eval()
    told = () if discriminator == "none" else (hot,)
    features = critic.features(samples, *told)
    assert samples.shape == (6, 1, 28, 28)
    assert torch.equal(critic(samples, *told), critic.logit(features, *told)) and critic(samples, *told).shape == (6,)
    assert networks["head"](features).shape == (6, 7)


@every_model
@pytest.mark.parametrize("given", [0, 4])
def test_an_auto_encoder_goes_through_a_code_that_its_discriminators_judge(model, given):
    roles = {"encoder": Encoder(IMAGE, 5 + given), "decoder": Generator(IMAGE, given)}
    critics = {"discriminator": Discriminator((5,)), "class_discriminator": Discriminator((given,))}
    networks = made(model, roles | (critics if given else {"discriminator": critics["discriminator"]}))
    code = networks["encoder"](torch.randn(6, 1, 28, 28))
    assert code.shape == (6, 5 + given)
    style, kinds = code.split([5, given], dim=1)
    assert networks["decoder"](*([style, kinds] if given else [style])).shape == (6, 1, 28, 28)
    assert networks["discriminator"](style).shape == (6,) and networks["discriminator"].coupling == "none"
    if given:
        assert networks["class_discriminator"](kinds).shape == (6,)


def test_dcgans_scales_begin_near_one_and_its_projection_near_zero():
    networks = made(
        "dcgan", {"generator": Generator(IMAGE, 4, "norm"), "discriminator": Discriminator(IMAGE, 4, "projection")}
    )
    tables = [p for name, p in networks["generator"].named_parameters() if name.endswith("scale")]
    assert len(tables) == 2 and all(torch.equal(table, torch.ones_like(table)) for table in tables)
    vectors = networks["discriminator"].projection.embedding.weight
    assert vectors.std().item() == pytest.approx(0.02, rel=0.15)


def test_a_translator_makes_samples_of_another_shape_within_its_range():
    network = made("mlp", {"translator": Translator((3, 8, 8), IMAGE)})["translator"]
    images = network(100 * torch.randn(6, 3, 8, 8))
    assert images.shape == (6, *IMAGE) and network.output_range == (-1.0, 1.0)
    assert images.abs().max() <= 1 and len(images.flatten(1).unique(dim=0)) == 6


def test_a_family_says_which_role_it_lacks():
    assert MODELS["mlp"].lacks({"translator": Translator(IMAGE, IMAGE)}) is None
    assert MODELS["dcgan"].lacks({"translator": Translator(IMAGE, IMAGE)}) == "has no translator"
    assert MODELS["autoencoder"].lacks({"generator": Generator(IMAGE, 3)}) == "has no place for codes or classes"
    makes_images = {name for name, family in MODELS.items() if family.lacks(plain(IMAGE)) is None}
    assert {*MODELS} - makes_images == {"srresnet", "resnet"}  # which make them from images alone


def test_a_family_is_a_model_for_a_plugin_to_call():
    networks = MODELS["mlp"](OPTIONS["mlp"], (2,))
    assert [*networks] == ["generator", "discriminator"]
    assert networks["discriminator"]()(networks["generator"]()(torch.randn(6, 5))).shape == (6,)
