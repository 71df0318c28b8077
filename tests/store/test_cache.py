"""What takes long is made once, and nothing damaged is believed."""

import os
import time
from pathlib import Path

import pytest
import torch

from ganctl.store import cache


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ganctl"


def made(calls):
    def make():
        calls.append(1)
        return {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(7, dtype=torch.int64)}

    return make


def test_it_is_made_once_and_comes_back_bit_for_bit():
    calls = []
    first, again = cache.stored("x", made(calls)), cache.stored("x", made(calls))
    assert calls == [1]
    assert first.keys() == again.keys() == {"a", "b"}
    assert all(torch.equal(first[name], again[name]) and first[name].dtype == again[name].dtype for name in first)


def flip_a_bit(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize(
    "damage", [flip_a_bit, lambda content: content[:40], lambda content: b"", lambda content: b"{}" * 99]
)
def test_a_damaged_file_is_told_and_made_anew(place, damage):
    calls = []
    cache.stored("x", made(calls))
    file = place / "x.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match="x.safetensors: is damaged"):
        again = cache.stored("x", made(calls))
    assert len(calls) == 2 and torch.equal(again["a"], torch.arange(6.0).view(2, 3))
    cache.stored("x", made(calls))  # and it is whole now, without a warning
    assert len(calls) == 2


def test_a_file_without_its_digest_is_not_believed(place):
    from safetensors.torch import save_file

    calls = []
    place.mkdir(parents=True)
    save_file({"a": torch.zeros(2, 3), "b": torch.tensor(0)}, place / "x.safetensors")
    with pytest.warns(UserWarning, match="damaged"):
        assert cache.stored("x", made(calls))["a"].sum() == 15


def test_where_nothing_can_be_kept_it_works_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    calls = []
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert cache.stored("x", made(calls))["b"] == 7


def test_a_digest_changes_with_names_types_shapes_and_values():
    base = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}, {"a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": torch.eye(3)[:2]}, {"a": torch.zeros(2, 3), "c": torch.zeros(0)},
    ]  # fmt: skip
    digests = {cache.digest(tensors) for tensors in [base, *others]}
    assert len(digests) == 6
    assert cache.digest({"a": torch.zeros(3, 2).T}) == cache.digest(base)  # whatever the memory looks like


def test_a_key_changes_with_every_part():
    assert len({cache.key("a", 1), cache.key("a", 2), cache.key("a", "1"), cache.key(["a", 1]), cache.key("a")}) == 5
    assert cache.key({"x": 1, "y": 2}) == cache.key({"y": 2, "x": 1})
    assert len(cache.key("a")) == 32


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says what is mapped")
def test_what_was_kept_is_mapped_and_not_copied(place):
    big = {"pixels": torch.zeros(3_000_000, dtype=torch.uint8)}
    cache.stored("images/big", lambda: big)
    again = cache.stored("images/big", lambda: pytest.fail("it is there"))
    assert torch.equal(again["pixels"], big["pixels"])
    assert str(place / "images" / "big.safetensors") in Path("/proc/self/maps").read_text()


def test_a_folder_of_the_cache_is_bounded_and_what_was_used_lately_stays(place, monkeypatch):
    def kept(name):
        return cache.stored(f"images/{name}", lambda: {"a": torch.ones(1000, dtype=torch.uint8)})["a"]

    def names():
        return {file.name.split(".")[0] for file in (place / "images").iterdir()}

    for name in ("old", "older", "used", "new"):
        kept(name)
    (place / "images" / "aside.tmp").write_bytes(bytes(1000))  # of a process that was killed
    mapped = kept("older")
    for name, days in {"old": 2, "older": 3, "used": 4, "aside": 9}.items():
        (file,) = (place / "images").glob(f"{name}.*")
        os.utime(file, (time.time() - 86_400 * days,) * 2)
    kept("used")
    monkeypatch.setattr(cache, "MOST_KEPT", 3 * (place / "images" / "new.safetensors").stat().st_size + 500)
    kept("last")
    assert names() == {"used", "new", "last"}
    assert mapped.sum() == 1000  # whoever has it open goes on with it
    kept("more")  # more than there may be, but of today
    assert names() == {"used", "new", "last", "more"}


def test_another_process_that_tidies_up_at_the_same_time_does_no_harm(place, monkeypatch):
    for name in ("one", "two"):
        cache.stored(f"images/{name}", lambda: {"a": torch.ones(9)})
        os.utime(place / "images" / f"{name}.safetensors", (1, 1))
    monkeypatch.setattr(cache, "MOST_KEPT", 0)
    unlink = Path.unlink

    def gone_already(path):
        unlink(path)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", gone_already)
    assert cache.stored("images/three", lambda: {"a": torch.ones(9)})["a"].sum() == 9
    assert [file.stem for file in (place / "images").iterdir()] == ["three"]
