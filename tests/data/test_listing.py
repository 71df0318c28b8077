"""Which files of a folder are pictures: the user's own, whatever else a system or ganctl itself puts beside them."""

import json

import pytest
from PIL import Image

from ganctl.config.schema import Folder
from ganctl.data import DATASETS
from ganctl.errors import BadInput
from tests.conftest import TINY

SMALL = ["data=folder", "data.image_size=8", "batch_size=4", "steps=2"]


def picture(path, shade=100, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path, **how)


def read(root):
    return DATASETS["folder"](Folder("folder", str(root), 8, 1))


@pytest.fixture
def root(tmp_path):
    """Eight pictures."""
    for number in range(8):
        picture(tmp_path / "pictures" / f"{number}.png", number)
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".ipynb_checkpoints/0-checkpoint.png", "is hidden"),
        (".Trash-1000/files/old.png", "is hidden"),
        ("@eaDir/0.png/SYNOPHOTO_THUMB_M.png", "is the system's"),
        ("__MACOSX/0.png", "is the system's"),
        ("$RECYCLE.BIN/0.png", "is the system's"),
        ("deep/inside/.thumbnails/0.png", "is hidden"),
    ],
)
def test_folders_that_nobody_filled_with_pictures_are_not_looked_into_and_that_is_said(root, name, why):
    before = read(root).fingerprint
    picture(root / name)
    with pytest.warns(UserWarning, match="not looked into: .* [(]" + why):
        images = read(root)
    assert images.fingerprint == before and [*images.left_out.values()] == [why]


def test_a_hidden_file_that_macos_makes_beside_a_picture_is_no_picture(root):
    (root / "._0.png").write_bytes(b"Mac OS X")
    images = read(root)
    assert images.files == {"pictures": 8, "unreadable": 0, "others": {".png": 1}} and not images.left_out


def test_a_root_that_is_hidden_itself_is_read(tmp_path):
    picture(tmp_path / ".cache" / "0.png")
    assert len(read(tmp_path / ".cache").pixels) == 1


def test_every_name_of_a_picture_counts_and_what_does_not_is_counted(root):
    picture(root / "a.jfif", format="JPEG")
    picture(root / "b.JPE", format="JPEG")
    picture(root / "c", format="PNG")
    picture(root / "d", format="JPEG")
    (root / "README").write_text("GIF is a format")
    (root / "labels.txt").write_text("0 1 2")
    (root / "more.txt").write_text("3")
    images = read(root)
    assert images.files == {"pictures": 12, "unreadable": 0, "others": {".txt": 2, "": 1}}


def test_an_empty_path_is_no_folder():
    with pytest.raises(BadInput, match="data.root=: is empty; give data.root=DIR"):
        read("")


def test_no_pictures_at_all_is_said_with_what_there_is(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(BadInput, match="no pictures among 1 files; give a folder"):
        read(tmp_path)
    picture(tmp_path / ".hidden" / "a.png")
    with pytest.raises(BadInput, match="no pictures beside what is not looked into: .hidden"):
        read(tmp_path)


@pytest.mark.filterwarnings("ignore:data.root")
def test_outputs_inside_the_folder_of_pictures_are_no_pictures(root, call):
    made = call("train", *TINY, *SMALL, "data.root=.", "sample_every=1", cwd=root)
    assert made.returncode == 0 and "data: 8 pictures" in made.stderr, made.stderr
    run = root / made.stdout.strip()
    info = json.loads((run / "run.json").read_text())
    assert info["files"] == {"pictures": 8, "unreadable": 0, "others": {}}
    again = call("train", "--resume", run, "steps=3", cwd=root)
    assert again.returncode == 0, again.stderr
    other = call("train", *TINY, *SMALL, "data.root=.", "name=other", cwd=root)
    beside = json.loads((root / other.stdout.strip() / "run.json").read_text())
    assert beside["data_fingerprint"] == info["data_fingerprint"] and beside["files"]["pictures"] == 8
    assert beside["left_out"] == {str(run.relative_to(root)): "is a run of ganctl"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:data.root")
def test_every_cell_of_a_comparison_inside_the_folder_has_the_same_pictures(root, call, unillustrated):
    Image.new("LA", (8, 8), (9, 0)).save(root / "clear.png")
    words = ["compare-losses", *TINY, *SMALL, "data.root=.", "loss=minimax,hinge", "seed=0", "name=both", "jobs=1"]
    first = call(*words, cwd=root)
    assert first.returncode == 0, first.stderr
    study = root / first.stdout.strip()
    found = [json.loads(file.read_text()) for file in study.glob("cells/*/*/run.json")]
    assert len(found) == 2 and len({info["data_fingerprint"] for info in found}) == 1
    assert "pictures in the folder" in (report := (study / "report.md").read_text())
    assert "transparent pictures" in report and "first of several" not in report
    assert call("train", *TINY, *SMALL, "data.root=.", cwd=root).returncode == 0
    assert read(root).left_out[str(study.relative_to(root))] == "is a comparison of ganctl"


def test_what_is_odd_of_pictures_is_said_kept_and_read_the_same_way_by_evaluate(root, tmp_path, call):
    for number in range(40):
        Image.new("RGBA", (8, 8), (number, 0, 0, 100)).save(root / f"clear{number}.png")
    animated = [Image.new("L", (8, 8), shade) for shade in (200, 100)]
    animated[0].save(root / "animated.gif", save_all=True, append_images=animated[1:])
    words = ["40 of them transparent, where the background shows", "1 of them the first of several in their file"]
    done = call("train", *TINY, *SMALL, f"data.root={root}", "data.background=black", cwd=tmp_path)
    assert done.returncode == 0 and f"data: 49 pictures; {'; '.join(words)}" in done.stderr, done.stderr
    files = json.loads((tmp_path / done.stdout.strip() / "run.json").read_text())["files"]
    assert files["transparent"] == 40 and files["first_of_several"] == 1
    done = call("evaluate", tmp_path / done.stdout.strip(), "--metrics", "precision", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = call("evaluate", "--images", root, "--against", root, "--metrics", "precision", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr.count("; ".join(words)) == 2, done.stderr


def test_a_run_from_before_there_was_a_background_goes_on_with_white_and_with_no_other(root, tmp_path, call):
    done = call("train", *TINY, *SMALL, f"data.root={root}", "checkpoint_every=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.strip()
    (file,) = run.glob("checkpoints/*/checkpoint.json")
    manifest = json.loads(file.read_text())
    assert manifest["settings"]["data"].pop("background") == "white"
    file.write_text(json.dumps(manifest))
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("  background: white\n", ""))
    again = call("train", "--resume", run, "steps=3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    (run / "config.yaml").write_text(
        (run / "config.yaml").read_text().replace("background: white", "background: black")
    )
    other = call("train", "--resume", run, "steps=4", cwd=tmp_path)
    assert other.returncode == 2 and "data.background=white" in other.stderr, other.stderr


def test_what_evaluate_wrote_below_the_folder_is_no_picture_and_metrics_of_ones_own_are(root, call):
    for number in range(8, 40):
        picture(root / f"{number}.png", number)
    words = ["evaluate", "--images", ".", "--against", ".", "--metrics", "precision"]
    done = call(*words, cwd=root)
    assert done.returncode == 0 and (root / done.stdout.strip()).with_name("nearest.png").exists(), done.stderr
    picture(root / "own" / "a.png")
    (root / "own" / "metrics.json").write_text('{"loss": 1}')
    with pytest.warns(UserWarning, match="is an evaluation of ganctl"):
        assert read(root).files["pictures"] == 41
