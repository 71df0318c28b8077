"""The Fréchet distance: closed forms, two reference implementations, its standard error and its limit."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from ganctl.metrics import (
    Gaussian,
    Moments,
    distance_error,
    fitted,
    frechet_distance,
    frechet_distance_of,
    influences,
    limit,
    moments,
)

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")

STATUS = """
import torch
from ganctl import metrics
def mebibytes(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024
"""


@pytest.fixture(autouse=True)
def _one_thread(_same_threads):
    """Matrices this small only wait for other threads."""
    torch.set_num_threads(1)


def memory_growth(inputs, call):
    """MiB that `call` needs at most beside its inputs x, in a process of its own; both are Python expressions of n."""
    measure = f"n = 64; x = {inputs}; {call}\n"  # a first call loads what is loaded once
    for size in (10_000, 100_000):
        measure += f"n = {size}; x = {inputs}; before = mebibytes('VmRSS'); {call}\n"
        measure += "print(mebibytes('VmHWM') - before)\n"
    done = subprocess.run([sys.executable, "-c", STATUS + measure], capture_output=True, text=True, check=True)
    few, many = map(float, done.stdout.split())
    return many - max(0.0, few)


def drawn(count, dimensions, seed=0, shift=0.0, scale=1.0):
    """Correlated features whose columns differ in scale by a factor of 30."""
    stream = np.random.default_rng(seed)
    mixing = np.random.default_rng(dimensions).normal(size=(dimensions, dimensions)) / math.sqrt(dimensions)
    columns = scale * np.logspace(-0.5, 1, dimensions)
    return stream.normal(size=(count, dimensions)) @ mixing * columns + shift


def standardized(count, dimensions, seed=0):
    """Features whose sample mean is exactly 0 and whose sample covariance is exactly 1."""
    made = np.random.default_rng(seed).normal(size=(count, dimensions))
    made -= made.mean(axis=0)
    return made @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(made, rowvar=False)))).T


def rotation(dimensions):
    return np.linalg.qr(np.random.default_rng(5).normal(size=(dimensions, dimensions)))[0]


def by_torch_fidelity(real, fake):
    real, fake = (fid_features_to_statistics(torch.from_numpy(features)) for features in (real, fake))
    return fid_statistics_to_metric(real, fake, verbose=False)[KEY_METRIC_FID]


def by_matrix_root(real, fake):
    first, second = (np.cov(features, rowvar=False) for features in (real, fake))
    shift = np.square(real.mean(axis=0) - fake.mean(axis=0)).sum()
    return shift + np.trace(first + second - 2 * scipy.linalg.sqrtm(first @ second)).real


def by_singular_values(real, fake):
    """The same without a covariance.

    With centred rows A and B, S_1 = A'A/(n-1) and S_2 = B'B/(m-1), the eigenvalues of S_1 S_2 that are not zero are the
    squares of the singular values of AB'/sqrt((n-1)(m-1)), so the trace of the root is their sum.
    """
    first, second = ((features - features.mean(axis=0)) / math.sqrt(len(features) - 1) for features in (real, fake))
    shift = np.square(real.mean(axis=0) - fake.mean(axis=0)).sum()
    cross = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    return shift + np.square(first).sum() + np.square(second).sum() - 2 * cross


@pytest.mark.parametrize("reference", [by_torch_fidelity, by_matrix_root])
@pytest.mark.parametrize(
    ("count", "other", "dimensions", "shift", "scale"),
    [
        (50, 70, 2, 0.0, 1.0),
        (300, 200, 64, 0.5, 0.7),
        (1500, 901, 40, -3.0, 2.0),
        (5003, 4097, 8, 0.1, 1.1),
        (2000, 9000, 16, 0.0, 1.0),
        (400, 350, 100, 1.0, 3.0),
    ],
)
def test_it_is_what_reference_implementations_compute(reference, count, other, dimensions, shift, scale):
    real, fake = drawn(count, dimensions), drawn(other, dimensions, seed=1, shift=shift, scale=scale)
    assert frechet_distance(real, fake) == pytest.approx(reference(real, fake), rel=1e-6)


@pytest.mark.parametrize(("count", "other", "dimensions"), [(10, 12, 50), (60, 100, 80), (2, 3, 5)])
def test_with_fewer_samples_than_dimensions_it_is_what_singular_values_give(count, other, dimensions):
    real, fake = drawn(count, dimensions), drawn(other, dimensions, seed=1, shift=0.5)
    found = frechet_distance(real, fake)
    assert found == pytest.approx(by_singular_values(real, fake), rel=1e-6)
    # Eigenvalues of the product that should be 0 are rounding errors e there, and each adds sqrt(e), not e.
    assert found == pytest.approx(by_torch_fidelity(real, fake), rel=1e-4)


@pytest.mark.parametrize("dimensions", [1, 3, 30])
def test_of_equal_covariances_it_is_the_squared_length_of_the_shift(dimensions):
    real, shift = drawn(500, dimensions), np.arange(1, dimensions + 1) / 2
    assert frechet_distance(real, real + shift) == pytest.approx(np.square(shift).sum(), rel=1e-9)


def test_in_one_dimension_it_is_the_squared_differences_of_means_and_of_deviations():
    # N(1, 2^2) and N(3, 5^2): (3 - 1)^2 + (5 - 2)^2 = 13
    real, fake = 1 + 2 * standardized(400, 1), 3 + 5 * standardized(300, 1, seed=1)
    assert frechet_distance(real, fake) == pytest.approx(13, rel=1e-12)


def test_of_commuting_covariances_it_is_the_squared_difference_of_their_roots():
    # With common axes the trace is the sum of (a_i - b_i)^2 over the deviations a and b along them.
    first, second = np.array([1.0, 2.0, 0.5, 4.0]), np.array([3.0, 2.0, 1.0, 0.5])
    real, fake = standardized(200, 4) * first, standardized(300, 4, seed=1) * second
    assert frechet_distance(real, fake) == pytest.approx(np.square(first - second).sum(), rel=1e-9)


def test_where_each_half_moved_in_its_only_column_it_is_the_known_value():
    """Column 0 alone varies and the covariances are 100/99 of their population values.

    Real column 0: half 2, half 1, so mean 1.5 and variance 25/99. Fake column 0: half 9, half 2, so mean 5.5 and
    variance 1225/99. Column 1 is 1 and 9. Then 16 + 64 + (35 - 5)^2/99 = 80 + 900/99.
    """
    real, fake = np.ones((100, 2)), np.full((100, 2), 9.0)
    real[:50, 0] = 2
    fake[50:, 0] = 2
    found = frechet_distance(real, fake)
    assert found == pytest.approx(80 + 900 / 99, rel=1e-9) and round(found, 4) == 89.0909


@pytest.mark.parametrize(("count", "dimensions"), [(500, 8), (5000, 64), (10, 40)])
def test_a_set_is_at_no_distance_from_itself_in_whatever_order(count, dimensions):
    real = drawn(count, dimensions)
    for fake in (real, real[::-1].copy(), np.random.default_rng(1).permutation(real)):
        assert 0 <= frechet_distance(real, fake) <= 1e-12 * np.trace(np.cov(real, rowvar=False))


def test_from_samples_that_are_all_alike_it_is_the_shift_and_the_real_variance():
    real = drawn(600, 20)
    fake = np.repeat(drawn(1, 20, seed=1, shift=2.0), 5000, axis=0)
    found = frechet_distance(real, fake)
    expected = np.square(real.mean(axis=0) - fake[0]).sum() + np.var(real, axis=0, ddof=1).sum()
    assert isinstance(found, float) and found == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(fake, real) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(fake, fake) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("axis", "expected"), [(0, (2 - 3) ** 2), (1, 2**2 + 3**2)])
def test_of_features_that_vary_along_one_line_each_it_counts_what_the_lines_share(axis, expected):
    real, fake = np.zeros((200, 10)), np.zeros((300, 10))
    real[:, [0]], fake[:, [axis]] = 2 * standardized(200, 1), 3 * standardized(300, 1, seed=1)
    turn = rotation(10)
    assert frechet_distance(real @ turn, fake @ turn) == pytest.approx(expected, rel=1e-6)


def test_it_is_symmetric():
    real, fake = drawn(300, 12), drawn(200, 12, seed=1, shift=0.3, scale=2.0)
    assert frechet_distance(real, fake) == pytest.approx(frechet_distance(fake, real), rel=1e-10)


def test_a_common_rotation_and_a_common_scale_change_it_as_they_change_squared_lengths():
    real, fake, turn = drawn(300, 12), drawn(200, 12, seed=1, shift=0.3), rotation(12)
    distance = frechet_distance(real, fake)
    assert frechet_distance(real @ turn, fake @ turn) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(3 * real, 3 * fake) == pytest.approx(9 * distance, rel=1e-9)


@pytest.mark.parametrize("shift", [1.0, 1e4])
def test_a_common_shift_costs_no_digits(shift):
    # In units of 2^-20 the features are as exact after the shift as before it.
    real, fake = (np.round(made * 2**20) / 2**20 for made in (drawn(5000, 6), drawn(900, 6, seed=1, scale=1.5)))
    assert frechet_distance(real + shift, fake + shift) == pytest.approx(frechet_distance(real, fake), rel=1e-11)


def test_two_samples_of_one_distribution_are_apart_by_the_bias_of_finite_samples():
    # (D/n + D(D + 1)/4n) of each side, to first order in 1/n
    dimensions, count = 16, 2000
    draws = torch.randn(2, 20, count, dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = np.mean([frechet_distance(real, fake) for real, fake in zip(*draws, strict=True)])
    assert mean == pytest.approx(2 * (dimensions / count + dimensions * (dimensions + 1) / (4 * count)), rel=0.05)


def test_lists_arrays_and_tensors_of_every_precision_give_the_same_number_and_stay_as_they_are():
    # in units of 1/8, every precision holds the same features
    real, fake = (np.round(made * 8) / 8 for made in (drawn(60, 3), drawn(50, 3, seed=1, shift=1.0)))
    expected = frechet_distance(real, fake)
    assert frechet_distance(real.tolist(), fake.tolist()) == expected
    assert frechet_distance(real.astype(np.float32), torch.from_numpy(fake).float()) == expected
    trained, before = torch.from_numpy(fake.copy()).requires_grad_(), fake.copy()
    real.flags.writeable = fake.flags.writeable = False
    assert frechet_distance(real, fake) == frechet_distance(torch.from_numpy(real.copy()), trained) == expected
    assert (fake == before).all() and torch.equal(trained.detach(), torch.from_numpy(before)) and trained.grad is None


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.ones(3), np.ones((3, 2)), r"real: has shape \(3,\); give \[N, D\] with N at least 2"),
        (np.ones((3, 2)), np.ones((3, 2, 1)), r"fake: has shape \(3, 2, 1\); give \[N, D\]"),
        (np.ones((1, 2)), np.ones((3, 2)), r"real: has shape \(1, 2\); .* at least 2"),
        (np.ones((3, 2)), np.ones((0, 2)), r"fake: has shape \(0, 2\); .* at least 2"),
        (np.ones((3, 0)), np.ones((3, 0)), r"real: has shape \(3, 0\)"),
        (np.ones((3, 2)), np.ones((3, 4)), "real has 2 features and fake 4"),
        (np.ones((3, 2)), np.array([[1, 2], [3, np.nan]]), "fake: holds numbers that are not finite"),
        (np.array([[1, np.inf], [3, 4]]), np.ones((3, 2)), "real: holds numbers that are not finite"),
        (np.ones((3, 2)), np.array([[np.inf, -np.inf], [3, 4]]), "fake: holds numbers that are not finite"),
    ],
)
def test_what_is_no_pair_of_finite_matrices_is_refused_by_name(real, fake, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(real, fake)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("chunks", [[1003], [1, 2, 500, 0, 17, 483], [1] * 1003, [999, 4]])
def test_moments_in_uneven_chunks_are_those_of_the_whole(chunks, grouped):
    features = drawn(1003, 7, shift=5.0)
    found = Moments(7, 1003, grouped)
    for chunk in torch.from_numpy(features).split(chunks):
        found.add(chunk)
    whole = found.gaussian()
    assert whole.mean.numpy() == pytest.approx(features.mean(axis=0), rel=1e-10)
    assert whole.covariance.numpy() == pytest.approx(np.cov(features, rowvar=False), rel=1e-10, abs=1e-10)
    assert found.groups == (100 if grouped else 1) and found.seen == found.counts.sum() == 1003
    assert found.counts.max() - found.counts.min() <= 1
    # a group is consecutive samples
    ends = np.cumsum(found.counts.numpy()).astype(int)
    sums = [(part - found.origin.numpy()).sum(axis=0) for part in np.split(features, ends[:-1])]
    assert found.sums.numpy() == pytest.approx(np.array(sums), rel=1e-9, abs=1e-9)


def test_moments_of_a_matrix_and_of_chosen_groups_are_those_of_their_samples():
    features = drawn(9001, 5)
    found = moments(torch.from_numpy(features))
    assert found.gaussian().covariance.numpy() == pytest.approx(np.cov(features, rowvar=False), rel=1e-10, abs=1e-10)
    weights = torch.zeros(found.groups, dtype=torch.float64)
    weights[[0, 2]] = torch.tensor([2.0, 1.0], dtype=torch.float64)
    groups = np.split(features, np.cumsum(found.counts.numpy()).astype(int)[:-1])
    repeated = np.concatenate([groups[0], groups[0], groups[2]])
    assert found.gaussian(weights).mean.numpy() == pytest.approx(repeated.mean(axis=0), rel=1e-10)
    assert found.gaussian(weights).covariance.numpy() == pytest.approx(np.cov(repeated, rowvar=False), rel=1e-9)


def test_moments_of_one_sample_have_no_covariance():
    with pytest.raises(ValueError, match="1 samples; a covariance needs at least 2"):
        moments(torch.ones(1, 3)).gaussian()


def test_the_groups_of_many_dimensions_take_little_memory_and_those_of_few_samples_hold_two():
    assert Moments(2048, 50_000).groups == 20  # the fewest that the limit takes: 640 MiB
    assert Moments(8, 50).groups == 25


def known(dimensions, shift=0.0, deviation=1.0):
    """A Gaussian's own moments, which are those of endless samples."""
    mean = torch.full((dimensions,), shift, dtype=torch.float64)
    return Gaussian(mean, deviation**2 * torch.eye(dimensions, dtype=torch.float64))


def rows_drawn(gaussian, count, times, seed=0):
    stream = torch.Generator().manual_seed(seed)
    deviation = gaussian.covariance[0, 0].sqrt()
    for _ in range(times):
        noise = torch.randn(count, len(gaussian.mean), generator=stream, dtype=torch.float64)
        yield gaussian.mean + deviation * noise


@pytest.mark.parametrize("root_given", [True, False])
def test_the_distance_of_known_gaussians_is_the_closed_form(root_given):
    # |shift|^2 + D (a - b)^2
    real, fake = known(5, 0.0, 2.0), known(5, 1.5, 0.5)
    half = 2 * torch.eye(5, dtype=torch.float64) if root_given else None
    assert frechet_distance_of(real, fake, half) == pytest.approx(5 * 1.5**2 + 5 * 1.5**2, rel=1e-12)


@pytest.mark.parametrize(("count", "dimensions"), [(40, 6), (9, 20), (12, 24)])
def test_a_samples_influence_is_the_derivative_of_the_distance_by_its_weight(count, dimensions):
    """Fewer samples than features too, where the covariance has no full rank; 12 of 24 are kept as they are."""
    stream = torch.Generator().manual_seed(5)
    first, second = (torch.randn(size, dimensions, generator=stream, dtype=torch.float64) for size in (30, count))
    first = first * 1.3 + 0.4
    real = fitted(first)
    weights = torch.full((count,), 1 / count, dtype=torch.float64, requires_grad=True)
    mean = weights @ second / weights.sum()
    away = (second - mean) * (weights / weights.sum()).sqrt()[:, None]
    roots = torch.linalg.svdvals((first - first.mean(dim=0)) / math.sqrt(len(first) - 1) @ away.T)
    # Of fewer samples than features the last singular value is 0, since deviations sum to nothing.
    roots = roots[: min(count - 1, dimensions)].sum()
    value = (mean - real.mean).square().sum() + real.covariance.trace() + away.square().sum() - 2 * roots
    (slope,) = torch.autograd.grad(value, weights)
    fake = Gaussian(mean.detach(), (away.T @ away).detach())
    assert value.item() == pytest.approx(frechet_distance_of(real, fake), rel=1e-6)
    found = influences(real, fake, second)
    assert (found - found.mean()).tolist() == pytest.approx((slope - slope.mean()).tolist(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize(("dimensions", "count"), [(8, 1000), (16, 2000), (64, 48)])
def test_the_standard_error_is_the_deviation_over_fake_samples_drawn_again(dimensions, count, shift):
    """Of fewer samples than features too."""
    real = moments(next(rows_drawn(known(dimensions), count, times=1, seed=9))).gaussian()
    draws = list(rows_drawn(known(dimensions, shift), count, times=60))
    truth = np.std([frechet_distance_of(real, fitted(fake)) for fake in draws], ddof=1)
    errors = [distance_error(influences(real, fitted(fake), fake), count) for fake in draws[:6]]
    assert 0.6 < np.mean(errors) / truth < 1.8


def test_the_standard_error_is_too_large_rather_than_too_small_where_both_sides_are_the_same():
    """Then the distance is a sum of squares e^2 of errors that have variance v, each of variance 2 v^2.

    A sample moves e^2 by 2 e times what it moves e, which gives a variance of 4 e^2 v, on average 4 v^2: the standard
    error is sqrt(2) times too large. 100 draws of the deviation are known to 7%.
    """
    real = known(8)
    draws = list(rows_drawn(real, 1000, times=100))
    truth = np.std([frechet_distance_of(real, fitted(fake)) for fake in draws], ddof=1)
    errors = [distance_error(influences(real, fitted(fake), fake), 1000) for fake in draws[:20]]
    assert np.mean(errors) / truth == pytest.approx(math.sqrt(2), rel=0.25)


def test_the_standard_error_of_a_part_of_the_samples_is_that_of_all():
    real, fake = known(8), next(rows_drawn(known(8, 0.5), 4000, times=1))
    moved = influences(real, fitted(fake), fake)
    assert distance_error(moved[:1000], 4000) == pytest.approx(distance_error(moved, 4000), rel=0.15)
    assert math.isnan(distance_error(moved[:19], 19))


def test_samples_of_one_point_have_an_influence_of_nothing():
    same = torch.ones(30, 5)
    assert influences(known(5), fitted(same), same).tolist() == [0.0] * 30


@pytest.mark.parametrize("deviation", [1.0, 1.5])
def test_the_limit_is_nearer_to_the_value_of_endless_samples_and_its_error_is_not_too_small(deviation):
    dimensions, count, stream = 16, 1000, torch.Generator().manual_seed(3)
    real, fake = known(dimensions), known(dimensions, 0.25, deviation)
    endless = frechet_distance_of(real, fake)
    assert endless == pytest.approx(dimensions * (0.25**2 + (1 - deviation) ** 2))
    draws = list(rows_drawn(fake, count, times=240))
    plain = np.mean([frechet_distance_of(real, fitted(draw)) for draw in draws])
    limits = [limit(real, moments(draw), stream)[0] for draw in draws]
    assert plain - endless > 0.04
    assert abs(np.mean(limits) - endless) < 0.3 * (plain - endless)
    errors = [limit(real, moments(draw), stream, influences(real, fitted(draw), draw))[1] for draw in draws[:6]]
    assert 0.75 < np.mean(errors) / np.std(limits, ddof=1) < 1.5


def test_the_limit_and_its_error_are_the_same_for_the_same_stream():
    rows = next(rows_drawn(known(4), 200, times=1))
    fake, moved = moments(rows), influences(known(4), fitted(rows), rows)
    first, second = (limit(known(4), fake, torch.Generator().manual_seed(7), moved) for _ in range(2))
    assert first == second and first[1] > 0
    assert limit(known(4), fake, torch.Generator().manual_seed(7))[0] == first[0]


def test_there_is_no_limit_of_few_groups_and_no_error_that_nobody_asked_for():
    few, enough = (moments(next(rows_drawn(known(3), count, times=1))) for count in (39, 40))
    assert all(map(math.isnan, limit(known(3), few, torch.Generator())))
    found, error = limit(known(3), enough, torch.Generator())
    assert math.isfinite(found) and math.isnan(error)


@pytest.mark.parametrize(("real", "fake"), [(9, 60), (60, 9), (9, 9), (60, 60)])
def test_few_samples_and_many_have_one_distance(real, fake):
    """Up to half as many samples as features the root of a covariance is those samples themselves."""
    stream = torch.Generator().manual_seed(2)
    first, second = (torch.randn(size, 20, generator=stream, dtype=torch.float64) + 0.3 for size in (real, fake))
    by_covariance = frechet_distance_of(*(moments(rows).gaussian() for rows in (first, second)))
    assert frechet_distance_of(fitted(first), fitted(second)) == pytest.approx(by_covariance, rel=1e-6)
    assert frechet_distance_of(fitted(first), fitted(second), fitted(first).root) == pytest.approx(
        by_covariance, rel=1e-6
    )


@needs_proc
@pytest.mark.slow
def test_ten_times_the_samples_take_no_more_memory():
    assert memory_growth("(torch.rand(n, 256), torch.rand(n, 256))", "metrics.frechet_distance(*x)") < 100
