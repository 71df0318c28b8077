"""The loop: gradients, averages, what is logged, and that looking never changes a run."""

import pytest
import torch
from torch import nn

from ganctl.build import build
from ganctl.config import load
from ganctl.errors import RunFailed
from ganctl.loop import Average, train
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


@pytest.mark.parametrize("loss", ["minimax", "nonsaturating"])
@pytest.mark.parametrize("model", [[], ["model=dcgan", "model.width=4", "batch_size=20"]], ids=["mlp", "dcgan"])
def test_looking_at_a_run_never_changes_it(loss, model):
    class Sampler:
        def after_step(self, played, scalars):
            del scalars
            played.sample(3, played.streams.fresh("sampling"))

    base = TINY if not model else ["threads=1"]
    watched = build(load([*base, *model, f"loss={loss}"])).training
    left_alone = build(load([*base, *model, f"loss={loss}"])).training
    train(watched, 4, log_every=1, hooks=[Sampler()], stopped=never)
    train(left_alone, 4, log_every=4, hooks=[], stopped=never)
    for part, tensors in watched.tensors().items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, left_alone.tensors()[part][name]), name


def test_a_value_that_is_not_finite_ends_the_run_with_its_name():
    played = training()
    next(played.game.discriminator.parameters()).data.fill_(float("nan"))
    with pytest.raises(RunFailed, match=r"step 1: yardstick/j_d is nan"):
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
