"""Weights that others publish are read as data: the same tensors as torch reads, and nothing else of the file."""

import collections
import io
import os
import pickle
import random
import struct
import time
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from ganctl.data import ImageSet
from ganctl.errors import BadInput
from ganctl.evaluation import Request
from ganctl.evaluation.features import feature_network
from ganctl.evaluation.published import read_tensors

GREY = ImageSet(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
NEW = {"_use_new_zipfile_serialization": True}
OLD = {"_use_new_zipfile_serialization": False}
both = pytest.mark.parametrize("how", [NEW, OLD], ids=["new", "old"])


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 5, bias=False))


def state():
    made = network().state_dict()
    made["1.num_batches_tracked"] += 2**40 + 3
    return made


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype, name
        assert found[name].is_contiguous()


@both
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_torch_has_saved_is_read_back(tmp_path, how, protocol):
    torch.save(state(), tmp_path / "w.pth", pickle_protocol=protocol, **how)
    assert_equal(read_tensors(tmp_path / "w.pth", state()), state())


def test_safetensors_are_read_too(tmp_path):
    save_file(state(), tmp_path / "w.safetensors")
    assert_equal(read_tensors(tmp_path / "w.safetensors", state()), state())


@both
def test_views_shared_storages_parameters_and_other_floats_are_understood(tmp_path, how):
    base = torch.arange(24.0)
    saved = {
        "turned": base.view(4, 6).t(), "part": base[3:9], "one": base[5], "none": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(3, 2)), "half": torch.randn(5).half(),
        "double": torch.randn(5).double(), "brain": torch.randn(5).bfloat16(),
    }  # fmt: skip
    torch.save(saved, tmp_path / "w.pth", **how)
    assert_equal(read_tensors(tmp_path / "w.pth", saved), {name: tensor.detach() for name, tensor in saved.items()})


@both
def test_a_plain_dictionary_without_counts_of_batches_is_enough(tmp_path, how):
    saved = {name: tensor for name, tensor in state().items() if not name.endswith("num_batches_tracked")}
    torch.save(saved, tmp_path / "w.pth", **how)
    found = read_tensors(tmp_path / "w.pth", state())
    assert_equal(found, saved)
    network().load_state_dict(found)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


