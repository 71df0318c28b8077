"""Nearest neighbours: known values on the line, reference implementations, and which side is which."""

import math

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from ganctl.metrics import density_coverage, memorization, nearest, neighbourhoods, neighbours, precision_recall
from tests.metrics.test_frechet import drawn, memory_growth, needs_proc

SIZES = [(60, 80, 2), (300, 200, 64), (1203, 1001, 8), (999, 2100, 3), (50, 40, 200)]


@pytest.fixture(autouse=True)
def _one_thread(_same_threads):
    """Matrices this small only wait for other threads."""
    torch.set_num_threads(1)


def line(*places):
    """Samples of one dimension."""
    return np.array(places, dtype=float)[:, None]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def apart(first, second):
    """All distances, by subtraction."""
    return np.sqrt(np.square(first[:, None] - second[None]).sum(axis=2))


@pytest.mark.parametrize("neighbours", [1, 3])
@pytest.mark.parametrize(("count", "other", "dimensions"), SIZES)
def test_precision_and_recall_are_what_torch_fidelity_computes(count, other, dimensions, neighbours):
    real, fake = drawn(count, dimensions), drawn(other, dimensions, seed=1, shift=0.3, scale=0.8)
    generated_first = (torch.from_numpy(fake), torch.from_numpy(real))
    reference = prc_features_to_metric(*generated_first, prc_neighborhood=neighbours, verbose=False)
    expected = (reference[KEY_METRIC_PRECISION], reference[KEY_METRIC_RECALL])
    assert precision_recall(real, fake, neighbours) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "other", "dimensions"), SIZES)
def test_all_four_are_what_prdc_computes(count, other, dimensions):
    real, fake = drawn(count, dimensions), drawn(other, dimensions, seed=1, shift=0.3, scale=0.8)
    three, five = compute_prdc(real, fake, nearest_k=3), compute_prdc(real, fake, nearest_k=5)
    assert precision_recall(real, fake) == pytest.approx((three["precision"], three["recall"]), rel=1e-6)
    assert density_coverage(real, fake) == pytest.approx((five["density"], five["coverage"]), rel=1e-6)


@pytest.mark.parametrize(("count", "other", "dimensions"), [(90, 70, 5), (150, 260, 2)])
def test_each_sample_is_judged_as_a_comparison_with_every_other_judges_it(count, other, dimensions, monkeypatch):
    real, fake = drawn(count, dimensions), drawn(other, dimensions, seed=1, shift=0.2)
    # The first of a sorted row is the sample itself.
    real_radii, fake_radii = (np.sort(apart(features, features), axis=1) for features in (real, fake))
    across = apart(real, fake)
    expected = {
        "precision": (across <= real_radii[:, [2]]).any(axis=0),
        "recall": (across <= fake_radii[:, 2]).any(axis=1),
        "density": (across < real_radii[:, [4]]).sum(axis=0) / 4,
        "coverage": (across < real_radii[:, [4]]).any(axis=1),
    }
    for size in (1000, 64, 7):
        monkeypatch.setattr(neighbours, "BLOCK", size)
        found = neighbourhoods(real, fake, manifold=2, ball=4)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name].dtype == torch.float64
            assert found[name].numpy() == pytest.approx(values.astype(float), rel=1e-12), name


