"""What the defaults must reach, on real data, over seeds. Minutes long."""

import subprocess
import sys

import pytest
import torch

from tests.conftest import scalars
from tests.judge import judged, reopened, trained_classifier

SEEDS = (0, 1, 2)


def trained(folder, seeds, *words):
    """The run folders of these seeds, trained side by side."""
    command = [sys.executable, "-m", "ganctl", "train", "threads=1", *words]
    processes = [
        subprocess.Popen(
            [*command, f"seed={seed}"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for seed in seeds
    ]
    found = []
    for process in processes:
        out, err = process.communicate(timeout=1200)
        assert process.returncode == 0, err
        found.append(folder / out.strip())
    return found


@pytest.mark.long
def test_ring8_covers_seven_of_eight_modes(tmp_path):
    # A mode is covered by a sample within three standard deviations of it: the definition of Lin et al. 2018
    # (PacGAN, arXiv:1712.04086, section 4.1), with its 2,500 samples. Here one sample is not enough: ten are asked for.
    covered = []
    for run in trained(tmp_path, SEEDS, "data=ring8", "loss=nonsaturating"):
        experiment = reopened(run)
        points = experiment.draw_samples(2500, torch.Generator().manual_seed(0))
        distance, mode = torch.cdist(points, experiment.dataset.centers).min(dim=1)
        counts = torch.bincount(mode[distance < 3 * experiment.dataset.deviation], minlength=8)
        covered.append(int((counts >= 10).sum()))
    print("modes with ten samples or more:", covered)
    assert sorted(covered)[1] >= 7, covered


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [SEEDS[:1], pytest.param(SEEDS, marks=pytest.mark.long)])
def test_the_default_run_makes_digits(tmp_path, seeds):
    # Noise and blots leave a classifier of digits undecided, one digit over and over leaves its labels without
    # entropy; real digits give confidence near 1 and ln 10 = 2.303.
    network = trained_classifier()
    confidences, entropies = [], []
    for run in trained(tmp_path, seeds):
        confidence, entropy = judged(network, run)
        confidences.append(confidence)
        entropies.append(entropy)
        assert all(0 < row["score/fake"] < 1 for row in scalars(run))
    print(f"confidence {confidences}, entropy {entropies}")
    middle = len(seeds) // 2
    assert sorted(confidences)[middle] > 0.85 and sorted(entropies)[middle] > 2.1
