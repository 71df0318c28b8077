"""The command line as a person meets it: exit codes, one line for a mistake, help without torch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganctl.store.files import read_json
from tests.conftest import TINY, ganctl


def test_help_names_the_four_commands_and_imports_no_torch(tmp_path):
    code = """
import sys
from ganctl import cli
sys.argv = ["ganctl", "--help"]
cli.main()
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for command in ("train", "sample", "compare-losses", "evaluate"):
        assert command in done.stdout


def test_show_config_prints_yaml_and_makes_nothing(tmp_path, call):
    done = call("train", "loss=minimax", "steps=5", "--show-config", cwd=tmp_path)
    assert done.returncode == 0 and "name: minimax" in done.stdout and "steps: 5" in done.stdout
    study = call("compare-losses", "--show-config", cwd=tmp_path)
    assert study.returncode == 0 and "minimax seed=0" in study.stdout
    assert not list(tmp_path.iterdir())


def test_train_then_sample_print_the_path_of_what_they_made_last(tmp_path, call):
    trained = call("train", *TINY, "steps=2", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / trained.stdout.splitlines()[-1]
    assert (run / "run.json").is_file()
    assert "tensorboard --logdir" in trained.stderr
    sampled = call("sample", cwd=tmp_path)
    assert sampled.returncode == 0 and (tmp_path / sampled.stdout.splitlines()[-1]).is_file()


MISTAKES = {
    "loss": (["train", "loss=typo"], "choose from began, ebgan"),
    "unbounded slope": (["train", "loss=wasserstein"], "choose penalty=dragan, gradient, r1, r1r2, r2, weight_clip"),
    "unbounded slope in an arm": (["compare-losses", "loss=hinge,wasserstein", "steps=1"], "model.spectral_norm=true"),
    "drift bounds nothing": (["train", "loss=wasserstein", "penalty=logit_drift"], "its critic's slope needs a bound"),
    "no auto-encoder": (["train", "loss=began"], "use model=autoencoder"),
    "no codes": (["train", "game.pulling_away_weight=0.1"], "use model=autoencoder"),
    "batch norm": (["train", "model=dcgan", "penalty=r1"], "add model.discriminator_norm=layer"),
    "spectral norm with batch norm": (
        ["train", "model=dcgan", "loss=wasserstein", "model.spectral_norm=true"],
        "discriminator_norm=none",
    ),
    "one sample pulls nothing away": (
        ["train", "loss=ebgan", "model=autoencoder", "game.pulling_away_weight=0.1", "batch_size=1"],
        "use batch_size=2",
    ),
    "a plugin that does not parse": (["train", "plugins=[broken]"], "SyntaxError: "),
    "a plugin that fails": (["train", "plugins=[failing]"], "KeyError: 'no_such', failing.py line 2"),
    "a plugin's file": (["train", "plugins=[./failing.py]"], "for a file failing.py here write plugins=[failing]"),
    "no plugin": (["train", "plugins=[no.such]"], "there is no no.such.py here and no module no.such"),
    "a plugin without a name": (["train", "plugins=['']"], "is not the name of a module"),
    "points": (["train", "data=ring8", "penalty=consistency"], "shifts images"),
    "key": (["train", "los=hinge"], "did you mean loss?"),
    "negative": (["train", "epochs=-1"], "must be at least 1"),
    "two recipes": (["train", "experiment=wgan", "experiment=dcgan"], "experiment=wgan and experiment=dcgan: say two"),
    "two losses": (["train", "loss=minimax", "loss=hinge"], "loss=minimax and loss=hinge: say two things of loss"),
    "both": (["train", "epochs=1", "steps=1"], "leave the other out"),
    "batch": (["train", "batch_size=0"], "must be at least 1"),
    "word": (["train", "epochs=many"], "epochs=many: must be a whole number or null"),
    "too large": (["train", "batch_size=5001"], "give batch_size=5000 or less"),
    "cuda": (["train", "device=cuda:99"], "use device=cpu"),
    "dcgan": (["train", "model=dcgan", "data=ring8"], "use model=mlp"),
    "no folder": (["train", "data=folder", "data.root=nowhere"], "is not a folder"),
    "too long a name": (
        ["train", "data=folder", f"data.root={'x' * 5000}"],
        f"ganctl: data.root={'x' * 100}",
    ),
    "too long a name of two domains": (
        ["train", "game=cyclegan", "model=resnet", "data=unpaired", f"data.root={'[' * 300}"],
        f"ganctl: data.root={'[' * 100}",
    ),
    "too long a run": (["sample", "x" * 5000], "File name too long; give a shorter one"),
    "no pictures": (["train", "data=folder", "data.root=empty"], "no pictures"),
    "no mnist": (["train", "data=mnist", "data.root=empty"], "holds no MNIST/raw"),
    "no run": (["sample"], "make one with `ganctl train`"),
    "empty run": (["train", "--resume", "empty"], "holds no run"),
    "no such run": (["train", "--resume", "nowhere"], "is not a folder"),
    "unwritable": (["train", *TINY, "steps=1", "output_dir=file/below"], "give output_dir=DIR"),
    "unwritable study": (
        ["compare-losses", *TINY, "steps=1", "output_dir=file/below"],
        "give output_dir=DIR",
    ),
    "foreign config": (["train", "--resume", "foreign"], "is not a configuration of ganctl"),
    "one arm": (["compare-losses", "loss=minimax"], "a comparison needs two"),
    "nothing to evaluate": (["evaluate"], "make one with `ganctl train`"),
    "no images": (["evaluate", "--images", "nowhere", "--data", "mnist5k"], "--images nowhere: is not a folder"),
    "unknown option": (["sample", "--colour"], "No such option"),
    "dashes": (["train", "--steps", "20"], "a setting is written without dashes, as in steps=1000"),
    "bad number": (["sample", "--num", "0"], "Invalid value for '--num'"),
    "unknown command": (["trian"], "No such command"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_exits_2_with_one_line_that_helps(mistake, tmp_path, call, monkeypatch):
    words, line = MISTAKES[mistake]
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "broken.py").write_text("def loss(:\n")
    (tmp_path / "failing.py").write_text("from ganctl.losses import LOSSES\nLOSSES['mine'] = LOSSES['no_such']\n")
    (tmp_path / "foreign" / "config.yaml").write_text("a: 1\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = sorted(tmp_path.rglob("*"))
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("ganctl: ")
    assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_a_damaged_checkpoint_exits_2_with_one_line(damage, tmp_path, call):
    run = tmp_path / call("train", *TINY, "steps=2", cwd=tmp_path).stdout.strip()
    file = (
        run / "checkpoints" / "step-00000002" / ("networks.safetensors" if damage == "truncated" else "checkpoint.json")
    )
    file.write_bytes(file.read_bytes()[: 100 if damage == "truncated" else 1])
    for words in (["sample"], ["train", "--resume", run, "steps=4"]):
        done = call(*words, cwd=tmp_path)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
        assert ("is damaged" if damage == "truncated" else "is not a checkpoint") in done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_a_screen_that_is_gone_or_full_ends_no_training(tmp_path):
    reader, gone = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full, os.fdopen(gone, "w") as closed:
        for screen in (full, closed):
            command = [sys.executable, "-m", "ganctl", "train", *TINY, "steps=2"]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=screen, text=True, cwd=tmp_path)
            assert done.returncode == 0
            assert read_json(tmp_path / done.stdout.strip() / "run.json")["status"] == "completed"


NONE = "<&- >&- 2>&-"


def without(closed, command, cwd):
    """Runs the command with the streams that the shell's words close: what Python starts always has all three."""
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, *command]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, timeout=300)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", NONE])
def test_a_stream_that_is_closed_changes_no_exit_code(closed, tmp_path):
    done = without(closed, ["-m", "ganctl", "list", "loss"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("minimax" in done.stdout) != (">&- " in f"{closed} ".replace("2>&-", ""))
    refused = without(closed, ["-m", "ganctl", "train", "loss=typo"], tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert ("no such loss" in refused.stderr) != ("2>&-" in closed)


def test_no_file_gets_the_number_of_a_stream_that_is_closed(tmp_path):
    code = """
import os, sys
from ganctl.terminal.screen import open_closed_streams
open_closed_streams()
with open("data", "w") as file:
    assert file.fileno() > 2
    os.write(1, b"what C code prints")
    assert os.system("echo what another process prints >&2") == 0
    print("what Python prints", file=sys.stderr, flush=True)
    assert sys.stdin.read() == ""
"""
    assert without(NONE, ["-c", code], tmp_path).returncode == 0
    assert (tmp_path / "data").read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", pytest.param("compare-losses", marks=pytest.mark.long)])
def test_without_any_stream_what_is_trained_is_whole(command, tmp_path):
    words = [*TINY, "data=ring8", "steps=2", *(["seed=0"] if command == "compare-losses" else [])]
    done = without(NONE, ["-m", "ganctl", command, *words], tmp_path)
    assert done.returncode == 0
    runs = [*tmp_path.rglob("run.json")]
    assert [read_json(run)["status"] for run in runs] == ["completed"] * (1 if command == "train" else 2)
    for run in runs:
        assert len((run.parent / "scalars.jsonl").read_text().splitlines()) == 2
        assert (run.parent / "checkpoints" / "step-00000002" / "checkpoint.json").is_file()


def test_an_output_that_is_full_is_said(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ganctl", "list"], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
    assert done.returncode == 1
    assert done.stderr == "ganctl: failed: standard output: No space left on device; what the command made is whole\n"


def test_a_current_folder_that_is_gone_is_said(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os, runpy, sys; os.rmdir({str(gone)!r}); sys.argv = ['ganctl', 'list']; runpy.run_module('ganctl')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=gone, env=os.environ)
    assert done.returncode == 2 and done.stderr == "ganctl: the current folder is gone; cd to one that is there\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["train", "--help"], ["compare-losses", "--help"]])
def test_help_is_no_error(words, tmp_path, call):
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 0 and "Usage" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_nobody_handles_exits_130(number, call, monkeypatch):
    def interrupted(*_words):
        signal.raise_signal(number)

    monkeypatch.setattr("ganctl.commands.evaluate.evaluate_run", interrupted)
    # A shell lets what it starts in the background ignore Ctrl-C, and nohup the end of the terminal.
    heard = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, heard)
    try:
        done = call("evaluate")
        assert done.returncode == 130 and done.stderr == "ganctl: interrupted\n"
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [5, 25, 100, 250])  # of the modules; the command line is parsed from about 200 on
def test_a_ctrl_c_while_modules_are_imported_exits_130(number, tmp_path):
    code = f"""
import signal, sys, runpy
import ganctl

class Interrupts:
    count = 0

    def find_spec(self, *_):
        self.count += 1
        if self.count == {number}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv = ["ganctl", "train", "--show-config"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
runpy.run_module("ganctl", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "ganctl: interrupted\n")


@pytest.mark.slow
@pytest.mark.long
def test_a_ctrl_c_at_any_moment_after_the_first_line_prints_no_traceback(tmp_path):
    # Before that line it is Python's own, which nothing here could change.
    code = """
import signal, sys
from ganctl.start import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
sys.argv = ["ganctl", "list"]
print("begun", flush=True)
main()
"""
    for milliseconds in range(2, 302, 15):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode in (130, -signal.SIGINT, 0), (milliseconds, err)  # 0: it was done
        assert err in ("", "ganctl: interrupted\n"), (milliseconds, err)


def test_a_hangup_that_is_ignored_stays_ignored(call, monkeypatch):
    # So does nohup start a program, which must outlive its terminal.
    monkeypatch.setattr("ganctl.commands.evaluate.evaluate_run", lambda *_: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert "interrupted" not in call("evaluate").stderr
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_version(tmp_path, call):
    from ganctl import __version__

    assert call("--version", cwd=tmp_path).stdout == f"ganctl {__version__}\n"


def test_a_mistake_in_a_process_of_its_own_leaves_no_traceback(tmp_path):
    done = ganctl("train", "loss=typo", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("ganctl: loss=typo: no such loss; choose from began,")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["evaluate", "--images", "", "--against", "x"], "--images"),
        (["evaluate", "--images", "x", "--against", ""], "--against"),
        (["evaluate", "--images", "x", "--data", "mnist", "--root", ""], "--root:"),
        (["evaluate", "--weights", ""], "--weights"),
        (["evaluate", ""], "RUN"),
        (["sample", ""], "RUN"),
        (["sample", "--out", ""], "--out"),
        (["train", "--resume", ""], "--resume"),
        (["train", "--verify", ""], "--verify"),
        (["train", "data=folder", "data.root="], "data.root="),
        (["train", "data=mnist", "data.root="], "data.root="),
        (["train", "output_dir="], "output_dir="),
        (["compare-losses", "output_dir="], "output_dir="),
    ],
)
def test_an_empty_path_as_of_a_variable_that_is_not_set_is_not_the_current_folder(call, folder, words, named):
    done = call(*words)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and named in line and "is empty; " in line
    assert not [*folder.iterdir()]
