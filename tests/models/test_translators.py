"""Networks from images to images, and the network that a game looks through."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganctl.assembly.pretrained import pretrained
from ganctl.errors import BadInput
from ganctl.models import MODELS, Discriminator, Pretrained, Translator
from ganctl.models.resnet import PatchDiscriminator, ResNetTranslator, instance_norm
from ganctl.models.srresnet import SrResNet
from ganctl.models.vgg import CLASSIFIER, Vgg19
from tests.games.toys import configured, labelled_noise


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_super_resolution_takes_images_of_any_size(factor, norm):
    network = SrResNet(3, factor, 2, 4, norm, "tanh")
    made = network(torch.zeros(2, 3, 5, 9))
    assert made.shape == (2, 3, 5 * factor, 9 * factor) and network.output_range == (-1, 1)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("blocks", [0, 3])
def test_an_output_depends_on_nothing_beyond_its_reach(factor, blocks):
    torch.manual_seed(0)
    network = SrResNet(1, factor, blocks, 4, "none", "none").eval()
    low = torch.randn(1, 1, 31, 31, requires_grad=True)
    middle = slice(15 * factor, 16 * factor)  # the pixels that are made of the one in the middle
    (gradient,) = torch.autograd.grad(network(low)[0, 0, middle, middle].sum(), low)
    seen = gradient[0, 0].abs().sum(dim=0).nonzero().flatten() - 15
    assert seen.abs().max() <= network.reach
    assert seen.abs().max() >= network.reach - 1  # and it is no idle bound


def test_a_deep_network_begins_close_to_a_shallow_one():
    torch.manual_seed(0)
    x = SrResNet(1, 4, 16, 16, "none", "tanh").first(torch.randn(2, 1, 7, 7))
    body = SrResNet(1, 4, 16, 16, "none", "tanh").body[:16]
    assert (body(x) - x).norm() < x.norm()


def test_instance_norm_is_torchs():
    x = torch.randn(3, 5, 6, 7)
    assert torch.allclose(instance_norm(5)(x), nn.InstanceNorm2d(5)(x), atol=1e-5)


def test_a_translator_keeps_the_size_and_changes_the_channels():
    network = ResNetTranslator(1, 3, 1, 4, "tanh")
    assert network(torch.zeros(2, 1, 28, 32)).shape == (2, 3, 28, 32)


def test_a_discriminator_of_patches_gives_a_logit_each_and_no_sample_sees_another():
    torch.manual_seed(0)
    network = PatchDiscriminator(3, 4)
    images = torch.randn(3, 3, 32, 32)
    logits = network(images)
    assert logits.shape == (3, 64) and network.coupling == "none"
    assert torch.allclose(network(images[:1]), logits[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "role", "line"),
    [
        ("srresnet", Translator((1, 28, 28), (1, 28, 28)), None),
        ("srresnet", Translator((1, 28, 28), (3, 28, 28)), "makes images 2, 4 or 8 times as large"),
        ("srresnet", Translator((2,), (2,)), "enlarges images, and this data set holds points"),
        ("srresnet", Discriminator((1, 30, 30)), "not 30x30"),
        ("resnet", Translator((1, 7, 7), (1, 7, 7)), "sides are multiples of 4"),
        ("resnet", Translator((1, 7, 7), (1, 28, 28)), "to the same size, not 28x28; use model=srresnet"),
        ("resnet", Translator((1, 8, 8), (1, 32, 32)), "to the same size, not 32x32; use model=srresnet"),
        ("resnet", Discriminator((2,)), "translates images, and this data set holds points; use model=mlp"),
    ],
)
def test_what_a_model_cannot_build_is_one_line(name, role, line):
    game = "srgan" if name == "srresnet" else "cyclegan"
    options = configured(game, model=name).model
    family = MODELS[name]
    if line is None:
        family.factories(options, {"network": role})["network"]()
        return
    with pytest.raises(BadInput) as error:
        family.factories(options, {"network": role})
    assert line in str(error.value) and "\n" not in str(error.value)


def test_vgg_has_the_weights_of_torchvision_by_name_and_shape():
    from torchvision.models import vgg19

    with torch.device("meta"):
        theirs, ours = vgg19().state_dict(), Vgg19().state_dict()
    assert {name: w.shape for name, w in ours.items()} == {
        name: w.shape for name, w in theirs.items() if name.startswith("features")
    }
    linear = {name: tuple(w.shape) for name, w in theirs.items() if name.startswith("classifier") and w.ndim == 2}
    assert linear == {f"classifier.{place}.weight": shape for place, shape in CLASSIFIER.items()}


@pytest.mark.slow
def test_vgg_gives_torchvisions_features_and_reads_its_files(tmp_path):
    from torchvision.models import vgg19
    from torchvision.transforms.functional import normalize

    torch.manual_seed(0)
    with torch.device("meta"):
        theirs = vgg19().features[:36]  # after the ReLU of the last convolution
    theirs = theirs.to_empty(device="cpu")
    for weight in theirs.parameters():
        nn.init.normal_(weight, 0, 0.02)
    weights = {f"features.{name}": weight for name, weight in theirs.state_dict().items()}
    save_file(weights, tmp_path / "vgg.safetensors")
    torch.save(weights, tmp_path / "vgg.pth")
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    given = normalize((images.expand(-1, 3, -1, -1) + 1) / 2, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for file in ("vgg.safetensors", "vgg.pth"):
        network = pretrained(Pretrained("vgg19", str(tmp_path / file)), labelled_noise(), stored=False)
        with torch.no_grad():
            features, none = network(images)
            assert torch.allclose(features, theirs(given).flatten(1), rtol=1e-3, atol=1e-6) and none is None


def test_weights_that_are_none_are_one_line(tmp_path):
    (tmp_path / "odd.pth").write_bytes(b"no weights")
    for name, line in (("odd.pth", "is neither a file of torch.save nor of safetensors"), ("gone.pth", "No such file")):
        with pytest.raises(BadInput) as error:
            pretrained(Pretrained("vgg19", str(tmp_path / name)), labelled_noise(), stored=False)
        assert line in str(error.value) and "\n" not in str(error.value)
