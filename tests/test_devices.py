"""A step keeps everything on its run's device and asks that device for nothing, as a GPU needs it.

No GPU is needed to see that: torch's `meta` device has no numbers. It refuses whatever would read one, and most of what
mixes its tensors with a CPU's; the rest is looked at here.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganctl.assembly import compose as building
from ganctl.assembly.compose import build
from ganctl.config.choices import choices
from ganctl.config.load import load
from ganctl.data import ImageSet
from ganctl.numerics import streams
from ganctl.training.optimizers import OPTIMIZERS
from tests.games.toys import MODELS, PLAYED, configured, data_of, labelled_noise

META = torch.device("meta")
MOVES = {"copy_", "_to_copy"}  # from one device to the other
RUNS = {
    **{f"{game}, {model}": configured(game, model=model) for game, model in PLAYED},
    "dropout": configured("gan", "model.dropout=0.3"),
    "clipped, scheduled": configured("gan", "optim.clip_norm=1", "optim.schedule=cosine", "optim=rmsprop"),
    "spectral norm": configured("gan", "model.spectral_norm=true", model="dcgan"),
    "mixture": load(["data=ring8", *MODELS["mlp"]]),
}
ENERGIES = ["model=autoencoder", "model.generator_widths=[16]", "model.encoder_widths=[8,4]", "batch_size=6"]
BOUNDED = "penalty=gradient"  # what Wasserstein's critic needs


@pytest.fixture(autouse=True)
def _on_meta(monkeypatch):
    """Runs are on the device without numbers; their random numbers come from the CPU, since it has no generator."""
    monkeypatch.setattr(building, "prepare_machine", lambda _: META)
    generators = {**vars(torch), "Generator": lambda device: torch.Generator()}
    monkeypatch.setattr(streams, "torch", SimpleNamespace(**generators))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no such device
    # Once in a run, at its first step, images of each class are chosen.
    monkeypatch.setattr(ImageSet, "balanced", lambda _, count, __: labelled_noise(count=count).to(META))
    # torch's fused kernel is only for devices that have numbers.
    monkeypatch.setitem(OPTIMIZERS, "adam", lambda parameters, lr, _: torch.optim.RMSprop(parameters, lr=lr))


class OneDevice(TorchDispatchMode):
    """Fails at an operation on tensors of two devices, other than numbers by themselves."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        tensors = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, torch.Tensor) and each.ndim]
        devices = {tensor.device.type for tensor in tensors}
        self.seen |= {(name, device) for device in devices}
        assert name in MOVES or len(devices) <= 1, f"{name} of tensors on {devices}"
        return func(*args, **(kwargs or {}))


def assert_stays(config, data=None):
    """Two steps of its training, the second of which is logged."""
    training = build(config, data).training
    assert {p.device for network in training.game.networks.values() for p in network.parameters()} == {META}
    with OneDevice() as watched:
        for log in (False, True):
            training.play_step(log)
    assert {("mm", "meta"), ("addmm", "meta"), ("convolution", "meta")} & watched.seen


@pytest.mark.parametrize("config", RUNS.values(), ids=RUNS)
def test_a_game_stays_on_its_device(config):
    assert_stays(config, data_of(config.game.name) if config.data.name == "mnist5k" else None)


@pytest.mark.parametrize("loss", choices("loss"))
def test_a_loss_stays_on_its_device(loss):
    if loss in ("began", "ebgan"):
        words = ["game.pulling_away_weight=0.1"] if loss == "ebgan" else []
        config = load([*ENERGIES, f"loss={loss}", *words])
    else:
        config = configured("gan", f"loss={loss}", *[BOUNDED] * (loss == "wasserstein"))
    assert_stays(config, labelled_noise())


@pytest.mark.parametrize("penalty", choices("penalty"))
def test_a_penalty_stays_on_its_device(penalty):
    assert_stays(configured("gan", f"penalty={penalty}"), labelled_noise())


def test_points_are_sent_to_their_device_once_and_nobody_waits(monkeypatch):
    density = build(load(["data=ring8", *MODELS["mlp"]])).dataset
    moves = []

    class Moves(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func._schema.name == "aten::_to_copy":
                moves.append(kwargs.get("non_blocking"))
            return func(*args, **(kwargs or {}))

    with Moves():
        points = density.draw(5, torch.Generator())
    assert points.device == META and moves == [True]


def test_what_reads_a_number_is_found():
    training = build(configured("gan"), labelled_noise()).training
    training.guard.waits = True  # as on a CPU
    with pytest.raises(RuntimeError, match="item"):
        training.play_step(log=False)
