"""`ganctl sample` where something of a sample can be chosen: pictures and arrays of what was asked for."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from ganctl.assembly.reopening import reopen
from ganctl.commands.sample import Asked, sample
from ganctl.config.schema import Mnist5k
from ganctl.data import DATASETS
from ganctl.errors import BadInput
from ganctl.games.inputs import linear, spherical
from tests.conftest import TINY, train

GAMES = {
    "gan": [],
    "cgan": ["game=cgan"],
    "infogan": ["game=infogan", "game.categories=3"],
    "aae": ["game=aae", "game.prior=mixture", "model.latent_dim=2"],
    "ring": ["game=infogan", "game.categories=4", "data=ring8"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind, trained for a few steps without averaging, so that inputs make a difference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("runs"))
        threads = torch.get_num_threads()
        made = {
            name: train([*TINY, "ema_decay=null", "steps=4", f"name={name}", *words]).resolve()
            for name, words in GAMES.items()
        }
        torch.set_num_threads(threads)
        return made


def draw(run, num=None, columns=None, out=None, npz=False, ema=None, seed=None, **asked):
    return sample(run, num, seed, columns, out, npz, ema, [], Asked(**asked))


def arrays(run, **options):
    with np.load(draw(run, npz=True, **options)) as loaded:
        return {name: loaded[name] for name in loaded.files}


def cells(path):
    """The images of a grid of 28x28 pixels, uint8 [rows, columns, 28, 28]."""
    with Image.open(path) as picture:
        sheet = np.asarray(picture)[:-2, :-2, 0]
    rows, columns = sheet.shape[0] // 30, sheet.shape[1] // 30
    return sheet.reshape(rows, 30, columns, 30).swapaxes(1, 2)[:, :, 2:, 2:]


def made_of(run, latent, **codes):
    """Pixels [N, 28, 28] that the run's generator makes of these inputs."""
    experiment = reopen(run, run, [], "auto", None)[0]
    game = experiment.training.game
    given = [torch.nn.functional.one_hot(codes[name], code.classes) for name, code in game.codes.items()]
    samples = game.make(type(game.draw(1, torch.Generator()))(latent, dict(zip(game.codes, given, strict=True))))
    return experiment, ((samples[:, 0].numpy() + 1) * 127.5).round()


def close(one, other):
    """The same but for rounding, which differs with the number of samples that are made at once."""
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


def frames(path):
    """Every frame of an animation as RGB, and how long it is seen."""
    with Image.open(path) as animation:
        found = []
        for place in range(animation.n_frames):
            animation.seek(place)
            found.append((np.asarray(animation.convert("RGB")), animation.info["duration"]))
    return [frame for frame, _ in found], [time for _, time in found]


def test_samples_of_a_class_are_those_that_the_generator_makes_of_it(runs):
    found = arrays(runs["cgan"], label="3,7", num=6)
    assert found["labels"].tolist() == [3, 3, 3, 7, 7, 7]
    stream = reopen(runs["cgan"], runs["cgan"], [], "auto", None)[0].training.streams.fresh("sampling")
    expected = made_of(runs["cgan"], torch.randn(6, 8, generator=stream), label=torch.tensor([3, 3, 3, 7, 7, 7]))[1]
    assert close(found["images"][..., 0], expected)
    assert cells(draw(runs["cgan"], label="0,1,2")).shape[:2] == (9, 8)  # whole rows of each class


def test_columns_of_all_labels_share_a_latent_vector_and_rows_a_class(runs):
    path = draw(runs["cgan"], labels="all", num=3)
    stream = reopen(runs["cgan"], runs["cgan"], [], "auto", None)[0].training.streams.fresh("sampling")
    latent = torch.randn(3, 8, generator=stream)
    labels = torch.arange(10).repeat_interleave(3)
    expected = made_of(runs["cgan"], latent.repeat(10, 1), label=labels)[1].reshape(10, 3, 28, 28)
    assert close(cells(path), expected)
    assert not close(expected[0], expected[1]) and not close(expected[:, 0], expected[:, 1])
    assert arrays(runs["cgan"], labels="all", num=3)["labels"].tolist() == labels.tolist()


