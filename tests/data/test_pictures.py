"""Whatever lies in a folder of pictures is read right or left out with its reason: no crash, no wait, no bomb."""

import contextlib
import errno
import io
import json
import os
import random
import resource
import socket
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ganctl.config.schema import Folder
from ganctl.data import DATASETS, opened, pixels
from ganctl.data.opened import LeftOut
from ganctl.data.png import PngHeader
from ganctl.errors import BadInput
from tests.conftest import TINY

# A picture whose quarters tell which way is up: red, green / blue, white.
QUARTERS = np.zeros((64, 64, 3), np.uint8)
QUARTERS[:32, :32, 0] = QUARTERS[:32, 32:, 1] = QUARTERS[32:, :32, 2] = 255
QUARTERS[32:, 32:] = 255
CORNERS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


@pytest.fixture
def root(tmp_path):
    """A folder with one good picture, so that what is odd can be left out."""
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (9, 9), (10, 20, 30)).save(tmp_path / "pictures" / "good.png")
    return tmp_path / "pictures"


def read(root, channels=3, size=16):
    return DATASETS["folder"](Folder("folder", str(root), size, channels))


def left_out(root, **more):
    """Why files are left out, of a folder where some are."""
    with pytest.warns(UserWarning, match="left out"):
        images = read(root, **more)
    return images.left_out


def packed(picture, **how):
    file = io.BytesIO()
    picture.save(file, **how)
    return file.getvalue()


def corners(square):
    """The colours in the middle of each quarter of [3, H, W]."""
    quarter = square.shape[1] // 4
    return [square[:, y, x].tolist() for y in (quarter, -quarter) for x in (quarter, -quarter)]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, rows, *others, depth=8, colour=0):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", rows)
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + body + chunk(b"IEND", b"")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("GIF", {}), ("WEBP", {}), ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "tiff_adobe_deflate"}), ("BMP", {}),
        ("PPM", {}),
    ],
)  # fmt: skip
def test_a_truncated_picture_is_left_out_and_a_whole_one_is_not(root, kind, how):
    whole = packed(NOISE, format=kind, **how)
    ending = {"PPM": "ppm"}.get(kind, kind.lower())
    (root / f"whole.{ending}").write_bytes(whole)
    for part in (0.05, 0.3, 0.6, 0.9):
        (root / f"part{part}.{ending}").write_bytes(whole[: int(len(whole) * part)])
    reasons = left_out(root)
    assert set(reasons) == {f"part{part}.{ending}" for part in (0.05, 0.3, 0.6, 0.9)}
    assert all("damaged" in reason or "no picture" in reason for reason in reasons.values())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"This is a text.\n" * 100, "is no picture that can be read"),
        (b"\x89PNG\r\n\x1a\n and no more", "damaged|no picture"),
        (bytes(10_000), "is no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture that can be read"),
    ],
)
def test_what_is_no_picture_is_left_out(root, content, reason):
    (root / "odd.png").write_bytes(content)
    found = left_out(root)
    assert list(found) == ["odd.png"] and any(word in found["odd.png"] for word in reason.split("|"))


def test_postscript_with_a_pictures_name_runs_no_ghostscript(root, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda *words, **more: pytest.fail("ran a program"))
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: pytest.fail("ran a program"))
    (root / "a.png").write_bytes(packed(NOISE, format="EPS"))
    assert left_out(root) == {"a.png": "is no picture that can be read"}


STEPS = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16).repeat(8, 0).repeat(8, 1)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_not_cut_off(tmp_path, ending, channels):
    if ending == "pgm":
        (tmp_path / "a.pgm").write_bytes(b"P5 16 16 65535\n" + STEPS.astype(">u2").tobytes())
    else:
        Image.fromarray(STEPS).save(tmp_path / f"a.{ending}")
    found = read(tmp_path, channels).pixels[0, :, 4::8, 4::8]
    for grey in found:
        assert grey.flatten().tolist() == [0, 100, 200, 255]


def test_sixteen_bits_of_colour_keep_their_upper_half(tmp_path):
    rows = b"".join(b"\0" + struct.pack(">HHH", 257 * 200, 257 * 100, 0) * 16 for _ in range(16))
    (tmp_path / "a.png").write_bytes(png(16, 16, zlib.compress(rows), depth=16, colour=2))
    assert read(tmp_path).pixels[0, :, 8, 8].tolist() == [200, 100, 0]


