"""`ganctl train`: what it leaves in the folder, and that an interrupted run goes on as if nothing had been."""

import errno
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganctl.commands.sample import sample
from ganctl.config.choices import conf_dir
from ganctl.errors import BadInput, RunFailed
from ganctl.losses import LOSSES, PENALTIES
from ganctl.models import MODELS
from ganctl.store.run import RunFolder, broke_down
from ganctl.studies.stopping import StopAsked
from tests.conftest import (
    FULL_DATA,
    TINY,
    TINY_BUDGET,
    TINY_NETWORKS,
    assert_same_weights,
    ganctl,
    resume_run,
    scalars,
    train,
)

TAGS = {
    "loss/discriminator", "loss/generator", "yardstick/j_d", "yardstick/minus_log_d_fake",
    "yardstick/log_one_minus_d_fake", "score/real", "score/fake", "grad_norm/generator", "grad_norm/discriminator",
    "term/discriminator/adversarial", "term/generator/adversarial", "logit/real", "logit/fake",
}  # fmt: skip


def test_a_run_folder_is_complete(folder):
    run = train([*TINY, "steps=6", "seed=3"])
    assert run.parent.parent == Path("outputs") and run.name.endswith("-nonsaturating-mnist5k")
    info = json.loads((run / "run.json").read_text())
    assert (info["status"], info["seed"], info["step"], info["images_seen"]) == ("completed", 3, 6, 300)
    assert info["verdict"] is None and info["error"] is None and info["seconds"] > 0
    assert {"python", "torch", "ganctl"} <= info["versions"].keys() and len(info["data_fingerprint"]) == 64
    assert yaml.safe_load((run / "config.yaml").read_text())["steps"] == 6
    rows = scalars(run)
    assert [row["step"] for row in rows] == [1, 2, 4, 6]
    # Measured at the first step, at every fourth, which is a grid's, and at the last; probed at the first and the last.
    measured = [sorted(row.keys() - TAGS - {"step", "epoch"}) for row in rows]
    assert [[tag for tag in tags if tag.startswith("quality/")] for tags in measured] == [
        ["quality/diversity", "quality/sliced_wasserstein"] if step != 2 else [] for step in (1, 2, 4, 6)
    ]
    assert [any(tag.startswith("evidence/") for tag in tags) for tags in measured] == [True, False, False, True]
    assert all(tag.startswith(("quality/", "evidence/")) for tags in measured for tag in tags)
    assert all(row.keys() >= TAGS for row in rows)
    assert 0 < info["floor"]["quality/sliced_wasserstein"] < 0.1
    assert rows[-1]["epoch"] == pytest.approx(6 / 100)
    assert sorted(path.name for path in (run / "samples").iterdir()) == [
        f"step-{step:08d}.png" for step in (1, 4, 6)
    ]  # fmt: skip
    # Every third step's, and that of the best outcome from there on.
    outcomes = {row["step"]: row["quality/sliced_wasserstein"] for row in rows[2:]}
    assert info["best_step"] == min(outcomes, key=outcomes.get)
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [
        f"step-{step:08d}" for step in sorted({3, 6, info["best_step"]})
    ]


def test_the_newest_checkpoints_stay_and_the_best(folder):
    # By a learning rate that lets the generator fall apart: the first measured step stays the best one.
    run = train([*TINY, "steps=12", "log_every=1", "sample_every=1", "optim.lr=0.05"])
    outcomes = {row["step"]: row["quality/sliced_wasserstein"] for row in scalars(run) if row["step"] >= 3}
    best = min(outcomes, key=outcomes.get)
    kept = sorted(int(path.name[5:]) for path in (run / "checkpoints").iterdir())
    assert kept == sorted({9, 12, best}) and json.loads((run / "run.json").read_text())["best_step"] == best


