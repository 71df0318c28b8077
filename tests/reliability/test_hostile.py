"""Files of somebody who means harm: nothing is executed, nothing written elsewhere, no script in a report."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from ganctl.store.places import cache_dir
from tests.conftest import TINY
from tests.reliability.calling import complaint, listing, unexplained
from tests.reliability.hostile import PAYLOAD, bomb, corpus, npz_bomb, set_value, torch_bomb, zip_bomb
from tests.reliability.sandbox import MOST_USED, watched
from tests.reliability.test_damaged_folders import train_here

NAME = "<img src=x onerror=alert(1)>$\\frac$"  # of an arm: markup of pages, and of figures too
COMMANDS = [
    ["train", "--resume", "run", "--show-config"],
    ["sample", "run", "--num", "4"],
    ["sample", "run", "--progress"],
    ["evaluate", "run", "--features", "pixels", "--num", "20", "--metrics", "precision"],
    ["train", "--resume", "run"],
    ["train", "--resume", "run", "steps=9"],
]
STUDY = [*TINY, "steps=4", "loss=minimax,hinge", "seed=0", "name=study", "jobs=1"]


def _begin() -> None:
    import platform
    import tempfile

    import torch
    import torch._dynamo

    import ganctl.commands.compare_losses
    import ganctl.commands.evaluate
    import ganctl.commands.sample
    import ganctl.commands.train
    import ganctl.report.comparison
    import ganctl.report.table  # noqa: F401  (every fork has them then)

    platform.processor()  # asks uname once
    tempfile.gettempdir()  # looks once whether it can write there
    torch.set_num_threads(1)


def prepare(place: Path) -> Path:
    """Trains a run in run/ and a comparison in outputs/ of the folder, and gives it."""
    _begin()
    commands = [["train", *TINY, "steps=6", "name=run", "output_dir=made"], ["compare-losses", *STUDY]]
    done = watched(commands, place, [place, cache_dir()], train_here, 300)
    assert [ending.code for ending in done.endings] == [0, 0], (done.died, done.endings)
    (run,) = place.glob("made/*/*-run")
    run.rename(place / "run")
    return place


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("whole"))


def faults_of(make, whole: Path, place: Path, commands=COMMANDS) -> list[str]:
    """What went wrong where commands met a run folder that `make` has made hostile."""
    shutil.copytree(whole / "run", place / "run")
    (place / "secret").mkdir()
    (place / "secret" / "notes.txt").write_text("a secret\n")
    marker = place / "marker"
    make(place / "run", marker)
    before = listing(place, skip=place / "run")
    seen = watched(commands, place, [place / "run", cache_dir()], train_here, 120)
    faults = [*seen.deeds, *filter(None, [seen.died])]
    if marker.exists():
        faults.append("code of the folder was executed")
    if seen.used > MOST_USED:
        faults.append(f"used {seen.used / 2**30:.1f} GB")
    for words, ending in zip(commands, seen.endings, strict=False):
        fault = complaint(ending, begun=words[0] == "evaluate") or unexplained(ending)
        if fault:
            faults.append(f"{' '.join(words)}: {fault}")
    if listing(place, skip=place / "run") != before:
        faults.append("something outside the folder has changed")
    return faults


CORPUS = corpus()


def met(whole: Path, place: Path, every_command: bool, every: int = 1) -> dict[str, list[str]]:
    """What went wrong, by what was hostile, of each or of each second one and so on.

    Each meets all commands, or one that looks and one that goes on.
    """
    found = {}
    for number, (what, make) in list(enumerate(CORPUS.items()))[::every]:
        here = place / str(number)
        here.mkdir()
        commands = COMMANDS if every_command else [COMMANDS[number % 4], COMMANDS[4 + number % 2]]
        if faults := faults_of(make, whole, here, commands):
            found[what] = faults
        shutil.rmtree(here)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.long)])
def test_no_hostile_run_folder_gets_anywhere(whole, tmp_path, every):
    assert met(whole, tmp_path, every_command=False, every=every) == {}


def test_the_bombs_would_go_off(tmp_path):
    import pickle
    import subprocess

    code = "import pickle, sys; pickle.loads(open(sys.argv[1], 'rb').read())"
    (tmp_path / "bomb").write_bytes(bomb(tmp_path / "marker"))
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "bomb")], check=False, stderr=subprocess.DEVNULL)
    assert (tmp_path / "marker").exists() and pickle.dumps(1)


@pytest.mark.slow
@pytest.mark.parametrize("make", [bomb, torch_bomb, npz_bomb, lambda marker: zip_bomb()])
def test_hostile_weights_of_the_feature_network_are_refused(whole, tmp_path, make):
    (tmp_path / "weights.pth").write_bytes(make(tmp_path / "marker"))
    shutil.copytree(whole / "run", tmp_path / "run")
    words = ["evaluate", "run", "--features", "inception", "--weights", "weights.pth", "--num", "20"]
    seen = watched([words], tmp_path, [tmp_path / "run", cache_dir()], None, 100)
    assert not seen.deeds and not seen.died and not (tmp_path / "marker").exists()
    assert seen.endings[0].code == 2 and complaint(seen.endings[0]) is None, seen.endings


def _hostile_comparison(place: Path) -> Path:
    """A comparison with markup in every word that a report shows."""
    home = place / "outputs" / "comparisons" / "study"
    values = json.loads((home / "comparison.json").read_text())
    values["created"], values["source"], values["versions"] = PAYLOAD, PAYLOAD, {PAYLOAD: PAYLOAD}
    arms = {f"{arm}{NAME}": entry for arm, entry in values["arms"].items()}
    for entry in arms.values():
        entry["overrides"] = [f"loss={PAYLOAD}", PAYLOAD]
    values["arms"], values["definition"] = (
        arms,
        {f"{arm}{NAME}": entry for arm, entry in values["definition"].items()},
    )
    values["published"] = {arm: {"loss/generator": 1.0} for arm in arms}
    values["commands"] = [PAYLOAD, f"```\n{PAYLOAD}"]
    (home / "comparison.json").write_text(json.dumps(values))
    first, second = sorted(home.glob("cells/*/*/run.json"))
    for file in (first, second):
        set_value(file, "device", PAYLOAD)
        set_value(file, "papers", {"loss": PAYLOAD})
        set_value(file, "findings", [{"verdict": PAYLOAD, "since": 2, "because": PAYLOAD}])
        set_value(file, "verdict", PAYLOAD)
    set_value(second, "status", "failed")
    set_value(second, "error", PAYLOAD)
    return home


@pytest.mark.slow
def test_markup_in_names_reaches_the_report_as_text(whole, tmp_path):
    from ganctl.report.comparison import write_report

    shutil.copytree(whole / "outputs", tmp_path / "outputs")
    home = _hostile_comparison(tmp_path)
    write_report(home)
    page = (home / "report.html").read_text()
    assert "document.title" in page  # as text
    assert "<script" not in page and "<img src='" not in page and "<img src=x" not in page
    assert not re.findall(r"<[^>]*\bon\w+\s*=", page)
    text = (home / "report.md").read_text()
    assert PAYLOAD in text  # in a block of code, which is indented
    shown = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not any(harm in line for line in shown for harm in ("<script", "<img src=x", "```"))
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    from tests.report.test_browser import browse

    (home / "copy.html").write_text(page)
    done = browse(
        home / "copy.html",
        tmp_path,
        "--dump-dom",
        "--virtual-time-budget=3000",
        f"--log-net-log={tmp_path / 'net.json'}",
    )
    assert "<title>owned" not in done.stdout and "document.title" in done.stdout
    assert "127.0.0.1:9" not in re.sub(r'"command_line".*', "", (tmp_path / "net.json").read_text())


PLACES = [
    "/etc",
    "../../../secret",
    "cells/../../../../secret",
    "cells/minimax/../../../..",
    "",
    "cells",
    "\x00",
    "cells/x/seed-0/../../..",
]


@pytest.mark.slow
@pytest.mark.parametrize("folder", PLACES)
def test_a_cell_outside_of_its_comparison_is_refused(whole, tmp_path, folder):
    shutil.copytree(whole / "outputs", tmp_path / "outputs")
    home = tmp_path / "outputs" / "comparisons" / "study"
    set_value(home / "comparison.json", "arms", "hinge", "seeds", "0", "folder", folder)
    before = listing(tmp_path, skip=home)
    seen = watched([["compare-losses", *STUDY]], tmp_path, [home, cache_dir()], train_here, 60)
    assert not seen.deeds and not seen.died
    assert seen.endings[0].code == 2 and complaint(seen.endings[0]) is None, seen.endings
    assert listing(tmp_path, skip=home) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "word", [f"compare.source={PAYLOAD!r}", f"name={PAYLOAD}", f"compare.published={{'{PAYLOAD}':{{a:1}}}}"]
)
def test_markup_on_the_command_line_is_refused_or_taken_as_text(whole, tmp_path, word):
    shutil.copytree(whole / "outputs", tmp_path / "outputs")
    seen = watched([["compare-losses", *STUDY, word]], tmp_path, [tmp_path / "outputs", cache_dir()], train_here, 60)
    assert not seen.deeds and not seen.died and complaint(seen.endings[0], {0, 2}, begun=True) is None, seen.endings
    for page in tmp_path.rglob("report.html"):
        assert "<script" not in page.read_text()


def long_form() -> dict[str, int | str]:
    """Every hostile folder, every command."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "whole").mkdir()
        found = met(prepare(Path(folder) / "whole"), Path(folder), every_command=True)
    assert not found, json.dumps(found, indent=1)
    return {"hostile run folders": len(CORPUS), "commands on them": len(CORPUS) * len(COMMANDS), "faults": 0}
