"""PSNR and SSIM against their definitions."""

import math

import pytest
import torch

from ganctl.metrics import luminance, psnr, ssim


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("difference", [0.5, 0.1, 0.01])
def test_a_constant_difference_has_its_own_decibels(difference):
    real = noise(3, 1, 12, 12) / 2
    assert psnr(real + difference, real).tolist() == pytest.approx([-20 * math.log10(difference)] * 3, rel=1e-4)


def test_each_image_has_its_own_ratio_and_equal_ones_have_the_largest():
    real = noise(2, 3, 8, 8)
    made = real.clone()
    made[1, :, :4] += 0.2  # half of the pixels, so a mean squared error of 0.02
    assert psnr(made, real).tolist() == pytest.approx([100.0, -10 * math.log10(0.02)], rel=1e-4)


def test_structural_similarity_is_that_of_its_definition():
    made, real = noise(2, 1, 13, 12), noise(2, 1, 13, 12, seed=1)
    offsets = [place - 5 for place in range(11)]
    line = [math.exp(-(offset**2) / 4.5) for offset in offsets]
    window = torch.tensor([[a * b for b in line] for a in line], dtype=torch.float64)
    window /= window.sum()
    for one, other, found in zip(made[:, 0].double(), real[:, 0].double(), ssim(made, real), strict=True):
        values = []
        for top in range(3):
            for left in range(2):
                x, y = (each[top : top + 11, left : left + 11] for each in (one, other))
                mean_x, mean_y = (window * x).sum(), (window * y).sum()
                var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
                both = (window * (x - mean_x) * (y - mean_y)).sum()
                light = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
                values.append(light * (2 * both + 9e-4) / (var_x + var_y + 9e-4))
        assert found.item() == pytest.approx(float(sum(values) / 6), rel=1e-9)


def test_structural_similarity_of_known_pairs():
    real = noise(1, 3, 16, 16)
    assert ssim(real, real).item() == pytest.approx(1)
    dark, bright = torch.full((1, 1, 11, 11), 0.2), torch.full((1, 1, 11, 11), 0.6)
    assert ssim(dark, bright).item() == pytest.approx((2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4), rel=1e-5)
    stripes = (torch.arange(16) % 2).float().expand(1, 1, 16, 16)
    assert ssim(stripes, 1 - stripes).item() < -0.9  # the same contrast, the other way round


def test_luminance_is_that_of_itu_r_bt_601():
    pixels = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    found = luminance(pixels[..., None, None])
    assert found.shape == (5, 1, 1, 1)
    assert (found.flatten() * 255).tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-3)
    grey = noise(2, 1, 4, 4)
    assert luminance(grey) is grey