# What a part does not go without.
PER_SAMPLE = ["model.discriminator_norm=layer"]  # batch norm would let samples see each other
NEEDS = {
    "wasserstein": ["penalty=gradient", *PER_SAMPLE],
    "began": ["model=autoencoder"],
    "ebgan": ["model=autoencoder"],
    "srgan": ["model=srresnet", "game.pretrain_steps=1"],
    "srresnet": ["game=srgan", "game.pretrain_steps=1"],
    "cyclegan": ["model=resnet", "data=mnist_to_colour"],
    "resnet": ["game=cyclegan", "data=mnist_to_colour"],
    **{data: ["game=cyclegan", "model=resnet"] for data in ("mnist_to_colour", "unpaired")},
    **dict.fromkeys(("consistency", "dragan", "gradient", "r1", "r1r2", "r2"), PER_SAMPLE),
}
# Losses and penalties take steps in every game of tests/games/test_games.py too.
TIERS = {"model": [], "data": [], "loss": [pytest.mark.long], "penalty": [pytest.mark.long]}
FILES = [
    pytest.param(path.parent.name, path.stem, marks=TIERS.get(path.parent.name, [pytest.mark.slow]))
    for path in sorted(conf_dir().glob("*/*.yaml"))
]


@pytest.mark.parametrize(("group", "name"), FILES, ids=lambda value: value)
def test_every_yaml_trains_two_steps(folder, group, name):
    words = [f"{group}={name}", "steps=2", "batch_size=10", "threads=1"]
    if name in ("folder", "unpaired") or name.endswith("_pictures"):
        for place in ("trainA", "trainB"):
            Path(place).mkdir()
            for number in range(2):  # batch norm takes two
                Image.effect_noise((40, 40), 50).save(f"{place}/{number}.png")
        words += ["data.root=.", "batch_size=2", *["data.hold_out=0"] * (name == "srgan_pictures")]
    elif name.endswith("mnist") or name == "seed_ablation":
        if FULL_DATA is None:
            pytest.skip("no full MNIST beside this checkout; GANCTL_MNIST_ROOT=DIR names one")
        words.append(f"data.root={FULL_DATA}")
    words += NEEDS.get(name, []) if group != "experiment" else []  # a recipe has what it needs
    words += ["game.pretrain_steps=1"] if group == "experiment" and name.startswith("srgan") else []
    run = train(words)
    assert json.loads((run / "run.json").read_text())["status"] == "completed"
    assert len(scalars(run)) == 2


def test_the_folder_says_where_it_ran_and_where_its_data_is(folder):
    Image.new("L", (8, 8), 100).save("a.png")
    run = train([*TINY, "steps=1", "data=folder", "data.root=.", "data.image_size=8", "batch_size=1"])
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["data"]["root"], config["device"], config["threads"]) == (str(folder), "cpu", 1)


@pytest.mark.parametrize("device", ["cuda:0 (a GPU)", "cuda (NVIDIA A100: 80GB)", "cuda"])
def test_a_run_of_another_kind_of_device_is_refused(folder, device):
    run = train([*TINY, "steps=2"])
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "device": device}))
    with pytest.raises(BadInput, match="was trained on cuda and this is cpu, .* with device=cuda on a machine"):
        resume_run(run, ["steps=4"])


def test_a_run_that_lost_its_checkpoints_is_not_begun_again(folder):
    run = train([*TINY, "steps=2"])
    shutil.rmtree(run / "checkpoints")
    before = scalars(run)
    with pytest.raises(BadInput, match="its checkpoints are gone"):
        resume_run(run, ["steps=4"])
    assert scalars(run) == before


def test_a_run_goes_on_without_its_grids_and_beside_names_that_are_nearly_its_own(folder):
    run = train([*TINY, "steps=4", "checkpoint_every=2", "sample_every=2"])
    shutil.rmtree(run / "samples")
    shutil.copytree(run / "checkpoints" / "step-00000002", run / "checkpoints" / "step-²")
    (run / "checkpoints" / ".step-x").write_text("")
    assert resume_run(run, ["steps=6"]) == run
    assert RunFolder(run).info()["step"] == 6
    assert (run / "checkpoints" / "step-²").is_dir()  # somebody's
    shutil.copy(run / "samples" / "step-00000006.png", run / "samples" / "step-².png")
    assert [path.name for path in RunFolder(run).grids()] == ["step-00000006.png"]