class Hidden:
    """Says that it is a dictionary, and more when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return collections.OrderedDict, (), {"hooks": Bomb(self.marker)}


def poisoned(marker):
    yield Bomb(marker)
    yield {**state(), "x": Bomb(marker)}
    yield {**state(), "0.weight": Bomb(marker)}
    yield [state(), Bomb(marker)]
    yield Hidden(marker)
    carrying = state()
    carrying._metadata["bomb"] = Bomb(marker)
    yield carrying


@both
@pytest.mark.parametrize("place", range(6))
def test_a_pickle_that_asks_for_more_than_tensors_is_refused_and_nothing_runs(tmp_path, how, place):
    file, marker = tmp_path / "w.pth", tmp_path / "marker"
    torch.save(list(poisoned(marker))[place], file, **how)
    with pytest.raises(ValueError, match="asks for more than tensors .*mkdir.*never carried out") as said:
        read_tensors(file, state())
    assert "\n" not in str(said.value) and not marker.exists()
    with warnings.catch_warnings(), pytest.raises((FileExistsError, TypeError, AttributeError, KeyError)):
        warnings.simplefilter("ignore")  # the bomb is a real one: the second time, the marker is there
        for _ in range(2):
            torch.load(file, weights_only=False)["anything"]
    assert marker.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_bare_pickle_is_refused_and_nothing_runs(tmp_path, protocol):
    (tmp_path / "w.pth").write_bytes(pickle.dumps(Bomb(tmp_path / "marker"), protocol))
    with pytest.raises(ValueError, match="."):
        read_tensors(tmp_path / "w.pth", state())
    assert not (tmp_path / "marker").exists()


def words(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


@pytest.mark.parametrize(
    "program",
    [
        words(b"cbuiltins\nexec\n", b"(X\x01\x00\x00\x00x", b"tR"),
        words(b"ctorch\nload\n", b"(X\x01\x00\x00\x00x", b"tR"),
        words(b"ctorch._utils\n_rebuild_tensor_v2\n", b")", b"\x81"),  # NEWOBJ
        words(b"(X\x01\x00\x00\x00x", b"ios\nsystem\n"),  # INST
        words(b"(cos\nsystem\nX\x01\x00\x00\x00x", b"o"),  # OBJ
        words(b"\x82\x01"),  # EXT1
        words(b"Pname\n"),  # PERSID
        words(b"}", b"}K\x01s"),  # a dictionary as a key
        words(b"K\x01K\x02s"),  # sets in a number
        words(b"\x8c\x02os\x8c\x06system\x93"),  # STACK_GLOBAL
        words(b"\x8d" + struct.pack("<Q", 2**62) + b"x"),  # BINUNICODE8 of 2**62 bytes
        words(b"X" + struct.pack("<I", 2**32 - 1) + b"x"),
        words(b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x"),  # LONG4
        words(b"0"), words(b"2"), words(b"h\x07"), words(b"t"), words(b"s"), words(b"R"), words(b"Q"), words(),
        b"\x80\x02",
        words(b"(K\x01", b"l"), words(b"]" * 100_000), words(b"(" * 100_000),
    ],
    ids=range(25),
)  # fmt: skip
def test_programs_that_torch_never_writes_are_refused(tmp_path, program):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("w/data.pkl", program)
    with pytest.raises(ValueError) as said:
        read_tensors(tmp_path / "w.pth", state())
    assert "\n" not in str(said.value) and len(str(said.value)) < 300


@pytest.mark.slow
def test_a_program_that_would_keep_its_reader_busy_forever_is_refused_at_once(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("w/data.pkl", words(b"]" * 2**20, b"(t" * 2**20))
    began = time.monotonic()
    with pytest.raises(ValueError, match="."):
        read_tensors(tmp_path / "w.pth", state())
    # Tuples of tuples of tuples: two to the sixtieth of them where a list of storages should be.
    saved = io.BytesIO()
    torch.save({"x": torch.arange(4.0)}, saved, **OLD)
    whole = saved.getvalue()
    last = whole.rindex(b"\x80\x02")
    nested = words(b"]", b")", b"q\x00", b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60)), b"a")
    (tmp_path / "w.pth").write_bytes(whole[:last] + nested + bytes(24))
    with pytest.raises(ValueError, match="."):
        read_tensors(tmp_path / "w.pth", {"x": torch.zeros(4)})
    assert time.monotonic() - began < 60


def test_an_older_file_of_another_byte_order_is_refused(tmp_path):
    torch.save({"x": torch.arange(4.0)}, tmp_path / "w.pth", **OLD)
    whole = (tmp_path / "w.pth").read_bytes()
    place = whole.index(b"little_endian")
    true = whole.index(b"\x88", place)
    (tmp_path / "w.pth").write_bytes(whole[:true] + b"\x89" + whole[true + 1 :])
    with pytest.raises(ValueError, match="another order"):
        read_tensors(tmp_path / "w.pth", {"x": torch.zeros(4)})


@both
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda saved: saved.pop("0.weight"), "has no 0.weight"),
        (lambda saved: saved.update(more=torch.zeros(2)), "has 'more', which the network has not"),
        (lambda saved: saved.update({"0.bias": torch.zeros(5)}), r"0.bias is \[5\] instead of \[4\]"),
        (lambda saved: saved.update({"0.bias": torch.zeros(4).long()}), "0.bias holds torch.int64"),
        (lambda saved: saved.update({"0.bias": torch.zeros(100_000)[:4]}), "more numbers than the network has"),
        (lambda saved: saved.update({"0.bias": 3}), "no dictionary of tensors"),
    ],
)
def test_another_network_is_refused(tmp_path, how, change, reason):
    saved = dict(state())
    change(saved)
    torch.save(saved, tmp_path / "w.pth", **how)
    with pytest.raises(ValueError, match=reason):
        read_tensors(tmp_path / "w.pth", state())


def test_safetensors_of_another_network_or_damaged_are_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file({**state(), "0.bias": torch.zeros(5)}, file)
    with pytest.raises(ValueError, match="0.bias"):
        read_tensors(file, state())
    save_file(state(), file)
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:40], struct.pack("<Q", 2**62) + whole[8:], whole + b"more"):
        file.write_bytes(content)
        with pytest.raises(ValueError):
            read_tensors(file, state())


def rewritten(file, change):
    """The zip file with its members changed: name -> content, or None to leave it out; compressed where asked."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        change(members, archive)
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.slow
def test_a_zip_file_that_lies_is_refused(tmp_path):
    file = tmp_path / "w.pth"

    def compressed(members, archive):
        name = next(name for name in members if name.endswith("/data/0"))
        archive.writestr(name, bytes(2**28), zipfile.ZIP_DEFLATED)
        del members[name]

    def compressed_program(members, archive):
        members.pop("w/data.pkl")
        archive.writestr("w/data.pkl", bytes(2**28), zipfile.ZIP_DEFLATED)

    def replaced(name, content):
        return lambda members, archive: members.update({name: content})

    for change, reason in [
        (compressed, "data/0 in it is compressed"),
        (compressed_program, "data.pkl in it is compressed"),
        (replaced("w/data/0", b"abc"), "storage 0 has 3 bytes instead of"),
        (replaced("w/data/0", bytes(10_000)), "data/0 in it .* more than"),
        (replaced("w/byteorder", b"big"), "another order"),
        (replaced("v/data.pkl", b"."), "none of torch.save"),
        (lambda members, archive: members.pop("w/data.pkl"), "none of torch.save"),
        (lambda members, archive: members.pop("w/data/0"), "damaged: KeyError"),
    ]:
        torch.save(state(), file)
        rewritten(file, change)
        with pytest.raises(ValueError, match=reason):
            read_tensors(file, state())


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path):
    file = tmp_path / "w.pth"
    for how in (NEW, OLD):
        torch.save({"x": torch.arange(4.0)[1:]}, file, **how)
        whole = file.read_bytes()
        # The offset 1 becomes 2: BININT1 between the storage and the shape.
        before, after = b"QK\x01K\x03\x85", b"QK\x02K\x03\x85"
        assert whole.count(before) == 1
        file.write_bytes(whole.replace(before, after))
        with pytest.raises(ValueError, match="reaches beyond its 4 numbers|damaged: BadZipFile"):
            read_tensors(file, {"x": torch.zeros(3)})


