"""A sweep makes arms and seeds; the same study has the same folder, another one another."""

import json
import os
import sys

import pytest

from ganctl.errors import BadInput
from ganctl.studies import planning, study
from tests.conftest import TINY, assert_same_weights, train


def cells(*overrides):
    return [(cell.arm, cell.seed) for cell in planning.plan(overrides).cells]


def test_no_arguments_make_the_classic_comparison():
    assert cells() == [(arm, seed) for seed in range(6) for arm in ("minimax", "nonsaturating")]
    # The discriminator is ahead there, and at equal rates where the arms are named.
    (ahead, *_), (equal, *_) = (planning.plan(words).cells for words in ([], ["loss=minimax,nonsaturating"]))
    assert ahead.config.optim.discriminator_lr > ahead.config.optim.lr and equal.config.optim.discriminator_lr is None


@pytest.mark.parametrize(
    "words",
    [["data=mnist"], ["seed=7,8"], ["model=mlp", "steps=5"], ["name=mine"], ["compare.outcome=quality/diversity"]],
)
def test_a_command_that_names_no_arms_changes_the_default_study(words):
    assert all(cell.config.optim.discriminator_lr > cell.config.optim.lr for cell in planning.plan(words).cells)


@pytest.mark.parametrize(
    "words", [["compare.arms=['loss=minimax','loss=hinge']"], ["experiment=seed_ablation"], ["data=ring8"]]
)
def test_a_command_that_names_arms_an_experiment_or_points_is_that_study(words):
    assert all(cell.config.optim.discriminator_lr is None for cell in planning.plan(words).cells)


def test_options_of_a_plugins_loss_are_swept_like_any_other():
    made = planning.plan(["plugins=[mine]", "loss=mine", "loss.margin=0.5,2"])
    assert [made.definition[arm]["loss"] for arm in made.arms] == [
        {"name": "mine", "margin": 0.5}, {"name": "mine", "margin": 2}
    ]  # fmt: skip


def test_a_study_knows_the_source_of_its_plugins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    words = ["plugins=[my_source]", "loss=mine,hinge"]
    (tmp_path / "my_source.py").write_text("a = 1\n")
    first = planning.plan(words)
    assert planning.plan(words).path == first.path
    (tmp_path / "my_source.py").write_text("a = 2\n")
    assert planning.plan(words).path != first.path


def test_a_seed_is_no_part_of_an_arm():
    with pytest.raises(BadInput, match="a seed repeats every arm"):
        planning.plan(['compare.arms=["loss=hinge","loss=minimax seed=7"]'])


def test_a_long_name_of_an_arm_stays_a_name_that_a_file_system_takes():
    widths = ",".join(["16"] * 90)
    made = planning.plan(["model=mlp", f"model.generator_widths=[{widths}],[{widths},8]"])
    folders = {cell.folder.path.parent.name for cell in made.cells}
    assert len(folders) == 2 and all(len(name) <= 100 for name in folders)


def test_what_an_arm_cannot_be_names_the_arm():
    with pytest.raises(
        BadInput,
        match="^arm hinge: loss.half=true: loss=hinge has no half; it belongs to",
    ):
        planning.plan(["loss=nonsaturating,hinge", "loss.half=true"])


def test_every_swept_key_but_the_seed_makes_arms():
    assert cells("loss=minimax,nonsaturating", "seed=3,5") == [
        ("minimax", 3), ("nonsaturating", 3), ("minimax", 5), ("nonsaturating", 5),
    ]  # fmt: skip
    assert cells("loss=minimax,nonsaturating", "optim.beta1=0.5,0.9", "seed=0") == [
        (f"{loss},optim.beta1={beta}", 0) for loss in ("minimax", "nonsaturating") for beta in ("0.5", "0.9")
    ]
    assert cells("optim.beta1=0.5,0.9", "seed=range(2)") == [
        (f"optim.beta1={beta}", seed) for seed in (0, 1) for beta in ("0.5", "0.9")
    ]


def test_a_key_without_default_may_be_swept():
    assert cells("data=folder", "data.root=a,b", "seed=0") == [("data.root=a", 0), ("data.root=b", 0)]


def test_a_path_in_a_sweep_is_taken_as_it_is_up_to_the_comma():
    def roots(word):
        return [cell.config.data.root for cell in planning.plan(["data=folder", word, "seed=0"]).cells]

    assert roots("data.root=~/my pics,Bücher [2]=x") == ["~/my pics", "Bücher [2]=x"]
    assert roots("data.root='a,b',c") == ["a,b", "c"]
    assert roots('data.root="a b",Tom\'s') == ["a b", "Tom's"]