def test_a_run_that_failed_before_its_first_checkpoint_begins_again(folder, monkeypatch):
    def late(real, fake, calls=[]):  # noqa: B006 - counts its calls
        calls.append(1)
        return fake.mean() * (float("nan") if len(calls) == 2 else 1.0) - real.mean()

    monkeypatch.setitem(LOSSES, "hinge", replace(LOSSES["hinge"], discriminator=late))
    words = [*TINY, "loss=hinge", "steps=2", "log_every=1"]
    with pytest.raises(RunFailed, match="step 2: the discriminator.s term adversarial is nan"):
        train(words)
    (run,) = folder.glob("outputs/*/*")
    assert json.loads((run / "run.json").read_text())["step"] == 2
    resume_run(run, [])
    assert [row["step"] for row in scalars(run)] == [1, 2]
    assert json.loads((run / "run.json").read_text())["status"] == "completed"


def test_a_last_update_that_breaks_the_weights_is_no_completed_run(folder):
    with pytest.raises(RunFailed, match="step 1: the last update left weights of the generator that are not finite"):
        train([*TINY, "steps=1", "optim.lr=1e39", "optim.discriminator_lr=1e-9"])


def test_a_run_with_the_pulling_away_term_is_sampled(folder):
    words = ["loss=ebgan", "model=autoencoder", "model.generator_widths=[8]", "model.encoder_widths=[8]"]
    run = train([*words, *TINY_BUDGET, "game.pulling_away_weight=0.1", "steps=1"])
    assert sample(run, 4, None, 2, None, False, None, []).is_file()


@pytest.mark.parametrize(
    ("row", "words", "line"),
    [
        ("LOSSES['odd'] = print", ["loss=odd"], "loss=odd: its row is a builtin_function_or_method; make it Adv"),
        ("PENALTIES['odd'] = print", ["penalty=odd"], "penalty=odd: its row is a builtin_function_or_method; make it"),
        ("PENALTIES['odd'] = PENALTIES['r1']", ["penalty=odd", "penalty.every=0"], "penalty.every=0: must be a whole"),
        ("PENALTIES['odd'] = PENALTIES['r1']", ["penalty=odd", "penalty.weight=x"], "penalty.weight=x: must be a num"),
        ("raise SystemExit(0)", [], "SystemExit: 0, my_odd.py line 2); mend that file"),
    ],
)
def test_a_plugins_mistake_is_one_line(folder, monkeypatch, row, words, line):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_odd", raising=False)
    for rows in (LOSSES, PENALTIES):
        monkeypatch.setitem(rows, "odd", None)
    Path("my_odd.py").write_text(f"from ganctl.losses import LOSSES, PENALTIES\n{row}\n")
    with pytest.raises(BadInput) as error:
        train([*TINY, "steps=1", "plugins=[my_odd]", *words])
    assert line in str(error.value)


def test_tensorboard_holds_the_same_scalars_and_the_grids(folder):
    run = train([*TINY, "steps=4"])
    events = EventAccumulator(str(run / "tb"))
    events.Reload()
    for row in scalars(run):
        for tag in TAGS:
            logged = {event.step: event.value for event in events.Scalars(tag)}
            assert logged[row["step"]] == pytest.approx(row[tag], rel=1e-6)
    assert [event.step for event in events.Images("samples")] == [1, 4]


def test_grids_show_sixty_four_samples_that_differ(folder):
    run = train([*TINY, "steps=4"])
    with Image.open(run / "samples" / "step-00000004.png") as grid:
        assert grid.size == (8 * 30 + 2, 8 * 30 + 2)
        assert len({grid.crop((x, 2, x + 28, 30)).tobytes() for x in range(2, 242, 30)}) == 8


def test_an_extended_run_equals_the_one_never_stopped(folder):
    whole = train([*TINY, "steps=8", "name=whole"])
    part = train([*TINY, "steps=5", "name=part"])
    assert resume_run(part, ["steps=8"]) == part
    assert_same_weights(whole, part)
    # The shorter run also logged its last step, 5; the rest is the same to the last digit.
    assert [row for row in scalars(part) if row["step"] != 5] == scalars(whole)
    assert json.loads((part / "run.json").read_text())["status"] == "completed"
    assert yaml.safe_load((part / "config.yaml").read_text())["steps"] == 8


