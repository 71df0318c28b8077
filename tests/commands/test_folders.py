"""Two folders of pictures against each other: one shape for both, whatever the order of the files, and it is said."""

import json

import numpy as np
import pytest
from PIL import Image

from ganctl.commands.folders import both

MEASURE = ["--features", "pixels", "--metrics", "precision", "--json"]


def fill(folder, count, colour, size=(8, 8), mode="RGB", seed=0, ending="png"):
    """Pictures of one colour with some noise in it, so that no two are equal."""
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 40, (count, size[1], size[0], 3))
    for number in range(count):
        pixels = (np.array(colour) * 0.8 + noise[number]).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"p{number:03d}.{ending}")
    return folder


@pytest.fixture
def red(tmp_path):
    return fill(tmp_path / "red", 40, (255, 0, 0))


@pytest.fixture
def green(tmp_path):
    """As bright as the red ones: 0.299 * 255 is 0.587 * 130."""
    return fill(tmp_path / "green", 40, (0, 130, 0), seed=1)


@pytest.mark.parametrize("name", ["000.png", "zzz.png"])
def test_one_grey_picture_does_not_make_the_measurement_colour_blind(call, tmp_path, red, green, name):
    Image.new("L", (8, 8), 77).save(green / name)
    done = call("evaluate", "--images", red, "--against", green, *MEASURE, cwd=tmp_path)
    assert done.returncode == 0 and "reading both at 8x8, RGB" in done.stderr, done.stderr
    assert json.loads(done.stdout)["metrics"]["precision"]["value"] == 0  # no red picture could be a green one


def test_pictures_that_are_all_grey_are_read_as_grey_and_one_of_colour_on_either_side_is_enough(tmp_path, capsys):
    one, other = (fill(tmp_path / name, 3, (99, 99, 99), mode="L") for name in ("one", "other"))
    assert [images.shape for images in both(one, other)] == [(1, 8, 8)] * 2
    assert "reading both at 8x8, grey" in capsys.readouterr().err
    Image.new("RGB", (8, 8), (1, 2, 3)).save(one / "zzz.png")
    assert [images.shape for images in both(one, other)] == [(3, 8, 8)] * 2
    assert [images.shape for images in both(other, one)] == [(3, 8, 8)] * 2


@pytest.mark.parametrize("name", ["000.png", "zzz.png"])
@pytest.mark.parametrize("size", [(4, 4), (64, 64)])
def test_the_size_is_of_most_pictures_and_not_of_the_first_or_an_odd_one(tmp_path, red, green, capsys, name, size):
    Image.new("RGB", size, (1, 2, 3)).save(green / name)
    assert [images.shape for images in both(red, green)] == [(3, 8, 8)] * 2
    assert "reading both at 8x8" in capsys.readouterr().err


def test_the_smaller_folder_decides_on_the_size_on_either_side(tmp_path, red, capsys):
    large = fill(tmp_path / "large", 3, (0, 255, 0), size=(40, 30))
    for one, other in ((red, large), (large, red)):
        assert [images.shape for images in both(one, other)] == [(3, 8, 8)] * 2
        said = capsys.readouterr().err
        assert "reading both at 8x8, RGB: the smaller side of" in said
        assert "note: resizing images of 40x30 to 8x8, which changes scores" in said