def test_a_path_in_an_arm_is_taken_as_it_is():
    made = planning.plan(
        ["data=folder", "data.root=x", """compare.arms=["data.root='my (old) pics'",'data.root="a=b, c"']""", "seed=0"]
    )
    assert [cell.config.data.root for cell in made.cells] == ["my (old) pics", "a=b, c"]


def test_the_folder_of_a_comparison_may_begin_with_a_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    made = planning.plan(["output_dir=~/my runs", "name=a, b"])
    assert str(made.path) == "/home/somebody/my runs/comparisons/a, b"


# What looks at a run, and what nothing looks at: two values of it make the same weights.
WITHOUT_EFFECT = {
    "log_every=2,3": [], "sample_every=2,3": [], "probe_every=2,3": [], "checkpoint_every=2,3": [],
    "ema_start=0,3": ["ema_decay=null"], "optim.end_factor=0,0.5": ["optim.schedule=constant"],
    "game.continuous_weight=0.1,2": ["game=infogan", "game.continuous=0"],
    "game.information_weight=0.1,2": ["game=infogan", "game.categories=0"],
}  # fmt: skip
# The other ones that look are looked through at once in tests/reliability/test_same_result.py.
LONG = ("sample_every=2,3", "probe_every=2,3", "checkpoint_every=2,3")
TRAINED = [pytest.param(sweep, marks=pytest.mark.long if sweep in LONG else ()) for sweep in WITHOUT_EFFECT]
BESIDE = [pytest.param(sweep, marks=() if sweep == "log_every=2,3" else pytest.mark.long) for sweep in WITHOUT_EFFECT]


def assert_refused_as_equal(sweep, words):
    with pytest.raises(BadInput, match="differ in nothing that decides a result") as caught:
        planning.plan(words)
    assert str(caught.value).count(f"{sweep.split('=')[0]}=") == 2


@pytest.mark.parametrize("sweep", WITHOUT_EFFECT)
def test_a_sweep_that_changes_no_weight_is_refused(sweep):
    assert_refused_as_equal(sweep, [*WITHOUT_EFFECT[sweep], sweep])


@pytest.mark.parametrize("sweep", TRAINED)
def test_what_is_refused_because_it_changes_no_weight_changes_none(folder, sweep):
    words, key = WITHOUT_EFFECT[sweep], sweep.split("=")[0]
    values = sweep.split("=")[1].split(",")
    runs = [train([*TINY, "steps=6", *words, f"{key}={value}", f"name={place}"]) for place, value in enumerate(values)]
    assert_same_weights(*runs)


@pytest.mark.parametrize("sweep", BESIDE)
def test_a_sweep_that_changes_no_weight_is_refused_beside_one_that_does_too(sweep):
    assert_refused_as_equal(sweep, [*WITHOUT_EFFECT[sweep], sweep, "loss=minimax,nonsaturating"])


@pytest.mark.parametrize(
    "words",
    [
        ["ema_start=0,3"],
        ["optim.end_factor=0,0.5", "optim.schedule=linear"],
        ["game.continuous_weight=0.1,2", "game=infogan"],
        ["game.information_weight=0.1,2", "game=infogan"],
        ["sample_every=2,3", "compare.checkpoint=best"],
        ["log_every=2,3", "compare.checkpoint=best"],
        ["threads=1,2"],
        ["precision=fp32,bf16"],
    ],
)
def test_a_sweep_that_may_change_what_is_judged_is_taken(words):
    assert len(planning.plan(words).arms) == 2


def test_seeds_and_settings_alone_keep_the_default_arms():
    assert cells("seed=7", "steps=3") == [("minimax", 7), ("nonsaturating", 7)]


def test_an_experiment_brings_its_arms():
    plan = planning.plan(["experiment=seed_ablation", "epochs=3", "seed=0"])
    assert list(plan.arms) == ["minimax", "minimax_swapped", "nonsaturating"]
    assert {(cell.config.epochs, cell.config.data.name, cell.config.optim.beta1) for cell in plan.cells} == {
        (3, "mnist", 0.9)
    }


def test_a_cell_is_the_arms_configuration_with_its_seed():
    made = planning.plan(["steps=3"])
    for cell in made.cells:
        assert (cell.config.loss.name, cell.config.seed, cell.config.steps) == (cell.arm, cell.seed, 3)
        assert cell.folder.path.parts[-4:-2] == (made.path.name, "cells")
        assert cell.folder.path.name == f"seed-{cell.seed}"


