"""Every command of README.md and docs/ can be carried out, and runs at a tiny budget."""

import json
import re
import shutil
import struct
import sys
from pathlib import Path

import pytest
from PIL import Image

from ganctl.config.schema import Mnist5k
from ganctl.data import DATASETS
from ganctl.errors import BadInput
from ganctl.games import GAMES as RULES
from ganctl.losses import LOSSES, PENALTIES
from ganctl.models import MODELS
from tests.commands_in_docs import (
    ROOT,
    all_commands,
    files_of,
    found_in,
    is_planned,
    is_refused,
    is_trained,
    lines_of,
    pages,
    reduced,
    shrunk,
    snippets_of,
    unique,
)
from tests.conftest import FULL_DATA, TINY_NETWORKS

COMMANDS = all_commands()
TO_BUILD = unique([each for each in COMMANDS if is_planned(each)])
# What is planned and not trained is built; everything else runs.
TO_RUN = unique(
    [each for each in COMMANDS if each.words[0] == "ganctl" and (is_trained(each) or not is_planned(each))], small=True
)
SCRIPTS = unique([each for each in COMMANDS if each.words[0] == "python"])
# The options of `sample` that need a run of another game than `gan`.
GAMES = {
    "--label": "cgan",
    "--labels": "cgan",
    "label": "cgan",
    "c1": "infogan",
    "c2": "infogan",
    "--reconstruct": "aae",
    "--upscale": "srgan",
    "--translate": "cyclegan",
    "--to": "cyclegan",
}
NETWORKS = {
    "srgan": ["model=srresnet", "model.width=4", "model.blocks=1", "game.pretrain_steps=1"],
    "cyclegan": ["model=resnet", "model.width=4", "model.blocks=1", "data=mnist_to_colour"],
}
TINY_GAME = ["steps=2", "batch_size=20", "threads=1", "sample_every=2", "checkpoint_every=2"]


FIRST = ("README", "getting-started")  # the pages whose commands the fast suite runs


def named(command):
    """A comparison takes more than five seconds even at this budget; those of further pages, together, two minutes."""
    compares = command.verb == "compare-losses"
    if command.verb == "doctor":  # which tests/commands/test_doctor.py runs
        marks = [pytest.mark.long]
    elif command.page in FIRST:
        marks = [pytest.mark.slow] if compares else []
    else:
        marks = [pytest.mark.long if compares else pytest.mark.slow]
    return pytest.param(command, marks=marks, id=f"{command.page}: {command.text}")


@pytest.fixture(autouse=True)
def _own_plugins():
    """What a plugin adds is gone after the test."""
    tables = (LOSSES, PENALTIES, MODELS, DATASETS, RULES)
    before, modules, path = [dict(table) for table in tables], {*sys.modules}, [*sys.path]
    yield
    for table, rows in zip(tables, before, strict=True):
        table.clear()
        table.update(rows)
    for name in {*sys.modules} - modules:
        if name.startswith("my_"):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of pictures, and runs of games once they are asked for."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "pictures").mkdir()
    for number, digit in enumerate(DATASETS["mnist5k"](Mnist5k()).pixels[::40, 0]):
        Image.fromarray(digit.numpy()).save(folder / "pictures" / f"{number}.png")
    return folder


@pytest.fixture
def desk(shelf, tmp_path, call, monkeypatch):
    """The reader's folder: the files that the pages ask for, pictures, and a run of `game`."""
    from ganctl.evaluation import classifier

    monkeypatch.setitem(classifier.RECIPE, "steps", 20)
    for page in pages():
        for name, text in files_of(page.read_text()).items():
            (tmp_path / name).write_text(text)
    (tmp_path / "pictures").symlink_to(shelf / "pictures")
    for domain in ("trainA", "trainB"):
        (tmp_path / "domains").mkdir(exist_ok=True)
        (tmp_path / "domains" / domain).symlink_to(shelf / "pictures")

    def prepared(game):
        if not (shelf / game).exists():
            networks = NETWORKS.get(game, TINY_NETWORKS)
            done = call("train", f"game={game}", *networks, *TINY_GAME, "output_dir=made", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            (tmp_path / done.stdout.strip()).rename(shelf / game)
            shutil.rmtree(tmp_path / "made")
        run = Path("outputs/2026-01-31/120000-run")
        shutil.copytree(shelf / game, tmp_path / run)
        return run

    return prepared


def filled_in(words, run="RUN"):
    """The words with files and folders in place of RUN, DIR, PICTURES and MORE_PICTURES; skips if there is no DIR."""
    if any(re.fullmatch(r"(.*=)?DIR", word) for word in words) and FULL_DATA is None:
        pytest.skip("no full MNIST beside this checkout; GANCTL_MNIST_ROOT=DIR names one")
    values = {"RUN": str(run), "DIR": FULL_DATA or "", "PICTURES": "pictures", "MORE_PICTURES": "pictures"}
    values["DOMAINS"] = "domains"
    return [
        re.sub(r"^(.*=)?([A-Z_]+)$", lambda found: (found[1] or "") + values.get(found[2], found[2]), word)
        for word in words
    ]


def build_all(words):
    """Builds the run, or one cell of every arm, that the words describe.

    Raises:
        BadInput: what they describe cannot be.
    """
    from ganctl.assembly.compose import build
    from ganctl.config.load import load
    from ganctl.studies import planning

    given = [word for word in words[2:] if word != "--show-config"]
    if words[1] == "train":
        build(load(given))
        return
    plan = planning.plan(given)
    for cell in plan.cells[: len(plan.arms)]:
        build(cell.config)


def carried_out(command, desk, call, folder):
    """Runs the command at a tiny budget in `folder`; gives its exit code, stdout and stderr."""
    game = next((GAMES[word] for word in command.words if word in GAMES), "gan")
    words = filled_in(reduced(command.words), desk(game))
    if is_trained(command):
        words = list(shrunk(tuple(words)))
    if "--resume" in words:
        words = [word for word in words if not word.startswith("steps=")] + ["steps=4"]
    return call(*[word for word in words[1:] if word != "(refused)"], cwd=folder)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(each, id=f"{each.page}: {each.text}", marks=[] if each.page in FIRST else [pytest.mark.slow])
        for each in TO_BUILD
    ],
)
def test_a_training_command_is_accepted_as_it_stands(command, desk, folder):
    build_all(filled_in(command.words))