def test_sixteen_bits_with_white_as_zero_are_turned_round(tmp_path):
    Image.fromarray(65535 - STEPS).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert read(tmp_path, 1).pixels[0, 0, 4::8, 4::8].flatten().tolist() == [0, 100, 200, 255]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_of_no_known_range_are_left_out(root, kind):
    Image.fromarray(np.ones((16, 16), kind)).save(root / "a.tif")
    assert "whose black and white nobody knows" in left_out(root)["a.tif"]


def test_palettes_and_alpha_that_hides_nothing_keep_their_colours_and_count_as_opaque(tmp_path):
    colour = (200, 100, 50)
    paletted = Image.new("RGB", (16, 16), colour).quantize(8)
    opaque = Image.new("RGBA", (16, 16), (*colour, 255))
    made = {
        "palette.png": (paletted, {}), "none.png": (paletted, {"transparency": 7}), "none.gif": (paletted, {}),
        "alpha.png": (opaque, {}), "alpha.tif": (opaque, {}), "alpha.webp": (opaque, {"lossless": True}),
    }  # fmt: skip
    for name, (picture, how) in made.items():
        picture.save(tmp_path / name, **how)
    found = read(tmp_path)
    assert found.pixels.float().mean(dim=(2, 3)).tolist() == [pytest.approx(colour, abs=2)] * len(made)
    assert found.files == {"pictures": len(made), "unreadable": 0, "others": {}}


@pytest.mark.parametrize(("background", "behind"), [(None, 255), ("white", 255), ("black", 0)])
def test_what_is_transparent_shows_the_background(tmp_path, background, behind):
    # Simple compositing: alpha times the colour, the rest the background, in the numbers of the file.
    colour = (200, 100, 50)
    half = [128 / 255 * value + 127 / 255 * behind for value in colour]
    paletted = Image.new("RGB", (16, 16), colour).quantize(8)
    rgba = Image.new("RGBA", (16, 16), (*colour, 128))
    grey = 128 / 255 * 77 + 127 / 255 * behind
    rows = {  # one colour of which is the transparent one
        "grey.png": png(16, 16, zlib.compress(bytes([0, *[77] * 16]) * 16), chunk(b"tRNS", b"\0\115")),
        "grey2bits.png": png(16, 16, zlib.compress(bytes([0, *[0xAA] * 4]) * 16), chunk(b"tRNS", b"\0\2"), depth=2),
        "grey16.png": png(16, 16, zlib.compress(bytes([0, *[1, 2] * 16]) * 16), chunk(b"tRNS", b"\1\2"), depth=16),
        "colour16.png": png(
            16, 16, zlib.compress(bytes([0, *[9, 1, 8, 2, 7, 3] * 16]) * 16),
            chunk(b"tRNS", b"\x09\1\x08\2\x07\3"), depth=16, colour=2,
        ),
    }  # fmt: skip
    made = {
        "hole.png": (paletted, {"transparency": 0}, [behind] * 3),
        "hole.gif": (paletted, {"transparency": 0}, [behind] * 3),
        "holes.png": (paletted, {"transparency": bytes([128, 0, 255])}, half),
        "rgba.png": (rgba, {}, half),
        "rgba.tif": (rgba, {}, half),
        "rgba.webp": (rgba, {"lossless": True, "exact": True}, half),
        "la.png": (Image.new("LA", (16, 16), (77, 128)), {}, [grey] * 3),
    }
    for name, (picture, how, _) in made.items():
        picture.save(tmp_path / name, **how)
    for name, content in rows.items():
        (tmp_path / name).write_bytes(content)
    expected = {**{name: each for name, (_, _, each) in made.items()}, **dict.fromkeys(rows, [behind] * 3)}
    options = {} if background is None else {"background": background}
    for channels in (3, 1):
        found = DATASETS["folder"](Folder("folder", str(tmp_path), 16, channels, **options))
        shades = [expected[name] for name in sorted(expected)]
        if channels == 1:
            shades = [[0.299 * red + 0.587 * green + 0.114 * blue] for red, green, blue in shades]
        assert found.pixels.float().mean(dim=(2, 3)).tolist() == [pytest.approx(shade, abs=2) for shade in shades]
        assert found.files["transparent"] == len(expected)


def test_a_black_logo_on_transparent_ground_is_a_black_logo_on_white(tmp_path):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[4:12, 4:12, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "logo.png")
    found = read(tmp_path, 1).pixels[0, 0]
    assert (found[4:12, 4:12] == 0).all() and found.float().mean() == 255 * 0.75


