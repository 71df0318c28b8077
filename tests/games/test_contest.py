"""The contest: views, groups, several penalties, several logits per sample, and contests side by side."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from ganctl.games import Contest, WeightedPenalty
from ganctl.games.contests import merged
from ganctl.losses import LOSSES, PENALTIES
from ganctl.numerics.streams import Streams
from tests.games.toys import batch_of

REAL, FAKE = (torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))


class Spread(nn.Module):
    """A critic that sees the deviation of its batch, as one with minibatch statistics does."""

    coupling = "group"

    def forward(self, x):
        flat = x.flatten(1)
        return flat.square().sum(dim=1) * flat.std(dim=0).mean()


class Patches(nn.Module):
    """A critic with four logits per sample."""

    coupling = "none"

    def forward(self, x):
        return avg_pool2d(x, 2)


def contest(critic, *penalties, loss="nonsaturating", **options):
    weighted = [WeightedPenalty(PENALTIES[name], weight, every, name) for name, weight, every in penalties]
    return Contest(critic, LOSSES[loss], weighted, Streams(0), **options)


def paid(found, batch=None):
    return found.discriminator_terms(batch or batch_of(REAL), *found.judge(REAL, FAKE))


def test_a_penalty_on_both_kinds_takes_a_group_by_itself():
    critic = Spread()
    both = paid(contest(critic, ("r1r2", 1.0, 1)))["penalty"].item()
    apart = [paid(contest(critic, (name, 1.0, 1)))["penalty"].item() for name in ("r1", "r2")]
    assert both == pytest.approx(sum(apart), rel=1e-5)
    # The control: in one pass real and generated samples see each other, and the sum is another one.
    critic.coupling = "none"
    assert paid(contest(critic, ("r1r2", 1.0, 1)))["penalty"].item() != pytest.approx(sum(apart), rel=1e-3)


def test_real_and_generated_samples_of_a_group_take_passes_of_their_own():
    found = contest(Spread())
    real, fake = found.judge(REAL, FAKE)
    torch.testing.assert_close(real.logits, Spread()(REAL))
    torch.testing.assert_close(fake.logits, Spread()(FAKE))


def test_several_logits_per_sample_are_a_mean_over_all_and_a_penalty_sees_one_per_sample():
    found, observed = contest(Patches(), ("r1", 1.0, 1), loss="least_squares"), {}
    terms = paid(found, batch_of(REAL, observed))
    real, fake = avg_pool2d(REAL, 2), avg_pool2d(FAKE, 2)
    known = LOSSES["least_squares"].discriminator(real.flatten(), fake.flatten())
    assert terms["adversarial"].item() == pytest.approx(known.item(), rel=1e-6)
    # The mean of a sample's four logits is the mean of its sixteen pixels: each has slope 1/16.
    assert terms["penalty"].item() == pytest.approx(
        PENALTIES["r1"](lambda x: x.flatten(1).mean(dim=1), REAL, FAKE).item()
    )
    assert all(value.ndim == 0 for value in observed.values())


def test_more_generated_samples_than_real_ones_are_judged_too():
    found, observed = contest(Patches()), {}
    terms = found.discriminator_terms(batch_of(REAL, observed), found.look(REAL), found.look(torch.cat([FAKE, -FAKE])))
    assert terms["adversarial"].isfinite() and observed["score/fake"].ndim == 0


def test_a_view_is_what_losses_and_penalties_see():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0))
    linear.coupling = "none"
    shown = contest(linear, ("gradient", 1.0, 1), view=lambda x: avg_pool2d(x, 2))
    slope = linear[1].weight.norm().item()
    # Through a pooling of four the slope towards the pixels would be half of it.
    assert paid(shown)["penalty"].item() == pytest.approx((slope - 1) ** 2, rel=1e-5)
    assert shown.look(REAL).samples.shape == (6, 1, 2, 2)


def test_an_augmentation_is_inside_the_critic_and_the_same_at_every_call_of_a_penalty():
    def moved(x, noise):
        return x * (1 + torch.rand(len(x), 1, 1, 1, generator=noise))

    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
    linear.coupling = "none"
    found = contest(linear, ("r1", 1.0, 1), augment=moved)
    start = found.streams.augmentation.get_state()
    found.judge(REAL, FAKE)
    assert not torch.equal(start, found.streams.augmentation.get_state())  # saved with the others, so a run resumes
    assert "augmentation" in found.streams.state()
    seen, critic = [], found._still_critic(None, 6)
    for _ in range(2):
        seen.append(critic(REAL))
    assert torch.equal(*seen) and not torch.equal(seen[0], linear(REAL))
    assert contest(linear).streams.state().keys() == Streams(1).state().keys()  # nobody asked, so there is none


def test_several_penalties_are_terms_of_their_own_each_at_its_turns():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
    linear.coupling = "none"
    found = contest(linear, ("r1", 2.0, 1), ("logit_drift", 3.0, 2))
    first, second = (paid(found, batch_of(REAL, turn=turn)) for turn in (1, 2))
    assert {*first} == {"adversarial", "penalty", "penalty_logit_drift"}
    alone = contest(linear, ("logit_drift", 3.0, 1))
    assert first["penalty_logit_drift"].item() == pytest.approx(paid(alone)["penalty"].item(), rel=1e-6)
    assert second["penalty_logit_drift"].item() == first["penalty_logit_drift"].item()
    assert not second["penalty_logit_drift"].requires_grad and second["penalty"].requires_grad
    assert {*found.memory} == {"last_penalty_logit_drift"}


def test_contests_side_by_side_speak_for_the_game_by_their_means():
    one, other = (contest(Patches(), name=name) for name in ("a_", "b_"))
    observed = {}
    for place, each in enumerate((one, other)):
        each.discriminator_terms(batch_of(REAL, observed), each.look(REAL + place), each.look(FAKE))
    found = merged(observed, {"a_": one, "b_": other})
    assert found["score/real"] == (observed["score/a_real"] + observed["score/b_real"]) / 2
    assert merged(observed, {"": one, "b_": other}) == {}
