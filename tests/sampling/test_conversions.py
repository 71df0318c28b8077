"""`sample --upscale` and `sample --translate`: the user's own pictures, of any size, tiled without seams."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl.models.srresnet import SrResNet
from ganctl.sampling.conversions import tile_side, tiled
from tests.conftest import called


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with pictures, a run of each game, and the names of the runs."""
    folder = tmp_path_factory.mktemp("conversions")
    noise = np.random.default_rng(0)
    (folder / "mine" / "inner").mkdir(parents=True)
    for name, shape in (("mine/wide.png", (20, 31)), ("mine/inner/tall.jpg", (24, 12, 3))):
        Image.fromarray(noise.integers(0, 255, shape, np.uint8)).save(folder / name)
    (folder / "mine" / "broken.png").write_bytes(b"no picture")
    small = ["steps=2", "threads=1", "batch_size=4", "sample_every=2", "checkpoint_every=2"]
    for name, words in {
        "srgan": ["experiment=srgan", "game.pretrain_steps=1", "model.blocks=1", "model.width=4"],
        "flat": ["game=srgan", "model=mlp", "model.generator_widths=[8]", "game.pretrain_steps=1"],
        "cyclegan": ["experiment=cyclegan", "model.blocks=1", "model.width=4"],
    }.items():
        done = called("train", *words, *small, f"name={name}", "output_dir=o", cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / done.stdout.strip()).rename(folder / name)
    return folder


def size_of(path):
    with Image.open(path) as picture:
        return picture.size, picture.mode


def test_a_picture_is_upscaled_at_its_own_size(home, call):
    done = call("sample", "srgan", "--upscale", "mine/wide.png", cwd=home)
    assert done.returncode == 0, done.stderr
    made = home / done.stdout.strip()
    assert made.parent.name == "upscaled-4x" and size_of(made) == ((124, 80), "L")


def test_a_folder_is_upscaled_under_the_same_names_and_what_cannot_be_read_is_said(home, call, tmp_path):
    done = call("sample", "srgan", "--upscale", "mine", "--out", tmp_path / "big", cwd=home)
    assert done.returncode == 0 and "broken.png: is no picture that can be read" in done.stderr
    files = sorted(str(file.relative_to(tmp_path / "big")) for file in (tmp_path / "big").rglob("*.*"))
    assert files == ["inner/tall.png", "wide.png"]
    assert size_of(tmp_path / "big" / "inner" / "tall.png") == ((48, 96), "L")  # grey, as the run is


@pytest.mark.parametrize("to", ["A", "B"])
def test_pictures_are_translated_to_either_domain(home, call, to):
    done = call("sample", "cyclegan", "--translate", "mine/inner/tall.jpg", "--to", to, cwd=home)
    assert done.returncode == 0, done.stderr
    assert size_of(home / done.stdout.strip()) == ((28, 28), "RGB")


def test_samples_and_reconstructions_show_where_they_come_from(home, call):
    for game, cells, rows in (
        ("srgan", 9, "rows, from the top: low, bicubic, error phase, generator, images"),
        ("cyclegan", 9, "rows, from the top: A, A to B, back to A, B, B to A, back to B"),
    ):
        done = call("sample", game, cwd=home)
        assert done.returncode == 0, done.stderr
        assert size_of(home / done.stdout.strip())[0] == (cells * 30 + 2, 8 * 30 + 2)
        done = call("sample", game, "--reconstruct", "--num", "8", cwd=home)
        assert done.returncode == 0 and rows in done.stderr, done.stderr


def test_a_grid_has_each_input_its_sample_and_its_target_side_by_side(home, call):
    for game, names in (("srgan", ["low", "sample", "target"]), ("cyclegan", ["source", "sample", "target"])):
        info = json.loads((home / game / "run.json").read_text())
        assert info["shown_beside"] == names
        done = call("sample", game, "--npz", cwd=home)
        assert done.returncode == 0, done.stderr
        with np.load(home / done.stdout.strip()) as found:
            arrays = {name: found[name] for name in found.files}
        assert set(arrays) == {"images", *names} - {"sample"}
        with Image.open(home / game / "samples" / "step-00000002.png") as picture:
            grid = np.asarray(picture)
        for place, name in enumerate("images" if name == "sample" else name for name in names):
            cell = grid[2:30, 2 + 30 * place : 30 + 30 * place]
            first = arrays[name][0]
            factor = 28 // len(first)
            assert np.array_equal(cell, np.broadcast_to(first.repeat(factor, 0).repeat(factor, 1), (28, 28, 3))), name
        known = arrays["low"].shape == (24, 7, 7, 1) if game == "srgan" else arrays["source"].shape == (24, 28, 28, 3)
        assert known and len(arrays["images"]) == 24


