"""Games in which both players know the class: it goes in everywhere, it is the batch's, and it does something."""

import pytest
import torch
from torch.nn.functional import one_hot, softplus

from ganctl.games import Inputs
from ganctl.losses import PENALTIES
from ganctl.models.dcgan import DcganDiscriminator
from ganctl.models.mlp import MlpDiscriminator
from tests.games.toys import CLASSES, agreement, batch_of, dark_and_bright, playing

MODELS = ["mlp", "dcgan"]
LABELS = torch.tensor([2, 0, 1, 1, 0, 2])
HOT = one_hot(LABELS, CLASSES).float()


def labelled_batch(observed=None):
    return batch_of(torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(5)), observed, labels=LABELS)


@pytest.mark.parametrize("model", MODELS)
def test_samples_and_logits_change_with_the_class(model):
    game = playing("cgan", model=model).game
    inputs = Inputs(torch.randn(6, 4), {"label": HOT})
    other = Inputs(inputs.latent, {"label": HOT.roll(1, dims=1)})
    assert (game.make(inputs) - game.make(other)).abs().flatten(1).amax(dim=1).min() > 1e-4
    real = labelled_batch().real
    game.discriminator.eval()
    logits, permuted = game.discriminator(real, HOT), game.discriminator(real, HOT[torch.randperm(6)])
    assert (game.discriminator(real, HOT.roll(1, dims=1)) - logits).abs().min() > 1e-6
    assert not torch.allclose(logits, permuted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("game", ["cgan", "projection"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("turn", ["discriminator_loss", "generator_loss"])
def test_every_sample_of_a_turn_goes_with_the_class_of_the_batch(game, model, turn):
    played, given = playing(game, "loss=relativistic_paired", model=model).game, {"generator": [], "discriminator": []}
    for name, seen in given.items():
        played.networks[name].register_forward_pre_hook(lambda _network, inputs, seen=seen: seen.append(inputs[1]))
    getattr(played, turn)(labelled_batch())
    assert torch.equal(torch.cat(given["generator"]), HOT)
    # Real and generated ones, in one pass or in two.
    assert torch.equal(torch.cat(given["discriminator"]), torch.cat([HOT, HOT]))


def test_the_objectives_are_those_of_the_paper_by_hand():
    game = playing("cgan").game
    batch, streams = labelled_batch(), game.streams.state()
    d_value = game.discriminator_loss(batch)["adversarial"]
    game.streams.restore(streams)
    g_value = game.generator_loss(batch)["adversarial"]
    game.streams.restore(streams)
    fake = game.generator(torch.randn(6, 4, generator=game.streams.noise), HOT)
    real_logits, fake_logits = game.discriminator(batch.real, HOT), game.discriminator(fake, HOT)
    assert d_value.item() == pytest.approx((softplus(-real_logits) + softplus(fake_logits)).mean().item(), rel=1e-5)
    assert g_value.item() == pytest.approx(softplus(-fake_logits).mean().item(), rel=1e-5)


@pytest.mark.parametrize("game", ["cgan", "projection"])
@pytest.mark.parametrize("name", ["r1", "r1r2"])
def test_a_penalty_looks_at_samples_with_their_classes(game, name):
    played = playing(game, f"penalty={name}", "penalty.weight=1").game
    for parameter in played.discriminator.parameters():
        parameter.data.mul_(3)  # so that the slope depends on the class
    batch, streams = labelled_batch(), played.streams.state()
    found = played.discriminator_loss(batch)["penalty"]
    played.streams.restore(streams)
    fake = played.generator(torch.randn(6, 4, generator=played.streams.noise), HOT)

    def by_hand(hot):
        return sum(
            PENALTIES["r1"](lambda x: played.discriminator(x, hot), samples, samples)
            for samples in ([batch.real] if name == "r1" else [batch.real, fake])
        ).item()

    assert found.item() == pytest.approx(by_hand(HOT), rel=1e-5)
    assert found.item() != pytest.approx(by_hand(HOT.roll(1, dims=1)), rel=1e-4)


def test_classes_are_drawn_equally_often():
    labels = playing("cgan").game.draw(6000, torch.Generator().manual_seed(0)).codes["label"]
    assert labels.shape == (6000, CLASSES) and torch.equal(labels.sum(dim=1), torch.ones(6000))
    chi_squared = ((labels.sum(dim=0) - 2000) ** 2 / 2000).sum().item()
    assert chi_squared < 2 + 5 * 2  # mean 2, deviation 2


TOY = ["batch_size=50", "optim.lr=0.003"]


@pytest.mark.slow
@pytest.mark.parametrize("game", ["cgan", "projection"])
def test_a_generator_learns_the_classes_only_from_a_discriminator_that_is_told_them(game, monkeypatch):
    told = playing(game, *TOY, data=dark_and_bright())
    assert agreement(told, 300) > 0.95
    misled, shuffle = playing(game, *TOY, data=dark_and_bright()), torch.Generator().manual_seed(0)
    monkeypatch.setattr(
        misled.game, "told", lambda inputs: inputs.codes["label"][torch.randperm(50, generator=shuffle)]
    )
    assert agreement(misled, 300) < 0.8


def projecting(model):
    if model == "mlp":
        return MlpDiscriminator((1, 28, 28), [16], "leaky_relu", 0.0, condition=CLASSES, how="projection").double()
    return DcganDiscriminator(1, 28, 2, condition=CLASSES, how="projection").double().eval()


@pytest.mark.parametrize("model", MODELS)
def test_two_classes_differ_by_the_projection_on_the_difference_of_their_vectors(model):
    # D(x, y) - D(x, y') = <V_y - V_y', phi(x)> times the fixed scale, for eq. 3 has nothing else of y.
    critic, samples = projecting(model), torch.randn(6, 1, 28, 28, dtype=torch.float64)
    features, vectors = critic.features(samples).flatten(1), critic.projection.embedding.weight.T
    vectors = vectors * critic.projection.scale
    one, other = HOT.double(), HOT.roll(1, dims=1).double()
    known = ((vectors[one.argmax(1)] - vectors[other.argmax(1)]) * features).sum(dim=1)
    torch.testing.assert_close(critic(samples, one) - critic(samples, other), known, rtol=1e-9, atol=1e-12)
    assert known.abs().min() > 1e-6
    # What remains is psi, the linear layer that an unconditional discriminator ends in.
    psi = critic(samples, one) - (vectors[one.argmax(1)] * features).sum(dim=1)
    last = [layer for layer in critic.layers if hasattr(layer, "weight")][-1]
    by_hand = features @ last.weight.flatten() + last.bias
    torch.testing.assert_close(psi, by_hand, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_without_its_vectors_a_projection_discriminator_is_blind_to_classes(model):
    critic, samples = projecting(model), torch.randn(6, 1, 28, 28, dtype=torch.float64)
    torch.nn.init.zeros_(critic.projection.embedding.weight)
    logits = [critic(samples, torch.eye(CLASSES, dtype=torch.float64)[[kind] * 6]) for kind in range(CLASSES)]
    assert torch.equal(logits[0], logits[1]) and torch.equal(logits[0], logits[2])


@pytest.mark.parametrize("model", MODELS)
def test_the_class_reaches_projections_generator_through_its_batch_norm_alone(model):
    game = playing("projection", model=model).game
    tables = [p for name, p in game.generator.named_parameters() if name.endswith(("scale", "shift"))]
    inputs, other = (Inputs(torch.ones(6, 4), {"label": hot}) for hot in (HOT, HOT.roll(1, dims=1)))
    assert tables and all(len(table) == CLASSES for table in tables)
    assert not torch.equal(game.make(inputs), game.make(other))
    for table in tables:
        table.data[:] = table.data[:1]
    assert torch.equal(game.make(inputs), game.make(other))  # for now all classes have the same row
    for table in tables:
        table.data[1].add_(0.5)
    samples = game.make(inputs)
    others = samples[LABELS != 1]
    assert torch.equal(others, others[:1].expand_as(others))  # equal latent vectors, equal rows
    assert (samples[LABELS == 1] - others[0]).abs().amax() > 1e-3


@pytest.mark.parametrize("model", MODELS)
def test_spectral_norm_holds_the_projection_too(model):
    norm = ["model.discriminator_norm=none"] if model == "dcgan" else []
    critic = playing("projection", "model.spectral_norm=true", *norm, model=model).game.discriminator
    critic.projection.embedding.parametrizations.weight.original.data.mul_(50)
    for _ in range(30):  # one step of the power iteration a pass
        critic(torch.zeros(6, 1, 28, 28), HOT)
    assert torch.linalg.matrix_norm(critic.projection.embedding.weight, 2).item() == pytest.approx(1, abs=1e-3)