def test_a_sweep_of_a_category_is_all_labels_on_its_side(runs):
    rows, columns = draw(runs["cgan"], sweep="label", num=3), draw(runs["cgan"], labels="all", num=3)
    assert close(cells(rows), cells(columns).swapaxes(0, 1))
    assert arrays(runs["infogan"], sweep="c1", num=2)["c1"].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_sweep_of_a_number_goes_from_minus_2_to_2_and_holds_the_other_codes(runs, capsys):
    found = arrays(runs["infogan"], sweep="c2", num=2, columns=5)
    assert "c2 goes from -2 to 2; in training it was within [-1, 1]" in capsys.readouterr().err
    assert found["c2"].tolist() == [-2, -1, 0, 1, 2] * 2
    for name in ("c1", "c3"):
        rows = found[name].reshape(2, 5)
        assert (rows == rows[:, :1]).all(), name
    assert len(set(found["c3"])) == 2
    images = found["images"].reshape(2, 5, 28, 28)
    assert close(cells(draw(runs["infogan"], sweep="c2", num=2, columns=5)), images)
    assert not close(images[:, 0], images[:, 4])


def test_an_interpolation_begins_and_ends_with_samples(runs):
    for name in ("gan", "aae"):
        samples = arrays(runs[name], num=16)["images"][..., 0]
        table = cells(draw(runs[name], interpolate=True, columns=7))
        assert table.shape[:2] == (8, 7)
        assert close(table[:, 0], samples[:8]) and close(table[:, 6], samples[8:])
        assert not close(table[:, 0], table[:, 3]) and not close(table[:, 3], table[:, 6])


def test_an_interpolation_between_classes_mixes_them_evenly(runs):
    found = arrays(runs["cgan"], label="3,7", interpolate=True, num=2, columns=3)
    assert found["labels"].shape == (6, 10)
    for row in found["labels"].reshape(2, 3, 10):
        assert row[:, 3].tolist() == [1, 0.5, 0] and row[:, 7].tolist() == [0, 0.5, 1] and row.sum() == 3
    ends = arrays(runs["cgan"], label="3,7", num=4)["images"]
    images = found["images"].reshape(2, 3, 28, 28, 1)
    assert close(images[:, 0], ends[:2]) and close(images[:, 2], ends[2:])


def test_an_arc_keeps_the_norm_and_its_ends_and_goes_straight_where_there_is_none():
    one, other = torch.nn.functional.normalize(torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(0)), dim=2)
    share = torch.linspace(0, 1, 11)
    arc, line = 3 * spherical(one, other, share), 3 * linear(one, other, share)
    assert torch.allclose(arc.norm(dim=2), torch.tensor(3.0)) and line[:, 5].norm(dim=1).max() < 2.95
    assert torch.equal(arc[:, 0], 3 * one) and torch.equal(arc[:, -1], 3 * other)
    turned = (arc[:, 1:] * arc[:, :-1]).sum(dim=2)
    assert torch.allclose(turned, turned[:, :1].expand_as(turned), atol=1e-4)  # in equal steps
    parallel = spherical(one, 2 * one, share)
    assert torch.allclose(parallel, linear(one, 2 * one, share))


def test_latent_vectors_of_another_prior_are_interpolated_on_a_line(runs):
    """With latent vectors on a line and a gaussian one's arc, the middle differs."""
    experiment = reopen(runs["aae"], runs["aae"], [], "auto", None)[0]
    drawn = experiment.training.game.draw(16, experiment.training.streams.fresh("sampling")).latent
    low, high = experiment.value_range
    middle = experiment.training.game.decoder.eval()((drawn[:8] + drawn[8:]) / 2)[:, 0].detach().numpy()
    table = cells(draw(runs["aae"], interpolate=True, columns=3))
    assert close(table[:, 1], ((middle - low) * 255 / (high - low)).round())


