"""Adversarial auto-encoders: who moves, what is real, the priors, and how little of the labels is read."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from ganctl.data import in_range
from ganctl.errors import BadInput
from ganctl.games import Inputs
from ganctl.games.priors import PRIORS
from tests.games.toys import (
    CLASSES,
    ENCODED,
    assert_same,
    batch_of,
    dark_and_bright,
    labelled_noise,
    playing,
    real_of,
    state,
)

REAL = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(5))


def seen_by(network):
    """A list that everything the network is given will be put into."""
    seen = []
    network.register_forward_pre_hook(lambda _network, inputs: seen.append(inputs[0].detach().clone()))
    return seen


def test_the_reconstruction_is_the_mean_squared_error_of_decoder_after_encoder():
    game = playing("aae").game
    made = game.decoder(game.encoder(REAL))
    known = ((made - REAL) ** 2).sum().item() / REAL.numel()
    assert game.reconstruction_loss(batch_of(REAL))["reconstruction"].item() == pytest.approx(known, rel=1e-5)
    assert torch.equal(game.reconstruct(REAL), made.detach())  # nothing in these networks is random


def test_a_decoder_of_the_class_is_given_its_probabilities():
    game = playing("aae_semisupervised").game
    style, logits = game.encoder(REAL).split([4, CLASSES], dim=1)
    shares = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    known = (game.decoder(style, shares) - REAL).square().mean().item()
    assert game.reconstruction_loss(batch_of(REAL))["reconstruction"].item() == pytest.approx(known, rel=1e-5)
    assert torch.equal(game.classify(REAL), logits.argmax(dim=1))


@pytest.mark.parametrize("name", ENCODED)
def test_real_is_the_prior_and_generated_are_the_codes_of_the_batch(name):
    game = playing(name, "game.prior=gaussian").game
    critics = {key: seen_by(network) for key, network in game.networks.items() if key.endswith("discriminator")}
    streams = game.streams.state()
    terms = game.discriminator_loss(batch_of(REAL))
    game.streams.restore(streams)
    latent = torch.randn(6, 4, generator=game.streams.noise)
    codes = game.encoder(REAL).detach()
    torch.testing.assert_close(critics["discriminator"][0], torch.cat([latent, codes[:, :4]]))
    judged = game.contest.discriminator(critics["discriminator"][0])
    known = softplus(-judged[:6]).mean() + softplus(judged[6:]).mean()
    assert terms["adversarial"].item() == pytest.approx(known.item(), rel=1e-5)
    if name == "aae_semisupervised":
        seen = critics["class_discriminator"][0]
        assert set(seen[:6].flatten().tolist()) == {0, 1} and torch.equal(seen[:6].sum(dim=1), torch.ones(6))
        torch.testing.assert_close(seen[6:], codes[:, 4:].softmax(dim=1))
        judged = game.class_contest.discriminator(seen)
        known = softplus(-judged[:6]).mean() + softplus(judged[6:]).mean()
        assert terms["class_adversarial"].item() == pytest.approx(known.item(), rel=1e-5)


def test_the_encoder_deceives_every_discriminator():
    game = playing("aae_semisupervised").game
    terms = game.generator_loss(batch_of(REAL))
    style, logits = game.encoder(REAL).split([4, CLASSES], dim=1)
    known = {
        "adversarial": softplus(-game.contest.discriminator(style)).mean().item(),
        "class_adversarial": softplus(-game.class_contest.discriminator(logits.softmax(dim=1))).mean().item(),
    }
    assert {key: value.item() for key, value in terms.items()} == pytest.approx(known, rel=1e-5)
    assert set(playing("aae").game.generator_loss(batch_of(REAL))) == {"adversarial"}


@pytest.mark.parametrize("name", ENCODED)
def test_all_players_of_a_step_look_at_one_batch(name):
    training = playing(name)
    seen = []
    for key, player in training.players.items():
        loss = player.loss
        training.players[key] = type(player)(
            player.networks, lambda batch, loss=loss: seen.append(batch.real) or loss(batch), 1, player.fresh_batch
        )
    training.play_step(log=False)
    assert len(seen) == len(training.players) and all(real is seen[0] for real in seen)
    assert training.batches.drawn == 1


def drawn(prior, count=20_000, dimensions=2):
    return PRIORS[prior].draw(count, dimensions, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dimensions", [1, 2, 7])
def test_the_gaussian_prior_is_standard_in_any_number_of_dimensions(dimensions):
    codes = drawn("gaussian", dimensions=dimensions)
    assert codes.shape == (20_000, dimensions)
    assert (torch.cov(codes.T).view(dimensions, dimensions) - torch.eye(dimensions)).abs().max() < 0.06
    assert codes.mean(dim=0).abs().max() < 5 / 20_000**0.5


def test_the_mixture_has_ten_equally_likely_petals_at_their_place_and_of_their_size():
    codes = drawn("mixture")
    angle = torch.atan2(codes[:, 1], codes[:, 0])
    petal = (angle / (2 * math.pi / 10)).round().long() % 10
    counts = torch.bincount(petal, minlength=10).double()
    # Pearson's chi-squared statistic has mean 9 and deviation 18^0.5; petals that meet at the origin exchange a few.
    assert ((counts - 2000) ** 2 / 2000).sum().item() < 9 + 5 * 18**0.5
    turn = torch.arange(10) * (2 * math.pi / 10)
    along, across = turn.cos()[petal], turn.sin()[petal]
    radius, side = codes[:, 0] * along + codes[:, 1] * across, codes[:, 1] * along - codes[:, 0] * across
    near = radius > 1  # where petals are apart, the two coordinates are those of one Gaussian
    assert radius.median().item() == pytest.approx(2.5, abs=0.03)
    assert side[near].std().item() == pytest.approx(0.2, abs=0.01)
    upper = torch.quantile(radius, 0.8413).item()  # a deviation above the mean
    assert upper == pytest.approx(2.5 + 0.75, abs=0.03)
    assert codes.mean(dim=0).abs().max() < 5 * ((2.5**2 + 0.75**2 + 0.2**2) / 2 / 20_000) ** 0.5


def test_the_swiss_roll_lies_along_a_spiral_of_two_turns_that_is_evenly_filled():
    codes = drawn("swiss_roll")
    place = torch.linspace(0, 1, 2001)
    spiral = torch.stack([(4 * math.pi * place).cos(), (4 * math.pi * place).sin()], 1) * (3 * place)[:, None]
    distance, nearest = torch.cdist(codes, spiral).min(dim=1)
    assert distance.max() < 0.3
    assert distance.square().mean().item() == pytest.approx(0.05**2, rel=0.1)  # across it, one dimension is left
    # Evenly filled, half of the points lie beyond 0.5^0.5 of the way, where r dr has half of its integral.
    assert (place[nearest] > 0.5**0.5).float().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / 20_000**0.5 + 0.005)
    assert 2.5 < codes.norm(dim=1).max() < 3.3


@pytest.mark.parametrize("prior", PRIORS)
def test_a_prior_is_finite_and_the_same_for_the_same_stream(prior):
    assert torch.equal(drawn(prior), drawn(prior)) and torch.isfinite(drawn(prior)).all()
    dimensions = PRIORS[prior].dimensions or 4
    game = playing("aae", f"game.prior={prior}", f"model.latent_dim={dimensions}").game
    known = PRIORS[prior].draw(5, dimensions, torch.Generator().manual_seed(3))
    assert torch.equal(game.draw(5, torch.Generator().manual_seed(3)).latent, known)


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("prior", ["mixture", "swiss_roll"])
def test_a_prior_of_two_dimensions_is_refused_elsewhere(name, prior):
    with pytest.raises(BadInput, match=rf"game.prior={prior} model.latent_dim=100: that prior has 2 .*latent_dim=2"):
        playing(name, f"game.prior={prior}", "model.latent_dim=100")


def test_the_labelled_samples_are_balanced_chosen_by_the_seed_and_have_their_own_labels():
    data = labelled_noise(count=60)
    label_of = {image.numpy().tobytes(): int(label) for image, label in zip(data.pixels, data.labels, strict=True)}
    one, again, other = (
        playing("aae_semisupervised", "game.labelled=7", f"seed={seed}", data=labelled_noise(count=60)).game.labelled
        for seed in (1, 1, 2)
    )
    names = [image.numpy().tobytes() for image in one.pixels]
    assert len({*names}) == 7 and [label_of[name] for name in names] == one.labels.tolist()
    assert sorted(torch.bincount(one.labels, minlength=CLASSES).tolist()) == [2, 2, 3]
    assert torch.equal(one.pixels, again.pixels) and torch.equal(one.labels, again.labels)
    assert not torch.equal(one.pixels, other.pixels)


def test_labels_of_other_samples_are_never_read():
    def trained(garbage):
        training = playing("aae_semisupervised")
        assert training.game.labelled.epoch_size == 6
        if garbage:
            training.batches.dataset.labels = torch.full((24,), -100)
        for _ in range(5):
            training.play_step(log=False)
        return state(training)

    assert_same(trained(garbage=False), trained(garbage=True))


def test_labels_of_the_labelled_samples_are_read():
    def trained(garbage):
        training = playing("aae_semisupervised")
        if garbage:
            training.game.labelled.labels.fill_(1)
        training.play_step(log=False)
        return state(training)

    one, other = trained(garbage=False), trained(garbage=True)
    assert any(not torch.equal(value, other[name]) for name, value in one.items() if name.startswith("encoder."))


def test_the_classifiers_term_is_the_cross_entropy_of_labelled_samples_in_a_new_order_each_epoch():
    game, observed = playing("aae_semisupervised", "game.labelled=9").game, {}
    expected = game.labelled.batch(1, 6, game.streams)
    logits = game.encoder(in_range(expected.data, (-1.0, 1.0)))[:, 4:]
    found = game.classification_loss(batch_of(REAL, observed, turn=2))["cross_entropy"]
    assert found.item() == pytest.approx(cross_entropy(logits, expected.labels).item(), rel=1e-5)
    right = (logits.argmax(dim=1) == expected.labels).float().mean()
    assert observed["accuracy/labelled"].item() == pytest.approx(right.item())


def test_a_few_labels_decide_which_class_every_sample_is_in():
    # Dark and bright images, of which four have a label; with these four labels exchanged all samples change class.
    def right(exchanged):
        training = playing("aae_semisupervised", "game.labelled=4", "batch_size=50", data=dark_and_bright())
        if exchanged:
            training.game.labelled.labels.neg_().add_(1)
        for _ in range(200):
            training.play_step(log=False)
        every = real_of(training, 200)
        return (training.game.classify(every.data) == every.labels).float().mean().item()

    assert right(exchanged=False) > 0.95
    assert right(exchanged=True) < 0.05


def test_too_few_or_too_many_labels_are_refused():
    with pytest.raises(BadInput, match="game.labelled=2: must be at least 3, one of each class"):
        playing("aae_semisupervised", "game.labelled=2")
    with pytest.raises(
        BadInput, match=r"game.labelled: 27 images .* the rarest of 3 classes has 8; ask for at most 24"
    ):
        _ = playing("aae_semisupervised", "game.labelled=27").game.labelled


def test_a_sample_is_made_of_the_style_and_the_class_that_are_asked_for():
    game = playing("aae_semisupervised").game
    inputs = game.draw(6, torch.Generator().manual_seed(0))
    assert [*inputs.codes] == [*game.codes] == ["label"]
    other = Inputs(inputs.latent, {"label": inputs.codes["label"].roll(1, dims=1)})
    assert (game.make(inputs) - game.make(other)).abs().flatten(1).amax(dim=1).min() > 1e-4


def test_both_discriminators_are_clipped_after_their_turn_and_no_other_network():
    training = playing("aae_semisupervised", "loss=wasserstein", "penalty=weight_clip", "penalty.clip=0.02")
    training.play_step(log=False)
    largest = {
        name: max(p.abs().max().item() for p in network.parameters())
        for name, network in training.game.networks.items()
    }
    assert largest["discriminator"] == largest["class_discriminator"] == pytest.approx(0.02)
    assert min(largest["encoder"], largest["decoder"]) > 0.03


def test_each_contest_has_a_memory_of_its_own_and_checkpoints_have_both():
    training, observed = playing("aae_semisupervised", "penalty=lecam", "penalty.decay=0.5"), {}
    game = training.game
    assert set(game.memory) == {f"{prefix}{kind}_anchor" for prefix in ("", "class_") for kind in ("real", "fake")}
    game.discriminator_loss(batch_of(REAL, observed))
    for prefix, contest in (("", game.contest), ("class_", game.class_contest)):
        for kind in ("real", "fake"):  # half way from 0 to the mean logit of this turn
            anchor = game.memory[f"{prefix}{kind}_anchor"]
            assert anchor.item() == pytest.approx(observed[f"logit/{prefix}{kind}"].item() / 2, rel=1e-5) != 0
            assert anchor is contest.memory[f"{kind}_anchor"]
    assert game.memory["real_anchor"] != game.memory["class_real_anchor"]
    assert {f"memory.{name}" for name in game.memory} <= training.tensors()["training"].keys()
