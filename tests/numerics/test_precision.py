"""A turn computes in the precision that was asked for, and nothing else does."""

import pytest
import torch

from ganctl.assembly.compose import build
from ganctl.assembly.reopening import reopen
from ganctl.config.load import load
from ganctl.errors import BadInput, NotFinite
from ganctl.numerics.precision import Precision, precision, tensor_float
from tests.conftest import train

SMALL = ["model=mlp", "batch_size=8", "model.generator_widths=[8]", "model.discriminator_widths=[8]", "threads=1"]


def allowed():
    """Whether torch lets a GPU round what it multiplies, in products and in convolutions."""
    return torch.get_float32_matmul_precision() != "highest", torch.backends.cudnn.allow_tf32


@pytest.fixture
def training():
    return build(load(["steps=10", *SMALL])).training


def test_fp32_is_float32_in_convolutions_too(training):
    # torch's own default for convolutions is TensorFloat-32, which a CPU has no part in
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    training = build(load(["steps=10", *SMALL])).training
    assert allowed() == (False, False)
    training.play_step(log=True)
    assert allowed() == (False, False)


def test_tensor_float_is_for_both_passes_of_a_turn_alone(training):
    """A CPU has no TensorFloat-32, so its turns are told to use it, and the same bits come out."""
    seen = []
    training.precision = Precision(turn=tensor_float)
    generator = training.game.networks["generator"]
    generator.register_forward_hook(lambda *_: seen.append(("forward", *allowed())))
    next(generator.parameters()).register_hook(lambda _: seen.append(("backward", *allowed())))
    training.play_step(log=True)
    assert set(seen) == {("forward", True, True), ("backward", True, True)}
    assert allowed() == (False, False)
    seen.clear()
    training.sample(4, training.streams.fresh("sampling"))
    assert set(seen) == {("forward", False, False)}
    other = build(load(["steps=10", *SMALL])).training
    other.play_step(log=True)
    for name, network in training.game.networks.items():
        for ours, its in zip(network.parameters(), other.game.networks[name].parameters(), strict=True):
            assert torch.equal(ours, its)


def test_a_failed_turn_leaves_float32_behind(training):
    training.precision = Precision(turn=tensor_float)
    next(training.game.networks["discriminator"].parameters()).data.fill_(float("nan"))
    with pytest.raises(NotFinite):
        for _ in range(3):
            training.play_step(log=False)
        training.guard.report()
    assert allowed() == (False, False)


def test_bf16_is_for_forward_passes_alone(training):
    seen = []
    training.precision = precision("bf16", torch.device("cpu"))
    generator = training.game.networks["generator"]
    generator.layers[0].register_forward_hook(lambda _, __, made: seen.append(made.dtype))
    training.play_step(log=False)
    assert set(seen) == {torch.bfloat16}
    seen.clear()
    training.sample(4, training.streams.fresh("sampling"))
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize(
    ("device", "toolkit", "capability"), [("cpu", "13.2", (9, 0)), ("cuda", None, (9, 0)), ("cuda", "13.2", (7, 5))]
)
def test_tf32_is_refused_where_the_device_has_none(monkeypatch, device, toolkit, capability):
    monkeypatch.setattr(torch.version, "cuda", toolkit)  # None: torch for AMD's GPUs
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    with pytest.raises(BadInput, match=f"device is {device}; use precision=fp32"):
        precision("tf32", torch.device(device))


def test_a_run_in_tf32_is_sampled_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = train([*SMALL, "steps=1", "name=run"])
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("precision: fp32", "precision: tf32"))
    experiment, _ = reopen(folder, tmp_path, [], "cpu", None)
    assert experiment.draw_samples(2, torch.Generator()).shape == (2, 1, 28, 28)


@pytest.mark.parametrize("capability", [(8, 0), (9, 0), (12, 0)])
def test_tf32_is_taken_by_a_gpu_that_has_it(monkeypatch, capability):
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    with precision("tf32", torch.device("cuda")).turn():
        assert allowed() == (True, True)
    assert allowed() == (False, False)