def test_an_older_file_that_lies_about_its_storages_is_refused(tmp_path):
    file = tmp_path / "w.pth"
    torch.save({"x": torch.arange(4.0)}, file, **OLD)
    whole = file.read_bytes()
    count = struct.pack("<q", 4)
    assert whole[-24:-16] == count
    for content in (
        whole[:-24] + struct.pack("<q", 2**60) + whole[-16:],
        whole[:-24] + struct.pack("<q", -4) + whole[-16:],
        whole[:-1],
        whole[:-20],
        whole[: len(whole) // 2],
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError):
            read_tensors(file, {"x": torch.zeros(4)})


@pytest.mark.slow
@both
def test_a_truncated_or_damaged_file_is_refused_or_has_the_tensors_it_should(tmp_path, how):
    torch.save(state(), tmp_path / "w.pth", **how)
    whole, chance = (tmp_path / "w.pth").read_bytes(), random.Random(0)
    for number in range(600):
        damaged = bytearray(whole)
        if number % 4 == 0:
            del damaged[chance.randrange(len(whole)) :]
        else:
            for _ in range(chance.choice([1, 1, 3, 10])):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "w.pth").write_bytes(damaged)
        try:
            found = read_tensors(tmp_path / "w.pth", state())
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 400
        else:
            for name, tensor in found.items():
                assert tensor.shape == state()[name].shape


