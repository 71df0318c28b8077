"""What holds for every game: who moves, what is logged, what it goes with, and that a run repeats and resumes."""

import copy
from functools import cache

import pytest
import torch

from ganctl.assembly.compose import build
from ganctl.config.choices import choices
from ganctl.config.load import load
from ganctl.errors import BadInput
from ganctl.games import GAMES, Batch
from ganctl.losses import LOSSES, PENALTIES
from ganctl.training.loop import train
from tests.games.toys import (
    CONDITIONAL,
    ENCODED,
    MODELS,
    PLAYED,
    TRANSLATING,
    assert_same,
    batch_of,
    configured,
    data_of,
    labelled_noise,
    playing,
    real_of,
    state,
)

MOVES = {
    "gan": {"discriminator": {"discriminator"}, "generator": {"generator"}},
    "acgan": {"discriminator": {"discriminator", "head"}, "generator": {"generator"}},
    "aae": {
        "autoencoder": {"encoder", "decoder"},
        "discriminator": {"discriminator"},
        "generator": {"encoder"},
    },
}
MOVES |= {"cgan": MOVES["gan"], "projection": MOVES["gan"], "infogan": MOVES["acgan"]}
MOVES["aae_semisupervised"] = {
    **MOVES["aae"],
    "discriminator": {"discriminator", "class_discriminator"},
    "classifier": {"encoder"},
}
MOVES |= {
    "srgan": MOVES["gan"],
    "cyclegan": {
        "discriminator": {"discriminator_a", "discriminator_b"},
        "generator": {"generator_ab", "generator_ba"},
    },
}

every_game = pytest.mark.parametrize("game", GAMES)
on_every_model = pytest.mark.parametrize(("game", "model"), PLAYED)


def test_every_game_has_a_file_and_is_tested_here():
    assert set(GAMES) == set(choices("game")) == set(MOVES)


@on_every_model
def test_a_turn_moves_every_weight_of_its_player_and_no_other(game, model):
    training = playing(game, model=model)
    training.play_step(log=False)
    assert {name: set(player.networks) for name, player in training.players.items()} == MOVES[game]
    for name, player in training.players.items():
        before = {n: [p.detach().clone() for p in net.parameters()] for n, net in training.game.networks.items()}
        training._play_turn(name, player, 2)
        for network, weights in before.items():
            now = training.game.networks[network].parameters()
            moved = [not torch.equal(p, old) for p, old in zip(now, weights, strict=True)]
            assert all(moved) if network in player.networks else not any(moved), (name, network)


@on_every_model
def test_every_game_trains_two_steps_and_says_what_it_paid(game, model):
    rows = []

    class Seen:
        def after_step(self, training, scalars):
            del training
            rows.append(scalars)

    training = playing(game, model=model)
    train(training, 2, log_every=1, hooks=[Seen()], stopped=lambda: False)  # which refuses what is not finite
    assert len(rows) == 2
    for row in rows:
        assert {f"{kind}/{player}" for kind in ("loss", "grad_norm") for player in MOVES[game]} < row.keys()
        assert {"loss/discriminator", "loss/generator"} < row.keys()
        for player in MOVES[game]:
            terms = [value for tag, value in row.items() if tag.startswith(f"term/{player}/")]
            assert terms and row[f"loss/{player}"] == pytest.approx(sum(terms), rel=1e-5, abs=1e-6)
            assert row[f"grad_norm/{player}"] > 0
    assert training.game.sample(3, torch.Generator()).shape == (3, 1, 28, 28)


@on_every_model
def test_bf16_keeps_weights_and_losses_in_float32_and_near_those_of_float32(game, model):
    rough, exact = (playing(game, f"precision={kind}", model=model).play_step(log=True) for kind in ("bf16", "fp32"))
    for tag, value in rough.items():
        assert value.dtype == torch.float32, tag
        if tag.startswith("loss/"):  # 8 bits of mantissa: relative errors of 2^-9 a product
            assert value.item() == pytest.approx(exact[tag].item(), rel=0.03, abs=0.03), tag
    assert any(value.item() != exact[tag].item() for tag, value in rough.items())


@cache
def section(group, name):
    return getattr(load([f"{group}={name}"]), group)


def outcome(game, *swaps):
    """The one line with which a tiny game with these parts is refused; None where it trains two steps."""
    config = configured(game)
    for group, name in swaps:
        setattr(config, group, copy.deepcopy(section(group, name)))
    try:
        training = build(config, data_of(game)).training
        train(training, 2, 1, [], lambda: False)
    except BadInput as error:
        assert "\n" not in str(error)
        return str(error)
    return None


@every_game
def test_every_loss_goes_with_every_game_or_says_what_it_needs(game):
    refused = {name: line for name in LOSSES if (line := outcome(game, ("loss", name)))}
    assert set(refused) == {"wasserstein", "began", "ebgan"}
    assert "its critic's slope needs a bound" in refused["wasserstein"]
    assert all("its discriminator is an auto-encoder" in refused[name] for name in ("began", "ebgan"))
    assert outcome(game, ("loss", "wasserstein"), ("penalty", "gradient")) is None