@pytest.mark.parametrize(
    ("mode", "value", "grey"), [("LA", (77, 255), 77), ("L", 77, 77), ("1", 255, 255), ("1", 0, 0)]
)
def test_grey_of_any_kind_becomes_three_equal_channels(tmp_path, mode, value, grey):
    Image.new(mode, (16, 16), value).save(tmp_path / "a.png")
    assert read(tmp_path).pixels.unique().tolist() == [grey]


def sixteen(numbers, *others):
    """A grey PNG of 16 bits."""
    rows = b"".join(b"\0" + row.tobytes() for row in numbers.astype(">u2"))
    return png(numbers.shape[1], numbers.shape[0], zlib.compress(rows), *others, depth=16)


TWELVE = np.linspace(0, 4095, 256).round().astype(np.uint16).reshape(16, 16)  # what a camera of 12 bits gives
SHADES = (TWELVE / 4095 * 255).round()


def test_numbers_of_twelve_bits_in_a_file_of_sixteen_are_scaled_where_the_file_says_so(tmp_path):
    (tmp_path / "a.png").write_bytes(sixteen(TWELVE, chunk(b"sBIT", bytes([12]))))
    Image.fromarray(TWELVE).save(tmp_path / "b.tif", tiffinfo={281: 4095})
    for picture in read(tmp_path, 1).pixels:
        assert np.abs(picture[0].numpy() - SHADES).max() == 0


@pytest.mark.parametrize("part", [1.0, 0.03])
def test_numbers_that_a_png_has_scaled_up_as_it_should_stay_and_so_do_dark_ones(tmp_path, part):
    # The specification's linear scaling, and its bit replication, of 12 significant bits.
    few = (TWELVE * part).astype(np.uint16)
    for name, full in {"a.png": (few / 4095 * 65535).round(), "b.png": (few << 4) | (few >> 8)}.items():
        (tmp_path / name).write_bytes(sixteen(full, chunk(b"sBIT", bytes([12]))))
    with pytest.warns(UserWarning, match="2 of 2 pictures use less") if part < 0.1 else nothing_said():
        found = read(tmp_path, 1).pixels
    for picture in found:
        assert np.abs(picture[0].numpy() - few / 4095 * 255).max() <= 1


