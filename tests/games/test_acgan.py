"""ACGAN: a discriminator that is not told the class, a head that finds it, and a generator that helps the head."""

import math

import pytest
import torch
from torch.nn.functional import log_softmax, one_hot

from ganctl.games import Inputs
from ganctl.games.contest import Judged
from tests.games.toys import CLASSES, agreement, batch_of, dark_and_bright, playing

LABELS = torch.tensor([2, 0, 1, 1, 0, 2])
HOT = one_hot(LABELS, CLASSES).float()


def labelled_batch():
    return batch_of(torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(5)), labels=LABELS)


def gradient(terms, network):
    total = torch.stack([*terms.values()]).sum()
    return torch.cat([part.flatten() for part in torch.autograd.grad(total, [*network.parameters()])])


@pytest.mark.parametrize("model", ["mlp", "dcgan"])
def test_the_discriminator_is_not_told_the_class(model, monkeypatch):
    game, seen = playing("acgan", model=model).game, []
    for name in ("features", "logit"):
        own = getattr(game.discriminator, name)
        monkeypatch.setattr(game.discriminator, name, lambda *inputs, own=own: seen.append(len(inputs)) or own(*inputs))
    game.discriminator_loss(labelled_batch())
    game.generator_loss(labelled_batch())
    assert set(seen) == {1}
    real = labelled_batch().real
    game.discriminator.eval()
    assert torch.equal(game.discriminator(real, HOT), game.discriminator(real))


def test_the_class_terms_are_cross_entropies_on_real_and_generated_samples_of_the_batchs_classes():
    game = playing("acgan").game
    batch, streams = labelled_batch(), game.streams.state()
    found = game.discriminator_loss(batch)
    game.streams.restore(streams)
    of_generator = game.generator_loss(batch)
    game.streams.restore(streams)
    fake = game.generator(torch.randn(6, 4, generator=game.streams.noise), HOT)

    def by_hand(samples):
        shares = log_softmax(game.head(game.discriminator.features(samples)), dim=1)
        return -shares[range(6), LABELS].mean().item()

    assert set(found) == {"adversarial", "class_real", "class_fake"}
    assert found["class_real"].item() == pytest.approx(by_hand(batch.real), rel=1e-5)
    assert found["class_fake"].item() == pytest.approx(by_hand(fake), rel=1e-5)
    assert set(of_generator) == {"adversarial", "class_fake"}
    assert of_generator["class_fake"].item() == pytest.approx(by_hand(fake), rel=1e-5)
    assert by_hand(batch.real) != pytest.approx(by_hand(fake), rel=1e-3)


def test_the_class_terms_have_the_published_golden_values():
    # tensorflow/gan's losses_impl_test.py, ACGANLossTest: its logits of generated and of real samples, and its labels.
    generated = [[10.0, 4.4, -5.5, 3.6], [-4.0, 4.4, 5.2, 4.6], [1.1, 2.4, -3.5, 5.6], [1.1, 2.4, -3.5, 5.6]]
    real = [[-2.0, 0.4, 12.5, 2.7], [-1.2, 1.9, 12.3, 2.6], [-2.4, -1.7, 2.5, 2.7], [1.1, 2.4, -3.5, 5.6]]
    game = playing("acgan").game
    game.head = torch.nn.Identity()
    inputs = Inputs(torch.zeros(4, 1), {"label": one_hot(torch.tensor([1, 2, 0, 0]), 4).float()})
    real_judged, fake_judged = (
        Judged(torch.zeros(4), torch.zeros(4), features=torch.tensor(logits)) for logits in (real, generated)
    )
    of_discriminator = game.discriminator_extras(batch_of(torch.zeros(4)), inputs, real_judged, fake_judged)
    of_generator = game.generator_extras(batch_of(torch.zeros(4)), inputs, torch.zeros(4), fake_judged)
    assert sum(of_generator.values()).item() == pytest.approx(3.84974, abs=1e-5)
    assert sum(of_discriminator.values()).item() == pytest.approx(9.43950, abs=1e-5)


def test_a_head_that_knows_nothing_costs_ln_k_a_term():
    game = playing("acgan").game
    for parameter in game.head.parameters():
        parameter.data.zero_()
    terms = {**game.discriminator_loss(labelled_batch()), "of_generator": game.generator_loss(labelled_batch())}
    costs = [terms["class_real"], terms["class_fake"], terms["of_generator"]["class_fake"]]
    assert [cost.item() for cost in costs] == [pytest.approx(math.log(CLASSES), rel=1e-6)] * 3


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_the_class_weight_scales_the_class_terms_gradient_and_nothing_else(player):
    game, network = playing("acgan").game, player
    loss = getattr(game, f"{player}_loss")
    streams, slopes = game.streams.state(), {}
    for weight in (0.0, 1.0, 2.0):
        game.class_weight = weight
        game.streams.restore(streams)
        slopes[weight] = gradient(loss(labelled_batch()), game.networks[network])
    game.streams.restore(streams)
    alone = gradient({"adversarial": loss(labelled_batch())["adversarial"]}, game.networks[network])
    torch.testing.assert_close(slopes[0.0], alone)
    torch.testing.assert_close(slopes[2.0] - alone, 2 * (slopes[1.0] - alone), rtol=1e-3, atol=1e-6)
    assert (slopes[1.0] - alone).norm() > 1e-3


@pytest.mark.slow
def test_a_generator_learns_the_classes_only_where_it_pays_for_them():
    # The discriminator knows no class: without the term, whatever was asked of the generator is as good as the other.
    words = ["batch_size=50", "optim.lr=0.003"]
    paying, free = (playing("acgan", *words, data=dark_and_bright()) for _ in range(2))
    free.game.class_weight = 0.0
    assert agreement(paying, 300) > 0.95
    assert agreement(free, 300) < 0.8