@pytest.mark.parametrize("data", ["mnist5k", "ring8"])
@pytest.mark.parametrize("loss", ["minimax", "nonsaturating"])
def test_a_run_resumed_from_an_older_checkpoint_equals_the_whole_one(folder, data, loss):
    words = [*TINY, f"data={data}", f"loss={loss}", "steps=7", "sample_every=100"]
    whole, cut = train([*words, "name=whole"]), train([*words, "name=cut"])
    shutil.rmtree(cut / "checkpoints" / "step-00000007")
    resume_run(cut, [])
    assert_same_weights(whole, cut)
    assert scalars(cut) == scalars(whole)
    events = EventAccumulator(str(cut / "tb"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/generator")] == [row["step"] for row in scalars(whole)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["loss=began", "model=autoencoder", "model.encoder_widths=[16]", "model.generator_widths=[16]"],
        [*TINY_NETWORKS, "penalty=lecam"],
        [*TINY_NETWORKS, "loss=wasserstein", "penalty=gradient", "penalty.every=2", "game.discriminator_turns=2"],
        [*TINY_NETWORKS, "loss=hinge", "model.spectral_norm=true", "optim=rmsprop", "optim.schedule=cosine"],
        [*TINY_NETWORKS, "game=projection", "penalty=gradient"],
        [*TINY_NETWORKS, "game=infogan"],
        [*TINY_NETWORKS, "game=aae_semisupervised", "game.labelled=70", "penalty=lecam"],
    ],
    ids=["began", "lecam", "wgan_gp", "spectral norm", "projection", "infogan", "aae_semisupervised"],
)
def test_memories_penalties_and_schedules_resume_bit_for_bit(folder, words):
    words = [*words, *TINY_BUDGET, "steps=7", "ema_start=2"]
    whole, cut = train([*words, "name=whole"]), train([*words, "name=cut"])
    shutil.rmtree(cut / "checkpoints" / "step-00000007")
    resume_run(cut, [])
    assert_same_weights(whole, cut)
    assert scalars(cut) == scalars(whole)


def test_a_run_whose_learning_rate_ends_with_its_budget_is_not_extended(folder):
    run = train([*TINY, "steps=2", "optim.schedule=linear"])
    before = (run / "config.yaml").read_text()
    with pytest.raises(BadInput, match="steps: the learning rate of this run ends with its budget"):
        resume_run(run, ["steps=4"])
    assert resume_run(run, ["steps=2"]) == run  # its own budget is no extension
    assert (run / "config.yaml").read_text() == before


def test_modes_are_counted_as_often_as_grids_are_drawn(folder):
    run = train([*TINY, "data=ring8", "steps=9", "log_every=2", "sample_every=3"])
    rows = scalars(run)
    # After steps 3, 6 and 9, each at the next logged step; and at the first, where every run begins to be logged.
    assert [row["step"] for row in rows if "modes/covered" in row] == [1, 4, 6, 9]
    assert all(0 <= row["modes/covered"] <= 8 for row in rows if "modes/covered" in row)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 4, 6])
def test_modes_are_counted_at_the_same_steps_when_a_run_is_resumed(folder, stop):
    words = [*TINY, "data=ring8", "steps=9", "log_every=2", "sample_every=3", "keep_checkpoints=9"]
    words += ["checkpoint_every=1"]
    whole, cut = train([*words, "name=whole"]), train([*words, "name=cut"])
    for step in range(stop + 1, 10):
        shutil.rmtree(cut / "checkpoints" / f"step-{step:08d}")
    resume_run(cut, [])
    assert scalars(cut) == scalars(whole)


def test_dcgan_resumes_bit_for_bit_too(folder):
    words = ["model=dcgan", "model.width=4", "batch_size=20", "threads=1", "checkpoint_every=2"]
    whole, part = train([*words, "steps=4", "name=whole"]), train([*words, "steps=2", "name=part"])
    resume_run(part, ["steps=4"])
    assert_same_weights(whole, part)


