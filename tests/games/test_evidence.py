"""The evidence: closed forms of every gradient at the same weights, and that looking leaves no trace."""

import pytest
import torch

from ganctl.assembly.compose import build
from ganctl.config.load import load
from ganctl.games.evidence import gradient_evidence
from ganctl.losses import LOSSES
from tests.conftest import TINY, assert_same_weights, scalars
from tests.games.toys import batch_of, real_of

DCGAN = ["model=dcgan", "model.width=4", "batch_size=20", "threads=1"]


def linear_case():
    """A generator x = w z and a critic f = v x: f_i = v w z_i, so dJ/dw = v sum_i (dJ/df_i) z_i."""
    z = torch.tensor([-9.0, -2.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    return z, w, 2.0


@pytest.mark.parametrize("own", ["minimax", "minimax_swapped", "nonsaturating"])
def test_norms_cosines_and_slopes_are_their_closed_forms(own):
    z, w, v = linear_case()
    fake, real = v * w * z, torch.tensor([2.0, -1.0, 1.0, 3.0, 0.1], dtype=torch.float64)
    found = gradient_evidence(real, fake, [w], LOSSES[own].generator)
    d = fake.detach().sigmoid()
    slopes = {"minimax": -d, "swapped": d - 1, "nonsaturating": d - 1}
    slopes["own"] = slopes[own.removeprefix("minimax_")]
    for name, slope in slopes.items():
        norm = abs(v * (slope * z).mean())
        assert found[f"evidence/norm_{name}"].item() == pytest.approx(norm.item(), rel=1e-6)
        for level in (5, 50, 95):
            expected = torch.quantile(slope.abs(), level / 100).item()
            assert found[f"evidence/slope_{name}_q{level:02d}"].item() == pytest.approx(expected, rel=1e-5)
    # With one weight a cosine is the product of two signs.
    sign = torch.sign((slopes["minimax"] * z).sum() * (slopes["nonsaturating"] * z).sum()).item()
    assert found["evidence/cosine_minimax_nonsaturating"].item() == pytest.approx(sign)
    assert found["evidence/cosine_swapped_nonsaturating"].item() == pytest.approx(1)
    assert found["evidence/cosine_minimax_swapped"].item() == pytest.approx(sign)


def test_the_shares_count_what_the_discriminator_gets_right():
    w = torch.ones((), requires_grad=True)
    fake = w * torch.tensor([-10.0, -5.0, -4.0, 1.0])  # sigmoid(-5) = 0.0067, sigmoid(-4) = 0.018
    found = gradient_evidence(torch.tensor([1.0, 2.0, 3.0, -1.0]), fake, [w], LOSSES["minimax"].generator)
    assert found["evidence/accuracy_real"].item() == 0.75
    assert found["evidence/accuracy_fake"].item() == 0.75
    assert found["evidence/sure_share"].item() == 0.5


def test_two_gradients_can_be_at_a_right_angle():
    # Each sample moves a weight of its own; D is sure of one and fooled by the other, so each form moves one of them.
    w = torch.tensor([-200.0, 200.0], requires_grad=True)
    found = gradient_evidence(torch.zeros(2), w * 1.0, [w], LOSSES["minimax"].generator)
    assert found["evidence/norm_minimax"].item() == pytest.approx(0.5)
    assert found["evidence/norm_nonsaturating"].item() == pytest.approx(0.5)
    assert found["evidence/cosine_minimax_nonsaturating"].item() == pytest.approx(0, abs=1e-12)


def test_a_gradient_of_zero_has_no_cosine():
    w = torch.tensor(-1000.0, requires_grad=True)
    found = gradient_evidence(torch.zeros(1), w.reshape(1) * 1.0, [w], LOSSES["minimax"].generator)
    assert found["evidence/norm_minimax"].item() == 0 and found["evidence/norm_nonsaturating"].item() == 1
    assert "evidence/cosine_minimax_nonsaturating" not in found
    assert all(torch.isfinite(value) for value in found.values())


def test_the_ratio_of_the_two_forms_is_d_over_one_minus_d():
    # With one sample, the norms' ratio is sigma(f) / (1 - sigma(f)) = e^f exactly.
    for logit in (-12.0, -3.0, 0.0, 2.0):
        w = torch.tensor(logit, dtype=torch.float64, requires_grad=True)
        found = gradient_evidence(torch.zeros(1), w.reshape(1) * 1.0, [w], LOSSES["minimax"].generator)
        ratio = found["evidence/norm_minimax"] / found["evidence/norm_nonsaturating"]
        assert ratio.item() == pytest.approx(torch.tensor(logit).exp().item(), rel=1e-5)


@pytest.mark.parametrize("words", [TINY, DCGAN], ids=["mlp with dropout", "dcgan with batch norm"])
def test_a_probe_shows_the_gradient_of_the_generators_turn_and_changes_nothing(words):
    training = build(load(words)).training
    training.play_step(log=False)
    before = {name: value.clone() for part in training.tensors().values() for name, value in part.items()}
    real = batch_of(real_of(training, 16).data)
    first = training.game.probe(real, training.streams.fresh("evaluation", "probe"))
    second = training.game.probe(real, training.streams.fresh("evaluation", "probe"))
    after = {name: value for part in training.tensors().values() for name, value in part.items()}
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert first.keys() == second.keys() and all(torch.equal(first[tag], second[tag]) for tag in first)
    assert first["evidence/norm_own"] == first["evidence/norm_nonsaturating"] > 0


def test_losses_without_log_odds_have_no_evidence():
    training = build(load([*TINY, "loss=hinge"])).training
    assert training.game.probe(batch_of(real_of(training, 8).data), torch.Generator()) == {}


def test_probing_and_measuring_often_trains_the_same_weights(call, tmp_path):
    words = [*TINY, "steps=12", "log_every=1"]
    often = call("train", *words, "probe_every=1", "sample_every=1", "name=often", cwd=tmp_path)
    seldom = call("train", *words, "probe_every=100", "sample_every=100", "name=seldom", cwd=tmp_path)
    assert often.returncode == seldom.returncode == 0, often.stderr + seldom.stderr
    runs = [tmp_path / done.stdout.strip() for done in (often, seldom)]
    assert_same_weights(*runs)
    rows = [sum("evidence/norm_own" in row for row in scalars(run)) for run in runs]
    assert rows == [12, 2]  # the first and the last step are always looked at
