"""What the tests share: a small, fast configuration and a way to call the command line."""

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

# Where the full MNIST and Fashion-MNIST lie: named by the environment, or in any folder beside this checkout.
BESIDE = sorted(Path(__file__).parents[2].glob("*/*/MNIST/raw"))
FULL_DATA = os.environ.get("GANCTL_MNIST_ROOT") or (str(BESIDE[0].parents[1]) if BESIDE else None)

# Networks and budgets that train in a second; everything else stays the default.
TINY_NETWORKS = ["model=mlp", "model.generator_widths=[16]", "model.discriminator_widths=[16]", "model.latent_dim=8"]
TINY_BUDGET = ["batch_size=50", "log_every=2", "sample_every=4", "checkpoint_every=3", "threads=1"]
TINY = [*TINY_NETWORKS, *TINY_BUDGET]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """What ganctl keeps between runs is kept for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


# Files that take half a minute or more: with several processes they begin first, so that none is left alone with one.
LONGEST = [
    "test_docs_commands", "test_compare_losses", "test_train", "test_study", "test_evaluate", "test_faults",
    "test_config", "test_browser", "test_learning", "test_package",
]  # fmt: skip


def pytest_collection_modifyitems(items):
    """A long test is a slow one too; the files that take longest come first."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture
def unillustrated(monkeypatch):
    """Reports without figures, which take most of a tiny comparison's time."""
    monkeypatch.setattr("ganctl.report.comparison._draw", lambda folder, comparison, cells: [])


@pytest.fixture
def quick_classifier(monkeypatch):
    """The classifier that images are measured in, trained for seconds instead of half a minute."""
    from ganctl.evaluation import classifier

    torch.set_num_threads(1)  # such small sums take longer with two
    monkeypatch.setitem(classifier.RECIPE, "steps", 200)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def _own_plugins_alone():
    """A plugin of one file of tests is not another's: Python would not read a second module of that name."""
    yield
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _same_threads():
    """A test that trains sets the number of threads; the next one starts as every process does."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def ganctl(*words, cwd=None, timeout=300, **environment):
    """Runs the command line in a process of its own, as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "ganctl", *map(str, words)],
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def _exit_code(words, cwd):
    """How the command line ends on these words, in this process."""
    from ganctl import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ganctl", *map(str, words)])
        patch.setattr(warnings, "formatwarning", warnings.formatwarning)
        if cwd is not None:
            patch.chdir(cwd)
        try:
            cli.main()
        except SystemExit as end:
            return end.code or 0
    return 0


def train(words):
    """Trains a run as `ganctl train` does; gives its folder."""
    from ganctl.commands.train import train as run
    from ganctl.config.load import load

    return run(load(words))


def resume_run(path, words):
    """Goes on with a run as `ganctl train --resume` does; gives its folder."""
    from ganctl.commands.train import resume_run as run
    from ganctl.store.runs import find
    from ganctl.studies.continuing import continued

    return run(path, continued(find(path), words))


def called(*words, cwd=None):
    """What `call` does, for a fixture that many tests share."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _exit_code(words, cwd)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@pytest.fixture
def call(capsys):
    """Runs the command line in this process, which has torch already; gives exit code, stdout and stderr."""

    def run(*words, cwd=None):
        code = _exit_code(words, cwd)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Everything in the newest checkpoint of a run folder."""
    from safetensors.torch import load_file

    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {**load_file(newest / "networks.safetensors"), **load_file(newest / "training.safetensors")}


def scalars(run: Path) -> list[dict[str, float]]:
    """The rows of scalars.jsonl without the one that depends on the clock."""
    rows = [json.loads(line) for line in (run / "scalars.jsonl").read_text().splitlines()]
    return [{tag: value for tag, value in row.items() if not tag.startswith("speed/")} for row in rows]


def assert_same_weights(first: Path, second: Path) -> None:
    """Every tensor of the newest checkpoints is equal, bit for bit."""
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