def test_reconstructions_stand_below_the_real_images(runs):
    table = cells(draw(runs["aae"], reconstruct=True, num=5, columns=3))
    assert table.shape[:2] == (4, 3)
    known = {image.tobytes() for image in DATASETS["mnist5k"](Mnist5k()).pixels[:, 0].numpy()}
    real = [*table[0], *table[2][:2]]
    assert all(image.tobytes() in known for image in real) and len({image.tobytes() for image in real}) == 5
    assert (table[2:, 2] == 64).all()  # nothing where there are no more
    experiment = reopen(runs["aae"], runs["aae"], [], "auto", None)[0]
    low, high = experiment.value_range
    given = torch.from_numpy(np.stack(real))[:, None] / 255 * (high - low) + low
    made = (experiment.training.game.reconstruct(given)[:, 0].numpy() - low) * 255 / (high - low)
    assert close(np.stack([*table[1], *table[3][:2]]), made.round())
    found = arrays(runs["aae"], reconstruct=True, num=5)
    assert close(found["images"][..., 0], np.stack(real)) and found["reconstructions"].shape == (5, 28, 28, 1)


def test_reconstructions_are_of_the_test_split_where_there_is_one(runs, monkeypatch, capsys):
    from ganctl.data import TEST_SPLITS, ImageSet

    held_out = ImageSet(torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 1, 28, 28).contiguous())
    monkeypatch.setitem(TEST_SPLITS, "mnist5k", lambda options: held_out)
    assert sorted(cells(draw(runs["aae"], reconstruct=True))[0][:, 0, 0]) == [0, 1, 2]
    assert "test images of mnist5k" in capsys.readouterr().err
    with pytest.raises(BadInput, match="--num 4: there are 3 images"):
        draw(runs["aae"], reconstruct=True, num=4)


def test_the_default_picture_has_a_class_a_column_and_is_the_runs_own_grid(runs):
    path = draw(runs["cgan"])
    table = cells(path)
    assert table.shape[:2] == (7, 10)
    assert path.read_bytes() == (runs["cgan"] / "samples" / "step-00000004.png").read_bytes()
    found = arrays(runs["cgan"])
    assert found["labels"].tolist() == [*range(10)] * 7
    stream = reopen(runs["cgan"], runs["cgan"], [], "auto", None)[0].training.streams.fresh("sampling")
    latent = torch.randn(7, 8, generator=stream).repeat_interleave(10, dim=0)
    assert close(found["images"][..., 0], made_of(runs["cgan"], latent, label=torch.arange(10).repeat(7))[1])


def test_few_classes_have_several_columns_each_and_other_codes_stay_in_them(runs):
    found = arrays(runs["infogan"])
    assert found["c1"][:6].tolist() == [0, 0, 1, 1, 2, 2] and len(found["c1"]) == 66
    first = found["c2"].reshape(11, 3, 2)
    assert (first == first[:, :1]).all() and (first[..., 0] != first[..., 1]).all()


def test_samples_that_are_counted_are_drawn_each_by_itself(runs):
    found = arrays(runs["infogan"], num=70)
    assert len(set(found["c2"].tolist())) == 70 and np.bincount(found["c1"]).min() > 10


