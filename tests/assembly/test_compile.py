"""`compile=true` trains what `compile=false` trains, but for the rounding of sums; with every kind of penalty."""

import importlib.util
import shutil

import pytest
import torch

from ganctl.assembly.compiling import _check_compiler
from ganctl.assembly.compose import build
from ganctl.assembly.reopening import reopen
from ganctl.config.load import load
from ganctl.errors import BadInput
from tests.conftest import train

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs g++")
MLP = ["model=mlp", "model.generator_widths=[32]", "model.discriminator_widths=[32,16]", "batch_size=20", "threads=1"]
DCGAN = ["model=dcgan", "model.width=4", "batch_size=20", "threads=1"]
# Every network that behaves differently in a turn, and a penalty of each kind: on samples, on two kinds of samples, on
# logits, and on the weights. The loss has no gradient that is zero but for rounding, which Adam would make large.
CASES = {
    # Dropout, batch norm and classes at once, in networks that compile in half of the others' time.
    "everything": [*MLP, "game=projection"],
    "dropout": [*MLP],
    "gradient penalty": [*MLP, "penalty=gradient"],
    "R1 and R2": [*MLP, "penalty=r1r2", "model.dropout=0", "loss=relativistic_paired"],
    "lecam": [*MLP, "penalty=lecam"],
    "clipping": [*MLP, "penalty=weight_clip"],
    "spectral norm": [*MLP, "model.spectral_norm=true"],
    "batch norm": [*DCGAN],
    "classes": [*DCGAN, "game=cgan"],
}


@pytest.fixture(autouse=True)
def _eager_again():
    yield
    torch.compiler.set_stance("default")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def weights(words, steps=3):
    training = build(load(["steps=10", *words])).training
    gradients = []
    for _ in range(steps):
        training.play_step(log=False)
        gradients += [
            [p.grad.clone() for p in net.parameters() if p.grad is not None] for net in training.game.networks.values()
        ]
    return training, gradients


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=name, marks=[] if name == "everything" else [pytest.mark.long])
        for name, words in CASES.items()
    ],
)
def test_compiled_and_eager_gradients_are_the_same(words):
    (eager, expected), (compiled, found) = weights(words), weights([*words, "compile=true"])
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0  # something was compiled
    for one, other in zip(expected, found, strict=True):
        for before, after in zip(one, other, strict=True):
            torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-5)
    assert torch.equal(eager.streams.noise.get_state(), compiled.streams.noise.get_state())
    assert torch.equal(eager.streams.layer_noise.get_state(), compiled.streams.layer_noise.get_state())


@pytest.mark.slow
def test_what_is_only_looked_at_is_never_compiled():
    """A logged step of minimax looks at real samples in G's turn; on a GPU each look would record another graph."""
    training = build(load(["steps=10", *CASES["everything"], "loss=minimax", "compile=true"])).training
    training.play_step(log=False)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    training.play_step(log=True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs > 0


@pytest.mark.parametrize(
    ("cc", "package", "message"),
    [
        (None, "torch", "there is no gcc or clang on this machine; install it"),
        ("cc9", "torch", "there is no cc9 on this machine; install it"),
        (None, None, "there is no triton; install it with `pip install triton`"),
    ],
)
def test_what_a_gpu_compiles_with_must_be_there(monkeypatch, cc, package, message):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    if cc:
        monkeypatch.setenv("CC", cc)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package)
    with pytest.raises(BadInput, match=f"compile=true: {message}, or use compile=false"):
        _check_compiler(torch.device("cuda"))


def test_without_a_compiler_it_is_refused(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        BadInput, match="there is no no-such-compiler on this machine; install it, or use compile=false"
    ):
        build(load([*MLP, "compile=true"]))


def test_what_was_trained_compiled_is_sampled_without_a_compiler(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = train([*MLP, "steps=1", "name=run"])
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("compile: false", "compile: true"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    experiment, _ = reopen(folder, tmp_path, [], "cpu", None)
    assert not experiment.training.compiled
