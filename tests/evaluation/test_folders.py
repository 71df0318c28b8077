"""Two folders of pictures against each other: one shape for both, whatever the order of the files, and it is said."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganctl.evaluation.folders import both

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


def test_a_size_may_be_asked_for(call, tmp_path, red, green):
    words = ["--against", green, *MEASURE, "--image-size", "4"]
    done = call("evaluate", "--images", red, *words, cwd=tmp_path)
    assert done.returncode == 0 and "reading both at 4x4, RGB" in done.stderr, done.stderr
    assert json.loads(done.stdout)["protocol"]["features"]["dimensions"] == 3 * 4 * 4
    done = call("evaluate", "--images", red, "--data", "mnist5k", "--image-size", "4", cwd=tmp_path)
    assert done.returncode == 2 and "--image-size 4: only two folders" in done.stderr


def test_large_pictures_are_not_read_at_their_size_unless_that_is_asked_for(tmp_path, capsys):
    one, other = (fill(tmp_path / name, 2, (9, 99, 199), size=(330, 400)) for name in ("one", "other"))
    assert [images.shape for images in both(one, other)] == [(3, 299, 299)] * 2
    assert "reading both at 299x299, RGB: not more, unasked, of 330 (--images)" in (said := capsys.readouterr().err)
    assert "1.0 MB together; --image-size takes another" in said  # 4 * 3 * 299 * 299 bytes are 1.02 MB
    assert [images.shape for images in both(one, other, 320)] == [(3, 320, 320)] * 2


def test_more_than_the_memory_holds_is_refused_before_reading_with_what_this_command_takes(
    call, tmp_path, red, green, monkeypatch
):
    monkeypatch.setattr("ganctl.data.folders.available_memory", lambda: 40 * 3 * 6 * 6 * 2.0)  # of 40 pictures of 6x6
    monkeypatch.setattr("ganctl.data.pixels.square", lambda *_: pytest.fail("was decoded"))
    done = call("evaluate", "--images", red, "--against", green, *MEASURE, cwd=tmp_path)
    assert done.returncode == 2 and "use --image-size 6 or less" in done.stderr, done.stderr
    done = call("train", "data=folder", f"data.root={red}", "data.image_size=8", cwd=tmp_path)
    assert done.returncode == 2 and "use data.image_size=6 or less" in done.stderr, done.stderr
    done = call("evaluate", "--images", red, "--data", "mnist5k", "--features", "pixels", cwd=tmp_path)
    assert done.returncode == 2 and "--images" in done.stderr and done.stderr.rstrip().endswith("use fewer")


def test_pictures_against_themselves_are_noticed_and_so_is_a_folder_inside_the_other(call, tmp_path, red, green):
    copy = shutil.copytree(red, tmp_path / "copy")
    inner = shutil.copytree(red, green / "inner")
    for images, against, warning in [
        (red, red, "are the very ones"), (red, copy, "are the very ones"), (inner, green, "--images lies inside"),
        (green, inner, "--against lies inside"), (red, green, None),
    ]:  # fmt: skip
        done = call("evaluate", "--images", images, "--against", against, *MEASURE, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = [each for each in json.loads(done.stdout)["warnings"] if "very ones" in each or "lies inside" in each]
        assert [warning in each for each in found] == ([] if warning is None else [True])
        assert warning is None or warning in done.stderr


def test_all_of_a_folder_may_be_measured_against_and_then_there_is_no_floor(call, tmp_path, red, green):
    images = fill(tmp_path / "few", 20, (255, 0, 0), seed=2)
    done = call("evaluate", "--images", images, "--against", red, "--whole", *MEASURE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["protocol"]["split"], found["protocol"]["num_real"], found["protocol"]["num_floor"]) == (
        "whole",
        40,
        0,
    )
    assert found["metrics"]["precision"]["floor"] is None
    assert any("there is no floor" in line for line in found["warnings"])
    assert "20 generated against 40 images, all there are" in done.stderr.replace("\n", " ")
    half = json.loads(call("evaluate", "--images", images, "--against", red, *MEASURE, cwd=tmp_path).stdout)
    assert half["protocol"]["num_real"] == 20 and half["metrics"]["precision"]["floor"] is not None
    assert half["fingerprint"] != found["fingerprint"]
    # Twenty real pictures are too few for halves, and enough for a whole.
    done = call("evaluate", "--images", red, "--against", images, *MEASURE, cwd=tmp_path)
    assert done.returncode == 2 and "`ganctl evaluate --whole`: 20" in done.stderr
    assert call("evaluate", "--images", red, "--against", images, "--whole", *MEASURE, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--whole", "--split", "train"], "--whole: measures against all images, and --split train"),
        (["--split", "whole"], "--split whole: choose from test, train"),
    ],
)
def test_all_and_some_are_not_asked_for_at_once(call, folder, words, message):
    done = call("evaluate", "--images", "x", "--against", "y", *words)
    assert done.returncode == 2 and message in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what was needed at the most")
def test_photographs_against_small_pictures_take_little_memory_and_less_of_the_disk(tmp_path, green):
    large = tmp_path / "large"
    large.mkdir()
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    pixels[:] = np.linspace(0, 200, 4000, dtype=np.uint8)[:, None]  # smooth, as photographs are on the whole
    for number in range(40):
        if number % 4 == 0:  # what stands behind a JPEG's end makes it another file
            pixels[:, 100 * number :, 0] = 6 * number
            Image.fromarray(pixels).save(packed := io.BytesIO(), "JPEG")
        (large / f"{number}.jpg").write_bytes(packed.getvalue() + bytes(number))
    script = (
        "import sys, pathlib\n"
        "from ganctl import cli\n"
        "try:\n    cli.main()\n"
        "finally:\n    print(pathlib.Path('/proc/self/status').read_text(), file=sys.stderr)\n"
    )
    words = ["evaluate", "--images", large, "--against", green, *MEASURE]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"VmHWM:\s+(\d+) kB", done.stderr)[1]) < 1_500_000
    assert sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*") if file.is_file()) < 50 * 2**20