@pytest.mark.parametrize(("k", "expected"), [(1, (0.75, 1, 1.5, 1)), (2, (0.75, 1, 1.125, 1))])
def test_on_the_line_they_are_as_worked_out_by_hand(k, expected):
    """Radii of the real samples 0, 1, 3, 7 are 1, 1, 2, 4 for k = 1 and 3, 2, 3, 6 for k = 2.

    The fake 20 is in no ball. For k = 1 the others, 0.5, 1.2 and 3.5, are in 2, 2 and 2 balls, together 6/4 = 1.5; for
    k = 2 in 3, 3 and 3, over k 9/(2 x 4) = 1.125. Fake radii are at least 0.7, 0.7, 2.3, 16.5, and the ball of 20
    reaches down to 3.5, so that it has 7, as those of 0.5, 1.2 and 3.5 have 0, 1 and 3.
    """
    real, fake = line(0, 1, 3, 7), line(0.5, 1.2, 3.5, 20)
    assert (*precision_recall(real, fake, k), *density_coverage(real, fake, k)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_of_the_same_distribution_density_is_one_and_coverage_misses_one_in_two_to_the_k(k):
    """A real ball is empty if the first k of the N - 1 real and M fake samples, in order of distance, are all real.

    That is the product of (N - i)/(N + M - i) over i from 1 to k: almost 2^-k for as many of each. The mean of 4
    pairs of 1,500 is known to about 0.01.
    """
    count = 1500
    found = np.mean([density_coverage(*normal(2, count, 4, seed=seed), k) for seed in range(4)], axis=0)
    empty = math.prod((count - i) / (2 * count - i) for i in range(1, k + 1))
    assert empty == pytest.approx(2**-k, rel=0.01)
    assert found[0] == pytest.approx(1, abs=0.03) and found[1] == pytest.approx(1 - empty, abs=0.01)


def test_a_set_and_itself_have_everything_in_common():
    # A ball up to the k-th neighbour holds, without its edge, its own sample and k - 1 others: k in all, over k 1.
    samples = normal(500, 6)
    assert precision_recall(samples, samples) == (1, 1)
    assert density_coverage(samples, samples) == pytest.approx((1, 1), rel=1e-6)


def test_a_tight_cluster_inside_the_real_cloud_is_precise_and_recalls_little():
    real, fake = normal(1000, 4), 0.1 * normal(900, 4, seed=1)
    precision, recall = precision_recall(real, fake)
    assert precision > 0.8 and recall < 0.3
    assert precision_recall(fake, real) == (recall, precision)


def test_sets_far_from_each_other_have_nothing_in_common():
    real, fake = normal(300, 4), normal(200, 4, seed=1) + 100
    assert precision_recall(real, fake) == density_coverage(real, fake) == (0, 0)


def test_density_is_above_one_where_samples_crowd_around_real_ones():
    # With k = 3 the radii of 0, 1, 2, 3, 4 are 3, 2, 2, 2, 3: 2.5 is within all five balls.
    assert density_coverage(line(0, 1, 2, 3, 4), line(2.5, 2.5, 2.5, 2.5), 3) == pytest.approx((5 / 3, 1), rel=1e-6)


@pytest.mark.parametrize(
    ("real", "fake", "precision", "recall", "density", "coverage"),
    [
        # real radii 2, 2, 2, 2: 4, 10 and -2 are on edges; fake radii are 6 and more
        ((0, 2, 6, 8), (4, 10, -2, 20), 3 / 4, 1, 0, 0),
        # real radii 1, 1, 2: 2 is on the edge of 1 and within 3's, 5 is on the edge of 3; fake radii are 3, 3, 4
        ((0, 1, 3), (2, 5, 9), 2 / 3, 1, 1 / 3, 1 / 3),
        # fake radii 1, 1, 19, with -1 on the edge of 0; real radii are 61, 1, 1, and the first ball has every fake
        ((-1, 60, 61), (0, 1, 20), 1, 1 / 3, 1, 1 / 3),
    ],
)
def test_the_edge_of_a_ball_belongs_to_the_manifold_but_not_to_the_neighbourhood(
    real, fake, precision, recall, density, coverage
):
    real, fake = line(*real), line(*fake)
    assert precision_recall(real, fake, 1) == pytest.approx((precision, recall), rel=1e-6)
    assert density_coverage(real, fake, 1) == pytest.approx((density, coverage), rel=1e-6)


def test_a_common_shift_costs_no_digits():
    real, fake = normal(200, 3), normal(200, 3, seed=1)
    both = (*precision_recall(real, fake), *density_coverage(real, fake))
    shifted = real + 1e6, fake + 1e6
    assert (*precision_recall(*shifted), *density_coverage(*shifted)) == pytest.approx(both, rel=1e-9)
    assert nearest(*shifted)[0].numpy() == pytest.approx(nearest(real, fake)[0].numpy(), rel=1e-6)


@pytest.mark.parametrize(("count", "other", "dimensions"), [(1, 5, 3), (400, 1, 2), (1500, 2300, 8), (700, 3001, 1)])
def test_the_nearest_is_the_least_of_all_distances(count, other, dimensions):
    samples, others = normal(count, dimensions), normal(other, dimensions, seed=1)
    distances, rows = nearest(samples, others)
    every = torch.cdist(samples, others, compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.dtype == torch.float64 and rows.dtype == torch.int64
    assert torch.equal(rows, every.argmin(dim=1))
    assert distances.numpy() == pytest.approx(every.amin(dim=1).numpy(), rel=1e-6, abs=1e-7)


def test_the_nearest_to_a_copy_is_what_it_is_a_copy_of():
    others = 100 + 10 * normal(1200, 64)
    copied = torch.randperm(1200, generator=torch.Generator().manual_seed(0))[:300]
    distances, rows = nearest(others[copied], others)
    assert torch.equal(rows, copied)
    assert distances.max() < 1e-5  # of a distance of about 100 to any other


def test_copies_of_training_samples_are_memorized_and_copies_of_others_are_not():
    train, held_out = normal(400, 8), normal(400, 8, seed=1)
    assert (memorization(train, held_out, train[:150]) == 1).all()
    assert (memorization(train, held_out, held_out[100:]) == 0).all()
    half = memorization(train, held_out, torch.cat([train[:30], held_out[:10]]))
    assert half.dtype == torch.float64 and half.mean() == 0.75


def test_fresh_samples_are_as_often_nearer_to_training_samples_as_to_others():
    # a share of 2,000 coin flips is within 4 deviations of 1/2
    train, held_out, fake = normal(3, 2000, 3)
    assert abs(memorization(train, held_out, fake).mean() - 0.5) < 4 * math.sqrt(0.25 / 2000)


def test_a_sample_as_near_to_both_counts_half():
    assert memorization(line(0, 10, 14), line(2, 12, 10), line(1, 10, 13.5, 11.5)).tolist() == [0.5, 0.5, 1, 0]


def test_copies_of_what_both_sets_hold_count_half():
    common, train, held_out = normal(3, 100, 16)
    found = memorization(torch.cat([common, train]), torch.cat([held_out, common]), common)
    assert (found == 0.5).all()


def test_the_larger_set_is_cut_so_that_a_larger_one_is_not_nearer_for_its_size():
    small, large, fake = normal(200, 3), normal(4000, 3, seed=1), normal(2000, 3, seed=2)
    assert torch.equal(memorization(large, small, fake), memorization(large[:200], small, fake))
    assert torch.equal(memorization(small, large, fake), memorization(small, large[:200], fake))
    assert memorization(large, small, large[200:]).mean() < 0.7 < memorization(large, small, large[:200]).mean()


def test_lists_arrays_and_tensors_of_every_precision_give_the_same_numbers_and_stay_as_they_are():
    # in units of 1/8, every precision holds the same features
    real, fake = (np.round(made * 8) / 8 for made in (drawn(64, 3), drawn(50, 3, seed=1, shift=1.0)))

    def all_of(real, fake):
        return *precision_recall(real, fake), *density_coverage(real, fake), float(memorization(real, real, fake).sum())

    expected, places = all_of(real, fake), nearest(fake, real)
    assert all_of(real.tolist(), fake.tolist()) == expected
    assert all_of(real.astype(np.float32), torch.from_numpy(fake).float()) == expected
    trained, before = torch.from_numpy(fake.copy()).requires_grad_(), fake.copy()
    real.flags.writeable = fake.flags.writeable = False
    assert all_of(real, fake) == all_of(torch.from_numpy(real.copy()), trained) == expected
    assert all(torch.equal(*pair) for pair in zip(nearest(trained, real), places, strict=True))
    assert (fake == before).all() and torch.equal(trained.detach(), torch.from_numpy(before))


BAD_PAIRS = [
    (np.ones(9), np.ones((9, 2)), r"real: has shape \(9,\); give \[N, D\] with N at least 6"),
    (np.ones((5, 2)), np.ones((9, 2)), r"real: has shape \(5, 2\); give \[N, D\] with N at least 6"),
    (np.ones((9, 2)), np.ones((5, 2)), r"fake: has shape \(5, 2\); give \[N, D\] with N at least 6"),
    (np.ones((9, 2)), np.ones((9, 3)), "real has 2 features and fake 3"),
    (np.ones((9, 2)), np.full((9, 2), np.nan), "fake: holds numbers that are not finite"),
    (np.full((9, 2), -np.inf), np.ones((9, 2)), "real: holds numbers that are not finite"),
]


@pytest.mark.parametrize("function", [precision_recall, density_coverage])
@pytest.mark.parametrize(("real", "fake", "message"), BAD_PAIRS)
def test_what_is_no_pair_of_finite_matrices_of_more_rows_than_neighbours_is_refused(function, real, fake, message):
    with pytest.raises(ValueError, match=message):
        function(real, fake, 5)


@pytest.mark.parametrize(("manifold", "ball", "message"), [(0, 5, "0 neighbours"), (3, -1, "-1 neighbours")])
def test_fewer_neighbours_than_one_are_refused(manifold, ball, message):
    with pytest.raises(ValueError, match=f"{message}; give at least 1"):
        neighbourhoods(np.ones((9, 2)), np.ones((9, 2)), manifold, ball)


def test_neighbourhoods_need_more_samples_than_either_number_of_neighbours():
    for numbers in ((3, 5), (5, 3)):
        with pytest.raises(ValueError, match=r"real: has shape \(5, 2\); .* at least 6"):
            neighbourhoods(np.ones((5, 2)), np.ones((9, 2)), *numbers)


@pytest.mark.parametrize(
    ("samples", "others", "message"),
    [
        (np.ones(3), np.ones((3, 2)), r"has shape \(3,\); give \[N, D\]"),
        (np.ones((3, 2)), np.ones((0, 2)), r"has shape \(0, 2\); .* at least 1"),
        (np.ones((3, 2)), np.ones((3, 5)), "others has 5 features and samples 2"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "holds numbers that are not finite"),
    ],
)
def test_nothing_is_nearest_to_what_is_no_finite_matrix(samples, others, message):
    with pytest.raises(ValueError, match=message):
        nearest(samples, others)
    message = message.replace("others", "train").replace("samples", "fake")
    with pytest.raises(ValueError, match=message):
        memorization(others, others, samples)


@needs_proc
@pytest.mark.slow
def test_the_matrix_of_all_distances_is_never_there():
    # 12,500 x 12,500 distances are 1,192 MiB
    assert memory_growth("(torch.rand(n // 8, 3), torch.rand(n // 8, 3))", "metrics.neighbourhoods(*x, 3, 5)") < 200
