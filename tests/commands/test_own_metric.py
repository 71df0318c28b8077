"""A metric that a plugin's game brings, from its training to the report of a comparison."""

import importlib
import json
import shutil
import sys

import pytest

from ganctl.games import GAMES
from tests.conftest import TINY, called, scalars

PLUGIN = """
from ganctl.games import GAMES, GameMetric
from ganctl.games.gan import Gan

class Odd(Gan):
    metrics = {
        "spread": GameMetric("deviation within a sample", "higher", least=0),
        "sevens": GameMetric("seven, whatever comes", "none", most=7),
    }

    def own_figures(self, real, noise):
        made = self.sample(len(real), noise).flatten(1)
        return {"spread": made.std(dim=1), "sevens": (made[:, 0] * 0 + 7)}

class Even(Odd):
    metrics = {"spread": GameMetric("deviation within a sample", "lower")}

GAMES["odd"], GAMES["even"] = Odd, Even
"""
GAME = ["plugins=[my_measured]", "game=odd", *TINY]
PLAIN = ["plugins=[my_measured]", "game=gan", *TINY]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the plugin, which no other test sees, and a run of its game on points."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_measured.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(folder)])
        for name in ("odd", "even"):
            patch.setitem(GAMES, name, GAMES["gan"])  # so that what the plugin adds is taken out again
        yield folder
    sys.modules.pop("my_measured", None)


@pytest.fixture(scope="module")
def compared(home):
    """A tiny comparison that is judged by the metric, which is measured while its cells train too."""
    words = ["loss=minimax,nonsaturating", "seed=0", "steps=6", "features=pixels", "evaluate_num=40", "name=own"]
    judged = ["metrics=[spread,sevens,kid]", "evaluate_every=2", "compare.outcome=metric/spread"]
    done = called("compare-losses", *GAME, *words, *judged, cwd=home)
    assert done.returncode == 0, done.stderr
    return home / done.stdout.strip().splitlines()[-1], done


@pytest.mark.slow
def test_evaluate_measures_it_and_says_which_way_is_better(home, call):
    done = call("train", *GAME, "steps=4", "name=alone", cwd=home)
    assert done.returncode == 0, done.stderr
    words = [done.stdout.strip(), "--plugin", "my_measured", "--features", "pixels", "--num", "40", "--json"]
    done = call("evaluate", *words, "--metrics", "spread,sevens", "--fail-if", "sevens>6", cwd=home)
    assert done.returncode == 1 and "sevens is 7, and --fail-if says sevens>6" in done.stderr, done.stderr
    found = json.loads(done.stdout)["metrics"]
    assert found["sevens"]["value"] == found["sevens"]["high"] == 7 and found["sevens"]["standard_error"] == 0
    assert found["spread"]["low"] < found["spread"]["value"] < found["spread"]["high"]
    assert found["spread"]["floor"] is None  # no real image has a generator
    assert (found["spread"]["label"], found["spread"]["better"]) == ("deviation within a sample", "higher")
    assert "spread" in done.stderr and "higher" in done.stderr


def test_evaluate_measures_it_of_points_and_without_being_told_to(home, call):
    run = call("train", *GAME, "data=ring8", "steps=2", "name=points", cwd=home).stdout.strip()
    done = call("evaluate", run, "--plugin", "my_measured", "--num", "40", "--json", cwd=home)
    found = json.loads(done.stdout)["metrics"]
    assert [*found] == ["modes", "high_quality", "class_kl", "sliced_wasserstein", "spread", "sevens"]
    assert found["sevens"]["value"] == 7 and found["spread"]["low"] >= 0


@pytest.mark.slow
def test_a_comparison_is_judged_by_it_and_its_report_says_what_it_is(compared):
    path, done = compared
    comparison = json.loads((path / "comparison.json").read_text())
    outcomes = {arm: values["seeds"]["0"]["outcome"] for arm, values in comparison["arms"].items()}
    assert all(value > 0 for value in outcomes.values())
    (pair,) = comparison["pairs"]
    assert (pair["wins"] == 1) == (outcomes["nonsaturating"] > outcomes["minimax"])
    assert "deviation within a sample, higher being better" in done.stderr
    for page in ("report.md", "report.html"):
        text = (path / page).read_text()
        assert "spread: deviation within a sample, higher is better" in text
        assert "sevens: seven, whatever comes" in text and "none is better" not in text
    curves = (path / "figures" / "metrics.svg").read_text()
    assert "deviation within a sample (higher is better)" in curves and "none is better" not in curves


@pytest.mark.slow
def test_it_is_measured_while_a_cell_trains_and_the_best_is_the_highest(compared):
    path, _ = compared
    (cell,) = path.glob("cells/minimax/*")
    rows = {row["step"]: row["metric/spread"] for row in scalars(cell) if "metric/spread" in row}
    assert len(rows) > 1
    info = json.loads((cell / "run.json").read_text())
    regular = {step: value for step, value in rows.items() if step >= 3}  # checkpoint_every=3
    assert info["best_step"] == max(regular, key=regular.get)


@pytest.mark.slow
def test_a_report_needs_no_plugin(compared, tmp_path, monkeypatch, unillustrated):
    from ganctl.report.comparison import write_report

    path = shutil.copytree(compared[0], tmp_path / "copy")
    before = json.loads((path / "comparison.json").read_text())
    monkeypatch.delitem(GAMES, "odd")
    write_report(path)
    assert json.loads((path / "comparison.json").read_text()) == before
    assert "spread: deviation within a sample, higher is better" in (path / "report.md").read_text()


@pytest.mark.parametrize(
    ("game", "words", "message"),
    [
        (GAME, ["metrics=[sprad]"], "metrics=sprad: no such metric; choose from fid,"),
        (GAME, ["metrics=[sprad]"], "spread, sevens (did you mean spread?)"),
        (PLAIN, ["metrics=[spread]"], "metrics=spread: no such metric"),
        (GAME, ["metrics=[sevens]", "compare.outcome=metric/sevens"], "compare.outcome=metric/sevens: choose from"),
    ],
)
def test_what_its_game_has_not_is_refused_before_anything_is_trained(home, call, game, words, message):
    done = call("compare-losses", *game, "loss=minimax,hinge", "name=refused", *words, cwd=home)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (home / "outputs" / "comparisons" / "refused").exists()


def test_one_name_is_one_metric_in_every_arm(home, call):
    words = ["plugins=[my_measured]", "game=odd,even", *TINY, "features=pixels", "metrics=[spread]", "name=refused"]
    done = call("compare-losses", *words, cwd=home)
    assert done.returncode == 2 and "metrics=spread: is deviation within a sample, higher, in one arm" in done.stderr
    assert not (home / "outputs" / "comparisons" / "refused").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('GameMetric("x", "up")', "better=up: choose from lower, higher, none"),
        ('GameMetric("", "lower")', "label=: say in words what it is"),
    ],
)
def test_a_metric_that_says_nothing_is_refused(home, call, line, message):
    (home / "my_wrong.py").write_text(PLUGIN.replace('GameMetric("seven, whatever comes", "none", most=7)', line))
    importlib.invalidate_caches()
    done = call("train", "plugins=[my_wrong]", "game=odd", *TINY, "steps=1", cwd=home)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