def test_a_long_word_of_a_damaged_file_is_not_quoted(tmp_path):
    file = tmp_path / "w.pth"
    file.write_bytes(b"\x80\x02S" + b"x" * 1000 + b"\n.")  # a string without quotes
    with pytest.raises(ValueError, match=r"^is damaged: ValueError: no string quotes around .{1,200}$"):
        read_tensors(file, state())


def inception_state():
    from torch_fidelity import feature_extractor_inceptionv3

    from ganctl.evaluation.features import _without_weights

    torch.manual_seed(0)
    made = _without_weights(feature_extractor_inceptionv3).state_dict()
    return {
        name: torch.randn(w.shape) * 0.05 if w.ndim > 1 else torch.ones(w.shape, dtype=w.dtype)
        for name, w in made.items()
    }


def test_the_network_of_fid_is_read_from_either_format_and_from_safetensors_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *words, **more: pytest.fail("torch.load"))
    torch.set_num_threads(1)
    saved, features = inception_state(), []
    for name, how in {"new.pth": NEW, "old.pth": OLD}.items():
        torch.save(saved, tmp_path / name, **how)
    save_file(saved, tmp_path / "w.safetensors")
    images = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    for name in ("new.pth", "old.pth", "w.safetensors"):
        found = feature_network("inception", Request(GREY, weights=tmp_path / name))
        features.append(found.look(images)[0])
    assert torch.equal(features[0], features[1]) and torch.equal(features[0], features[2])
    assert features[0].shape == (1, 2048) and features[0].std() > 0


@both
def test_weights_with_code_in_them_are_refused_on_the_command_line_in_one_line(tmp_path, how):
    torch.save({"Conv2d_1a_3x3.conv.weight": Bomb(tmp_path / "marker")}, tmp_path / "w.pth", **how)
    with pytest.raises(BadInput, match="cannot be read .asks for more than tensors .*--weights FILE") as said:
        feature_network("inception", Request(GREY, weights=tmp_path / "w.pth"))
    assert "\n" not in str(said.value) and not (tmp_path / "marker").exists()


def test_the_download_is_checked_by_its_hash_and_kept(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as published

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / published.URL_INCEPTION_V3.rsplit("/", 1)[-1]
    monkeypatch.setattr(published, "URL_INCEPTION_V3", f"file://{tmp_path}/weights-inception-2015-12-05-6726825d.pth")
    (tmp_path / file.name).write_bytes(b"something else")
    with pytest.raises(BadInput, match=r"cannot be read \(invalid hash value .*6726825d.*--weights FILE"):
        feature_network("inception", Request(GREY))
    assert not file.exists()
    file.write_bytes(b"put there by somebody")
    with pytest.raises(BadInput, match="is not the published file; remove it"):
        feature_network("inception", Request(GREY))


def test_a_download_with_the_right_hash_is_read_once_for_all(tmp_path, monkeypatch):
    import hashlib

    from torch_fidelity import feature_extractor_inceptionv3 as published

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    saved = io.BytesIO()
    torch.save(inception_state(), saved)
    served = tmp_path / f"w-{hashlib.sha256(saved.getvalue()).hexdigest()[:8]}.pth"
    served.write_bytes(saved.getvalue())
    monkeypatch.setattr(published, "URL_INCEPTION_V3", served.as_uri())
    first = feature_network("inception", Request(GREY))
    served.unlink()
    assert feature_network("inception", Request(GREY)).digest == first.digest


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as published

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(published, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights-inception-2015-12-05-6726825d.pth")
    with pytest.raises(BadInput, match=r"its weights cannot be read \(.*refused.*give --weights FILE, weights-incept"):
        feature_network("inception", Request(GREY))