def test_a_complete_run_is_left_as_it_is(folder, capsys):
    run = train([*TINY, "steps=2"])
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert resume_run(run, []) == run
    assert "is complete at step 2" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}


def test_what_a_run_is_cannot_change_when_it_resumes(folder):
    run = train([*TINY, "steps=2"])
    with pytest.raises(BadInput, match="loss: cannot change in a run that has begun"):
        resume_run(run, ["loss=minimax"])
    with pytest.raises(BadInput, match=r"has done 2 steps, more than the 1"):
        resume_run(run, ["steps=1"])


def test_a_run_resumed_on_other_data_is_refused(folder):
    run = train([*TINY, "steps=2"])
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "data_fingerprint": "0" * 64}))
    with pytest.raises(BadInput, match="the data set has changed"):
        resume_run(run, ["steps=4"])


def test_a_run_whose_numbers_go_bad_says_where_and_why(folder):
    with pytest.raises(RunFailed, match=r"step \d+: .* is (nan|inf|-inf)"):
        train([*TINY, "steps=50", "optim.lr=1e30", "name=bad"])
    (info_file,) = Path("outputs").glob("*/*-bad/run.json")
    info = json.loads(info_file.read_text())
    assert info["status"] == "failed" and "step" in info["error"]
    assert broke_down(info)  # which is what this run comes to, however often it is tried


ENDINGS = {
    "memory": MemoryError(),
    "a GPU's memory": torch.OutOfMemoryError("CUDA out of memory"),
    "a disk": OSError(errno.ENOSPC, "No space left on device", "a"),
    "a loss": ValueError("its shapes do not fit"),
    "a loss that exits": SystemExit(3),
}