def test_the_folder_changes_with_the_study_and_not_with_its_seeds():
    names = {planning.plan(words).path for words in ([], ["seed=0,1,2"], ["jobs=2"], ["device=cpu"])}
    assert len(names) == 1
    assert planning.plan(["steps=3"]).path not in names
    assert planning.plan(["name=mine", "output_dir=elsewhere"]).path.as_posix() == "elsewhere/comparisons/mine"


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["loss=minimax"], "loss=minimax: is one arm"),
        (["loss=minimax,typo"], "loss=typo: no such loss"),
        (["loss=minimax,minimax"], "two arms have one name"),
        (["jobs=1,2"], "differ in nothing that decides a result"),
        (["loss=minimax,hinge", "loss=nonsaturating"], "loss=minimax,hinge and loss=nonsaturating: say two things"),
        (["optim.lr=0.1,0.2", "optim.lr=0.3,0.4"], "optim.lr=0.1,0.2 and optim.lr=0.3,0.4: say two things"),
        (["experiment=jg", "experiment=seed_ablation"], "experiment=jg and experiment=seed_ablation: say two things"),
        (["seed=1,1"], "seed=1,1: names a seed twice"),
        (
            ["compare.arms=[hinge,minimax]"],
            "hinge cannot be read \\(it has no =\\); write overrides",
        ),
        (["loss=glob(*)"], "cannot be swept"),
        (["optim.lr=interval(0,1)"], "cannot be swept"),
        (["loss=choice(1,2),relativistic_average"], "has several values inside of one, which cannot be swept"),
        (["seed=choice(1,2),3"], "seed=choice.1,2.,3: has several values inside of one"),
        (["model.latent_dim=range(1,3),5"], "has several values inside of one"),
        (["model.generator_widths=[choice(1,2)]"], "has several values inside of one"),
        (["compare.arms=[glob(*)]"], "has several values inside of one"),
        (["compare.seeds=[]"], "a comparison needs a seed"),
        (["compare.arms=[]"], "makes 0 arms"),
        (['compare.arms=["","loss=hinge"]'], "an arm is empty"),
        (['compare.arms=["loss=hinge","loss=minimax"]', "penalty=none,r1"], "both make arms"),
        (["seed=a,b"], "seed=a,b: seeds are whole numbers"),
        (["steps=0,5"], "steps=0: must be at least 1"),
        (["loss=minimax,nonsaturating", "epochs=1", "steps=1"], "epochs and steps are both named"),
    ],
)
def test_what_is_no_comparison_is_refused(overrides, line):
    with pytest.raises(BadInput, match=line):
        planning.plan(overrides)


def refused(study_, before):
    with pytest.raises(BadInput) as caught:
        study.refuse_other_study(
            study_, json.loads(json.dumps({"definition": before.definition, "rules": before.rules}))
        )
    return str(caught.value)


def test_another_study_under_a_taken_name_is_refused_with_the_difference():
    first, second = planning.plan(["steps=3", "name=a"]), planning.plan(["steps=4", "name=a"])
    study.refuse_other_study(first, json.loads(json.dumps({"definition": first.definition, "rules": first.rules})))
    assert refused(second, first).endswith("(steps is 3 there and 4 here); choose another name=")
    assert "its arms are minimax, nonsaturating" in refused(planning.plan(["optim.beta1=0.5,0.9", "name=a"]), first)


def test_how_arms_are_judged_is_fixed_before_they_run():
    first = planning.plan(["name=a"])
    best = planning.plan(["name=a", "compare.checkpoint=best"])
    assert "checkpoint is last there and best here" in refused(best, first)
    assert planning.plan(["compare.checkpoint=best"]).path != planning.plan([]).path
    other = planning.plan(["name=a", "compare.outcome=quality/diversity"])
    assert "outcome is quality/sliced_wasserstein there" in refused(other, first)
    with pytest.raises(BadInput, match=r"compare.outcome=fid: choose from quality/sliced_wasserstein"):
        planning.plan(["compare.outcome=fid"])


def test_more_arms_extend_a_study_and_one_that_changed_does_not():
    first = planning.plan(["loss=minimax,nonsaturating", "name=a"])
    before = {"definition": first.definition, "rules": first.rules}
    study.refuse_other_study(planning.plan(["loss=nonsaturating,hinge", "name=a"]), before)
    longer = planning.plan(["loss=nonsaturating,hinge", "name=a", "epochs=5"])
    assert "epochs is 7 there and 5 here" in refused(longer, first)
    assert "its arms are" in refused(planning.plan(["loss=hinge,least_squares", "name=a"]), first)


def test_any_key_can_be_an_arm():
    arms = planning.plan(["model=mlp,dcgan", "penalty=none,r1"]).definition
    assert {arm: (made["model"]["name"], made["penalty"]["name"]) for arm, made in arms.items()} == {
        f"{model},{penalty}": (model, penalty) for model in ("mlp", "dcgan") for penalty in ("none", "r1")
    }


GRID = 'tune=["optim.lr=0.0002,0.001","optim.beta1=0,0.5"]'


