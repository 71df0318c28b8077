"""The kernel distance: known values, its lack of bias, a reference implementation, and its standard error."""

import math

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from ganctl.metrics import frechet_distance, kernel, kernel_distance, kernel_error
from tests.metrics.test_frechet import drawn, memory_growth, needs_proc

FEW = ([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 1.0], [3.0, 0.0]])


@pytest.fixture(autouse=True)
def _one_thread(_same_threads):
    """Matrices this small only wait for other threads."""
    torch.set_num_threads(1)


def whole(real, fake):
    """The estimate from all samples at once."""
    return kernel_distance(real, fake, subsets=1, subset_size=len(real))[0]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("count", "other", "dimensions", "subsets", "size", "shift", "scale"),
    [
        (60, 45, 2, 30, 20, 0.0, 1.0),
        (500, 400, 16, 20, 100, 0.3, 0.8),
        (1300, 1101, 8, 4, 1000, 0.0, 1.2),
        (300, 300, 64, 10, 300, -1.0, 1.0),
        (250, 700, 100, 10, 2, 0.0, 1.0),
    ],
)
def test_it_is_what_torch_fidelity_computes_from_the_same_subsets(
    count, other, dimensions, subsets, size, shift, scale
):
    real, fake = drawn(count, dimensions), drawn(other, dimensions, seed=1, shift=shift, scale=scale)
    generated_first = (torch.from_numpy(fake), torch.from_numpy(real))
    reference = kid_features_to_metric(
        *generated_first, kid_subsets=subsets, kid_subset_size=size, rng_seed=2020, verbose=False
    )
    mean, deviation = kernel_distance(real, fake, subsets, size)
    assert mean == pytest.approx(reference[KEY_METRIC_KID_MEAN], rel=1e-6)
    # subsets of everything differ by rounding alone
    nothing = 1e-9 * abs(mean) if size == count == other else 0
    assert deviation == pytest.approx(reference[KEY_METRIC_KID_STD], rel=1e-6, abs=nothing)


def test_three_points_a_side_are_at_the_value_worked_out_by_hand():
    """D = 2, so k(x, y) = (x.y/2 + 1)^3.

    Real pairs have x.y/2 + 1 = 1, 1, 2, fake ones 1.5, 1, 2.5: twice the means 10/3 and 20/3 of their cubes over 3
    pairs, (1 + 1 + 8)/3 and (27/8 + 1 + 125/8)/3. The nine crossings are 1, 1, 1; 1, 1.5, 2.5; 1.5, 2.5, 4: cubes
    that sum to 3 + 20 + 83 = 106. Altogether 10/3 + 20/3 - 2 x 106/9.
    """
    found = whole(*FEW)
    assert found == pytest.approx(10 / 3 + 20 / 3 - 212 / 9, rel=1e-12) and round(found, 6) == -13.555556


def test_a_set_and_itself_are_below_zero_because_the_estimate_has_no_bias():
    # Each sample meets itself across the sets but not within one: 2 x 10/3 - 2 x (1 + 27/8 + 343/8 + 2 x 10)/9,
    # where 1, 27/8 and 343/8 are (|x|^2/2 + 1)^3
    expected = 20 / 3 - 2 * (1 + 1.5**3 + 3.5**3 + 20) / 9
    assert whole(FEW[0], FEW[0]) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(-8.277778, abs=1e-6)


def test_two_samples_of_one_distribution_are_at_zero_on_average_where_the_frechet_distance_is_not():
    sets = normal(200, 2, 50, 4)
    found = np.array([whole(*pair) for pair in sets])
    assert abs(found.mean()) < 3 * found.std(ddof=1) / math.sqrt(len(found))
    assert (found < 0).any()
    biased = np.array([frechet_distance(*pair) for pair in sets])
    assert biased.mean() > 30 * biased.std(ddof=1) / math.sqrt(len(biased))


def test_of_two_shifted_gaussians_it_is_on_average_the_difference_of_their_moments():
    """In one dimension (xy + 1)^3 = 1 + 3xy + 3x^2 y^2 + x^3 y^3, so the squared distance is a sum over moments.

    Those of N(0, 1) are 0, 1, 0 and those of N(1, 1) are 1, 2, 4: 3 (1)^2 + 3 (1)^2 + (4)^2 = 22.
    """
    real, fake = normal(2, 400, 100, 1)
    found = np.array([whole(first, 1 + second) for first, second in zip(real, fake, strict=True)])
    assert abs(found.mean() - 22) < 3 * found.std(ddof=1) / math.sqrt(len(found))


def test_it_grows_with_a_shift_and_a_common_rotation_does_not_change_it():
    real, fake = normal(2, 400, 6)
    turn = torch.linalg.qr(normal(6, 6, seed=1))[0]
    values = [whole(real, fake + shift) for shift in (0.0, 0.3, 0.6)]
    assert values == sorted(values) and values[2] > 10 * abs(values[0])
    assert whole(real @ turn, (fake + 0.3) @ turn) == pytest.approx(values[1], rel=1e-9)
    assert whole(fake + 0.3, real) == pytest.approx(values[1], rel=1e-9)


