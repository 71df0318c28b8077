"""A plugin's game with two generators, two discriminators and unpaired images: all that a game of ganctl's own does."""

import importlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ganctl.data import DATASETS, Domains
from ganctl.evaluation.classifier import RECIPE, classifier_of
from ganctl.games import GAMES
from ganctl.numerics.streams import Streams
from tests.conftest import assert_same_weights, called, scalars

STEPS = "step-00000002", "step-00000004"
FILE = Path(__file__).parents[1] / "plugins" / "translation.py"
SMALL = [
    "plugins=[translation]", "data=negatives", "game=translation", "model=mlp", "model.generator_widths=[16]",
    "model.discriminator_widths=[8]", "batch_size=20", "threads=1", "log_every=1",
    "sample_every=2", "checkpoint_every=2",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _rows():
    """Takes the rows of these plugins out again, and the modules, so that no other test sees them."""
    before = [(rows, dict(rows)) for rows in (GAMES, DATASETS)]
    yield
    for rows, known in before:
        rows.clear()
        rows.update(known)
    for name in ("translation", "silent", "seeing", "my_games", "tests.plugins.translation"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A folder with the plugin's file in it."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copy(FILE, folder / "translation.py")
    return folder


@pytest.fixture(scope="module")
def run(beside):
    """A run of four steps."""
    done = called("train", *SMALL, "loss=least_squares", "steps=4", cwd=beside)
    assert done.returncode == 0, done.stderr
    return beside / done.stdout.strip().splitlines()[-1]


def test_the_plugin_is_one_file_of_at_most_80_lines():
    assert len(FILE.read_text().splitlines()) <= 80


def test_every_network_moves_and_both_contests_are_logged_apart_and_together(run):
    rows = scalars(run)
    for row in rows:
        for side in "ab":
            assert {f"score/{side}_real", f"term/discriminator/{side}_adversarial"} < row.keys()
        for tag in ("score/real", "score/fake", "logit/real", "yardstick/j_d"):
            group, leaf = tag.split("/")
            assert row[tag] == pytest.approx((row[f"{group}/a_{leaf}"] + row[f"{group}/b_{leaf}"]) / 2, rel=1e-6)
    assert json.loads((run / "run.json").read_text())["status"] == "completed"


def test_it_resumes_bit_for_bit(run, beside, call, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(run, again)
    shutil.rmtree(again / "checkpoints" / "step-00000004")
    info = json.loads((again / "run.json").read_text())
    (again / "run.json").write_text(json.dumps(info | {"status": "interrupted"}))
    done = call("train", "--resume", str(again), "plugins=[translation]", cwd=beside)
    assert done.returncode == 0, done.stderr
    assert_same_weights(run, again)


def test_it_samples_from_real_images_of_the_source(run, beside, call, tmp_path):
    files = [tmp_path / f"{name}.npz" for name in ("one", "again", "compared")]
    for file, flags in zip(files, ([], [], ["--reconstruct"]), strict=True):
        done = call("sample", str(run), "--plugin", "translation", "--num", "12", "--npz", "--out", str(file), *flags,
                    cwd=beside)  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, again, compared = (np.load(file)["images"] for file in files)
    assert np.array_equal(one, again)
    # Two black stand-ins in the place of the data would give twelve equal pictures.
    assert len(np.unique(one.reshape(12, -1), axis=0)) > 6
    assert {*np.load(files[2])} == {"images", "source", "cycle"} and compared.shape == (12, 28, 28, 1)
    refused = call("sample", str(run), "--plugin", "translation", "--interpolate", cwd=beside)
    assert refused.returncode == 2 and "have no latent vector" in refused.stderr


@pytest.mark.slow
def test_it_is_evaluated_and_compared(run, beside, call):
    found = call("evaluate", str(run), "--plugin", "translation", "--features", "pixels", "--num", "100", "--json",
                 cwd=beside)  # fmt: skip
    assert found.returncode == 0, found.stderr
    low, high = (json.loads(found.stdout)["metrics"]["fid"][key] for key in ("low", "high"))
    assert low < high
    done = call("compare-losses", *SMALL, "loss=least_squares,nonsaturating", "seed=0,1", "steps=3", cwd=beside)
    assert done.returncode == 0, done.stderr
    comparison = json.loads((beside / done.stdout.strip().splitlines()[-1] / "comparison.json").read_text())
    cells = [cell for arm in comparison["arms"].values() for cell in arm["seeds"].values()]
    assert len(cells) == 4 and all(cell["status"] == "completed" for cell in cells)


def test_a_game_that_reads_images_without_saying_so_is_told_where_there_are_none(run, beside, call, tmp_path):
    # Its pictures were made from two black stand-ins once: equal pictures, and numbers with intervals.
    text = FILE.read_text().replace('    draws_from = "held_out"\n', "").replace("parts.held_out", "parts.dataset")
    (beside / "silent.py").write_text(text.replace('GAMES["translation"]', 'GAMES["silent"]'))
    words = [word.replace("translation", "silent") for word in SMALL]
    done = call("train", *words, "loss=least_squares", "steps=2", f"output_dir={tmp_path}", cwd=beside)
    assert done.returncode == 0, done.stderr
    folder = beside / done.stdout.strip().splitlines()[-1]
    for command in (["sample"], ["evaluate", "--features", "pixels"]):
        refused = call(command[0], str(folder), *command[1:], "--plugin", "silent", cwd=beside)
        assert refused.returncode == 2 and "must say so, with draws_from = 'held_out'" in refused.stderr


def test_the_two_domains_are_never_pairs():
    domains = importlib.import_module("tests.plugins.translation").negatives(None)
    assert isinstance(domains, Domains)
    drawn = domains.batch(3, 50, Streams(0))
    assert not any(
        torch.equal(255 - image, source) for image, source in zip(drawn.data, drawn.more["source"], strict=True)
    )
    # The control: made of one set, and drawn in one order, every image would lie beside its own negative.
    digits = DATASETS["mnist5k"](None)
    paired = Domains(type(digits)(255 - digits.pixels), type(digits)(digits.pixels))
    paired.source.order = paired.target.order
    drawn = paired.batch(3, 50, Streams(0))
    assert torch.equal(255 - drawn.data, drawn.more["source"])
    fresh = Domains(type(digits)(255 - digits.pixels), type(digits)(digits.pixels)).batch(3, 50, Streams(0))
    same = (255 - fresh.data == fresh.more["source"]).flatten(1).all(dim=1)
    assert same.float().mean() < 0.1


SEEING = """
from ganctl.games import GAMES
from ganctl.models import Pretrained


class Seeing(GAMES["gan"]):
    @staticmethod
    def asks(options, dataset, latent_dim):
        return {**GAMES["gan"].asks(options, dataset, latent_dim), "content": Pretrained()}

    def generator_extras(self, batch, inputs, generated, fake):
        features = [self.networks["content"](each)[0].mean(dim=0) for each in (generated, batch.real)]
        return {"content": (features[0] - features[1]).square().mean()}


GAMES["seeing"] = Seeing
"""


def test_a_game_may_look_through_a_trained_classifier_that_no_player_moves(monkeypatch, beside, call, tmp_path):
    (beside / "seeing.py").write_text(SEEING)
    monkeypatch.setitem(RECIPE, "steps", 5)
    words = ["plugins=[seeing]", "game=seeing", "data=mnist5k", *SMALL[3:]]
    done = call("train", *words, "steps=4", f"output_dir={tmp_path}", cwd=beside)
    assert done.returncode == 0 and "the classifier that the game looks through" in done.stderr
    folder = Path(done.stdout.strip().splitlines()[-1])
    before, after = (load_file(folder / "checkpoints" / name / "networks.safetensors") for name in (STEPS[0], STEPS[1]))
    content = {key for key in after if key.startswith("content.")}
    assert content and all(torch.equal(before[key], after[key]) for key in content)
    measured, _ = classifier_of(DATASETS["mnist5k"](None), None)
    assert any(not torch.equal(after[f"content.{key}"], value) for key, value in measured.state_dict().items())
    assert all(row["term/generator/content"] > 0 for row in scalars(folder))
    assert call("sample", str(folder), "--plugin", "seeing", cwd=beside).returncode == 0

    words = ["plugins=[seeing]", "game=seeing", "data=ring8", "steps=2", f"output_dir={tmp_path}"]
    done = call("train", *words, cwd=beside)
    assert done.returncode == 2 and "these have no classes; choose data=mnist5k" in done.stderr


def test_the_game_in_contributing_is_short_and_can_be_played(beside, call, tmp_path):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    (code,) = [block for block in text.split("```python\n")[1:] if "GAMES[" in block]
    code = code.split("```")[0]
    assert len(code.splitlines()) <= 30
    (beside / "my_games.py").write_text(code)
    words = ["plugins=[my_games]", "game=matching", "data=mnist5k", *SMALL[3:]]
    done = call("train", *words, "steps=3", f"output_dir={tmp_path}", cwd=beside)
    assert done.returncode == 0, done.stderr
    shares = [row["term/generator/matching"] for row in scalars(Path(done.stdout.strip().splitlines()[-1]))]
    assert shares[2] > shares[0] > 0