def test_every_arm_gets_the_same_trials_on_seeds_of_their_own():
    made = planning.plan([GRID, "compare.tune_seeds=[50,51]", "seed=0,1"])
    points = [f"optim.lr={lr} optim.beta1={beta}" for lr in ("0.0002", "0.001") for beta in ("0", "0.5")]
    assert {arm: list(grid) for arm, grid in made.trials.items()} == dict.fromkeys(made.arms, points)
    for arm, grid in made.trials.items():
        for point, cells_ in grid.items():
            assert [cell.seed for cell in cells_] == [50, 51]
            for cell in cells_:
                assert (cell.config.loss.name, cell.point) == (arm, point)
                assert f"optim.lr={cell.config.optim.lr} optim.beta1={cell.config.optim.beta1:g}" == point
                assert cell.folder.path.parts[-4] == "trials"
    assert len({cell.folder.path for grid in made.trials.values() for cells_ in grid.values() for cell in cells_}) == 16


def test_a_tuned_study_runs_each_arm_at_its_point_under_the_same_name():
    made = planning.plan([GRID, "seed=0,1"])
    tuned = made.tuned({"minimax": "optim.lr=0.001 optim.beta1=0", "nonsaturating": "optim.lr=0.0002 optim.beta1=0.5"})
    assert {(cell.arm, cell.config.optim.lr, cell.config.optim.beta1) for cell in tuned.cells} == {
        ("minimax", 0.001, 0), ("nonsaturating", 0.0002, 0.5)
    }  # fmt: skip
    assert [cell.folder.path for cell in tuned.cells] == [cell.folder.path for cell in made.cells]
    assert tuned.arms["minimax"] == ["loss=minimax", "optim.lr=0.001", "optim.beta1=0"]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ([GRID, "seed=1000"], "none of the seeds"),
        ([GRID, "compare.tune_seeds=[]"], "must be at least one"),
        (['tune=["optim.lr=0.1"]'], "tune: optim.lr=0.1: is no axis of a grid"),
        (['tune=["seed=1,2"]'], "tune: seed=1,2: is no axis of a grid"),
        (['tune=["optim.lr=0,1"]'], "arm minimax optim.lr=0: optim.lr=0"),
        (["optim.lr=0.1,0.2", GRID], "tune: optim.lr=0.0002,0.001: is what the arms differ in"),
        (["tune=optim.lr=0.1,0.2"], r"cannot be read; write key=value without spaces, such as 'tune=\["),
    ],
)
def test_a_grid_that_cannot_be_is_refused(overrides, line):
    with pytest.raises(BadInput, match=line):
        planning.plan(overrides)


def test_threads_are_given_where_the_command_gives_none():
    assert {cell.config.threads for cell in planning.plan([]).with_threads(3).cells} == {3}
    assert {cell.config.threads for cell in planning.plan(["threads=2"]).with_threads(3).cells} == {2}
    tuned = planning.plan([GRID]).with_threads(3)
    assert {cell.config.threads for grid in tuned.trials.values() for group in grid.values() for cell in group} == {3}


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "", "0.5", "loss=minimax,optim.lr=1e-3"])
def test_an_arms_folder_is_one_plain_name(name):
    made = study.slug(name)
    assert made and os.sep not in made and made.strip(".")


def test_a_study_of_pictures_has_the_name_that_it_had_before_their_background_could_be_chosen():
    words = ["data=folder", "data.root=pictures", "loss=minimax,nonsaturating"]
    white, same, black = (
        planning.plan([*words, *more]) for more in ([], ["data.background=white"], ["data.background=black"])
    )
    assert white.definition["minimax"]["data"] == {
        "name": "folder", "root": "pictures", "image_size": 32, "channels": 3,
    }  # fmt: skip
    assert white.path == same.path != black.path
    assert [cell.config.data.background for cell in (white.cells[0], black.cells[0])] == ["white", "black"]


@pytest.mark.parametrize(
    ("data", "name", "before"),
    [
        ([], "minimax-vs-nonsaturating-mnist5k-45dd94", {"name": "mnist5k"}),
        (["data=mnist"], "minimax-vs-nonsaturating-mnist-239c0a", {"name": "mnist", "root": None}),
        (
            ["data=folder", "data.root=pictures"],
            "minimax-vs-nonsaturating-folder-b4b36e",
            {"name": "folder", "root": "pictures", "image_size": 32, "channels": 3},
        ),
    ],
)
def test_a_study_that_sets_no_newer_option_of_its_data_is_called_and_defined_as_before(data, name, before):
    words = ["loss=minimax,nonsaturating", *data]
    plain = planning.plan(words)
    assert plain.path.name == name and plain.definition["minimax"]["data"] == before
    default, fewer, hundred = (planning.plan([*words, f"data.count={count}"]) for count in ("null", 500, 100))
    assert default.path == plain.path and fewer.definition["minimax"]["data"] == {**before, "count": 500}
    assert len({plain.path, fewer.path, hundred.path}) == 3
