"""The loop: gradients, averages, what is logged, and that looking never changes a run."""

import pytest
import torch
from torch import nn

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.errors import RunFailed
from ganctl.training.average import Average
from ganctl.training.loop import train
from tests.conftest import TINY


def training(*overrides):
    return build(load([*TINY, *overrides])).training


def never():
    return False


def test_adam_moves_by_the_learning_rate_at_first():
    # Adam's first step is lr * g / (|g| + eps): a weight with a gradient moves by lr (Kingma and Ba 2015, alg. 1).
    played = training("optim.lr=0.01")
    before = [p.detach().clone() for p in played.game.discriminator.parameters()]
    played.play_step(log=False)
    after = list(played.game.discriminator.parameters())
    moves = torch.cat([(new.detach() - old).abs().flatten() for new, old in zip(after, before, strict=True)])
    assert moves.max().item() == pytest.approx(0.01, rel=1e-3)
    assert moves[moves > 1e-6].median().item() == pytest.approx(0.01, rel=1e-3)


def test_the_logged_gradient_norm_is_that_of_the_gradient():
    played = training()
    observed = played.play_step(log=True)
    norm = torch.cat([p.grad.flatten() for p in played.game.generator.parameters()]).norm()
    assert observed["grad_norm/generator"].item() == pytest.approx(norm.item(), rel=1e-5)


def test_only_the_logged_steps_are_observed():
    rows = []

    class Seen:
        def after_step(self, played, scalars):
            rows.append((played.step, scalars))

    train(training(), until=5, log_every=2, hooks=[Seen()], stopped=never)
    assert [step for step, scalars in rows if scalars] == [1, 2, 4, 5]
    assert [step for step, _ in rows] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "loss", [["loss=minimax", "loss.half=true"], ["loss=nonsaturating"], ["penalty=logit_drift", "penalty.every=3"]]
)
@pytest.mark.parametrize("model", [[], ["model=dcgan", "model.width=4", "batch_size=20"]], ids=["mlp", "dcgan"])
def test_looking_at_a_run_never_changes_it(loss, model):
    class Sampler:
        def after_step(self, played, scalars):
            del scalars
            played.sample(3, played.streams.fresh("sampling"))

    base = TINY if not model else ["threads=1"]
    watched = build(load([*base, *model, *loss])).training
    left_alone = build(load([*base, *model, *loss])).training
    train(watched, 4, log_every=1, hooks=[Sampler()], stopped=never)
    train(left_alone, 4, log_every=4, hooks=[], stopped=never)
    for part, tensors in watched.tensors().items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, left_alone.tensors()[part][name]), name


def test_a_value_that_is_not_finite_ends_the_run_with_its_name():
    played = training()
    next(played.game.discriminator.parameters()).data.fill_(float("nan"))
    with pytest.raises(RunFailed, match=r"step 1: the discriminator.s term adversarial is nan"):
        train(played, 3, log_every=1, hooks=[], stopped=never)


def test_subnormal_numbers_are_flushed_to_zero():
    training()
    assert (torch.full((4,), 1e-30) * torch.full((4,), 1e-10)).tolist() == [0, 0, 0, 0]


def test_the_average_follows_its_formula_and_copies_buffers():
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    network[0].weight.data.fill_(1.0)
    average = Average({"generator": network}, decay=0.5)
    network[0].weight.data.fill_(2.0)
    network[1].running_mean.fill_(7.0)
    # At step 1 the decay is min(0.5, 2 / 11): 1 * 2/11 + 2 * 9/11 = 20/11.
    average.update(1)
    assert average.networks["generator"][0].weight.item() == pytest.approx(20 / 11)
    # At step 100 it is 0.5: (20/11 + 2) / 2.
    average.update(100)
    assert average.networks["generator"][0].weight.item() == pytest.approx(21 / 11)
    assert average.networks["generator"][1].running_mean.item() == 7.0


def test_the_averaged_weights_stand_in_and_leave_again():
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(1.0)
    average = Average({"generator": network}, decay=0.5)
    network.weight.data.fill_(3.0)
    with average.in_place():
        assert network.weight.item() == 1.0
    assert network.weight.item() == 3.0 and average.networks["generator"].weight.item() == 1.0


def test_bf16_autocast_trains_with_float32_weights_and_losses():
    played = training("precision=bf16")
    observed = played.play_step(log=True)
    assert all(p.dtype == torch.float32 for p in played.game.generator.parameters())
    assert observed["loss/discriminator"].dtype == torch.float32
    exact = training().play_step(log=True)["loss/discriminator"].item()
    # bfloat16 has 8 bits of mantissa: relative errors of 2^-9 a product.
    assert observed["loss/discriminator"].item() == pytest.approx(exact, rel=0.02)
    assert observed["loss/discriminator"].item() != exact