@pytest.mark.parametrize("error", ENDINGS.values(), ids=ENDINGS)
def test_what_the_machine_or_somebodys_code_did_is_nothing_that_a_run_came_to(folder, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("ganctl.studies.run.play", fail)
    with pytest.raises(RunFailed):
        train([*TINY, "steps=2", "name=broken"])
    (info_file,) = Path("outputs").glob("*/*-broken/run.json")
    info = json.loads(info_file.read_text())
    assert info["status"] == "failed" and info["error"] and not broke_down(info)


def test_plugins_add_a_loss(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(LOSSES, "mine", LOSSES["minimax"])  # so that what the plugin adds is taken out again
    Path("my_scaled.py").write_text(
        "from ganctl.losses import LOSSES, AdversarialLoss\n"
        "LOSSES['mine'] = AdversarialLoss(lambda r, f, strength=1.0: strength * (f.square().mean() - r.mean()),\n"
        "                                 lambda r, f: f.mean().square(), 'mine')\n"
    )
    run = train([*TINY, "steps=2", "plugins=[my_scaled]", "loss=mine", "loss.strength=3"])
    assert yaml.safe_load((run / "config.yaml").read_text())["loss"] == {"name": "mine", "strength": 3}
    assert run.name.endswith("-mine-mnist5k")
    plain = train([*TINY, "steps=2", "plugins=[my_scaled]", "loss=mine"])
    assert scalars(run)[0]["loss/discriminator"] == pytest.approx(3 * scalars(plain)[0]["loss/discriminator"])
    with pytest.raises(BadInput, match="loss.force: no such option; options are strength"):
        train([*TINY, "steps=2", "plugins=[my_scaled]", "loss=mine", "+loss.force=3"])
    with pytest.raises(BadInput, match="loss=other: no such loss; choose from began,"):
        train([*TINY, "steps=2", "plugins=[my_scaled]", "loss=other"])
    with pytest.raises(BadInput, match=r"plugins=\[no_such\]: there is no no_such.py here"):
        train([*TINY, "steps=2", "plugins=[no_such]"])
    with pytest.raises(BadInput, match=r"needs my_scaled, imported only when asked; add 'plugins=\[my_scaled\]'"):
        resume_run(run, ["steps=4"])
    assert resume_run(run, ["steps=4", "plugins=[my_scaled]"]) == run
    assert sample(run, 4, None, 2, None, False, None, []).is_file()  # which needs no loss


def test_a_plugins_model_is_named_again_to_sample_from_it(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(MODELS, "mine", MODELS["mlp"])
    Path("my_model.py").write_text(
        "from ganctl.models import MODELS\n"
        "from ganctl.config.schema import Mlp\n"
        "small = Mlp(generator_widths=[8], discriminator_widths=[8])\n"
        "MODELS['mine'] = lambda options, shape: MODELS['mlp'](small, shape)\n"
    )
    run = train(["model=mine", *TINY_BUDGET, "plugins=[my_model]", "steps=1"])
    with pytest.raises(BadInput, match="needs my_model, imported only when asked; add --plugin my_model"):
        sample(run, 4, None, 2, None, False, None, [])
    assert sample(run, 4, None, 2, None, False, None, ["my_model"]).is_file()


def test_an_objective_that_is_no_number_ends_the_run_with_what_to_do(folder, monkeypatch):
    per_sample = replace(LOSSES["hinge"], generator=lambda real, fake: -fake)
    monkeypatch.setitem(LOSSES, "hinge", per_sample)
    with pytest.raises(RunFailed, match=r"generator: its term adversarial has shape \(50,\); it must be one number"):
        train([*TINY, "steps=2", "loss=hinge"])


def test_two_runs_of_one_second_have_folders_of_their_own(folder):
    runs = {train([*TINY, "steps=1"]) for _ in range(3)}
    assert len(runs) == 3


def start(folder, *words):
    """A run in a process of its own; gives the process and, once it has one, the run folder."""
    command = [sys.executable, "-m", "ganctl", "train", *TINY, *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(folder.glob("outputs/*/*/scalars.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.01)
    (file,) = folder.glob("outputs/*/*/scalars.jsonl")
    return process, file.parent


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.long)])
def test_the_first_signal_finishes_the_step_saves_and_says_how_to_go_on(folder, number):
    process, run = start(folder, "steps=100000", "sample_every=100000")
    while not scalars(run):
        time.sleep(0.01)
    process.send_signal(number)
    time.sleep(0.005)
    process.send_signal(number)  # as `timeout` does, to the process and to its group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: ganctl train --resume {run.relative_to(folder)}" in err and "Traceback" not in err
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "interrupted"
    assert (run / "checkpoints" / f"step-{info['step']:08d}" / "checkpoint.json").exists()


def test_one_more_signal_is_one_that_comes_later(monkeypatch):
    now = 100.0
    monkeypatch.setattr("ganctl.studies.stopping.time.monotonic", lambda: now)
    asked = StopAsked()
    assert not asked()
    assert not asked.again() and asked()
    now += 0.4
    assert not asked.again()
    now += 0.2
    assert asked.again()


@pytest.mark.long
def test_five_kills_at_random_moments_change_nothing(tmp_path):
    # The default networks and data; SIGKILL at five moments spread over starting, stepping and saving.
    words = ["steps=60", "checkpoint_every=5", "sample_every=30", "threads=1"]
    whole = tmp_path / "whole"
    whole.mkdir()
    done = ganctl("train", *words, cwd=whole)
    assert done.returncode == 0, done.stderr
    (expected,) = (whole / "outputs").glob("*/*")
    process = subprocess.Popen(
        [sys.executable, "-m", "ganctl", "train", *words], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    while not list(tmp_path.glob("outputs/*/*/run.json")):
        time.sleep(0.01)
    (run,) = tmp_path.glob("outputs/*/*")
    moments, killed = random.Random(0), 0
    for _ in range(5):
        time.sleep(moments.uniform(0, 0.6))
        killed += process.poll() is None
        process.kill()
        process.wait()
        rows = len(scalars_lines(run))
        command = [sys.executable, "-m", "ganctl", "train", "--resume", str(run)]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        # Let it come as far as a first step, except that every third kill hits the start.
        deadline = time.monotonic() + moments.choice([1, 60, 60])
        while len(scalars_lines(run)) <= rows and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    assert process.wait(timeout=120) == 0
    assert killed >= 3
    assert_same_weights(expected, run)


def scalars_lines(run):
    return (run / "scalars.jsonl").read_text().splitlines()
