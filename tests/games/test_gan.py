"""The vanilla game: who moves, what it minimizes, and that looking leaves no trace."""

import pytest
import torch

from ganctl.build import build
from ganctl.config import load
from ganctl.games import Batch
from tests.conftest import TINY

DCGAN = ["model=dcgan", "model.width=4", "batch_size=20", "threads=1"]


def experiment(*overrides):
    return build(load([*overrides] if "model=dcgan" in overrides else [*TINY, *overrides]))


def snapshot(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def changed(network, before):
    return any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("model", [[], DCGAN], ids=["mlp", "dcgan"])
@pytest.mark.parametrize("name", ["discriminator", "generator"])
def test_after_a_turn_only_that_players_weights_changed(name, model):
    # Batch norm's running statistics are no weights: they follow every forward pass, the opponent's turn included.
    training = experiment(*model).training
    training.play_step(log=False)
    networks = training.game.networks
    before = {key: [p.detach().clone() for p in network.parameters()] for key, network in networks.items()}
    training._play_turn(name, training.players[name], 1)
    for key, network in networks.items():
        moved = [not torch.equal(p, old) for p, old in zip(network.parameters(), before[key], strict=True)]
        assert all(moved) if key == name else not any(moved)


def test_the_discriminators_turn_leaves_no_gradient_on_the_generator():
    training = experiment().training
    training._play_turn("discriminator", training.players["discriminator"], 1)
    assert all(p.grad is None for p in training.game.networks["generator"].parameters())


def test_a_discriminators_turn_draws_a_batch_and_a_generators_turn_reuses_it():
    training = experiment().training
    training._play_turn("discriminator", training.players["discriminator"], 1)
    latest = training.real
    training._play_turn("generator", training.players["generator"], 1)
    assert training.real is latest and training.batches.drawn == 1


@pytest.mark.parametrize("loss", ["minimax", "minimax_swapped", "nonsaturating"])
def test_the_real_pass_of_a_constant_term_happens_only_when_it_is_logged(loss):
    game = experiment(f"loss={loss}").training.game
    real = torch.zeros(50, 1, 28, 28)
    passes = []
    game.discriminator.register_forward_hook(lambda _module, inputs, _output: passes.append(len(inputs[0])))
    game.generator_loss(Batch(real))
    assert len(passes) == 1
    game.generator_loss(Batch(real, observed={}))
    assert len(passes) == 2 + (loss != "nonsaturating")


def test_minimax_logs_minus_the_discriminators_loss():
    # Without dropout both passes see the same discriminator, so J(G) = -J(D) on the same real batch holds exactly.
    game = experiment("loss=minimax", "model.dropout=0").training.game
    real, observed = torch.randn(50, 1, 28, 28), {}
    state = game.streams.state()
    generator = game.generator_loss(Batch(real, observed))["adversarial"]
    game.streams.restore(state)
    discriminator = game.discriminator_loss(Batch(real))["adversarial"]
    assert generator.item() == pytest.approx(-discriminator.item(), rel=1e-6)


@pytest.mark.parametrize("model", [[], DCGAN], ids=["mlp", "dcgan"])
def test_peeking_leaves_streams_and_statistics_as_they_were(model):
    game = experiment(*model).training.game
    real = torch.randn(20, 1, 28, 28)
    before, streams = snapshot(game.discriminator), game.streams.state()
    game.peek(real)
    assert not changed(game.discriminator, before)
    assert all(torch.equal(state, streams[name]) for name, state in game.streams.state().items())


@pytest.mark.parametrize("model", [[], DCGAN], ids=["mlp", "dcgan"])
def test_sampling_changes_nothing_and_repeats(model):
    training = experiment(*model).training
    training.play_step(log=False)
    before, streams = snapshot(training.game.generator), training.streams.state()
    noise = training.streams.fresh("sampling")
    first, second = (
        training.game.sample(5, noise),
        training.game.sample(5, training.streams.fresh("sampling")),
    )
    assert torch.equal(first, second)
    assert not changed(training.game.generator, before) and training.game.generator.training
    assert all(torch.equal(state, streams[name]) for name, state in training.streams.state().items())


def test_one_shared_pass_judges_as_two_passes_do():
    game = experiment("model.dropout=0").training.game
    real, fake = torch.randn(7, 1, 28, 28), torch.randn(7, 1, 28, 28)
    together = game.judge(real, fake)
    torch.testing.assert_close(together, (game.discriminator(real), game.discriminator(fake)))


def test_observations_are_those_of_their_definitions():
    game = experiment("model.dropout=0").training.game
    real, observed = torch.randn(50, 1, 28, 28), {}
    state = game.streams.state()
    game.discriminator_loss(Batch(real, observed))
    game.streams.restore(state)
    fake = game.generate(50, game.streams.noise)
    d_real, d_fake = game.discriminator(real).sigmoid(), game.discriminator(fake).sigmoid()
    assert observed["score/real"].item() == pytest.approx(d_real.mean().item(), rel=1e-5)
    assert observed["score/fake"].item() == pytest.approx(d_fake.mean().item(), rel=1e-5)
    assert observed["yardstick/j_d"].item() == pytest.approx(
        (-d_real.log() - (1 - d_fake).log()).mean().item(), rel=1e-5
    )
    game.streams.restore(state)
    game.generator_loss(Batch(real, observed))
    assert observed["yardstick/minus_log_d_fake"].item() == pytest.approx(-d_fake.log().mean().item(), rel=1e-5)
    assert observed["yardstick/log_one_minus_d_fake"].item() == pytest.approx(
        (1 - d_fake).log().mean().item(), rel=1e-5
    )
