"""What the defaults must reach, on real data, over seeds. Minutes long."""

import subprocess
import sys

import pytest
import torch

from tests.conftest import scalars
from tests.judge import judged, reopened, trained_classifier

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The run folders of ring8 and of the default, each with three seeds, trained side by side."""
    folder = tmp_path_factory.mktemp("learning")
    settings = {"ring8": ["data=ring8", "loss=nonsaturating"], "default": []}
    words = {(name, seed): [*given, f"seed={seed}"] for name, given in settings.items() for seed in SEEDS}
    command = [sys.executable, "-m", "ganctl", "train", "threads=1"]
    processes = {
        name: subprocess.Popen([*command, *more], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name, more in words.items()
    }
    found = {}
    for name, process in processes.items():
        out, err = process.communicate(timeout=1200)
        assert process.returncode == 0, err
        found[name] = folder / out.strip()
    return found


@pytest.mark.slow
def test_ring8_covers_seven_of_eight_modes_for_two_of_three_seeds(runs):
    # A mode is covered by a sample within three standard deviations of it: the definition of Lin et al. 2018
    # (PacGAN, arXiv:1712.04086, section 4.1), with its 2,500 samples. Here one sample is not enough: ten are asked for.
    covered = []
    for seed in SEEDS:
        experiment = reopened(runs["ring8", seed])
        points = experiment.draw_samples(2500, torch.Generator().manual_seed(0))
        distance, mode = torch.cdist(points, experiment.dataset.centers).min(dim=1)
        counts = torch.bincount(mode[distance < 3 * experiment.dataset.deviation], minlength=8)
        covered.append(int((counts >= 10).sum()))
    print("modes with ten samples or more:", covered)
    assert sorted(covered)[1] >= 7, covered


@pytest.mark.slow
def test_the_default_run_makes_digits_for_two_of_three_seeds(runs):
    # Noise and blots leave a classifier of digits undecided, one digit over and over leaves its labels without
    # entropy; real digits give confidence near 1 and ln 10 = 2.303.
    network = trained_classifier()
    confidences, entropies = [], []
    for seed in SEEDS:
        confidence, entropy = judged(network, runs["default", seed])
        confidences.append(confidence)
        entropies.append(entropy)
        assert all(0 < row["score/fake"] < 1 for row in scalars(runs["default", seed]))
    print(f"confidence {confidences}, entropy {entropies}")
    assert sorted(confidences)[1] > 0.85 and sorted(entropies)[1] > 2.1
