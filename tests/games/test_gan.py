"""The vanilla game: who moves, what it minimizes, and that looking leaves no trace."""

from dataclasses import replace

import pytest
import torch

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.losses import PENALTIES
from tests.conftest import TINY, TINY_NETWORKS
from tests.games.toys import batch_of

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
    latest = training.latest
    training._play_turn("generator", training.players["generator"], 1)
    assert training.latest is latest and training.batches.drawn == 1


@pytest.mark.parametrize("loss", ["minimax", "minimax_swapped", "nonsaturating"])
def test_the_real_pass_of_a_constant_term_happens_only_when_it_is_logged(loss):
    game = experiment(f"loss={loss}").training.game
    real = torch.zeros(50, 1, 28, 28)
    passes = []
    game.discriminator.register_forward_hook(lambda _module, inputs, _output: passes.append(len(inputs[0])))
    game.generator_loss(batch_of(real))
    assert len(passes) == 1
    game.generator_loss(batch_of(real, observed={}))
    assert len(passes) == 2 + (loss != "nonsaturating")


def test_minimax_logs_minus_the_discriminators_loss():
    # Without dropout both passes see the same discriminator, so J(G) = -J(D) on the same real batch holds exactly.
    game = experiment("loss=minimax", "model.dropout=0").training.game
    real, observed = torch.randn(50, 1, 28, 28), {}
    state = game.streams.state()
    generator = game.generator_loss(batch_of(real, observed))["adversarial"]
    game.streams.restore(state)
    discriminator = game.discriminator_loss(batch_of(real))["adversarial"]
    assert generator.item() == pytest.approx(-discriminator.item(), rel=1e-6)


@pytest.mark.parametrize("model", [[], DCGAN], ids=["mlp", "dcgan"])
def test_peeking_leaves_streams_and_statistics_as_they_were(model):
    game = experiment(*model).training.game
    real = torch.randn(20, 1, 28, 28)
    before, streams = snapshot(game.discriminator), game.streams.state()
    game.contest.peek(real)
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
    together = tuple(judged.logits for judged in game.contest.judge(real, fake))
    torch.testing.assert_close(together, (game.discriminator(real), game.discriminator(fake)))


def test_observations_are_those_of_their_definitions():
    game = experiment("model.dropout=0").training.game
    real, observed = torch.randn(50, 1, 28, 28), {}
    state = game.streams.state()
    game.discriminator_loss(batch_of(real, observed))
    game.streams.restore(state)
    fake = game.generate(game.draw(50, game.streams.noise))
    d_real, d_fake = game.discriminator(real).sigmoid(), game.discriminator(fake).sigmoid()
    assert observed["score/real"].item() == pytest.approx(d_real.mean().item(), rel=1e-5)
    assert observed["score/fake"].item() == pytest.approx(d_fake.mean().item(), rel=1e-5)
    assert observed["yardstick/j_d"].item() == pytest.approx(
        (-d_real.log() - (1 - d_fake).log()).mean().item(), rel=1e-5
    )
    game.streams.restore(state)
    game.generator_loss(batch_of(real, observed))
    assert observed["yardstick/minus_log_d_fake"].item() == pytest.approx(-d_fake.log().mean().item(), rel=1e-5)
    assert observed["yardstick/log_one_minus_d_fake"].item() == pytest.approx(
        (1 - d_fake).log().mean().item(), rel=1e-5
    )


def test_more_turns_of_the_discriminator_each_draw_a_batch_and_keep_the_epoch():
    one = experiment("game.discriminator_turns=5", "epochs=2")
    assert one.total_steps == 40  # 2 epochs of 100 batches, five a step
    one.training.play_step(log=False)
    assert one.training.batches.drawn == 5
    assert experiment("game.discriminator_turns=3", "epochs=1").total_steps == 34  # the last step goes over


def test_a_penalty_is_a_term_of_the_discriminator_with_its_weight():
    game = experiment("penalty=r1", "penalty.weight=4", "model.dropout=0").training.game
    real = torch.randn(50, 1, 28, 28)
    term = game.discriminator_loss(batch_of(real))["penalty"]
    assert term.item() == pytest.approx(4 * PENALTIES["r1"](game.discriminator, real, real).item(), rel=1e-5)
    assert set(game.generator_loss(batch_of(real))) == {"adversarial"}


def test_a_lazy_penalty_has_its_gradient_at_every_kth_turn_k_times_and_its_value_always():
    # With the same networks and batch, the mean gradient over k turns is the eager one, and so is every value.
    eager, lazy = (
        experiment("penalty=r1", "penalty.weight=2", f"penalty.every={every}", "model.dropout=0").training.game
        for every in (1, 3)
    )
    real = torch.randn(50, 1, 28, 28)

    def slope(value, game):
        if not value.requires_grad:
            return 0.0
        (found,) = torch.autograd.grad(value, next(game.discriminator.parameters()))
        return found.norm().item()

    known = eager.discriminator_loss(batch_of(real))["penalty"]
    paid = [lazy.discriminator_loss(batch_of(real, turn=turn))["penalty"] for turn in range(1, 7)]
    assert [value.item() for value in paid] == [pytest.approx(known.item(), rel=1e-5)] * 6
    once = slope(known, eager)
    expected = [3 * once, 0, 0, 3 * once, 0, 0]
    assert [slope(value, lazy) for value in paid] == [pytest.approx(value, rel=1e-5) for value in expected]


