"""A checkpoint is there whole or not at all, holds no pickle, and is checked when it is read."""

import json

import pytest
import torch

from ganctl.errors import BadInput
from ganctl.store import checkpoint

TENSORS = {"networks": {"a": torch.arange(3.0)}, "training": {"b": torch.tensor([7], dtype=torch.uint8)}}
COUNTS = {"step": 3, "batches_drawn": 3}
SETTINGS = {"seed": 0, "loss": {"name": "hinge"}}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "step-00000003"
    checkpoint.write(path, TENSORS, COUNTS, SETTINGS)
    return path


def test_what_was_written_is_read(written):
    tensors, manifest = checkpoint.read(written, ("networks", "training"))
    assert (manifest["counts"], manifest["settings"]) == (COUNTS, SETTINGS)
    assert torch.equal(tensors["networks"]["a"], TENSORS["networks"]["a"])
    assert torch.equal(tensors["training"]["b"], TENSORS["training"]["b"])


def test_its_files_are_safetensors_and_json(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "checkpoint.json", "networks.safetensors", "training.safetensors",
    ]  # fmt: skip
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_file_is_named(written, damage):
    file = written / "networks.safetensors"
    content = bytearray(file.read_bytes())
    if damage == "truncated":
        file.write_bytes(content[:-4])
    elif damage == "flipped":
        content[-1] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    with pytest.raises(BadInput, match=r"is damaged \(networks.safetensors"):
        checkpoint.read(written, ("networks",))


MANIFESTS = [
    "",
    "{}",
    "[]",
    "null",
    '{"format": 1}',
    '{"format": 99, "counts": {}, "sha256": {}}',
    '{"format": 1, "counts": [1], "sha256": {}}',
    '{"format": 1, "counts": {"step": -4, "batches_drawn": 1}, "sha256": {}}',
    '{"format": 1, "counts": {"step": 1, "batches_drawn": 1}, "sha256": null}',
]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_foreign_folder_is_refused(written, manifest):
    (written / "checkpoint.json").write_text(manifest)
    with pytest.raises(BadInput, match="is not a checkpoint of ganctl"):
        checkpoint.read(written, ("networks",))


def test_a_half_written_checkpoint_is_never_seen_and_goes_away(tmp_path):
    (tmp_path / ".step-00000009.tmp").mkdir()
    for step in (1, 2, 3):
        checkpoint.write(tmp_path / f"step-{step:08d}", TENSORS, COUNTS, SETTINGS)
    checkpoint.keep(tmp_path, sorted(tmp_path.glob("step-*")), {"step-00000002", "step-00000003"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_the_newest_whole_one_is_taken_and_the_damaged_ones_are_said(tmp_path):
    paths = [tmp_path / f"step-{step:08d}" for step in (1, 2, 3)]
    for path in paths:
        checkpoint.write(path, TENSORS, COUNTS, SETTINGS)
    (paths[2] / "checkpoint.json").write_text("{")
    (paths[1] / "networks.safetensors").unlink()
    with pytest.warns(UserWarning, match="going on from step-00000001") as said:
        path, tensors, _ = checkpoint.newest(paths, ("networks",))
    assert path == paths[0] and torch.equal(tensors["networks"]["a"], TENSORS["networks"]["a"])
    assert len(said) == 2
    (paths[0] / "networks.safetensors").unlink()
    with pytest.raises(BadInput, match="step-00000003: is not a checkpoint"):
        checkpoint.newest(paths, ("networks",))


def test_a_checkpoint_that_cannot_be_read_is_replaced_and_kept_aside(written):
    (written / "checkpoint.json").write_text("{")
    checkpoint.write(written, TENSORS, COUNTS, SETTINGS)
    checkpoint.read(written, ("networks",))
    assert (written.parent / "damaged-step-00000003" / "checkpoint.json").read_text() == "{"


def test_the_manifest_carries_hashes(written):
    manifest = json.loads((written / "checkpoint.json").read_text())
    assert set(manifest["sha256"]) == {"networks.safetensors", "training.safetensors"}