def test_points_have_a_colour_for_each_category(runs):
    grid = runs["ring"] / "samples" / "step-00000004.png"
    path = draw(runs["ring"])
    assert path.read_bytes() == grid.read_bytes()
    swept = draw(runs["ring"], sweep="c1", num=40)
    for file in (path, swept):
        with Image.open(file) as picture:
            seen = np.asarray(picture).astype(int)
        hues = [((seen - colour) ** 2).sum(axis=2).min() < 6000 for colour in ([31, 119, 180], [214, 39, 40])]
        assert all(hues), file
    assert arrays(runs["ring"], sweep="c1", num=2)["c1"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_an_animation_goes_there_and_back_and_holds_the_ends(runs, folder):
    for ending in ("gif", "webp"):
        found, times = frames(draw(runs["infogan"], sweep="c2", num=4, columns=2, out=folder / f"a.{ending}"))
        assert found[0].shape == (16 + 62, 62, 3) and len(found) == 48
        assert times == [600] + 23 * [60] + [600] + 23 * [60]
        assert np.array_equal(found[1], found[-1]) and not np.array_equal(found[0], found[24])
    table = cells(draw(runs["infogan"], sweep="c2", num=4, columns=2))
    assert close(found[24][18:46, 2:30, 0], table[0, 1]) and close(found[0][48:76, 32:60, 0], table[3, 0])


@pytest.mark.slow
def test_an_animation_of_categories_shows_each_for_longer(runs, folder):
    found, times = frames(draw(runs["infogan"], sweep="c1", out=folder / "a.gif"))
    assert len(found) == 4 and times == [700] * 4 and np.array_equal(found[1], found[3])
    found, _ = frames(draw(runs["ring"], interpolate=True, num=10, out=folder / "b.gif"))
    assert found[0].shape == (500, 500, 3) and len(found) > 10


@pytest.mark.parametrize("name", ["gan", "ring"])
def test_progress_shows_the_runs_own_grids_and_their_steps(runs, name, folder):
    grids = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((runs[name] / "samples").glob("*.png"))]
    path = draw(runs[name] / "checkpoints" / "step-00000003", progress=True)
    assert path == runs[name] / "progress.gif"
    found, times = frames(path)
    assert len(found) == len(grids) == 2 and times == [500, 2000]
    if name == "gan":
        assert all(np.array_equal(frame[16:], grid) for frame, grid in zip(found, grids, strict=True))
        first, second = (frame[:16] for frame in found)
        assert first.max() > 200 and not np.array_equal(first, second)  # the number of the step
    else:
        assert found[0].shape == grids[0].shape


def test_progress_of_a_long_run_shows_some_of_its_grids_and_the_last(runs, monkeypatch, folder, capsys):
    from ganctl.sampling import animation

    monkeypatch.setattr(animation, "MOST", 1 + 1)
    shown = folder / "run"
    (shown / "samples").mkdir(parents=True)
    (shown / "config.yaml").touch()
    for step in range(1, 6):
        Image.new("L", (40, 10 * step), 40 * step).save(shown / "samples" / f"step-{step:08d}.png")
    found, _ = frames(draw(shown, progress=True, out=folder / "p.webp"))
    assert "2 of its 5 grids" in capsys.readouterr().err
    assert [frame[-1, -1, 0] for frame in found] == [64, 200]  # the first is smaller, and has a margin
    (shown / "samples" / "step-00000005.png").write_text("torn")
    with pytest.raises(BadInput, match="cannot be read as a picture"):
        draw(shown, progress=True)


REFUSED = {
    "no label": ("gan", {"label": "3"}, "have no label; name a run of game=cgan"),
    "no label but codes": ("infogan", {"label": "3"}, "its codes are c1, c2, c3: use --sweep c1"),
    "no labels": ("aae", {"labels": "all"}, "--labels all: the samples of this run have no label"),
    "no such class": ("cgan", {"label": "3,10"}, "the classes are 0 to 9"),
    "no class": ("cgan", {"label": "three"}, "--label three: the classes are 0 to 9"),
    "empty": ("cgan", {"label": ""}, "the classes are 0 to 9"),
    "no such code": ("infogan", {"sweep": "c9"}, "choose from c1, c2, c3"),
    "no codes": ("gan", {"sweep": "c1"}, "name a run of game=infogan"),
    "some labels": ("cgan", {"labels": "3"}, "for some classes use --label"),
    "too few": ("cgan", {"label": "1,2,3", "num": 2}, "less than one of each of 3 classes"),
    "three ends": ("cgan", {"label": "1,2,3", "interpolate": True}, "from one class to one other"),
    "two pictures": (
        "infogan",
        {"sweep": "c1", "interpolate": True},
        "--sweep c1 and --interpolate: ask for two pictures; choose one",
    ),
    "label and labels": (
        "cgan",
        {"label": "1", "labels": "all"},
        "--label 1 and --labels all: ask for two pictures; choose one",
    ),
    "no auto-encoder": ("gan", {"reconstruct": True}, "computes no samples from real ones; name a run of game=aae"),
    "progress has its own": ("gan", {"progress": True, "num": 3}, "leave out --num"),
    "progress as arrays": ("gan", {"progress": True, "npz": True}, "leave out --npz"),
    "progress has its weights": ("gan", {"progress": True, "ema": False}, "leave out --ema or --no-ema"),
    "columns of all labels": ("cgan", {"labels": "all", "columns": 3}, "say how many with --num"),
    "columns of categories": ("infogan", {"sweep": "c1", "columns": 3}, "has a column a category; leave it out"),
    "one step": ("gan", {"interpolate": True, "columns": 1}, "use 2 or more"),
    "a class of many digits": ("cgan", {"label": "1" * 5000}, "the classes are 0 to 9"),
    "too many of all": (
        "cgan",
        {"labels": "all", "num": 10_001},
        "100,010 samples in one picture or file, and 100,000",
    ),
    "too many steps": ("gan", {"interpolate": True, "columns": 10**26}, "ask for fewer with --num and --columns"),
    "too long a sweep": ("infogan", {"sweep": "c2", "columns": 10**10}, "is the most"),
    "too many of each": ("cgan", {"label": "0,1,2", "columns": 10**8}, "is the most"),
    "points in a table": ("ring", {"sweep": "c2"}, "points have no rows and columns"),
}


