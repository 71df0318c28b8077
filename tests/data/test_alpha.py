"""Four channels: what is transparent in a picture stays so, from the file to the samples."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl.config.load import load
from ganctl.config.schema import Folder
from ganctl.data import DATASETS, ImageSet
from ganctl.data.pictures import grid
from ganctl.errors import BadInput
from ganctl.evaluation import Request
from ganctl.evaluation.features import feature_network
from tests.conftest import TINY

KEEP = ["data=folder", "data.image_size=8", "data.channels=4"]


def read(root, size=8, channels=4):
    return DATASETS["folder"](Folder(root=str(root), image_size=size, channels=channels))


def saved(folder, picture, name="a.png", **how):
    folder.mkdir(exist_ok=True)
    picture.save(folder / name, **how)
    return folder


@pytest.fixture
def icons(tmp_path):
    """Forty squares of two colours with an opaque middle and nothing around it."""
    for number in range(40):
        colour = (200 + number, 0, 0) if number % 2 else (0, 0, 200 + number)
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[2:6, 2:6] = (*colour, 255)
        saved(tmp_path / "icons", Image.fromarray(pixels), f"{number:02d}.png")
    return tmp_path / "icons"


def test_a_picture_with_alpha_is_read_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4)).astype(np.uint8)
    found = read(saved(tmp_path / "a", Image.fromarray(pixels)))
    assert found.shape == (4, 8, 8)
    assert (found.pixels[0].numpy().transpose(1, 2, 0) == pixels).all()
    assert "transparent" not in found.files  # no background shows


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGB", "png"), ("L", "png"), ("1", "png"), ("P", "gif"), ("RGB", "jpg"), ("CMYK", "jpg")]
)
def test_a_picture_without_alpha_is_opaque(tmp_path, mode, ending):
    picture = Image.new("RGB", (8, 8), (255, 255, 255) if mode == "1" else (90, 90, 90)).convert(mode)
    saved(tmp_path / "a", picture, f"a.{ending}")
    opaque, colours = read(tmp_path / "a").pixels[0], read(tmp_path / "a", channels=3).pixels[0]
    assert (opaque[3] == 255).all() and torch.equal(opaque[:3], colours)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_colour_that_a_file_calls_transparent_is(tmp_path, mode):
    picture = Image.new(mode, (8, 8), 3 if mode != "RGB" else (3, 3, 3))
    picture.paste(9 if mode != "RGB" else (9, 9, 9), (0, 0, 4, 8))
    if mode == "P":
        picture.putpalette([place for place in range(256) for _ in range(3)])
    how = {"transparency": 3 if mode != "RGB" else (3, 3, 3)}
    found = read(saved(tmp_path / "a", picture, **how)).pixels[0]
    assert (found[3, :, :4] == 255).all() and (found[3, :, 4:] == 0).all()
    assert (found[:3, :, :4] == 9).all()


def test_sixteen_bits_keep_their_transparency(tmp_path):
    numbers = np.full((8, 8), 257 * 100, np.uint16)
    numbers[:, 4:] = 7
    found = read(saved(tmp_path / "a", Image.fromarray(numbers), transparency=7)).pixels[0]
    assert (found[3, :, :4] == 255).all() and (found[3, :, 4:] == 0).all() and (found[0, :, :4] == 100).all()


def test_what_cannot_be_seen_does_not_colour_what_can_when_a_picture_shrinks(tmp_path):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (255, 0, 0, 255)
    pixels[:, 32:] = (0, 255, 0, 0)  # green below
    found = read(saved(tmp_path / "a", Image.fromarray(pixels))).pixels[0]
    seen = found[3] > 0
    assert (found[1][seen] == 0).all() and (found[0][seen] > 250).all()
    assert found[3, 0, 0] == 255 and found[3, 0, 7] == 0


def test_a_picture_on_its_side_is_turned_with_its_alpha(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (1, 2, 3, 255)
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn to the right
    found = read(saved(tmp_path / "a", Image.fromarray(pixels), exif=exif)).pixels[0]
    assert (found[3, :, 4:] == 255).all() and (found[3, :, :4] == 0).all()


def test_a_dark_picture_is_told_of_and_a_dark_shape_on_nothing_is_not(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (9, 9, 9, 255)
    assert "narrow" not in read(saved(tmp_path / "shape", Image.fromarray(pixels))).files
    pixels[..., 3] = 255
    with pytest.warns(UserWarning, match="1 of 1 pictures use less than a tenth of the range"):
        read(saved(tmp_path / "a", Image.fromarray(pixels)))


@pytest.mark.parametrize("channels", ["0", "2", "5"])
def test_other_numbers_of_channels_are_refused_in_one_line(channels):
    with pytest.raises(BadInput) as refused:
        load(["data=folder", "data.root=a", f"data.channels={channels}"])
    message = str(refused.value)
    assert message.startswith(f"data.channels={channels}: ") and "\n" not in message
    assert channels == "0" or message.endswith("choose 1 (grey), 3 (RGB) or 4 (RGB and alpha)")


def test_images_of_a_plugin_with_two_channels_are_refused_in_one_line(call, folder, monkeypatch):
    monkeypatch.setitem(DATASETS, "pairs", None)  # so that the plugin's row goes with this test
    (folder / "my_pairs.py").write_text(
        "import torch\nfrom ganctl.data import DATASETS, ImageSet\n"
        "DATASETS['pairs'] = lambda options: ImageSet(torch.zeros(20, 2, 8, 8, dtype=torch.uint8))\n"
    )
    done = call("train", *TINY, "plugins=[my_pairs]", "data=pairs", "batch_size=10", "steps=2")
    assert done.returncode == 2 and done.stderr.splitlines() == [
        "ganctl: images with 2 channels: a picture has 1 (grey), 3 (RGB) or 4 (RGB and alpha)"
    ]


def test_a_background_that_nobody_would_see_is_refused():
    with pytest.raises(BadInput, match="data.background=black: 4 channels keep what is transparent; leave it out, or"):
        load(["data=folder", "data.root=a", "data.channels=4", "data.background=black"])


def test_a_grid_shows_what_is_transparent_on_squares_of_two_greys():
    pixels = np.zeros((3, 8, 8, 4), np.uint8)
    pixels[0] = (250, 10, 90, 255)
    pixels[1] = (250, 10, 90, 0)
    pixels[2] = (0, 0, 0, 51)  # a fifth
    sheet = grid(pixels, 3)
    assert sheet.shape == (12, 32, 3)
    opaque, clear, fifth = (sheet[2:10, 2 + 10 * place : 10 + 10 * place].astype(int) for place in range(3))
    assert (opaque == (250, 10, 90)).all()
    assert {tuple(pixel) for pixel in clear.reshape(-1, 3)} == {(204,) * 3, (153,) * 3}
    assert (clear[:4, :4] == clear[4:, 4:]).all() and (clear[0, 0] != clear[0, 4]).all()
    assert np.abs(fifth - clear * 0.8).max() <= 0.5


def test_a_run_on_pictures_with_alpha_samples_and_is_measured(icons, call, tmp_path):
    done = call(
        "train", *TINY, *KEEP, f"data.root={icons}", "data.hold_out=20", "batch_size=10", "steps=2", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.strip()
    assert json.loads((run / "run.json").read_text())["sample_shape"] == [4, 8, 8]
    drawn = call("sample", run, "--npz", "--num", "3", cwd=tmp_path)
    with np.load(tmp_path / drawn.stdout.strip()) as loaded:
        images = loaded["images"]
    assert images.shape == (3, 8, 8, 4)
    picture = call("sample", run, "--num", "3", "--columns", "3", cwd=tmp_path)
    with Image.open(tmp_path / picture.stdout.strip()) as opened:
        assert opened.mode == "RGB" and (np.asarray(opened) == grid(images, 3)).all()
    for words in ([], ["--against", icons]):
        measured = call("evaluate", run, "--num", "20", "--metrics", "recall", "--json", *words, cwd=tmp_path)
        assert measured.returncode == 0, measured.stderr
        assert json.loads(measured.stdout)["protocol"]["features"] == {
            "name": "pixels", "sha256": "4x8x8", "dimensions": 256,
        }  # fmt: skip
    refused = call("evaluate", run, "--features", "inception", cwd=tmp_path)
    assert refused.returncode == 2 and refused.stderr.splitlines()[-1] == (
        "ganctl: --features inception: looks at grey images or RGB, and these have 4 channels; use --features "
        "classifier or pixels"
    )


def test_the_classifier_sees_alpha(quick_classifier):
    """Two classes of one colour, which only their alpha tells apart."""
    labels = torch.arange(80) % 2
    pixels = torch.full((80, 4, 8, 8), 120, dtype=torch.uint8)
    pixels[:, 3] = torch.randint(0, 90, (80, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    pixels[labels == 1, 3] += 120
    images = ImageSet(pixels, labels)
    network = feature_network("auto", Request(images, images))
    assert network.name == "classifier" and network.about["accuracy"] > 0.95
