"""SRGAN: its phases, its terms and its figures, by hand."""

import copy

import pytest
import torch
from torch.nn.functional import interpolate

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.data import ImageSet
from ganctl.errors import BadInput
from ganctl.training.loop import train
from tests.games.toys import assert_same, batch_of, labelled_noise, playing, real_of, state

REAL = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(5)) * 2 - 1


def phased(*words):
    """A tiny game with two steps of the first phase."""
    return playing("srgan", "game.pretrain_steps=2", *words, model="srresnet")


def test_the_low_resolution_is_antialiased_rounded_and_within_the_range():
    game = phased().game
    low = game.degrade(REAL)
    assert low.shape == (6, 1, 7, 7) and low.abs().max() <= 1
    levels = (low + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    flat = torch.full((1, 1, 28, 28), 0.5)
    assert torch.allclose(game.degrade(flat), flat[..., :7, :7], atol=1 / 255)
    stripes = ((torch.arange(28) % 2) * 2.0 - 1).expand(1, 1, 28, 28)  # finer than the low resolution can hold
    assert game.degrade(stripes).abs().max() < 0.2


def test_in_the_first_phase_the_generator_minimizes_the_squared_error_alone():
    training = phased()
    rows = [training.play_step(log=True) for _ in range(3)]
    for row in rows[:2]:
        assert {tag for tag in row if tag.startswith("term/")} == {"term/generator/content"}
        assert "loss/discriminator" not in row
    assert {"term/generator/content", "term/generator/adversarial", "loss/discriminator"} < rows[2].keys()
    assert training.game.stages == (("error phase", 1), ("adversarial phase", 3))


def test_the_weights_after_the_first_phase_are_kept():
    training = phased()
    for _ in range(2):
        training.play_step(log=False)
    after = copy.deepcopy(training.game.generator.state_dict())
    for _ in range(3):
        training.play_step(log=False)
    kept = training.game.before.state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in after.items())
    assert not all(torch.equal(training.game.generator.state_dict()[name], weight) for name, weight in after.items())


def test_batch_norm_does_not_see_the_second_phase_before_the_weights_are_kept():
    training = playing("srgan", "game.pretrain_steps=2", "model.norm=batch", model="srresnet")
    for _ in range(2):
        training.play_step(log=False)
    after = copy.deepcopy(training.game.generator.state_dict())
    training.play_step(log=False)
    kept = training.game.before.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in after.items())


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_resumed_in_either_phase_goes_on_bit_for_bit(stop):
    whole, half, resumed = (phased("ema_decay=0.9") for _ in range(3))
    train(whole, 5, 2, [], lambda: False)
    train(half, stop, 2, [], lambda: False)
    kept, counts = copy.deepcopy(half.tensors()), half.counts()
    resumed.restore(kept, counts)
    train(resumed, 5, 2, [], lambda: False)
    assert_same(state(whole), state(resumed))


def test_the_terms_are_those_of_the_formula():
    game = playing("srgan", "game.adversarial_weight=0.5", model="srresnet").game
    made = game.generator(game.degrade(REAL))
    terms = game.generator_loss(batch_of(REAL, turn=5))
    assert terms["content"].item() == pytest.approx((made - REAL).square().mean().item(), rel=1e-5)
    adversarial = torch.nn.functional.softplus(-game.contest.discriminator(made)).mean()
    assert terms["adversarial"].item() == pytest.approx(0.5 * adversarial.item(), rel=1e-4)


def test_content_is_also_a_distance_in_the_features_of_the_datas_classifier(quick_classifier):
    game = playing("srgan", "game.content=classifier", "game.content_weight=2", model="srresnet").game
    made = game.generator(game.degrade(REAL))
    terms = game.generator_loss(batch_of(REAL, turn=5))
    with torch.no_grad():
        one, other = (game.content(images)[0] for images in (made, REAL))
    assert terms["features"].item() == pytest.approx(2 * (one - other).square().mean().item(), rel=1e-4)
    (gradient,) = torch.autograd.grad(terms["features"], [next(game.generator.parameters())])
    assert gradient.abs().sum() > 0


