"""Every command of the README runs, as it stands there but for its budget."""

import json
import re
import shlex
import shutil
import struct
from pathlib import Path

import pytest
from PIL import Image

from ganctl.data import DATASETS
from ganctl.schema import Mnist5k
from tests.conftest import FULL_DATA, TINY, TINY_NETWORKS, ganctl

README = (Path(__file__).parent.parent / "README.md").read_text()
COMMANDS = [
    line.split("&&")[-1].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if "ganctl " in line
]
# In place of each command's own budget; a command that names no model gets small networks too.
# The blocks of Python are files that a person writes beside them, each under the name that the text gives.
FILES = re.findall(r"Write `(\w+\.py)`.*?```python\n(.*?)```", README, re.DOTALL)
BUDGET = ["steps=2", "batch_size=20", "threads=1", "sample_every=2"]


def small(words):
    words = [word for word in words if not re.match(r"(steps|epochs)=", word)]
    if "experiment=losses_2d" in words:
        words[-1] = "seed=0"  # 22 arms are enough
    if words[1] == "compare-losses" and not any(word.startswith("name=") for word in words):
        words = [re.sub(r"^seed=0,1,.*", "seed=0,1", word) for word in words]  # and two seeds are several
    if words[1] in ("sample", "list", "doctor"):
        return words
    if words[1] == "evaluate":  # the classifier takes half a minute
        cheap = ["--features", "pixels", *([] if "--metrics" in words else ["--metrics", "kid,recall"])]
        return [*words, *cheap, *([] if "--num" in words else ["--num", "50"])]
    parts = {word.split("=")[0] for word in words}
    if "metrics" in parts:
        words = [
            *("seed=0" if word.startswith("seed=") else word for word in words),
            # A class can only be found by the classifier, however long that takes.
            *([] if any("label_agreement" in word for word in words) else ["features=pixels"]),
            "evaluate_num=50",
        ]
    networks = [] if parts & {"model", "experiment"} else TINY_NETWORKS
    return [*words, *networks, *BUDGET]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run."""
    folder = tmp_path_factory.mktemp("readme")
    assert ganctl("train", *TINY, "steps=2", cwd=folder).returncode == 0
    for name, text in FILES:
        (folder / name).write_text(text)
    (folder / "pictures").mkdir()
    for number, digit in enumerate(DATASETS["mnist5k"](Mnist5k()).pixels[::80, 0]):
        Image.fromarray(digit.numpy()).save(folder / "pictures" / f"{number}.png")
    return folder


def marked(command):
    """A comparison takes up to half a minute even at this budget, and measuring half of that."""
    long = "compare-losses" in command or "ganctl evaluate" in command
    return pytest.param(command, marks=[pytest.mark.slow] if long else [])


@pytest.mark.parametrize("command", [marked(command) for command in COMMANDS])
def test_a_command_of_the_readme_runs(command, place, tmp_path, call):
    if "DIR" in command and FULL_DATA is None:
        pytest.skip("no full MNIST beside this checkout; GANCTL_MNIST_ROOT=DIR names one")
    run = sorted(place.glob("outputs/2*/*"))[0]
    command = command.replace("outputs/<date>/<time>-<name>", str(run))
    command = command.replace("--images DIR", "--images pictures").replace("OTHER_DIR", "pictures")
    words = shlex.split(command.replace("DIR", FULL_DATA or ""))
    assert words.pop(0) == "ganctl"
    # A comparison forks its cells from a server of its own; the others may run here, where torch is imported already.
    run_in = ganctl if words[0] == "compare-losses" else call
    if words[0] == "evaluate":  # of the latest run, which shall be that of digits, whatever came before
        shutil.copytree(run, tmp_path / run.relative_to(place))
        (tmp_path / "pictures").symlink_to(place / "pictures")
        place = tmp_path
    if "--resume" in words:
        done = run_in(*words[:-1], "steps=4", cwd=place)
    elif "--verify" in words:
        done = run_in(*words, cwd=place)
    else:
        done = run_in(*small(["ganctl", *words])[1:], cwd=place)
    # Two steps of training are not good enough for a condition.
    assert done.returncode == (1 if "--fail-if" in words else 0), done.stderr
    if words[0] in ("list", "doctor"):
        return
    made = place / (json.loads(done.stdout)["file"] if "--json" in words else done.stdout.strip().splitlines()[-1])
    assert made.exists()
    if made.suffix == ".png":
        assert struct.unpack(">2I", made.read_bytes()[16:24]) > (200, 200)


def test_the_readme_has_commands_of_each_kind():
    assert {command.split()[1] for command in COMMANDS} == {
        "train", "sample", "evaluate", "compare-losses", "list", "doctor",
    }  # fmt: skip
    assert len(COMMANDS) >= 20
    assert [name for name, _ in FILES] == ["my_losses.py"]
    assert len([line for line in FILES[0][1].splitlines() if line]) <= 10  # a loss in ten lines


def test_what_the_readme_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", re.sub(r"`[^`]*`", "", README)):
        assert (Path(__file__).parent.parent / target).exists(), target