@pytest.mark.parametrize("command", [*map(named, TO_RUN)])
def test_a_command_runs_at_a_tiny_budget(command, desk, call, tmp_path, request):
    if command.text != "ganctl compare-losses":  # one report with all figures is enough
        request.getfixturevalue("unillustrated")
    done = carried_out(command, desk, call, tmp_path)
    # Two steps of training are not good enough for a condition.
    expected = 2 if is_refused(command) else 1 if "--fail-if" in command.words else 0
    assert done.returncode == expected, done.stderr
    if command.verb not in ("train", "sample", "evaluate", "compare-losses") or is_refused(command):
        return
    if {"--help", "--show-config"} & {*command.words}:
        return
    last = done.stdout.strip().splitlines()[-1]
    made = tmp_path / (json.loads(done.stdout)["file"] if "--json" in command.words else last)
    assert made.exists()
    if made.suffix == ".png":
        assert struct.unpack(">2I", made.read_bytes()[16:24]) > (200, 200)


@pytest.mark.parametrize("command", [pytest.param(each, id=f"{each.page}: {each.text}") for each in SCRIPTS])
def test_a_script_is_there_and_has_the_options_that_a_page_gives_it(command):
    words = [word for word in command.words[1:] if word != "-m"]
    file = ROOT / (words[0].replace(".", "/") if command.words[1] == "-m" else words[0])
    if not file.suffix:
        file = file / "__main__.py" if file.is_dir() else file.with_suffix(".py")
    assert file.is_file()
    source = file.read_text()
    for word in words[1:]:
        if word.startswith("--"):
            assert f'"{word.split("=")[0]}"' in source, word


WRONG = {
    "a loss that is none": "ganctl train loss=hingee",
    "an option that is none": "ganctl sample --colums 3",
    "a penalty that its network cannot pay": "ganctl train model=dcgan penalty=gradient",
    "an arm that cannot be": "ganctl compare-losses loss=hinge,wasserstein",
    "a comparison of one arm": "ganctl compare-losses loss=hinge",
    "an exit code that does not come": "ganctl train loss=hinge (refused)",
}


@pytest.mark.parametrize("line", [*WRONG.values()], ids=[*WRONG])
def test_a_wrong_command_in_a_page_is_found(line, desk, call, folder, tmp_path, request):
    (command,) = found_in(f"Some words.\n\n```sh\n{line}\n```\n", "page")
    if is_planned(command):
        with pytest.raises(BadInput):
            build_all(filled_in(command.words))
    else:
        with pytest.raises(AssertionError):
            test_a_command_runs_at_a_tiny_budget(command, desk, call, tmp_path, request)


def test_commands_are_found_wherever_a_page_gives_them():
    text = """
`ganctl list loss` and `ganctl train
seed=3 ...`; not `ganctl`, and not `loss=hinge`.

    ganctl train experiment=NAME   # a comment

```sh
pip install x && ganctl sample RUN --num 4
ganctl compare-losses \\
  loss=a,b
```

```python
print("ganctl train")
```
"""
    assert [command.text for command in found_in(text, "page")] == [
        "ganctl sample RUN --num 4", "ganctl compare-losses loss=a,b", "ganctl train experiment=dcgan",
        "ganctl list loss", "ganctl train seed=3",
    ]  # fmt: skip


def test_each_command_and_each_page_of_tasks_takes_part():
    verbs = {command.verb for command in COMMANDS if command.words[0] == "ganctl"}
    assert {"train", "sample", "evaluate", "compare-losses", "list", "doctor"} <= verbs
    assert len(TO_RUN) >= 60 and len(SCRIPTS) >= 10
    tasks = {"README", "getting-started", "compare", "evaluate", "sample", "control", "own-data", "choose-loss",
             "own-loss", "long-studies", "reference"}  # fmt: skip
    assert tasks <= {command.page for command in COMMANDS}
    assert [each for each in TO_RUN if each.page in tasks and is_trained(each)]


def test_blocks_of_the_shell_hold_nothing_that_no_test_reads():
    known = ("ganctl ", "python ", "python3 -m venv ", "pip install ", "pytest", "tensorboard --logdir ")
    parts = [part.strip() for page in pages() for line in lines_of(page.read_text()) for part in line.split("&&")]
    assert [part for part in parts if not part.startswith((*known, ". .venv"))] == []


SNIPPETS = [(page.stem, block) for page in pages() for block in snippets_of(page.read_text())]


@pytest.mark.parametrize(("page", "block"), SNIPPETS, ids=[page for page, _ in SNIPPETS])
def test_python_code_of_a_page_runs(page, block, folder):
    exec(compile(block, page, "exec"), {"__name__": page})


def test_a_loss_of_ones_own_takes_ten_lines():
    (text,) = (files_of(page.read_text())["my_losses.py"] for page in pages() if page.stem == "own-loss")
    assert len([line for line in text.splitlines() if line]) <= 10