def test_figures_are_those_of_the_images_and_of_the_methods_beside():
    training = phased()
    train(training, 3, 1, [], lambda: False)
    game, real = training.game, real_of(training, 6)
    found = game.own_figures(real, torch.Generator())
    low = game.degrade(real.data)
    cubic = interpolate(low, scale_factor=4.0, mode="bicubic").clamp(-1, 1)
    error = ((cubic - real.data) / 2).double().square().flatten(1).mean(dim=1)
    assert found["bicubic/psnr"].tolist() == pytest.approx((-10 * error.log10()).tolist(), rel=1e-4)
    made = game.upscale(low)
    error = ((made - real.data) / 2).double().square().flatten(1).mean(dim=1)
    assert found["psnr"].tolist() == pytest.approx((-10 * error.log10()).tolist(), rel=1e-4)
    assert {"error phase/psnr", "bicubic/ssim", "consistency", "made", "truth"} < found.keys()
    assert found["made"].dtype == torch.uint8 and found["made"].shape == real.data.shape
    kept = (found["consistency"] > found["psnr"]).float().mean()  # a pixel of the low resolution is easier to keep
    assert kept >= 0.5


def test_the_border_is_left_out():
    whole, cut = (playing("srgan", f"game.border={border}", model="srresnet").game for border in (0, 4))
    assert whole._measured(REAL).shape == (6, 1, 28, 28) and cut._measured(REAL).shape == (6, 1, 20, 20)
    assert torch.equal(cut._measured(REAL), whole._measured(REAL)[..., 4:24, 4:24])


def test_rows_to_compare_are_low_bicubic_error_phase_generator_and_real():
    training = phased()
    real = real_of(training, 6)
    assert [*training.game.compare(real)] == ["low", "generator", "images"]  # before the first step
    assert "error_phase" not in playing("srgan", model="srresnet").game.networks  # without a first phase
    train(training, 3, 1, [], lambda: False)
    rows = training.game.compare(real)
    assert [*rows] == ["low", "bicubic", "error phase", "generator", "images"]
    assert {tuple(each.shape) for each in rows.values()} == {(6, 1, 28, 28)}
    assert torch.equal(rows["images"], real.data)


def test_samples_are_made_from_held_out_images_and_have_their_classes():
    data = labelled_noise()
    data.held_out = labelled_noise(count=6, seed=9)
    game = playing("srgan", model="srresnet", data=data).game
    inputs = game.draw(50, torch.Generator().manual_seed(0))
    known = [*((data.held_out.pixels.float() / 127.5) - 1)]
    for image, label in zip(inputs.images["target"], inputs.labels, strict=True):
        (place,) = [place for place, each in enumerate(known) if torch.allclose(each, image, atol=1e-5)]
        assert data.held_out.labels[place] == label
    assert torch.equal(inputs.images["low"], game.degrade(inputs.images["target"]))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data=ring8"], "game=srgan: enlarges images, and this data set holds points"),
        (["game.factor=8"], "game.factor=8: 28x28 pixels are no multiple of it"),
        (["game.factor=3"], "game.factor=3: choose 2, 4 or 8"),
        (["game.border=9"], "game.border=9: leaves less than the 11 pixels that SSIM needs, of 28"),
        (["steps=1500"], "steps=1,500: ends before the adversarial phase begins, at step 1,501; use a larger budget"),
        (["game.content_file=x.pth"], "game.content_file=x.pth: is for game.content=vgg19"),
        (["model=dcgan"], "game=srgan model=dcgan: that model has no translator; use model=mlp, mlp_small, srresnet"),
    ],
)
def test_what_does_not_go_together_is_one_line_that_helps(words, line):
    with pytest.raises(BadInput) as error:
        build(load(["game=srgan", "model=srresnet", *words, "threads=1"]))
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_content_classifier_needs_classes():
    config = load(["game=srgan", "model=srresnet", "game.content=classifier", "threads=1"])
    with pytest.raises(BadInput, match="looks through a classifier of the data, and these have no classes"):
        build(config, ImageSet(labelled_noise().pixels))
