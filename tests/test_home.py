"""A user without a home folder, as containers and clusters have: what needs none works, the rest says what to set."""

import pwd

import pytest
import torch

from ganctl.data import ImageSet
from ganctl.errors import BadInput
from ganctl.evaluation.features import Request, feature_network
from ganctl.store import cache
from tests.conftest import TINY


@pytest.fixture
def homeless(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(number):
        raise KeyError(f"uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_the_default_trains(homeless, call, folder):
    done = call("train", *TINY, "steps=2")
    assert done.returncode == 0, done.stderr


def test_a_download_says_which_folder_to_name(homeless, call, folder):
    done = call("train", *TINY, "steps=2", "data=mnist")
    assert done.returncode == 2 and "no home folder to keep files in; set XDG_CACHE_HOME=DIR" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("data", ["mnist", "folder"])
def test_a_path_from_home_says_to_write_it_whole(homeless, call, folder, data):
    done = call("train", *TINY, "steps=2", f"data={data}", "data.root='~/pictures'")
    said = "data.root=~/pictures: there is no such home folder; write the whole path"
    assert done.returncode == 2 and said in done.stderr


def test_the_published_network_makes_no_folder_that_is_named_like_a_home(homeless, folder):
    pytest.importorskip("torch_fidelity")
    with pytest.raises(BadInput, match=r"no home folder to keep them in; set TORCH_HOME=DIR.*--weights FILE"):
        feature_network("inception", Request(ImageSet(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))))
    assert not (folder / "~").exists()


def test_what_could_be_kept_is_made_each_time(homeless):
    made = []
    for _ in range(2):
        cache.stored("images/x", lambda: made.append(1) or {"a": torch.ones(1)})
    assert len(made) == 2
