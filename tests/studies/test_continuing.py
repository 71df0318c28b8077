"""What `--resume` and `--verify` take: they speak of the run, not of the defaults, and find data that have moved."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from ganctl.config.schema import Mnist5k
from ganctl.data import DATASETS, ImageSet
from tests.conftest import TINY, assert_same_weights

SMALL = ["data=folder", "data.image_size=8", "data.channels=1", "batch_size=8"]


@pytest.fixture
def pictures(folder):
    """Twenty small pictures below the current folder."""
    (folder / "pictures").mkdir()
    for number in range(20):
        Image.new("L", (8, 8), 12 * number).save(folder / "pictures" / f"{number:02d}.png")
    return folder / "pictures"


def trained(call, *words):
    done = call("train", *TINY, *SMALL, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(call, *words):
    done = call("train", *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def root_of(run):
    return yaml.safe_load(Path(run, "config.yaml").read_text())["data"]["root"]


@pytest.mark.parametrize("flag", ["--resume", "--verify"])
def test_a_run_whose_pictures_have_moved_says_where_they_were_and_takes_where_they_are(call, pictures, flag):
    run = trained(call, "steps=4", "data.root=pictures")
    pictures.rename(pictures.with_name("moved"))
    more = ["steps=6"] if flag == "--resume" else []
    said = refused(call, flag, run, *more)
    assert f"data.root={pictures}: is not a folder; give data.root=DIR" in said
    done = call("train", flag, run, *more, "data.root=moved")  # what it advises, it takes
    assert done.returncode == 0, done.stderr


def test_a_run_resumed_with_moved_pictures_is_the_one_that_never_moved(call, pictures):
    whole, part = (trained(call, f"steps={steps}", "data.root=pictures", f"name={steps}") for steps in (8, 4))
    shutil.copytree(pictures, "moved")
    shutil.rmtree(pictures)
    assert call("train", "--resume", part, "steps=8", "data.root=moved").returncode == 0
    assert_same_weights(pictures.parent / whole, pictures.parent / part)
    assert root_of(part) == str(pictures.with_name("moved"))  # so that the next command finds them
    assert call("train", "--resume", part, "steps=10").returncode == 0


def test_a_complete_run_learns_where_its_pictures_are(call, pictures):
    run = trained(call, "steps=4", "data.root=pictures")
    pictures.rename(pictures.with_name("moved"))
    assert call("train", "--resume", run, "data.root=moved").returncode == 0
    assert root_of(run) == str(pictures.with_name("moved"))
    assert call("train", "--verify", run).returncode == 0


@pytest.mark.parametrize("flag", ["--resume", "--verify"])
def test_other_pictures_are_refused_and_change_nothing(call, pictures, flag):
    run = trained(call, "steps=4", "data.root=pictures")
    shutil.copytree(pictures, "other")
    Image.new("L", (8, 8), 255).save("other/00.png")
    before = root_of(run)
    said = refused(call, flag, run, "data.root=other", *(["steps=6"] if flag == "--resume" else []))
    assert "the data set has changed since this run began" in said and "train a new run" in said
    assert root_of(run) == before


def test_data_without_a_folder_have_none_to_move(call, folder):
    run = call("train", *TINY, "steps=2").stdout.strip()
    for flag in ("--resume", "--verify"):
        said = refused(call, flag, run, "data.root=somewhere")
        assert f"data.root: the data of {run} (mnist5k) lie in no folder; leave it out" in said


@pytest.mark.parametrize(
    ("word", "there"),
    [
        ("model.latent_dim=3", "model.latent_dim: cannot change in a run that has begun (it is 8 in"),
        ("loss=minimax", "loss: cannot change in a run that has begun (it is nonsaturating in"),
        ("loss=typo", "loss: cannot change in a run that has begun (it is nonsaturating in"),
        ("data.channels=3", "data.channels: cannot change in a run that has begun (it is 1 in"),
        ("game.prior=mixture", "game.prior: cannot change in a run that has begun (no such setting in"),
        ("ema_decay=null", "ema_decay: cannot change in a run that has begun (it is 0.99 in"),
        ("optim.discriminator_lr=1", "optim.discriminator_lr: cannot change in a run that has begun (it is null in"),
    ],
)
def test_what_cannot_change_names_the_run_and_its_value(call, pictures, word, there):
    run = trained(call, "steps=2", "data.root=pictures")
    said = refused(call, "--resume", run, word)
    assert f"{there} {run}); --resume takes checkpoint_every, data.root, device, epochs" in said
    said = refused(call, "--verify", run, word)
    assert f"{there} {run}); --verify takes data.root, game.content_file, plugins".replace(
        "cannot change in a run that has begun", "a run is verified as it is"
    ) in said  # fmt: skip


def test_a_value_that_cannot_be_is_refused_by_its_key(call, pictures):
    run = trained(call, "steps=2", "data.root=pictures")
    assert "steps=0: must be at least 1" in refused(call, "--resume", run, "steps=0")
    assert "epochs=many: must be a whole number or null" in refused(call, "--resume", run, "epochs=many")
    assert "epochs and steps are both null" in refused(call, "--resume", run, "steps=null")
    assert "device=gpu: choose from" in refused(call, "--resume", run, "device=gpu")


def test_a_key_with_a_group_of_a_recipe_is_judged_by_the_run(call, folder):
    # The defaults have no penalty, so they knew no penalty.weight.
    run = call("train", *TINY, "steps=2", "penalty=r1").stdout.strip()
    assert f"penalty.weight: cannot change in a run that has begun (it is 10.0 in {run})" in refused(
        call, "--resume", run, "penalty.weight=3"
    )


def test_the_configuration_that_a_run_would_go_on_with_is_shown(call, pictures):
    run = trained(call, "steps=4", "data.root=pictures")
    shown = yaml.safe_load(call("train", "--resume", run, "steps=9", "--show-config").stdout)
    assert shown["steps"] == 9 and shown["data"]["root"] == str(pictures)
    assert json.loads((pictures.parent / run / "run.json").read_text())["status"] == "completed"


@pytest.fixture
def other_labels(monkeypatch):
    """Afterwards, the digits of mnist5k have other labels."""

    def change():
        digits = DATASETS["mnist5k"](Mnist5k())
        assert digits.labels is not None
        turned = ImageSet(digits.pixels, digits.labels.flip(0))
        assert turned.fingerprint == digits.fingerprint and turned.labels_fingerprint != digits.labels_fingerprint
        monkeypatch.setitem(DATASETS, "mnist5k", lambda options: turned)

    return change


def test_the_same_pixels_with_other_labels_are_other_data(call, folder, other_labels):
    run = call("train", *TINY, "steps=2").stdout.strip()
    other_labels()
    for words in (["--resume", run, "steps=4"], ["--verify", run]):
        assert "the labels of the data set have changed since this run began" in refused(call, *words)


def test_a_run_from_before_labels_were_written_down_goes_on(call, folder):
    run = call("train", *TINY, "steps=2").stdout.strip()
    info = json.loads(Path(run, "run.json").read_text())
    assert len(info.pop("labels_fingerprint")) == 64 and "labels_fingerprint" not in info
    Path(run, "run.json").write_text(json.dumps(info))
    assert call("train", "--resume", run, "steps=4").returncode == 0


def test_pictures_without_labels_say_nothing_of_them(call, pictures):
    run = trained(call, "steps=2", "data.root=pictures")
    assert "labels_fingerprint" not in json.loads(Path(run, "run.json").read_text())


def test_a_folder_that_a_run_cannot_write_is_not_to_be_left_for_another(call, folder):
    run = call("train", *TINY, "steps=2").stdout.strip()
    Path(run, ".lock").unlink(missing_ok=True)
    Path(run, ".lock").mkdir()
    said = refused(call, "--resume", run, "steps=4")
    assert ".lock cannot be written (Is a directory); mend that, then give the same command again" in said
    assert "output_dir" not in said


def test_a_comparison_whose_pictures_have_moved_goes_on_under_its_name(call, pictures, unillustrated):
    words = ["compare-losses", *TINY, *SMALL, "loss=minimax,nonsaturating", "steps=4", "jobs=1", "name=both"]
    first = call(*words, "seed=0", "data.root=pictures")
    assert first.returncode == 0, first.stderr
    pictures.rename(pictures.with_name("moved"))
    shutil.copytree("moved", "other")
    Image.new("L", (8, 8), 255).save("other/00.png")
    other = call(*words, "seed=0,1", "data.root=other")
    assert other.returncode == 2 and "was trained on other data than there are now" in other.stderr
    assert "choose another name=" in other.stderr and len(other.stderr.splitlines()) == 1
    more = call(*words, "seed=0,1", "data.root=moved")
    assert more.returncode == 0 and "2 of 4 cells are finished already" in more.stderr
    assert root_of("outputs/comparisons/both/cells/minimax/seed-1") == str(pictures.with_name("moved"))


def test_a_command_that_is_told_can_be_typed(call, pictures):
    run = trained(call, "steps=2", "data.root=pictures", "name=my run", "output_dir=out (1)")
    said = call("train", "--resume", run).stderr
    (word,) = re.findall(r"--resume (.*) steps=4 would go on", said)
    assert shlex.split(word) == [run] and run.endswith("-my run")