def test_a_restored_training_goes_on_bit_for_bit():
    whole, half, resumed = training(), training(), training("seed=5")
    train(whole, 7, 2, [], never)
    train(half, 3, 2, [], never)
    resumed.streams.seed = 0  # only the seed of the run; everything else must come from the state
    resumed.restore(half.tensors(), half.counts())
    train(resumed, 7, 2, [], never)
    for part, tensors in whole.tensors().items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, resumed.tensors()[part][name]), name


def test_the_eps_of_adam_is_the_one_that_was_asked_for():
    for words, eps in (([], 1e-8), (["optim.eps=0.003"], 0.003)):
        optimizers = training(*words).optimizers.values()
        assert [group["eps"] for one in optimizers for group in one.param_groups] == [eps, eps]


def test_two_time_scales_reach_the_optimizers():
    played = training("optim.lr=0.01", "optim.discriminator_lr=0.04")
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in played.optimizers.items()}
    assert rates == {"discriminator": 0.04, "generator": 0.01}


def test_rmsprop_is_the_published_step():
    # v = (1 - alpha) g^2 at first, so a step is lr * g / sqrt((1 - alpha) g^2) = lr / sqrt(1 - alpha).
    played = training("optim=rmsprop", "optim.lr=0.001", "optim.alpha=0.96")
    before = [p.detach().clone() for p in played.game.discriminator.parameters()]
    played.play_step(log=False)
    after = list(played.game.discriminator.parameters())
    moves = torch.cat([(new.detach() - old).abs().flatten() for new, old in zip(after, before, strict=True)])
    assert moves.max().item() == pytest.approx(0.005, rel=1e-3)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [1, 1, 1, 1, 1]), ("linear", [1, 0.8, 0.6, 0.4, 0.2]), ("cosine", [1, 0.882843, 0.6, 0.317157, 0.2])],
)
def test_the_learning_rate_follows_its_schedule_from_the_first_to_the_last_step(schedule, factors):
    # Cosine: 0.2 + 0.8 (1 + cos(pi k / 4)) / 2 for k = 0, ..., 4.
    played = training(f"optim.schedule={schedule}", "optim.end_factor=0.2", "optim.lr=0.01", "steps=5")
    rates = []
    for _ in range(5):
        played.play_step(log=False)
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in played.optimizers.values()])
    assert rates == [pytest.approx([0.01 * factor] * 2, rel=1e-5) for factor in factors]


def test_a_gradient_longer_than_the_limit_is_scaled_to_it_and_logged_as_it_was():
    free, clipped = training(), training("optim.clip_norm=0.01")
    norms = [played.play_step(log=True)["grad_norm/generator"].item() for played in (free, clipped)]
    length = torch.cat([p.grad.flatten() for p in clipped.game.generator.parameters()]).norm().item()
    assert norms[0] > 0.01 and length == pytest.approx(0.01, rel=1e-3)
    assert norms[1] > 0.01
    loose = training("optim.clip_norm=1000")
    assert loose.play_step(log=True)["grad_norm/generator"].item() == norms[0]


def test_the_average_begins_when_it_is_told_to():
    played = training("ema_start=2", "ema_decay=0.9")
    network, average = played.game.generator, played.average.networks["generator"]
    for _ in range(2):
        played.play_step(log=False)
        assert all(torch.equal(one, two) for one, two in zip(network.parameters(), average.parameters(), strict=True))
    before = [p.detach().clone() for p in average.parameters()]
    played.play_step(log=False)
    # One step after its start the decay is min(0.9, 2 / 11).
    for old, live, now in zip(before, network.parameters(), average.parameters(), strict=True):
        torch.testing.assert_close(now.detach(), old * 2 / 11 + live.detach() * 9 / 11)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda state: state.pop("optimizer.generator.0.exp_avg_sq"),
            "keeps step, exp_avg, exp_avg_sq and the checkpoint",
        ),
        (lambda state: state.update({"optimizer.generator.0.exp_avg": torch.zeros(3)}), r"exp_avg of .* shape \(3,\)"),
        (lambda state: state.update({"optimizer.generator.99.step": torch.zeros(())}), "parameters and the checkpoint"),
    ],
)
def test_a_state_of_another_optimizer_is_refused_at_once(change, line):
    played = training()
    played.play_step(log=False)
    tensors, counts = played.tensors(), played.counts()
    change(tensors["training"])
    with pytest.raises(ValueError, match=line):
        training().restore(tensors, counts)
