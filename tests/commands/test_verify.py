"""`ganctl train --verify`: equal to the last bit, or where it first differs."""

import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ganctl.commands.verify import verify
from ganctl.errors import BadInput, RunFailed
from tests.conftest import TINY, resume_run, train


def listing(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.mark.parametrize("data", ["mnist5k", "ring8"])
def test_a_run_is_the_same_again_and_nothing_is_written(folder, capsys, data):
    run = train([*TINY, f"data={data}", "steps=7", "seed=3"])
    before = listing(folder)
    assert verify(run, []) == run
    assert "equal: 5 rows" in capsys.readouterr().err and listing(folder) == before


def test_a_run_that_was_stopped_and_extended_is_the_same_as_one_that_was_not(folder, capsys):
    run = train([*TINY, "steps=5"])  # an end that the longer run does not have, with a row of its own
    resume_run(run, ["steps=9"])
    verify(run, [])
    assert "equal: 6 rows" in capsys.readouterr().err


def test_a_killed_run_is_compared_as_far_as_its_rows_go(folder, capsys):
    run = train([*TINY, "steps=8", "sample_every=100"])
    shutil.rmtree(run / "checkpoints" / "step-00000008")
    verify(run, [])
    assert "equal: 5 rows" in capsys.readouterr().err  # of steps 1, 2, 4, 6, 8


def test_a_stopped_run_has_no_row_of_its_last_step(folder, capsys):
    run = train([*TINY, "steps=7", "log_every=3"])
    lines = (run / "scalars.jsonl").read_text().splitlines(keepends=True)
    (run / "scalars.jsonl").write_text("".join(lines[:-1]))  # as where a signal came at step 7 of more
    verify(run, [])
    assert "equal: 3 rows" in capsys.readouterr().err  # of steps 1, 3, 6


@pytest.mark.parametrize(("tag", "step"), [("loss/generator", 4), ("quality/diversity", 1), ("epoch", None)])
def test_the_first_number_that_differs_is_named(folder, tag, step):
    run = train([*TINY, "steps=6"])
    rows = [json.loads(line) for line in (run / "scalars.jsonl").read_text().splitlines()]
    for row in rows:
        if row["step"] == step or (step is None and row["step"] == 4):
            row[tag] = row[tag] * 1.0000001 if step else row[tag] + 1
    (run / "scalars.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if step is None:  # how far the data have been seen is no result
        assert verify(run, []) == run
    else:
        with pytest.raises(RunFailed, match=rf"differs first at step {step}: {tag} is .* in the run and .* now"):
            verify(run, [])


def test_a_row_that_is_missing_is_named(folder):
    run = train([*TINY, "steps=6"])
    lines = (run / "scalars.jsonl").read_text().splitlines()
    (run / "scalars.jsonl").write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")
    with pytest.raises(RunFailed, match="differs first at step 4: the run has no row of it"):
        verify(run, [])


def test_another_device_is_said_to_be_one(folder):
    run = train([*TINY, "steps=6"])
    rows = (run / "scalars.jsonl").read_text()
    (run / "scalars.jsonl").write_text(rows.replace('"loss/generator": ', '"loss/generator": 1', 1))
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "device": "cuda (a GPU)"}))
    with pytest.raises(RunFailed, match=r"differs first at step 1: .*; device was cuda \(a GPU\) and is cpu"):
        verify(run, [])


def test_a_weight_that_differs_in_its_last_bit_is_named(folder):
    run = train([*TINY, "steps=6"])
    path = run / "checkpoints" / "step-00000006"
    tensors = load_file(path / "networks.safetensors")
    tensors["generator.layers.0.bias"].view(torch.int32)[0] ^= 1
    save_file(tensors, path / "networks.safetensors")
    manifest = json.loads((path / "checkpoint.json").read_text())
    content = (path / "networks.safetensors").read_bytes()
    manifest["sha256"]["networks.safetensors"] = hashlib.sha256(content).hexdigest()
    (path / "checkpoint.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFailed, match=r"step 6: the checkpoint's networks/generator.layers.0.bias is another tensor"):
        verify(run, [])


def test_another_version_or_processor_is_said_beside_the_difference(folder):
    run = train([*TINY, "steps=2"])
    info = json.loads((run / "run.json").read_text())
    info["versions"]["torch"], info["machine"]["processor"] = "1.0", "an abacus"
    (run / "run.json").write_text(json.dumps(info))
    row = json.loads((run / "scalars.jsonl").read_text().splitlines()[0])
    (run / "scalars.jsonl").write_text(json.dumps({**row, "loss/generator": 7.0}) + "\n")
    with pytest.raises(RunFailed, match="torch was 1.0 and is .*; processor was an abacus and is"):
        verify(run, [])


def test_what_cannot_be_verified_is_said_in_one_line(folder):
    run = train([*TINY, "steps=2"])
    with pytest.raises(BadInput, match="steps: a run is verified as it is"):
        verify(run, ["steps=4"])
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(BadInput, match="nothing to compare with"):
        verify(run, [])
    with pytest.raises(BadInput, match="is not a folder"):
        verify(folder / "nowhere", [])
