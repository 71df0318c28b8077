"""Damaged run folders: every command refuses in a line or does its work, in the folder and in little memory."""

import random
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from ganctl.store.places import cache_dir
from tests.conftest import TINY
from tests.reliability.calling import complaint, listing, unexplained
from tests.reliability.damage import damage
from tests.reliability.long import BROKEN, Found, paced
from tests.reliability.sandbox import MOST_USED, watched

COMPARISON = [*TINY, "steps=6", "loss=minimax,hinge", "seed=0,1", "name=study", "jobs=1"]
RUNS = {
    "images": [*TINY, "steps=6", "output_dir=made"],
    "points": [
        *TINY,
        "steps=6",
        "data=ring8",
        "game=infogan",
        "game.categories=3",
        "metrics=[modes]",
        "evaluate_every=3",
        "output_dir=made",
    ],
    "codes": [
        *(word for word in TINY if "discriminator" not in word and word != "model=mlp"),
        "model=autoencoder_small",
        "game=gan",
        "loss=began",
        "steps=6",
        "output_dir=made",
    ],
}
LOOKS = [
    ["sample", "run", "--num", "4"], ["sample", "run", "--progress"],
    ["sample", "run/checkpoints/step-00000006", "--num", "4", "--npz"],
    ["evaluate", "run", "--features", "pixels", "--num", "20", "--metrics", "precision,coverage"],
    ["evaluate", "run", "--num", "20", "--metrics", "high_quality"],
]  # fmt: skip
GOES_ON = [
    ["train", "--resume", "run"],
    ["train", "--resume", "run", "steps=9"],
    ["train", "--resume", "run", "steps=8", "threads=1"],
]


@dataclass
class Whole:
    """Folders in order, to be copied and damaged."""

    place: Path
    runs: dict[str, Path]

    @cached_property
    def comparison(self) -> Path:
        """The output folder of a comparison, which is trained when it is first asked for."""
        trained([["compare-losses", *COMPARISON]], self.place)
        return self.place / "outputs"


def train_here() -> None:
    """Cells are trained in this process, one after another; no figure is drawn to the end, which takes seconds."""
    from ganctl.commands import compare_losses
    from ganctl.report import comparison
    from ganctl.studies import workers
    from ganctl.studies.run import run_cell

    def train_cells(cells, jobs, show, done):
        for cell in cells:
            cell.folder.path.mkdir(parents=True, exist_ok=True)
            if run_cell(cell.config, cell.folder.path, lambda step, line: None) == 130:
                return False
            done(cell)
        return True

    workers.start_server = lambda: None
    compare_losses.train_cells = train_cells
    comparison._file = lambda figure, kind: b"figure"


def trained(commands: list[list[str]], place: Path) -> None:
    """Carries out commands that must succeed."""
    done = watched(commands, place, [place, cache_dir()], train_here, 300)
    assert [ending.code for ending in done.endings] == [0] * len(commands), (done.died, [e.err for e in done.endings])


def prepare(place: Path) -> Whole:
    """Trains the runs that will be damaged."""
    import platform
    import tempfile

    import torch
    import torch._dynamo  # as the first optimizer does

    import ganctl.commands.compare_losses
    import ganctl.commands.evaluate
    import ganctl.commands.train
    import ganctl.report.comparison
    import ganctl.report.table  # noqa: F401  (every fork has them then)

    platform.processor()  # asks uname once
    tempfile.gettempdir()  # looks once whether it can write there
    torch.set_num_threads(1)
    place.mkdir(exist_ok=True)
    runs = {}
    trained([["train", *words, f"name={name}"] for name, words in RUNS.items()], place)
    for name in RUNS:
        (runs[name],) = place.glob(f"made/*/*-{name}")
    look = ["evaluate", str(runs["images"]), "--features", "pixels", "--num", "20", "--metrics", "precision"]
    trained([look], place)
    return Whole(place, runs)


def case(
    number: int, whole: Whole, place: Path, comparisons: float = 0.1
) -> tuple[str, list[list[str]], list[str], Counter[str]]:
    """Damages a copy in the way of that number and runs commands on it.

    Returns: what was done to it, the commands, what was wrong with how they ended, and how often they ended how.
    """
    rng = random.Random(number)
    shutil.rmtree(place, ignore_errors=True)
    (place / "secret").mkdir(parents=True)
    (place / "secret" / "notes.txt").write_text("a secret\n")
    if rng.random() < comparisons:
        shutil.copytree(whole.comparison, place / "outputs", symlinks=True)
        home, kind = place / "outputs" / "comparisons" / "study", "comparison"
        commands = [["compare-losses", *COMPARISON]]
    else:
        kind = rng.choice([*whole.runs])
        home = shutil.copytree(whole.runs[kind], place / "run", symlinks=True)
        commands = [["train", "--resume", "run", "--show-config"], rng.choice(LOOKS), rng.choice(GOES_ON)]
    # The links of a comparison's folder lead to a secret beside it.
    if kind == "comparison":
        (home.parent / "secret").symlink_to(place / "secret")
    done = damage(home, rng)
    before = listing(place, skip=home)
    seen = watched(commands, place, [home, cache_dir()], train_here, 60)
    faults = [*seen.deeds]
    if seen.died:
        faults.append(seen.died)
    if seen.used > MOST_USED:
        faults.append(f"used {seen.used / 2**30:.1f} GB")
    ended: Counter[str] = Counter(folders=1, commands=len(commands))
    for words, ending in zip(commands, seen.endings, strict=False):
        begun = words[0] in ("compare-losses", "evaluate") or (words[0] == "train" and "--show-config" not in words)
        fault = complaint(ending, begun=begun) or unexplained(ending)
        if fault is not None:
            faults.append(f"{' '.join(words[:3])}: {fault}")
        ended[f"exit {ending.code}"] += 1
    after = listing(place, skip=home)
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    # Of the folder's own parents only the times change.
    changed = [path for path in changed if not str(home).startswith(path)]
    if changed:
        faults.append(f"changed outside: {changed[:5]}")
    return f"{kind}: {'; '.join(done)}", commands, faults, ended


def damaged(count: int, place: Path, found: Found) -> Counter[str]:
    """`count` damaged folders, the same ones every time, by how the commands on them ended."""
    whole, seen = prepare(place / "whole"), Counter[str]()
    for number in paced(range(count), "damaged folders"):
        what, _, faults, ended = case(number, whole, place / "case")
        seen += ended
        for fault in faults:
            found.append(f"case {number}, {what}: {fault}")
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.long)])
def test_every_damaged_folder_is_refused_in_a_line_or_used(tmp_path, count):
    found = Found()
    seen = damaged(count, tmp_path, found)
    assert not found
    assert seen["exit 0"] > count / 2 and seen["exit 2"] > count / 2


def long_form() -> dict[str, int | str]:
    """2,000 damaged folders, three commands on each; of a comparison, its own."""
    import tempfile

    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        seen = damaged(2000, Path(folder), found)
    return {"folders": 0, "commands": 0, **seen, BROKEN: len(found)}
