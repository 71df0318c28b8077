"""What is downloaded is checked by its published hash, and no pickle beside it is read."""

import gzip
import hashlib
import http.server
import threading
from functools import partial

import pytest
import torch
from torchvision import datasets

from ganctl.config.schema import TorchvisionImages
from ganctl.data import DATASETS, TEST_SPLITS, digits
from ganctl.errors import BadInput

OPTIONS = TorchvisionImages("mnist", None)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that torchvision takes for MNIST's mirror, and a set of black images that ganctl takes for MNIST."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "served").mkdir()
    resources = []
    for part, count in {"train": 60_000, "t10k": 10_000}.items():
        for name, size in {
            f"{part}-images-idx3-ubyte": 16 + 784 * count,
            f"{part}-labels-idx1-ubyte": 8 + count,
        }.items():
            packed = gzip.compress(bytes(size), 1)
            (tmp_path / "served" / f"{name}.gz").write_bytes(packed)
            resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(datasets.MNIST, "__init__", lambda *words, **more: pytest.fail("torchvision's own reader"))
    for train, count in {True: 60_000, False: 10_000}.items():
        black = digits.ImageSet(torch.zeros(count, 1, 28, 28, dtype=torch.uint8))
        monkeypatch.setitem(digits.FINGERPRINTS, ("MNIST", train), black.fingerprint)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served")) as server:
        mirror = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/", mirror])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "served"
        server.shutdown()


def test_only_the_files_of_the_split_are_downloaded_from_the_mirror_that_answers_and_kept(served, tmp_path):
    assert len(DATASETS["mnist"](OPTIONS).pixels) == 60_000
    raw = tmp_path / "cache" / "ganctl" / "MNIST" / "raw"
    unpacked = {file.name for file in raw.iterdir() if not file.suffix}
    assert unpacked == {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}
    for file in served.iterdir():
        file.rename(file.with_name(f"x-{file.name}"))
    assert len(DATASETS["mnist"](OPTIONS).pixels) == 60_000
    with pytest.raises(BadInput, match="data=mnist: MNIST cannot be read there .*data=mnist5k"):
        TEST_SPLITS["mnist"](OPTIONS)


def test_a_download_with_another_hash_is_refused_in_one_line(served):
    (served / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16 + 784 * 60_000), 2) + b"more")
    with pytest.raises(BadInput, match="data=mnist: MNIST cannot be read there .File not found or corrupted") as said:
        DATASETS["mnist"](OPTIONS)
    assert "\n" not in str(said.value)


def test_a_pickle_that_an_old_torchvision_left_is_not_read(served, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *words, **more: pytest.fail("torch.load"))
    processed = tmp_path / "cache" / "ganctl" / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(1), torch.zeros(1)), processed / name)
    assert len(DATASETS["mnist"](OPTIONS).pixels) == 60_000