@pytest.mark.slow
def test_either_direction_of_a_translation_is_measured(home, call, quick_classifier):
    measured = {}
    for to in ("A", "B"):
        words = ["--to", to, "--metrics", "fid,label_agreement,translation_error,back_translation_error,memorization"]
        done = call("evaluate", "cyclegan", *words, "--num", "60", "--json", cwd=home)
        assert done.returncode == 0 and f"step 2, to {to}" in done.stderr, done.stderr
        measured[to] = json.loads(done.stdout)
        assert measured[to]["to"] == to
    a, b = (measured[to]["metrics"] for to in ("A", "B"))
    assert measured["A"]["protocol"]["reference"] != measured["B"]["protocol"]["reference"]
    # The images of A are measured against those of A: black paper makes black paper a close one.
    assert a["translation_error"]["value"] == pytest.approx(b["back_translation_error"]["value"], rel=0.05)
    done = call("evaluate", "srgan", "--to", "A", cwd=home)
    assert done.returncode == 2 and "--to A: this run translates nothing; leave it out" in done.stderr
    done = call("evaluate", "cyclegan", "--to", "C", cwd=home)
    assert done.returncode == 2 and "--to C: choose A or B" in done.stderr


@pytest.mark.slow
def test_super_resolution_is_measured_beside_bicubic_interpolation(home, call, quick_classifier):
    words = ["--metrics", "psnr,ssim,consistency,feature_distance,fid,label_agreement", "--num", "60", "--json"]
    done = call("evaluate", "srgan", *words, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "bicubic" in done.stderr and "error phase" in done.stderr
    found = json.loads(done.stdout)["metrics"]
    for name in ("psnr", "ssim", "consistency", "feature_distance", "fid", "label_agreement"):
        assert set(found[name]["rivals"]) == {"bicubic", "error phase"}
        assert None not in found[name]["rivals"].values()
    assert found["psnr"]["rivals"]["bicubic"] == pytest.approx(14.5, abs=0.5)  # of digits; an untrained one is below
    assert found["psnr"]["value"] < found["psnr"]["rivals"]["bicubic"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["cyclegan", "--upscale", "mine"], "--upscale mine: this run makes nothing larger; name a run of game=srgan"),
        (["flat", "--upscale", "mine"], "--upscale mine: the networks of this run take 7x7 pixels and no others; name"),
        (["srgan", "--translate", "mine", "--to", "B"], "--translate mine: this run translates nothing"),
        (["cyclegan", "--translate", "mine"], "--translate mine: add --to A or --to B; they go together"),
        (["cyclegan", "--to", "B"], "--to B: add --translate FILE_OR_DIR; they go together"),
        (["cyclegan", "--translate", "mine", "--to", "C"], "--to C: choose A or B"),
        (["srgan", "--upscale", "nowhere"], "--upscale nowhere: is not there"),
        (["srgan", "--upscale", "mine/broken.png"], "nothing could be read there (broken.png is no picture"),
        (["srgan", "--upscale", "mine", "--num", "3"], "--upscale mine: gives a picture for each of yours; leave out"),
        (["srgan", "--upscale", "mine", "--npz"], "leave out --npz"),
        (["srgan", "--upscale", "mine/wide.png", "--out", "x.gif"], "--out x.gif: the file is written as png"),
        (["srgan", "--upscale", "mine", "--out", "mine"], "--out mine: would replace"),
        (["srgan", "--upscale", "mine", "--reconstruct"], "--reconstruct and --upscale mine: ask for two pictures"),
        (["srgan", "--interpolate"], "--interpolate: the samples of this run have no latent vector"),
        (["srgan", "--label", "3"], "--label 3: the samples of this run have no label"),
    ],
)
def test_a_wrong_request_is_one_line_and_loses_nothing(home, call, words, line):
    before = {file: file.read_bytes() for file in (home / "mine").rglob("*.*")}
    done = call("sample", *words, cwd=home)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert line in " ".join(done.stderr.split())
    assert {file: file.read_bytes() for file in (home / "mine").rglob("*.*")} == before


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("factor", [2, 4])
def test_tiles_have_no_seams(factor, norm):
    torch.manual_seed(0)
    network = SrResNet(3, factor, blocks=3, width=8, norm=norm, output="tanh").eval()
    low = torch.rand(1, 3, 50, 75) * 2 - 1
    with torch.no_grad():
        whole = network(low)
        made = tiled(network, low, factor, 16, network.reach)
        assert torch.allclose(made, whole, atol=1e-5)
        # The control: with less of the surroundings, seams are seen.
        assert not torch.allclose(tiled(network, low, factor, 16, 1), whole, atol=1e-3)


def test_tiles_are_as_large_as_the_memory_allows():
    network = SrResNet(1, 4, blocks=8, width=32, norm="none", output="tanh")
    assert tile_side((1, 1, 200, 300), network, memory=16e9) == 300
    side = tile_side((1, 1, 2000, 3000), network, memory=1e9)
    assert 16 <= side < 300
    assert (side + 2 * network.reach) ** 2 * 4 * network.floats_per_pixel <= 1e9 / 4
    assert tile_side((1, 1, 2000, 3000), network, memory=1e6) == 16
