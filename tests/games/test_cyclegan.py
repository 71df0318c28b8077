"""CycleGAN: its terms, its history and its figures, by hand."""

import pytest
import torch

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.data import Batches, Domains
from ganctl.data.unpaired import inverted, mnist_to_colour, uninverted
from ganctl.errors import BadInput
from ganctl.games import Batch
from ganctl.games.history import History
from ganctl.numerics.streams import Streams
from tests.games.toys import labelled_noise, playing, real_of


def batch_for(training, observed=None, turn=1):
    return Batch(training.batches.draw(), observed, turn)


def test_the_terms_are_those_of_the_formula():
    training = playing(
        "cyclegan", "loss=least_squares", "game.cycle_weight=3", "game.identity_weight=2", model="resnet"
    )
    game, batch = training.game, batch_for(training)
    a, b = batch.samples.more["source"], batch.real
    terms = game.generator_loss(batch)
    fake_b, fake_a = game.ab(a), game.ba(b)
    cycle = (game.ba(fake_b) - a).abs().mean() + (game.ab(fake_a) - b).abs().mean()
    identity = (game.ab(b) - b).abs().mean() + (game.ba(a) - a).abs().mean()
    assert terms["cycle"].item() == pytest.approx(3 * cycle.item(), rel=1e-5)
    assert terms["identity"].item() == pytest.approx(2 * identity.item(), rel=1e-5)
    for name, fake in (("a_", fake_a), ("b_", fake_b)):
        logits = game.contests[name].discriminator(fake)
        assert logits.shape == (6, 49)  # one for each patch
        expected = (logits - 1).square().mean() / 2
        assert terms[f"{name}adversarial"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_without_weights_there_are_no_terms():
    training = playing("cyclegan", "game.cycle_weight=0", "game.identity_weight=0", model="resnet")
    assert {*training.game.generator_loss(batch_for(training))} == {"a_adversarial", "b_adversarial"}


def test_discriminators_see_real_images_of_their_own_domain_and_no_gradient_reaches_a_generator():
    training = playing("cyclegan", model="resnet")
    game, batch = training.game, batch_for(training)
    sum(game.discriminator_loss(batch).values()).backward()
    assert all(p.grad is None for net in (game.ab, game.ba) for p in net.parameters())
    assert all(p.grad is not None for each in game.contests.values() for p in each.discriminator.parameters())


def images(count, value):
    return torch.full((count, 1, 2, 2), float(value))


def test_a_history_fills_then_exchanges_half_of_the_images():
    history = History(8, (1, 2, 2), Streams(0))
    for turn in (1, 2):
        given = images(4, turn)
        assert torch.equal(history.exchange(given, turn), given)
    assert [*history.images[:, 0, 0, 0].int()] == [1] * 4 + [2] * 4
    kept = 0
    for turn in range(3, 203):
        before, given = history.images.clone(), images(4, turn)
        returned = history.exchange(given, turn)
        values = returned[:, 0, 0, 0]
        kept += int((values == turn).sum())
        # What came back left the history, and what took its place is new: nothing is lost or doubled.
        together = torch.cat([before, given])[:, 0, 0, 0].sort().values
        assert torch.equal(torch.cat([history.images, returned])[:, 0, 0, 0].sort().values, together)
    assert abs(kept / 800 - 0.5) < 0.06  # 3.4 standard errors


def test_a_history_gives_earlier_images_without_gradient_and_none_without_room():
    given = images(4, 1).requires_grad_()
    assert not History(2, (1, 2, 2), Streams(0)).exchange(given, 1).requires_grad
    assert torch.equal(History(0, (1, 2, 2), Streams(0)).exchange(given, 9), given.detach())
    # A batch larger than the history: the others are returned as they are.
    small = History(2, (1, 2, 2), Streams(0))
    small.exchange(images(4, 1), 1)
    assert small.exchange(images(4, 2), 2)[2:].unique().tolist() == [2]


def test_no_batch_has_an_image_beside_its_own_translation():
    domains = mnist_to_colour(load(["data=mnist_to_colour"]).data)
    paired = {image.numpy().tobytes() for image in (inverted(domains.source.pixels / 255) * 255).round().byte()}
    assert not paired & {image.numpy().tobytes() for image in domains.target.pixels}
    # Control: the same order for both domains would meet here, if one were made from the other.
    twins = Domains(labelled_noise(), labelled_noise())
    batches = Batches(twins, 6, Streams(0))
    met = [batch for batch in (batches.draw() for _ in range(20)) if (batch.data == batch.more["source"]).all()]
    assert not met
    twins.source.order = "data_order"
    batches = Batches(twins, 6, Streams(0))
    assert (lambda batch: torch.equal(batch.data, batch.more["source"]))(batches.draw())


def test_the_known_translation_and_its_inverse():
    grey = torch.rand(4, 1, 5, 5, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    assert torch.allclose(uninverted(inverted(grey)), grey, atol=1e-6)
    paper = inverted(torch.zeros(1, 3, 1, 1)).flatten()
    assert paper[0] > paper[1] > paper[2] and inverted(torch.ones(1, 3, 1, 1)).abs().max() == 0


def test_errors_compare_with_the_known_translation():
    data = mnist_to_colour(load(["data=mnist_to_colour"]).data)
    training = playing("cyclegan", model="resnet", data=data)
    game, real = training.game, real_of(training, 6)
    perfect = {"ab": inverted, "ba": uninverted}

    class Right(torch.nn.Module):
        def __init__(self, translate):
            super().__init__()
            self.translate = translate

        def forward(self, images):
            return self.translate((images + 1) / 2) * 2 - 1

    found = game.own_figures(real, torch.Generator().manual_seed(0))
    assert found["translation_error"].mean() > 0.2  # the control: an untrained network
    game.ab, game.ba = Right(perfect["ab"]), Right(perfect["ba"])
    right = game.own_figures(real, torch.Generator().manual_seed(0))
    assert right["translation_error"].max() < 1e-3 and right["cycle_error"].max() < 1e-3
    assert right["back_translation_error"].max() < 5e-3  # colours are rounded to 8 bits


def test_rows_to_compare_go_there_and_back():
    training = playing("cyclegan", model="resnet")
    rows = training.game.compare(real_of(training, 4))
    assert [*rows] == ["A", "A to B", "back to A", "B", "B to A", "back to B"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "game=cyclegan: translates between two domains; choose data=mnist_to_colour"),
        (["data=ring8"], "game=cyclegan: translates between two domains"),
        (["data=mnist_to_colour", "model=dcgan"], "that model has no translator; use model=mlp, mlp_small"),
    ],
)
def test_what_does_not_go_together_is_one_line_that_helps(words, line):
    with pytest.raises(BadInput) as error:
        build(load(["game=cyclegan", "model=resnet", *words, "threads=1"]))
    assert line in str(error.value) and "\n" not in str(error.value)


def test_identity_needs_domains_of_one_shape():
    coloured = labelled_noise()
    coloured.pixels = coloured.pixels.expand(-1, 3, -1, -1).contiguous()
    coloured.shape = (3, 28, 28)
    with pytest.raises(BadInput, match="have 1 and 3 channels; use game.identity_weight=0"):
        playing("cyclegan", model="resnet", data=Domains(coloured, labelled_noise(seed=3)))
    other = Domains(coloured, labelled_noise(seed=3))
    training = playing("cyclegan", "game.identity_weight=0", model="resnet", data=other)
    training.play_step(log=True)
    assert training.game.sample(2, torch.Generator()).shape == (2, 3, 28, 28)