def test_without_numbers_it_takes_a_hundred_subsets_as_large_as_can_be():
    real, fake = normal(70, 3), normal(50, 3, seed=1)
    assert kernel_distance(real, fake) == kernel_distance(real, fake, 100, 50)
    real, fake = normal(1010, 2), normal(1020, 2, seed=1)
    assert kernel_distance(real, fake, 2) == kernel_distance(real, fake, 2, 1000)


def test_the_deviation_is_that_over_subsets_and_none_where_the_subset_is_everything():
    real, fake = normal(40, 3), normal(40, 3, seed=1) + 1
    mean, deviation = kernel_distance(real, fake, 5, 40)
    assert deviation == pytest.approx(0, abs=1e-12 * mean)
    assert kernel_distance(real, fake, 1, 20)[1] == 0
    assert kernel_distance(real, fake, 20, 20)[1] > 0.01 * mean


def test_lists_arrays_and_tensors_of_every_precision_give_the_same_numbers_and_stay_as_they_are():
    # in units of 1/8, every precision holds the same features
    real, fake = (np.round(made * 8) / 8 for made in (drawn(40, 3), drawn(50, 3, seed=1, shift=1.0)))
    expected = kernel_distance(real, fake, 3, 20)
    assert kernel_distance(real.tolist(), fake.tolist(), 3, 20) == expected
    assert kernel_distance(real.astype(np.float32), torch.from_numpy(fake).float(), 3, 20) == expected
    trained, before = torch.from_numpy(fake.copy()).requires_grad_(), fake.copy()
    real.flags.writeable = fake.flags.writeable = False
    assert kernel_distance(real, fake, 3, 20) == kernel_distance(real, trained, 3, 20) == expected
    assert (fake == before).all() and torch.equal(trained.detach(), torch.from_numpy(before))


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.ones(30), np.ones((30, 2)), r"real: has shape \(30,\); give \[N, D\] with N at least"),
        (np.ones((30, 2)), np.ones((1, 2)), r"fake: has shape \(1, 2\); give \[N, D\] with N at least"),
        (np.ones((30, 2)), np.ones((30, 3)), "real has 2 features and fake 3"),
        (np.ones((30, 2)), np.full((30, 2), np.nan), "fake: holds numbers that are not finite"),
        (np.full((30, 2), np.inf), np.ones((30, 2)), "real: holds numbers that are not finite"),
    ],
)
def test_what_is_no_pair_of_finite_matrices_is_refused_by_name(real, fake, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(real, fake)
    with pytest.raises(ValueError, match=message):
        kernel_error(real, fake, torch.Generator())


@pytest.mark.parametrize(
    ("subsets", "size", "message"),
    [
        (3, 31, "3 subsets of 31 from 40 real and 30 fake samples; .* up to the smaller set"),
        (3, 1, "3 subsets of 1 from 40 real and 30 fake samples; .* of 2 samples"),
        (0, 10, "0 subsets of 10 from 40 real and 30 fake samples; give at least 1 subset"),
    ],
)
def test_subsets_that_cannot_be_drawn_are_refused(subsets, size, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(np.ones((40, 2)), np.ones((30, 2)), subsets, size)


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("dimensions", [2, 8])
def test_the_standard_error_is_the_deviation_over_fake_samples_drawn_again(dimensions, shift):
    real, draws = normal(300, dimensions), normal(60, 300, dimensions, seed=1) + shift
    truth = np.std([whole(real, fake) for fake in draws], ddof=1)
    errors = [kernel_error(real, fake, torch.Generator().manual_seed(seed)) for seed, fake in enumerate(draws[:6])]
    assert 0.6 < np.mean(errors) / truth < 1.8


def test_the_standard_error_is_the_deviation_of_the_estimate_from_random_halves_of_the_fake_samples():
    real, fake, stream = normal(20, 2), normal(41, 2, seed=1) + 0.5, torch.Generator().manual_seed(4)
    halves = [torch.randperm(41, generator=stream)[:20] for _ in range(kernel.REPLICATES)]
    expected = np.std([whole(real, fake[half]) for half in halves], ddof=1)
    assert kernel_error(real, fake, torch.Generator().manual_seed(4)) == pytest.approx(expected, rel=1e-9)


def test_the_standard_error_is_the_same_whatever_the_blocks_of_the_kernel(monkeypatch):
    real, fake = normal(130, 3), normal(101, 3, seed=1) + 0.5
    found = []
    for size in (7, 50, 101, 1000):
        monkeypatch.setattr(kernel, "BLOCK", size)
        found.append(kernel_error(real, fake, torch.Generator().manual_seed(0)))
    assert found == pytest.approx([found[-1]] * 4, rel=1e-9)


def test_the_standard_error_falls_as_the_root_of_the_samples():
    real, fake = normal(500, 4), normal(1600, 4, seed=1) + 1
    few, many = (kernel_error(real, fake[:count], torch.Generator().manual_seed(0)) for count in (100, 1600))
    assert few / many == pytest.approx(4, rel=0.4)


@needs_proc
@pytest.mark.long
def test_ten_times_the_samples_take_no_more_memory():
    assert memory_growth("(torch.rand(n, 256), torch.rand(n, 256))", "metrics.kernel_distance(*x, subsets=3)") < 100
