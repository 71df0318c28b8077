"""`ganctl sample`: the picture is of the run, from the noise that was asked for."""

import numpy as np
import pytest
from PIL import Image

from ganctl.commands.sample import sample
from ganctl.errors import BadInput
from tests.conftest import TINY, train


def draw(run=None, num=64, seed=None, columns=8, out=None, npz=False, ema=None, plugins=()):
    return sample(run, num, seed, columns, out, npz, ema, list(plugins))


def arrays(**options):
    with np.load(draw(npz=True, **options)) as loaded:
        return {name: loaded[name] for name in loaded.files}


def test_the_latest_run_is_sampled_and_its_last_grid_comes_out(folder):
    train([*TINY, "steps=2", "name=older"])
    run = train([*TINY, "steps=4", "seed=1", "name=z"])
    path = draw()
    assert path.parent == run.resolve()
    with Image.open(path) as drawn, Image.open(run / "samples" / "step-00000004.png") as logged:
        assert drawn.tobytes() == logged.tobytes()


def test_options_decide_how_many_from_which_noise_and_how_wide(folder):
    run = train([*TINY, "steps=2"])
    with Image.open(draw(run, num=5, columns=3)) as picture:
        assert picture.size == (3 * 30 + 2, 2 * 30 + 2)
    first, again, other = (arrays(run=run, num=5, seed=seed)["images"] for seed in (1, 1, 2))
    assert first.shape == (5, 28, 28, 1) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_averaged_and_last_weights_differ(folder):
    run = train([*TINY, "steps=8", "ema_decay=0.9"])
    images = [arrays(run=run, ema=ema)["images"] for ema in (None, True, False)]
    assert np.array_equal(images[0], images[1]) and not np.array_equal(images[1], images[2])
    plain = train([*TINY, "steps=2", "ema_decay=null"])
    with pytest.raises(BadInput, match="--ema: .* keeps no averaged weights"):
        draw(plain, ema=True)


def test_a_checkpoint_can_be_named(folder):
    run = train([*TINY, "steps=6"])
    old = draw(run / "checkpoints" / "step-00000003")
    assert old.name.startswith("sample-step-00000003") and old.parent == run.resolve()


def test_a_density_becomes_a_scatter_plot(folder):
    train(["data=ring8", *TINY, "steps=2"])
    with Image.open(draw(num=500)) as picture:
        colours = {colour for _, colour in picture.getcolors(maxcolors=1_000_000)}
    assert picture.size == (500, 500) and len(colours) > 10
    assert arrays(num=7)["points"].shape == (7, 2)


def test_arrays_are_what_the_picture_shows(folder):
    run = train([*TINY, "steps=2"])
    image = arrays(run=run, num=1)["images"][0, :, :, 0]
    with Image.open(draw(run, num=1)) as picture:
        assert np.array_equal(np.asarray(picture)[2:30, 2:30, 0], image)


def test_a_run_is_sampled_without_its_data(folder):
    Image.effect_noise((8, 8), 50).save("a.png")
    run = train([*TINY, "steps=2", "data=folder", "data.root=.", "data.image_size=8", "batch_size=1"])
    (folder / "a.png").unlink()
    with Image.open(draw(run)) as drawn, Image.open(run / "samples" / "step-00000002.png") as logged:
        assert drawn.tobytes() == logged.tobytes()


def test_what_cannot_be_sampled_is_refused(folder):
    with pytest.raises(BadInput, match="no run in outputs/; make one with `ganctl train`"):
        draw()
    with pytest.raises(BadInput, match="is not a folder"):
        draw(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no run"):
        draw(folder / "empty")
    run = train([*TINY, "steps=2"])
    with pytest.raises(BadInput, match="ends in .npz"):
        draw(run, npz=True, out=folder / "a.png")
    (folder / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        draw(run, out=folder / "file" / "a.png")


def test_a_file_that_cannot_be_written_is_refused_before_the_work(folder, monkeypatch):
    run = train([*TINY, "steps=2"])
    (folder / "a.png").mkdir()
    monkeypatch.setattr("ganctl.commands.sample._draw", lambda *_: pytest.fail("drawn"))
    with pytest.raises(BadInput, match="--out .*a.png: cannot be written"):
        draw(run, out=folder / "a.png")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(BadInput, match=r"nonsaturating-mnist5k: cannot be written \(Permission denied\); give --out"):
        draw(run)


def test_a_checkpoint_of_other_networks_is_refused(folder):
    import shutil

    small, large = train([*TINY, "steps=3"]), train([*TINY, "model.generator_widths=[17]", "steps=3"])
    shutil.rmtree(small / "checkpoints")
    shutil.copytree(large / "checkpoints", small / "checkpoints")
    with pytest.raises(
        BadInput, match=r"was trained with model.generator_widths=\[17\], and config.yaml has .*=\[16\]"
    ):
        draw(small)
