"""InfoGAN: codes go in, a head reads them off generated samples again, and both are paid for it."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import log_softmax

from tests.games.toys import batch_of, brightness, dark_and_bright, playing

CODES = ["game.categories=3", "game.continuous=2", "game.information_weight=0.7", "game.continuous_weight=0.3"]


def batch(seed=5):
    return batch_of(torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(seed)), {})


def slopes(value, network):
    found = torch.autograd.grad(value, [*network.parameters()], retain_graph=True, allow_unused=True)
    return [part for part in found if part is not None]


@pytest.mark.parametrize(
    ("categories", "continuous", "sizes"),
    [(3, 2, {"c1": 3, "c2": 1, "c3": 1}), (4, 0, {"c1": 4}), (0, 2, {"c1": 1, "c2": 1})],
)
def test_codes_are_drawn_and_given_to_the_generator_in_their_order(categories, continuous, sizes):
    game = playing("infogan", f"game.categories={categories}", f"game.continuous={continuous}").game
    inputs, seen = game.draw(900, torch.Generator().manual_seed(0)), []
    assert [*game.codes] == [*inputs.codes] == [*sizes]
    assert {name: code.shape[1] for name, code in inputs.codes.items()} == sizes
    for name, code in inputs.codes.items():
        if sizes[name] > 1:
            share = 1 / sizes[name]
            assert torch.equal(code.sum(dim=1), torch.ones(900)) and set(code.unique().tolist()) == {0, 1}
            five_errors = 5 * (share * (1 - share) / 900) ** 0.5
            assert (code.mean(dim=0) - share).abs().max() < five_errors
        else:  # U(-1, 1) has mean 0 and variance 1 / 3
            assert -1 <= code.min() < -0.97 and 0.97 < code.max() <= 1
            assert code.mean().abs() < 5 * (1 / 3 / 900) ** 0.5
    game.generator.register_forward_pre_hook(lambda _network, given: seen.extend(given))
    game.generate(inputs)
    assert torch.equal(seen[0], inputs.latent) and torch.equal(seen[1], torch.cat([*inputs.codes.values()], dim=1))


def test_noise_is_as_wide_as_asked_and_codes_stay_as_they_are():
    wide, narrow = (
        playing("infogan", f"game.noise_deviation={deviation}").game.draw(9, torch.Generator().manual_seed(0))
        for deviation in (1.0, 0.25)
    )
    assert torch.equal(0.25 * wide.latent, narrow.latent)
    assert all(torch.equal(code, narrow.codes[name]) for name, code in wide.codes.items())


@pytest.mark.parametrize("turn", ["discriminator_loss", "generator_loss"])
def test_the_information_term_is_minus_the_weighted_bounds_by_hand(turn):
    game, seen = playing("infogan", *CODES).game, batch()
    streams = game.streams.state()
    found = getattr(game, turn)(seen)
    game.streams.restore(streams)
    inputs = game.draw(6, game.streams.noise)
    recovered = game.head(game.discriminator.features(game.generate(inputs)))
    bounds = {"c1": (log_softmax(recovered[:, :3], 1) * inputs.codes["c1"]).sum(1).mean() + math.log(3)}
    for place, name in ((3, "c2"), (4, "c3")):
        density = torch.distributions.Normal(recovered[:, place], 1.0).log_prob(inputs.codes[name][:, 0])
        bounds[name] = density.mean() + math.log(2)
    known = -(0.7 * bounds["c1"] + 0.3 * (bounds["c2"] + bounds["c3"]))
    assert set(found) == {"adversarial", "information"}
    assert found["information"].item() == pytest.approx(known.item(), rel=1e-5)
    for name, bound in bounds.items():
        assert seen.observed[f"information/{name}"].item() == pytest.approx(bound.item(), rel=1e-5)


def test_a_head_that_reads_every_code_in_its_place_reaches_the_bound():
    game = playing("infogan", *CODES).game
    inputs, game.head = game.draw(6, torch.Generator().manual_seed(0)), nn.Identity()
    c1, c2, c3 = inputs.codes.values()
    best = {
        name: bound.mean().item() for name, bound in game.information(inputs, torch.cat([100 * c1, c2, c3], 1)).items()
    }
    limit = math.log(2) - math.log(2 * math.pi) / 2
    assert best == {
        name: pytest.approx(known, rel=1e-5) for name, known in zip(best, [math.log(3), limit, limit], strict=True)
    }
    swapped = game.information(inputs, torch.cat([100 * c1, c3, c2], 1))
    assert swapped["c2"].mean().item() < limit - 0.01 and swapped["c3"].mean().item() < limit - 0.01


def test_no_code_is_asked_of_real_samples():
    game = playing("infogan").game
    streams, values = game.streams.state(), []
    for seed in (1, 2):
        game.streams.restore(streams)
        values.append(game.discriminator_loss(batch(seed)))
    assert values[0]["information"].item() == values[1]["information"].item()
    assert values[0]["adversarial"].item() != values[1]["adversarial"].item()


def test_both_the_head_and_the_generator_are_moved_by_the_information():
    # Cut between generated samples and their judges, the head's gradient stays and the generator's goes.
    game = playing("infogan").game
    streams, generate = game.streams.state(), game.generate
    whole = game.generator_loss(batch())["information"]
    game.streams.restore(streams)
    game.generate = lambda inputs: generate(inputs).detach()
    cut = game.generator_loss(batch())["information"]
    for one, other in zip(slopes(whole, game.head), slopes(cut, game.head), strict=True):
        assert torch.equal(one, other) and one.norm() > 0
    assert all(part.norm() > 0 for part in slopes(whole, game.generator)) and slopes(whole, game.generator)
    assert not slopes(cut, game.generator)


def test_a_code_takes_over_what_kinds_there_are_only_where_information_is_paid_for():
    # Two kinds of images and a code of two values. What the code says of the kind is at most ln 2 = 0.69 nats.
    words = ["game.categories=2", "game.continuous=0", "batch_size=50", "optim.lr=0.003"]

    def told(weight):
        training = playing("infogan", *words, f"game.information_weight={weight}", data=dark_and_bright())
        for _ in range(300):
            training.play_step(log=False)
        inputs = training.game.draw(500, torch.Generator().manual_seed(0))
        value, bright = inputs.codes["c1"].argmax(dim=1), brightness(training.game, inputs).long()
        shares = torch.bincount(2 * value + bright, minlength=4).double().view(2, 2) / 500
        ratios = shares / (shares.sum(0, keepdim=True) * shares.sum(1, keepdim=True))
        return torch.special.xlogy(shares, ratios).nan_to_num().sum().item()

    assert told(1) > 0.5
    assert told(0) < 0.2
