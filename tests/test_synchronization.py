"""A step that is not logged asks the device for no number, so on a GPU the host never waits for it."""

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from ganctl.assembly.compose import build
from ganctl.config.load import load

# What needs a value on the host: .item() and bool(), and everything whose result's size depends on values.
WAITING = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "unique", "_unique2"}
SMALL = ["model=mlp", "model.generator_widths=[8]", "model.discriminator_widths=[8]", "batch_size=8"]
DCGAN = ["model=dcgan", "model.width=4", "batch_size=8"]
RUNS = {
    "mlp": SMALL,
    "dcgan": DCGAN,
    "bf16": [*SMALL, "precision=bf16"],
    "clipped gradients": [*SMALL, "optim.clip_norm=1", "optim.schedule=cosine"],
    "memory": [*SMALL, "loss=began", "model=autoencoder", "model.encoder_widths=[8,4]"],
    **{name: [*SMALL, f"penalty={name}"] for name in ("gradient", "r1r2", "dragan", "consistency", "lecam")},
    **{name: [*SMALL, f"penalty={name}", "loss=wasserstein"] for name in ("weight_clip",)},
    **{name: [*SMALL, f"game={name}"] for name in ("cgan", "projection", "acgan", "infogan", "aae")},
}


class Asked(TorchDispatchMode):
    """Notes the names of the operations inside."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_an_unlogged_step_waits_for_nothing(words):
    words = [word for word in words if "discriminator_widths" not in word or "model=autoencoder" not in words]
    training = build(load(["steps=10", *words])).training
    training.guard.waits = False  # as on a GPU; a CPU has nothing to wait for
    training.play_step(log=True)
    with Asked() as asked:
        training.play_step(log=False)
    assert "mm" in asked.names or "addmm" in asked.names  # it does see what happens, in the backward pass too
    assert not asked.names & WAITING