def test_a_penalty_that_looks_twice_sees_one_dropout_mask():
    # On pictures of one colour a shift changes nothing, so only different masks could make a difference.
    game = experiment("penalty=consistency", "model.dropout=0.5").training.game
    real = torch.rand(50, 1, 1, 1).expand(50, 1, 28, 28)
    assert game.discriminator_loss(batch_of(real))["penalty"].item() == 0
    assert game.discriminator_loss(batch_of(torch.randn(50, 1, 28, 28)))["penalty"].item() > 0


def test_a_turn_knows_its_number_in_the_run():
    training = experiment("game.discriminator_turns=2").training
    seen, loss = [], training.game.discriminator_loss
    training.players["discriminator"] = replace(
        training.players["discriminator"], loss=lambda batch: seen.append(batch.turn) or loss(batch)
    )
    for _ in range(3):
        training.play_step(log=False)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_weights_are_clipped_after_every_turn_of_the_discriminator():
    training = experiment("loss=wasserstein", "penalty=weight_clip", "penalty.clip=0.02").training
    training.play_step(log=False)
    assert max(p.abs().max().item() for p in training.game.discriminator.parameters()) == pytest.approx(0.02)
    assert max(p.abs().max().item() for p in training.game.generator.parameters()) > 0.05


def test_relativistic_losses_see_real_logits_in_the_generators_turn():
    game = experiment("loss=relativistic_paired", "model.dropout=0").training.game
    real, state = torch.randn(50, 1, 28, 28), game.streams.state()
    found = game.generator_loss(batch_of(real))["adversarial"]
    game.streams.restore(state)
    fake = game.discriminator(game.generate(game.draw(50, game.streams.noise)))
    known = torch.nn.functional.softplus(game.discriminator(real) - fake).mean()
    assert found.item() == pytest.approx(known.item(), rel=1e-5)


def test_the_memory_of_began_moves_with_the_discriminators_turns_and_weighs_the_next():
    words = ["loss=began", "loss.k_rate=0.5", "model=autoencoder", "model.encoder_widths=[16]", "batch_size=50"]
    game = build(load(["threads=1", *words])).training.game
    real, observed = torch.randn(50, 1, 28, 28), {}
    first = game.discriminator_loss(batch_of(real, observed))["adversarial"]
    error, generated = -observed["logit/real"].item(), -observed["logit/fake"].item()
    assert first.item() == pytest.approx(error, rel=1e-5)  # k is 0
    k = 0.5 * (0.5 * error - generated)
    assert game.memory["k"].item() == pytest.approx(k, rel=1e-4) and 0 < k < 1
    assert observed["memory/convergence"].item() == pytest.approx(error + abs(0.5 * error - generated), rel=1e-4)
    second = game.discriminator_loss(batch_of(real, observed))["adversarial"]
    expected = -observed["logit/real"].item() + k * observed["logit/fake"].item()
    assert second.item() == pytest.approx(expected, rel=1e-4)


def test_the_pulling_away_term_is_one_of_the_generators():
    words = ["loss=ebgan", "model=autoencoder", "model.encoder_widths=[16]", "batch_size=50"]
    game = build(load(["threads=1", "game.pulling_away_weight=0.1", *words])).training.game
    terms = game.generator_loss(batch_of(torch.zeros(50, 1, 28, 28)))
    assert set(terms) == {"adversarial", "pulling_away"} and 0 < terms["pulling_away"].item() <= 0.1


@pytest.mark.parametrize("model", ["mlp", "dcgan"])
def test_spectral_norm_holds_every_layer_of_the_discriminator_at_one(model):
    words = {"mlp": TINY_NETWORKS, "dcgan": ["model.width=4", "model.discriminator_norm=none"]}[model]
    settings = ["model.spectral_norm=true", "loss=wasserstein", "batch_size=20", "optim.lr=0.0001"]
    made = build(load([f"model={model}", *settings, *words]))
    for _ in range(30):
        made.training.play_step(log=False)
    for _ in range(30):  # the power iteration runs after the weights, one step a pass; here it catches up
        made.training.game.discriminator(torch.zeros(2, 1, 28, 28))
    layers = [m for m in made.training.game.discriminator.modules() if hasattr(m, "parametrizations")]
    assert layers
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.02)
    assert not [m for m in made.training.game.generator.modules() if hasattr(m, "parametrizations")]