@pytest.mark.parametrize(("name", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_shown_is_refused_in_a_line(runs, name, options, message):
    with pytest.raises(BadInput) as refused:
        draw(runs[name], **options)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("ending", "rows"), [("webp", 600), ("gif", 2300)])
def test_an_animation_larger_than_its_format_is_refused_and_nothing_is_left(runs, folder, ending, rows):
    with pytest.raises(BadInput, match="such a file takes at most"):
        draw(runs["infogan"], sweep="c1", num=rows, columns=1, out=folder / f"a.{ending}")
    assert not [*folder.iterdir()]


def test_a_file_that_cannot_be_written_leaves_nothing_beside_it(runs, call, folder):
    (folder / "taken.png").mkdir()
    done = call("sample", runs["cgan"], "--num", 4, "--out", "taken.png")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "cannot be written" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["taken.png"]


def test_a_long_list_of_classes_still_has_a_name(runs):
    assert draw(runs["cgan"], label=",".join("0123456789" * 12)).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [("[" * 200_000, ""), ('{"sample_shape": 784}', ""), ('{"sample_shape": [1, 28, 28], "classes": -1}', "run.json")],
)
def test_what_another_hand_wrote_into_run_json_is_no_crash(runs, folder, words, message):
    damaged = shutil.copytree(runs["cgan"], folder / "damaged")
    (damaged / "run.json").write_text(words)
    assert draw(damaged, progress=True).exists()
    if message:
        with pytest.raises(BadInput, match=message):
            draw(damaged, num=2)
    else:  # the size is then read from the data
        assert draw(damaged, num=2).exists()


def test_a_file_of_another_kind_than_its_name_says_is_refused(runs, folder):
    with pytest.raises(BadInput, match="nothing moves in this picture"):
        draw(runs["gan"], out=folder / "a.gif")
    with pytest.raises(BadInput, match="ends in .gif or .webp"):
        draw(runs["gan"], progress=True, out=folder / "a.png")
    with pytest.raises(BadInput, match="ends in .png or .gif or .webp"):
        draw(runs["gan"], interpolate=True, out=folder / "a.jpg")
    with pytest.raises(BadInput, match="ends in .npz"):
        draw(runs["gan"], interpolate=True, npz=True, out=folder / "a.gif")


def test_the_command_line_passes_on_what_was_asked(runs, call, folder):
    done = call("sample", runs["cgan"], "--label", "3,7", "--interpolate", "--columns", "4", "--num", "2")
    assert done.returncode == 0 and done.stdout.strip().endswith("num-8-label-3-7-interpolate-columns-4.png")
    for words in (["--labels", "all"], ["--sweep", "label"], ["--progress"]):
        assert call("sample", runs["cgan"], *words).returncode == 0
    assert call("sample", runs["aae"], "--reconstruct").stdout.strip().endswith("num-32-reconstruct.png")
    refused = call("sample", runs["cgan"], "--label", "10")
    assert refused.returncode == 2 and refused.stderr.splitlines()[-1].startswith("ganctl: --label 10: the classes are")