@contextlib.contextmanager
def nothing_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_greatest_number_that_a_tiff_happens_to_have_is_no_depth(tmp_path):
    Image.fromarray(STEPS // 2).save(tmp_path / "a.tif", tiffinfo={281: 32767 - 5})
    assert read(tmp_path, 1).pixels[0, 0, 4::8, 4::8].flatten().tolist() == [0, 50, 100, 127]


def test_pictures_that_use_less_than_a_tenth_of_their_range_are_counted_with_what_to_do(tmp_path):
    (tmp_path / "dark16.png").write_bytes(sixteen(TWELVE))
    Image.fromarray(TWELVE).save(tmp_path / "dark16.tif")
    Image.fromarray((SHADES // 16).astype(np.uint8)).save(tmp_path / "dark8.png")
    Image.new("L", (16, 16), 9).save(tmp_path / "flat.png")  # of one colour, which is no question of depth
    Image.fromarray(SHADES.astype(np.uint8)).save(tmp_path / "full.png")
    fine = np.indices((64, 64)).sum(axis=0) % 2 * 255  # which becomes one grey when it is made smaller, or nearly
    Image.fromarray(fine.astype(np.uint8)).save(tmp_path / "fine.png")
    for _ in range(2):  # from the cache too
        with pytest.warns(UserWarning, match="3 of 6 pictures use less than a tenth .*: stretch them, or write"):
            assert read(tmp_path, 1).files["narrow"] == 3


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.gif", {}), ("a.png", {}), ("a.webp", {}), ("a.tif", {}), ("a.jpg", {"format": "MPO"})],
)
def test_first_frames_and_first_pages_are_counted_and_a_cameras_previews_are_not(tmp_path, name, how):
    frames = [Image.new("RGB", (16, 16), colour) for colour in [(255, 0, 0), (0, 255, 0)]]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **how)
    frames[0].save(tmp_path / f"single{name}", **({"format": "JPEG"} if how else {}))
    assert read(tmp_path).files.get("first_of_several", 0) == (0 if how else 1)


@pytest.mark.parametrize(("depth", "colour"), [(8, 0), (1, 0), (8, 2), (8, 3), (16, 0), (16, 6)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_that_ends_before_its_last_row_is_left_out_though_its_stream_is_whole(root, depth, colour, interlaced):
    header = PngHeader(20, 11, depth, colour, interlaced)
    palette = [chunk(b"PLTE", bytes(range(48)))] if colour == 3 else []

    # Whatever of these is the first byte of a row, there is such a filter.
    numbers = np.random.default_rng(0).integers(0, 5, header.size + 5, dtype=np.uint8).tobytes()

    def packed_as(size):
        whole = png(20, 11, zlib.compress(numbers[:size]), *palette, depth=depth, colour=colour)
        ihdr = struct.pack(">IIBBBBB", 20, 11, depth, colour, 0, 0, interlaced)
        return whole[:8] + chunk(b"IHDR", ihdr) + whole[33:]

    (root / "whole.png").write_bytes(packed_as(header.size))
    (root / "more.png").write_bytes(packed_as(header.size + 5))
    row = PngHeader(20, 1, depth, colour, False).size  # of Adam7's last pass too, which has every column
    for place, size in enumerate([1, header.size // 2, header.size - 1, header.size - row]):
        (root / f"part{place}.png").write_bytes(packed_as(size))
    reasons = left_out(root)
    assert set(reasons) == {f"part{place}.png" for place in range(4)}
    assert all(reason.startswith("is damaged: ") for reason in reasons.values())
    assert reasons["part3.png"] == "is damaged: has fewer pixels than its header says"


@pytest.mark.parametrize(("size", "total"), [((1, 1), 2), ((1, 3), 6), ((3, 1), 6), ((8, 8), 79), ((5, 5), 36)])
def test_the_passes_of_adam7_have_the_rows_of_the_specification(size, total):
    # Rows and columns of each pass, counted one by one in the specification's table of 8 x 8.
    table = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"]
    passes = [[], [], [], [], [], [], []]
    for y in range(size[1]):
        for number in range(7):
            columns = sum(table[y % 8][x % 8] == str(number + 1) for x in range(size[0]))
            passes[number] += [1 + columns] if columns else []
    assert sum(map(sum, passes)) == total == PngHeader(*size, 8, 0, True).size


def test_a_jpeg_in_the_inks_of_a_press_becomes_the_colours_on_the_paper(tmp_path):
    # No ink is white; all of cyan and nothing else leaves green and blue.
    for name, ink in {"a.jpg": (0, 0, 0, 0), "b.jpg": (255, 0, 0, 0), "c.jpg": (0, 0, 0, 255)}.items():
        Image.new("CMYK", (16, 16), ink).save(tmp_path / name, quality=100)
    found = read(tmp_path).pixels.float().mean(dim=(2, 3)).tolist()
    assert found == [pytest.approx(colour, abs=3) for colour in ([255, 255, 255], [0, 255, 255], [0, 0, 0])]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_whatever_its_exif_says(tmp_path, orientation, ending):
    # The stored picture is the upright one turned by the inverse of what EXIF 2.32, table of Orientation, asks for.
    stored = {
        1: QUARTERS, 2: QUARTERS[:, ::-1], 3: QUARTERS[::-1, ::-1], 4: QUARTERS[::-1],
        5: QUARTERS.transpose(1, 0, 2), 6: np.rot90(QUARTERS, 1), 7: QUARTERS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(QUARTERS, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{ending}", exif=exif, quality=95)
    found = corners(read(tmp_path).pixels[0])
    assert [colour for corner in found for colour in corner] == pytest.approx(np.ravel(CORNERS).tolist(), abs=40)


def test_sixteen_bits_stand_upright_too(tmp_path):
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(STEPS).save(tmp_path / "a.png", exif=exif)
    assert read(tmp_path, 1).pixels[0, 0, 4::8, 4::8].flatten().tolist() == [255, 200, 100, 0]


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (1, 2), (65_535, 1)])
def test_pictures_of_one_pixel_and_very_thin_ones_are_read(tmp_path, size):
    Image.new("RGB", size, (9, 99, 199)).save(tmp_path / "a.png")
    found = read(tmp_path).pixels
    assert found.shape == (1, 3, 16, 16) and found[0, :, 3, 3].tolist() == [9, 99, 199]


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255)]]
    for name in ("a.gif", "b.png", "c.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=50, loop=0)
    found = read(tmp_path).pixels.float().mean(dim=(2, 3)).tolist()
    assert found == [pytest.approx([255, 0, 0], abs=4)] * 3


def large_png(path, side):
    """A grey picture of `side` squared, all zeros, a thousandth of that in the file."""
    press, some = zlib.compressobj(9, wbits=-15), bytes(100 * (side + 1))  # rows, each after its filter
    packed = press.compress(some) + press.flush(zlib.Z_FULL_FLUSH)  # from where nothing before it is needed
    zeros = side * (side + 1)
    assert side % 100 == 0 and zlib.adler32(some) == len(some) % 65_521 << 16 | 1
    rows = b"\x78\xda" + packed * (side // 100) + press.flush() + struct.pack(">I", zeros % 65_521 << 16 | 1)
    path.write_bytes(png(side, side, rows))


@pytest.mark.slow
def test_thirty_thousand_pixels_squared_are_refused_by_the_header_alone(root):
    large_png(root / "bomb.png", 30_000)
    assert (root / "bomb.png").stat().st_size < 2**20
    script = (
        "import resource, warnings, sys\n"
        "from ganctl.data import DATASETS\n"
        "from ganctl.config.schema import Folder\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(DATASETS['folder'](Folder('folder', sys.argv[1], 16, 3)).left_out)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, check=True)
    said, kilobytes = done.stdout.splitlines()
    assert said == "{'bomb.png': 'has more than 100,000,000 pixels'}"
    assert int(kilobytes) < 100_000
    assert "Decompression" not in done.stderr and "bomb.png (has more than" in done.stderr


def test_the_limit_is_our_own_and_read_from_the_header(root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for width, height, reason in [
        (10_001, 10_000, "10,001 x 10,000 pixels, more than 100,000,000"),
        (65_536, 1, "65,536 x 1 pixels, a side longer than 65,535"),
    ]:
        (root / "a.png").write_bytes(png(width, height, zlib.compress(b"")))
        with pytest.raises(LeftOut, match=reason):
            pixels.square(root / "a.png", 16, 3)


def test_a_picture_that_pillow_would_warn_of_is_read_without_a_word(tmp_path):
    large_png(tmp_path / "large.png", 9_700)  # 94 million pixels
    with warnings.catch_warnings(record=True) as said:
        assert read(tmp_path, 1).pixels.unique().tolist() == [0]
    assert not said


@pytest.mark.parametrize("kind", [b"iTXt", b"zTXt", b"iCCP"])
def test_a_bomb_in_a_chunk_of_text_is_left_out_or_not_unpacked(root, kind):
    bomb = zlib.compress(bytes(200 * 2**20), 9)
    words = {b"iTXt": b"k\0\1\0\0\0", b"zTXt": b"k\0\0", b"iCCP": b"k\0\0"}[kind]
    (root / "a.png").write_bytes(png(4, 4, zlib.compress(bytes(20)), chunk(kind, words + bomb)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        pixels.square(root / "a.png", 16, 3)
    except LeftOut as error:
        assert "too large" in error.reason or "damaged" in error.reason
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_jpeg_of_a_thousand_passes_is_left_out(root):
    whole = packed(NOISE, format="JPEG", progressive=True)
    scan = whole.index(b"\xff\xda")
    (root / "a.jpg").write_bytes(whole[:scan] + whole[scan:-2] * 300 + whole[-2:])
    assert "scans, more than 200" in left_out(root)["a.jpg"]


def test_profiles_and_exif_that_are_odd_do_not_matter_to_the_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "long " * 10_000
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "a.jpg", icc_profile=b"no profile" * 100, quality=100)
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "b.jpg", exif=exif, quality=100)
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "c.png", icc_profile=b"\xff" * 5000)
    exif = Image.Exif()
    exif[274] = 99
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "d.png", exif=exif)
    found = read(tmp_path).pixels.float().mean(dim=(2, 3)).tolist()
    assert found == [pytest.approx([200, 100, 50], abs=3)] * 4


def test_what_is_no_file_is_neither_opened_nor_waited_for(root):
    os.mkfifo(root / "pipe.png")
    (root / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(root)  # a socket's path is short
        listening.bind("socket.png")
        reasons = left_out(root)
    assert reasons == dict.fromkeys(["pipe.png", "socket.png", "zero.png"], "is no regular file")


def test_a_file_larger_than_any_picture_is_not_read(root):
    with (root / "a.webp").open("wb") as file:
        file.write(packed(NOISE, format="WEBP"))
        file.truncate(2**30 + 1)  # of which the disk holds nothing
    assert left_out(root) == {"a.webp": "has 1,073,741,825 bytes, more than 1,073,741,824"}


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    inside, most, eight_bits = [], [], pixels._eight_bits

    def slow(picture, header):
        inside.append(picture)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return eight_bits(picture, header)

    monkeypatch.setattr(pixels, "_eight_bits", slow)
    for number in range(8):
        Image.new("L", (11, 11), number).save(tmp_path / f"{number}.png")
    assert read(tmp_path, 1).pixels[:, 0, 0, 0].tolist() == list(range(8)) and max(most) == 1


def test_a_folder_inside_that_may_not_be_looked_into_is_named(root, monkeypatch):
    (root / "closed").mkdir()
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert left_out(root) == {"closed": "cannot be looked into: Permission denied"}


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(root, monkeypatch):
    os.mkfifo(root / "pipe.png")
    good = (root / "good.png").stat()
    monkeypatch.setattr(Path, "stat", lambda self, **more: good)
    with pytest.raises(LeftOut, match="is no regular file"):
        pixels.square(root / "pipe.png", 16, 3)


def test_links_are_read_where_they_lead_to_a_picture_and_folders_of_links_are_not_followed(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (9, 9)).save(elsewhere / "b.png")
    (root / "b.png").symlink_to(elsewhere / "b.png")
    (root / "folder.png").mkdir()
    Image.new("RGB", (9, 9)).save(root / "folder.png" / "inner.png")
    (root / "nowhere.png").symlink_to("nowhere")
    (root / "itself.png").symlink_to("itself.png")
    (root / "elsewhere").symlink_to(elsewhere)
    (root / "round.png").symlink_to("..")
    with pytest.warns(UserWarning, match="left out 4 unreadable of 7"):
        images = read(root)
    assert len(images.pixels) == 3
    assert images.left_out == {
        "elsewhere": "is a link to a folder, which is not followed",
        "itself.png": "is a link that leads back to itself",
        "nowhere.png": "is a link to nowhere",
        "round.png": "is a link to a folder, which is not followed",
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"two\nlines.png", "two\\nlines.png"),
        (b"\x1b[31mred.png", "\\x1b[31mred.png"),
        (b"\xff\xfe.png", "\\udcff\\udcfe.png"),
        (b"<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        (b"'quotes\".png", "'quotes\".png"),
        ("déjà 漢.png".encode(), "déjà 漢.png"),
        ("right\u202eleft.png".encode(), "right\\u202eleft.png"),
    ],
)
def test_any_name_is_said_on_one_printable_line_and_does_not_keep_a_picture_from_being_read(root, name, shown):
    bad = root / os.fsdecode(name)
    bad.write_bytes(b"no picture")
    with pytest.warns(UserWarning) as said:
        images = read(root)
    message = str(said[0].message)
    assert shown in message and message.isprintable() and message.encode()
    assert images.left_out == {shown: "is no picture that can be read"}
    Image.new("RGB", (9, 9)).save(bad, "PNG")
    assert len(read(root).pixels) == 2


@pytest.mark.parametrize(
    "error",
    [
        struct.error("unpack"), KeyError(7), IndexError("out"), TypeError("None"), EOFError(), zlib.error("incorrect"),
        OverflowError("huge"), AssertionError(), RecursionError("deep"), SyntaxError("broken\nPNG"),
        ZeroDivisionError(),
        AttributeError("x"), UnicodeDecodeError("utf8", b"x", 0, 1, "why"), NotImplementedError("kind"), RuntimeError(),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("moment", ["open", "load"])
def test_whatever_pillow_raises_is_a_reason(root, monkeypatch, error, moment):
    (root / "odd.png").write_bytes(packed(Image.new("RGB", (11, 11)), format="PNG"))
    original = Image.open if moment == "open" else PngImagePlugin.PngImageFile.load

    def failing(self, *words, **more):
        size = Path(self.name).stat().st_size if moment == "open" else self.size
        if size in ((11, 11), (root / "odd.png").stat().st_size):
            raise error
        return original(self, *words, **more)

    monkeypatch.setattr(*((Image, "open") if moment == "open" else (PngImagePlugin.PngImageFile, "load")), failing)
    reason = left_out(root, size=17)["odd.png"]
    assert reason.startswith("is damaged: ") and reason.isprintable() and len(reason) > 14


def counted(monkeypatch):
    calls, square = [], pixels.square
    monkeypatch.setattr(pixels, "square", lambda *words: calls.append(words[0].name) or square(*words))
    return calls


def test_pictures_are_decoded_once_damaged_ones_too_and_anew_when_one_has_changed(root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls = counted(monkeypatch)
    (root / "c.png").write_bytes(b"no picture")
    (root / "d.png").symlink_to("nowhere.png")
    for _ in range(3):
        reasons = left_out(root)
        assert reasons == {"c.png": "is no picture that can be read", "d.png": "is a link to nowhere"}
    assert sorted(calls) == ["c.png", "good.png"]
    Image.new("RGB", (9, 9), (1, 2, 3)).save(root / "c.png")
    Image.new("RGB", (9, 9), (4, 5, 6)).save(root / "nowhere.png")
    assert read(root).pixels[:, :, 5, 5].tolist() == [[1, 2, 3], [4, 5, 6], [10, 20, 30], [4, 5, 6]]
    Image.new("RGB", (9, 9), (7, 8, 9)).save(root / "good.png")
    assert read(root).pixels[2, :, 5, 5].tolist() == [7, 8, 9]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT, errno.EMFILE])
def test_what_cannot_be_read_for_a_passing_reason_is_tried_again(root, monkeypatch, number):
    Image.new("RGB", (9, 9)).save(root / "odd.png")

    def refused(path, flags):
        if path.endswith("odd.png"):
            raise OSError(number, os.strerror(number), path)
        return os.open(path, flags)

    with monkeypatch.context() as patch:
        patch.setattr(opened, "_without_waiting", lambda path, flags: refused(str(path), flags))
        assert left_out(root, size=18) == {"odd.png": f"cannot be read: {os.strerror(number)}"}
    assert len(read(root, size=18).pixels) == 2


def test_a_picture_that_may_not_be_read_is_tried_again_and_the_others_are_not(root, monkeypatch):
    Image.new("RGB", (9, 9)).save(root / "odd.png")
    access, calls = os.access, counted(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, *words: "odd" not in str(path) and access(path, *words))
        for _ in range(2):
            assert left_out(root, size=19) == {"odd.png": "cannot be read: Permission denied"}
    assert calls == ["good.png"]
    assert len(read(root, size=19).pixels) == 2


def test_too_little_memory_is_a_passing_reason(root, monkeypatch):
    Image.new("RGB", (11, 11)).save(root / "odd.png")
    load = PngImagePlugin.PngImageFile.load

    def failing(self):
        if self.size == (11, 11):
            raise MemoryError
        return load(self)

    with monkeypatch.context() as patch:
        patch.setattr(PngImagePlugin.PngImageFile, "load", failing)
        assert left_out(root, size=20) == {"odd.png": "needs more memory than there is"}
    assert len(read(root, size=20).pixels) == 2


def test_pictures_that_vanish_or_change_while_they_are_read_are_left_out_for_now(root, monkeypatch):
    Image.new("RGB", (11, 11)).save(root / "gone.png")
    Image.new("RGB", (13, 13)).save(root / "other.png")
    bounded, listed = opened._bounded, pixels.square

    def growing(picture, file):
        if picture.size == (13, 13):
            with (root / "other.png").open("ab") as more:
                more.write(b"more")
        return bounded(picture, file)

    def vanishing(path, *words):
        (root / "gone.png").unlink(missing_ok=True)
        return listed(path, *words)

    monkeypatch.setattr(opened, "_bounded", growing)
    monkeypatch.setattr(pixels, "square", vanishing)
    assert left_out(root, size=21) == {
        "gone.png": "cannot be read: No such file or directory",
        "other.png": "changed while it was read",
    }


def test_thousands_of_files_are_read_and_the_first_bad_ones_named(tmp_path):
    good = packed(Image.new("L", (4, 4), 77), format="PNG")
    for number in range(3000):
        (tmp_path / f"{number:04}.png").write_bytes(b"broken" if number % 3 == 1 else good)
    with pytest.warns(UserWarning) as said:
        images = read(tmp_path, 1, 8)
    assert len(images.pixels) == 2000 and (images.pixels == 77).all() and len(images.left_out) == 1000
    message = str(said[0].message)
    assert len(said) == 1 and len(message) < 400
    assert "left out 1,000 unreadable of 3,000: 0001.png (is no picture that can be read), 0004.png" in message


def test_of_very_many_bad_files_not_all_reasons_are_kept(root, monkeypatch):
    monkeypatch.setattr("ganctl.data.folders.MOST_TOLD", 3)
    for number in range(5):
        (root / f"{number}.png").write_bytes(b"broken")
    reasons = left_out(root)
    assert list(reasons) == ["0.png", "1.png", "2.png", "..."] and reasons["..."] == "and 2 more"


def test_a_folder_of_bad_pictures_alone_is_refused_with_their_reasons(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    (tmp_path / "b.png").symlink_to("nowhere")
    with pytest.raises(BadInput, match=r"2 files or links and none that can be read: a.png \(is no picture.*nowhere\)"):
        read(tmp_path)


def seeds():
    animated = [Image.new("RGB", (24, 24), colour) for colour in [(255, 0, 0), (0, 255, 0)]]
    exif = Image.Exif()
    exif[274], exif[0x010E] = 6, "a picture"
    small = NOISE.resize((24, 24))
    info = PngImagePlugin.PngInfo()
    info.add_itxt("key", "words " * 20, zip=True)
    return {
        "rgb.png": packed(small, format="PNG", pnginfo=info, exif=exif),
        "palette.png": packed(small.quantize(16), format="PNG", transparency=bytes(range(16))),
        "sixteen.png": packed(Image.fromarray(STEPS), format="PNG"),
        "apng.png": packed(animated[0], format="PNG", save_all=True, append_images=animated[1:]),
        "a.jpg": packed(small, format="JPEG", exif=exif),
        "progressive.jpg": packed(small, format="JPEG", progressive=True),
        "cmyk.jpg": packed(small.convert("CMYK"), format="JPEG"),
        "a.gif": packed(animated[0], format="GIF", save_all=True, append_images=animated[1:]),
        "a.webp": packed(small, format="WEBP", exif=exif),
        "animated.webp": packed(animated[0], format="WEBP", save_all=True, append_images=animated[1:]),
        "a.tif": packed(small, format="TIFF", exif=exif),
        "lzw.tif": packed(small, format="TIFF", compression="tiff_lzw"),
        "sixteen.tif": packed(Image.fromarray(STEPS), format="TIFF"),
        "a.bmp": packed(small, format="BMP"),
        "a.ppm": packed(small, format="PPM"),
    }  # fmt: skip


ROUNDS = int(os.environ.get("GANCTL_FUZZ_ROUNDS", "40"))


@pytest.mark.filterwarnings("ignore")  # a folder is read with Pillow's warnings off
@pytest.mark.parametrize("name", sorted(seeds()))
def test_a_damaged_picture_is_a_picture_or_a_reason(tmp_path, name):
    whole, chance = seeds()[name], random.Random(name)
    for _ in range(ROUNDS):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            # Headers are where it hurts.
            place = chance.randrange(min(len(damaged), chance.choice([64, 256, len(damaged)])))
            damaged[place] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
        if chance.random() < 0.2:
            del damaged[chance.randrange(1, len(damaged)) :]
        (tmp_path / name).write_bytes(damaged)
        try:
            found = pixels.square(tmp_path / name, 8, 3)
        except LeftOut as error:
            assert error.reason and error.reason.isprintable() and len(error.reason) < 200
        else:
            assert found.shape == (3, 8, 8) and found.dtype == np.uint8


@pytest.mark.slow
def test_a_run_keeps_the_whole_list_and_evaluate_reads_a_folder_the_same_way(root, tmp_path, call):
    for number in range(49):
        Image.new("RGB", (8, 8), (number * 5, 9, 9)).save(root / f"good{number}.png")
    large_png(root / "bomb.png", 30_000)
    os.mkfifo(root / "aaa.png")  # the first of all
    with pytest.warns(UserWarning, match="left out 2 unreadable of 52: aaa.png .*, bomb.png") as said:
        done = call("train", "data=folder", f"data.root={root}", "data.image_size=8", "steps=2", *TINY, "batch_size=4",
                    "sample_every=2", "checkpoint_every=2", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0 and len(said) == 1, done.stderr
    (info,) = (tmp_path / "outputs").rglob("run.json")
    expected = {"aaa.png": "is no regular file", "bomb.png": "has more than 100,000,000 pixels"}
    assert json.loads(info.read_text())["left_out"] == expected
    with pytest.warns(UserWarning, match="left out 2 unreadable of 52"):
        words = ("--features", "pixels", "--metrics", "precision")
        done = call("evaluate", "--images", root, "--against", root, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: resizing images" not in done.stderr, done.stderr
