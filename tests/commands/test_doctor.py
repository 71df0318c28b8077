"""`ganctl doctor` finds what is wrong and says so; here something is made wrong."""

from dataclasses import replace

import pytest
import torch

from ganctl.losses import LOSSES, PENALTIES


def test_a_sound_installation_passes_and_names_every_loss(call):
    done = call("doctor")
    assert done.returncode == 0, done.stderr
    assert "FAILED" not in done.stdout
    for name in LOSSES:
        assert f"loss {name}:" in done.stdout
    assert "ten steps twice on" in done.stdout and "torch" in done.stdout


def halved(function):
    return lambda *given: function(*given) / 2


BROKEN = {
    "a value": (LOSSES, "hinge", {"discriminator": lambda r, f: r.mean() * 0 + f.mean()}, "hinge: 2 where D"),
    "a sign": (LOSSES, "minimax", {"generator": lambda r, f: f.mean()}, "minimax: J(G) + J(D) = 0"),
    # The gradient of a detached square is half of what finite differences see.
    "a gradient": (LOSSES, "wasserstein", {"generator": lambda r, f: -(f * f.detach()).mean()}, "loss wasserstein"),
    "an overflow": (LOSSES, "least_squares", {"generator": lambda r, f: f.exp().mean()}, "finite at logits of +-100"),
    "a penalty": (PENALTIES, "r1", {"of_samples": halved(PENALTIES["r1"].of_samples)}, "penalty r1 of a linear critic"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_wrong_answer_is_named_and_exits_1(what, call, monkeypatch):
    rows, name, changes, line = BROKEN[what]
    monkeypatch.setitem(rows, name, replace(rows[name], **changes))
    monkeypatch.setenv("COLUMNS", "200")
    done = call("doctor")
    assert done.returncode == 1
    assert done.stderr.startswith("ganctl: failed: ") and line in done.stderr
    assert "FAILED" in done.stdout


def test_a_check_that_breaks_down_has_failed_and_the_others_go_on(call, monkeypatch):
    def broken(real, fake):
        raise RuntimeError("out of order")

    monkeypatch.setitem(LOSSES, "hinge", replace(LOSSES["hinge"], discriminator=broken))
    done = call("doctor")
    assert done.returncode == 1 and "out of order" in done.stdout and "ten steps twice on" in done.stdout


def test_steps_that_do_not_repeat_are_found(call, monkeypatch):
    monkeypatch.setitem(
        LOSSES, "nonsaturating", replace(LOSSES["nonsaturating"], generator=lambda r, f: -f.mean() * torch.rand(1)[0])
    )
    from ganctl.numerics.streams import Streams

    seeds = iter(range(100))
    monkeypatch.setattr(Streams, "fresh", lambda self, *names, device="cpu": torch.Generator().manual_seed(next(seeds)))
    done = call("doctor")
    assert done.returncode == 1 and "ten steps twice" in done.stderr