@every_game
def test_every_penalty_goes_with_every_game_but_consistency_with_codes(game):
    refused = {name: line for name in PENALTIES if (line := outcome(game, ("penalty", name)))}
    assert set(refused) == ({"consistency"} if game in ENCODED else set())
    if refused:
        assert refused["consistency"].startswith(f"penalty=consistency game={game}: shifts images")


@on_every_model
def test_a_restored_game_goes_on_bit_for_bit(game, model):
    words = ["penalty=lecam", "ema_decay=0.9", "optim.clip_norm=1"]
    whole, half, resumed = (playing(game, *words, model=model) for _ in range(3))
    train(whole, 4, 2, [], lambda: False)
    train(half, 2, 2, [], lambda: False)
    kept, counts = copy.deepcopy(half.tensors()), half.counts()
    resumed.play_step(log=False)  # somewhere else, from where it is brought back
    resumed.restore(kept, counts)
    train(resumed, 4, 2, [], lambda: False)
    assert_same(state(whole), state(resumed))


@on_every_model
def test_sampling_and_probing_leave_weights_buffers_and_streams_as_they_were(game, model):
    training = playing(game, "ema_decay=0.9", model=model)
    training.play_step(log=False)
    before, modes = state(training), [net.training for net in training.game.networks.values()]
    drawn = real_of(training, 6)
    batch, shown = Batch(drawn), []
    for _ in range(2):
        training.sample(5, training.streams.fresh("sampling"))
        shown.append(training.game.probe(batch, training.streams.fresh("evaluation", "probe")))
    assert_same(before, state(training))
    assert modes == [net.training for net in training.game.networks.values()]
    assert bool(shown[0]) == (game not in [*ENCODED, *TRANSLATING])
    assert shown[0].keys() == shown[1].keys() and all(torch.equal(shown[0][tag], shown[1][tag]) for tag in shown[0])


@pytest.mark.parametrize("game", CONDITIONAL)
def test_a_probe_sees_the_gradient_of_the_generators_turn_with_the_classes_of_its_batch(game):
    training = playing(game)
    drawn, streams = real_of(training, 6), training.streams
    shown = training.game.probe(batch_of(drawn.data, labels=drawn.labels), streams.fresh("evaluation"))
    streams.noise.set_state(streams.fresh("evaluation").get_state())
    turn = training.game.generator_loss(batch_of(drawn.data, labels=drawn.labels))["adversarial"]
    parts = torch.autograd.grad(turn, [*training.game.generator.parameters()], allow_unused=True)
    norm = torch.cat([part.flatten() for part in parts if part is not None]).norm().item()
    assert shown["evidence/norm_own"].item() == pytest.approx(norm, rel=1e-4) and norm > 0


@pytest.mark.parametrize("game", GAMES)
def test_labels_of_the_batch_reach_every_turn(game):
    training, seen = playing(game), []
    for key, player in training.players.items():
        training.players[key] = type(player)(
            player.networks, lambda batch, own=player.loss: seen.append(batch) or own(batch), 1, player.fresh_batch
        )
    training.play_step(log=False)
    pixels = {
        image.numpy().tobytes(): int(kind)
        for image, kind in zip(labelled_noise().pixels, labelled_noise().labels, strict=True)
    }
    for batch in seen:
        images = ((batch.real + 1) * 127.5).round().to(torch.uint8)
        assert [pixels[image.numpy().tobytes()] for image in images] == batch.labels.tolist()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        *[([f"game={game}", "data=ring8"], f"game={game}: asks for the class of every sample") for game in CONDITIONAL],
        (["game=aae_semisupervised", "data=ring8"], "game=aae_semisupervised: asks for the class"),
        *[
            ([f"game={game}", "model=autoencoder"], f"game={game} model=autoencoder: that model has no place for codes")
            for game in (*CONDITIONAL, "aae_semisupervised", "infogan")
        ],
        (["game=aae", "model=autoencoder"], "game=aae model=autoencoder: that model has no encoder; use model=mlp"),
        (["game=aae", "game.prior=mixture"], "game.prior=mixture model.latent_dim=100: that prior has 2 dimensions"),
        (["game=aae_semisupervised", "game.labelled=3"], "game.labelled=3: must be at least 10, one of each class"),
        (["game=aae", "penalty=consistency"], "penalty=consistency game=aae: shifts images"),
        (["game=infogan", "game.categories=1"], "game.categories=1 game.continuous=2: nothing is left to choose"),
        (["game=infogan", "game.categories=0", "game.continuous=0"], "game.categories=0 game.continuous=0: nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_one_line_that_helps(words, line):
    with pytest.raises(BadInput) as error:
        build(load([*words, "threads=1"]))
    assert line in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("game", ["aae", "infogan", "gan"])
def test_games_that_need_no_label_are_played_on_points(game):
    config = load([f"game={game}", "data=ring8", *MODELS["mlp"], "batch_size=6", "threads=1"])
    training = build(config).training
    train(training, 2, 1, [], lambda: False)
    assert training.game.sample(3, torch.Generator()).shape == (3, 2)
