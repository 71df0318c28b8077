"""Comparisons by metrics: every cell by one protocol, or no table."""

import json
import re
import shutil

import pytest

from ganctl.report.comparison import write_report
from ganctl.terminal.live import Activity
from tests.conftest import TINY, called

WORDS = [*TINY, "steps=8", "loss=minimax,nonsaturating", "seed=0,1", "name=c", "features=pixels", "evaluate_num=60"]
MEASURED = ["metrics=kid,recall", "evaluate_every=4"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A comparison with metrics, on 80 columns."""
    home = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        done = called("compare-losses", *WORDS, *MEASURED, "compare.outcome=metric/kid", cwd=home)
    assert done.returncode == 0, done.stderr
    return home / done.stdout.strip().splitlines()[-1], done


@pytest.fixture
def copy(made, tmp_path):
    """The same to work on, and its folder."""
    return shutil.copytree(made[0], tmp_path / "outputs" / "comparisons" / "c")


def entries(path):
    return {file: json.loads(file.read_text())["evaluations"] for file in sorted(path.glob("cells/*/*/metrics.json"))}


@pytest.mark.slow
def test_every_cell_is_measured_by_one_protocol(made):
    path, done = made
    found = entries(path)
    assert len(found) == 4 and all(len(list_) == 1 for list_ in found.values())
    assert len({list_[-1]["fingerprint"] for list_ in found.values()}) == 1
    comparison = json.loads((path / "comparison.json").read_text())
    metrics = comparison["metrics"]
    assert metrics["fingerprint"] == next(iter(found.values()))[-1]["fingerprint"]
    for arm, values in metrics["arms"].items():
        own = [list_[-1]["metrics"]["kid"]["value"] for file, list_ in found.items() if file.parts[-3] == arm]
        assert values["kid"]["mean"] == pytest.approx(sum(own) / 2) and values["kid"]["count"] == 2
    assert metrics["floors"]["kid"] is not None
    assert "measured 4 of 4" in done.stderr


@pytest.mark.slow
def test_the_metric_decides_where_it_is_the_outcome(made):
    path, _ = made
    comparison = json.loads((path / "comparison.json").read_text())
    for file, list_ in entries(path).items():
        cell = comparison["arms"][file.parts[-3]]["seeds"][file.parts[-2].removeprefix("seed-")]
        assert cell["outcome"] == list_[-1]["metrics"]["kid"]["value"] == cell["final"]["metric/kid"]
    assert any("kernel distance of features, lower being better" in line for line in comparison["verdict"]["sentences"])


@pytest.mark.slow
def test_the_report_shows_table_curves_floor_and_steps_to_a_threshold(made):
    path, _ = made
    comparison = json.loads((path / "comparison.json").read_text())
    assert (path / "figures" / "metrics.png").stat().st_size > 5000
    for name in ("report.html", "report.md"):
        text = (path / name).read_text()
        assert "How good the samples are" in text and comparison["metrics"]["fingerprint"] in text
        assert "real samples" in text and "As good as minimax ended" in text
    rows = (path / "report.md").read_text().splitlines()
    tables = [place for place, row in enumerate(rows) if row.startswith("| --- |")]
    assert len(tables) >= 3
    for place in tables:  # in Markdown a table has no empty line
        assert rows[place - 1].count("|") >= rows[place].count("|") > 2 and rows[place + 1].startswith("| ")
    reach = comparison["reach"]
    assert reach["tag"] == "metric/kid" and {*reach["steps"]} == {"minimax", "nonsaturating"}
    for arm in reach["steps"]:
        assert {*reach["steps"][arm]} == {"0", "1"}
    assert reach["steps"]["minimax"]["0"] is not None or reach["steps"]["minimax"]["1"] is not None


@pytest.mark.slow
def test_arm_and_seed_fit_beside_the_metrics_on_a_terminal(made):
    _, done = made
    top = next(line for line in done.stderr.splitlines() if line.startswith("┏"))
    rows = [line for line in done.stderr.splitlines() if line.startswith("│ ")]
    assert len(top) <= 80 and top.endswith("┓")
    assert {row[2:14].strip() for row in rows} >= {"minimax"} and {row.split("│")[2].strip() for row in rows} >= {
        "0",
        "1",
    }


@pytest.mark.slow
def test_ctrl_c_while_measuring_says_how_to_go_on(copy, call, monkeypatch):
    def interrupted(*_words):
        raise KeyboardInterrupt

    monkeypatch.setattr("ganctl.studies.measuring.CellEvaluators.evaluate", interrupted)
    done = call("compare-losses", *WORDS, *MEASURED, "compare.outcome=metric/kid", cwd=copy.parents[2])
    assert done.returncode == 130 and "stopped; the same command goes on: ganctl " in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_cells_of_different_protocols_are_not_tabulated(copy):
    file = next(iter(entries(copy)))
    content = json.loads(file.read_text())
    content["evaluations"][-1]["protocol"]["num_fake"] = 61
    file.write_text(json.dumps(content))
    comparison = write_report(copy)
    assert "2 different protocols, which do not compare" in comparison["metrics"]["refused"]
    assert not any(
        "metric/kid" in cell["final"] for arm in comparison["arms"].values() for cell in arm["seeds"].values()
    )
    assert comparison["metrics"]["refused"] in (copy / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_the_same_command_measures_what_was_measured_otherwise_again(copy, call):
    file = next(iter(entries(copy)))
    content = json.loads(file.read_text())
    before = content["evaluations"][-1]["metrics"]["kid"]["value"]
    content["evaluations"][-1] |= {"fingerprint": "0" * 16, "protocol": {"split": "test"}}
    content["evaluations"][-1]["metrics"]["kid"]["value"] = -1
    file.write_text(json.dumps(content))
    home = copy.parents[2]
    done = call("compare-losses", *WORDS, *MEASURED, "compare.outcome=metric/kid", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 cells are finished already" in done.stderr and done.stderr.count("measured ") == 1
    assert json.loads(file.read_text())["evaluations"][-1]["metrics"]["kid"]["value"] == pytest.approx(before, rel=1e-6)
    assert "refused" not in json.loads((copy / "comparison.json").read_text())["metrics"]


@pytest.mark.long
@pytest.mark.usefixtures("unillustrated")
def test_a_finished_study_is_measured_later_without_training_anything(tmp_path, call, monkeypatch):
    assert call("compare-losses", *WORDS, cwd=tmp_path).returncode == 0
    told = []
    monkeypatch.setattr(Activity, "tell", lambda _, text: told.append(text))
    done = call("compare-losses", *WORDS, "metrics=kid", cwd=tmp_path)
    assert done.returncode == 0 and "4 of 4 cells are finished already" in done.stderr
    comparison = json.loads((tmp_path / done.stdout.strip() / "comparison.json").read_text())
    assert comparison["metrics"]["arms"]["minimax"]["kid"]["count"] == 2
    assert "reach" not in comparison  # one measurement is no curve
    assert "cell 1 of 4  kid, 1 of 1  minimax seed=0" in told  # what it is about, and what is left where that is known
    assert any(re.fullmatch(r"cell 3 of 4, 0:00:\d\d left  kid, 1 of 1  minimax seed=1", text) for text in told)
    assert "arm 2 of 2, nonsaturating" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare.outcome=metric/kid"], "compare.outcome=metric/kid: kid is not measured; add metrics=kid"),
        (["metrics=kid", "compare.outcome=metric/kid", "compare.checkpoint=best"], "only measured at the end"),
        (["metrics=modes"], "modes needs the classes of the data"),
        (
            ["evaluate_num=50,60", "metrics=kid"],
            "evaluate_num=50: every cell is measured in one way; give evaluate_num one",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_trained(folder, call, words, message):
    given = [word for word in WORDS if not word.startswith("evaluate_num")]
    done = call("compare-losses", *given, *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert message in done.stderr
    assert not (folder / "outputs").exists()
