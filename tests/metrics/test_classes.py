"""Scores of class predictions on predictions whose scores are known."""

import math

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

from ganctl.metrics import class_divergence, class_diversity, class_shares, inception_score, matched, modes_present
from tests.metrics.test_frechet import memory_growth, needs_proc


@pytest.fixture(autouse=True)
def _one_thread(_same_threads):
    """Matrices this small only wait for other threads."""
    torch.set_num_threads(1)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def even(classes):
    return torch.full((classes,), 1 / classes, dtype=torch.float64)


@pytest.mark.parametrize("spread", [0.1, 2.0, 20.0])
@pytest.mark.parametrize(("count", "classes", "splits"), [(1000, 10, 10), (1003, 7, 10), (57, 100, 3), (5, 4, 5)])
def test_the_inception_score_is_what_torch_fidelity_computes(count, classes, splits, spread):
    logits = spread * normal(count, classes) * torch.linspace(0.5, 1.5, classes) + torch.arange(classes) / classes
    reference = isc_features_to_metric(logits, splits, shuffle=False)
    mean, deviation = inception_score(logits.softmax(dim=1), splits)
    assert mean == pytest.approx(reference[KEY_METRIC_ISC_MEAN], rel=1e-6)
    # one sample a part scores 1 whatever it is, so that the deviation is rounding
    nothing = 1e-9 if splits == count else 0
    assert deviation == pytest.approx(reference[KEY_METRIC_ISC_STD], rel=1e-6, abs=nothing)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_the_inception_score_is_one_for_equal_rows_and_the_number_of_classes_for_sure_and_even_ones(classes):
    assert inception_score(even(classes).repeat(50, 1)) == pytest.approx((1, 0), abs=1e-9)
    assert inception_score(normal(1, classes).softmax(dim=1).expand(50, -1)) == pytest.approx((1, 0), abs=1e-9)
    assert inception_score(torch.eye(classes).repeat(20, 1), 4) == pytest.approx((classes, 0), rel=1e-6, abs=1e-9)
    assert inception_score(torch.eye(classes)[:1].expand(50, -1)) == pytest.approx((1, 0), abs=1e-9)


def test_the_inception_score_of_two_known_rows_is_known():
    logits = torch.tensor([[1, 2, 3], [-1, 5, 3.1]], dtype=torch.float64)
    assert inception_score(logits.softmax(dim=1), 1) == (pytest.approx(1.24357914, abs=1e-8), 0)


def test_the_inception_score_of_two_classes_is_the_exponential_of_their_mutual_information():
    # Even rows (1 - e, e) and (e, 1 - e): ln 2 - H(e)
    wrong = 0.2
    rows = torch.tensor([[1 - wrong, wrong], [wrong, 1 - wrong]], dtype=torch.float64).repeat(10, 1)
    entropy = -(wrong * math.log(wrong) + (1 - wrong) * math.log(1 - wrong))
    assert inception_score(rows, 1)[0] == pytest.approx(2 * math.exp(-entropy), rel=1e-12)


@pytest.mark.parametrize(("count", "splits"), [(5, 1), (19, 1), (35, 3), (100, 10), (777, 10)])
def test_without_a_number_there_are_ten_parts_or_as_many_as_have_ten_samples(count, splits):
    rows = normal(count, 4).softmax(dim=1)
    assert inception_score(rows) == inception_score(rows, splits) != inception_score(rows, splits + 1)


def test_the_parts_are_consecutive_samples():
    rows = torch.eye(4).repeat_interleave(5, dim=0)
    assert inception_score(rows, 4) == pytest.approx((1, 0), abs=1e-9)
    assert inception_score(rows, 2) == pytest.approx((2, 0), rel=1e-6, abs=1e-9)
    # one class, then two evenly: 1 and 2
    assert inception_score(rows[[0, 1, 2, 3, 4, 5, 0, 6]], 2) == pytest.approx((1.5, 0.5), rel=1e-6)


def test_lists_arrays_and_tensors_of_every_precision_give_the_same_score_and_stay_as_they_are():
    rows = np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75], [0, 1, 0], [0.5, 0.5, 0]])
    expected, before = inception_score(rows, 2), rows.copy()
    trained = torch.from_numpy(rows.copy()).requires_grad_()
    rows.flags.writeable = False
    for given in (rows, rows.tolist(), rows.astype(np.float32), torch.from_numpy(before).float(), trained):
        assert inception_score(given, 2) == expected
    assert (rows == before).all() and torch.equal(trained.detach(), torch.from_numpy(before))


@pytest.mark.parametrize(
    ("rows", "splits", "message"),
    [
        (np.full(4, 0.25), None, r"probabilities: has shape \(4,\); give \[N, D\]"),
        (np.ones((0, 4)), None, r"probabilities: has shape \(0, 4\); give \[N, D\] with N at least 1"),
        (np.full((3, 2), np.nan), None, "probabilities: holds numbers that are not finite"),
        (np.full((3, 2), 0.5), 4, "4 splits of 3 samples; give at least 1 and at most as many as samples"),
        (np.full((3, 2), 0.5), 0, "0 splits of 3 samples"),
        (np.array([[0.5, 0.5], [1.5, -0.5]]), None, "probabilities: rows must be at least 0 and sum to 1"),
        (np.array([[0.5, 0.5], [0.5, 0.6]]), None, "probabilities: rows must be at least 0 and sum to 1.* a softmax"),
        (np.array([[0.5, 0.4]]), None, "probabilities: rows must be at least 0 and sum to 1"),
    ],
)
def test_what_are_no_probabilities_or_too_many_parts_is_refused(rows, splits, message):
    with pytest.raises(ValueError, match=message):
        inception_score(rows, splits)


def test_shares_are_counts_over_samples_with_a_place_for_every_class():
    found = class_shares(torch.tensor([0, 2, 2, 0, 0]), 4)
    assert found.dtype == torch.float64 and found.tolist() == [0.6, 0, 0.4, 0]
    assert class_shares(torch.tensor([], dtype=torch.int64), 3).tolist() == [0, 0, 0]


def test_a_class_is_present_from_a_tenth_of_its_share_in_the_data_on():
    real = torch.tensor([0.5, 0.3, 0.2, 0.0], dtype=torch.float64)
    assert modes_present(torch.tensor([0.96, 0.031, 0.009, 0.0], dtype=torch.float64), real) == 2
    assert modes_present(torch.tensor([0.949, 0.03, 0.021, 0.0], dtype=torch.float64), real) == 3
    assert modes_present(real, real) == 3
    assert modes_present(torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64), real) == 0


@pytest.mark.parametrize("hit", [1, 7, 500, 999, 1000])
def test_equal_shares_of_some_of_a_thousand_classes_are_those_many_modes_and_the_log_of_their_portion(hit):
    shares = class_shares(torch.arange(hit).repeat(3), 1000)
    assert modes_present(shares, even(1000)) == hit
    assert class_divergence(shares, even(1000)) == pytest.approx(math.log(1000 / hit), abs=1e-9)


def test_the_divergence_is_that_of_the_samples_from_the_data_and_not_the_other_way():
    # 3/4 ln(3/2) + 1/4 ln(1/2)
    shares = torch.tensor([0.75, 0.25], dtype=torch.float64)
    assert class_divergence(shares, even(2)) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-12)
    assert class_divergence(even(2), shares) == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2), rel=1e-12)


def test_equal_shares_do_not_diverge_and_a_class_that_the_data_lack_is_infinitely_far():
    shares = normal(20).softmax(dim=0)
    assert class_divergence(shares, shares) == 0
    lacking = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    assert class_divergence(even(3), lacking) == math.inf
    assert class_divergence(lacking, lacking) == 0
    assert class_divergence(lacking, even(3)) == pytest.approx(math.log(1.5), rel=1e-12)


def test_samples_of_the_data_diverge_by_the_number_of_classes_less_one_over_twice_their_number():
    real, stream = torch.arange(1, 11, dtype=torch.float64) / 55, torch.Generator().manual_seed(0)
    found = [
        class_divergence(class_shares(torch.multinomial(real, 2000, replacement=True, generator=stream), 10), real)
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(9 / 4000, rel=0.15)


def test_diversity_within_a_class_is_one_on_average_for_the_same_distribution():
    """A class's mean ratio is a quotient of two variances, of n D numbers each, and is known to sqrt(4/(n D)) = 0.05.

    Its mean over 10 classes of 200 samples in 8 dimensions is known to 0.016. Scales and places of the classes
    differ, which must not matter.
    """
    classes = torch.arange(10).repeat(200)
    real, fake = ((1 + classes[:, None]) * normal(2000, 8, seed=seed) + 30 * classes[:, None] for seed in (0, 1))
    found = class_diversity(real, classes, fake, classes)
    assert found.shape == (2000,) and found.dtype == torch.float64
    assert found.mean() == pytest.approx(1, abs=0.06)
    for label in range(10):
        assert found[classes == label].mean() == pytest.approx(1, abs=0.25)
    assert class_diversity(real, classes, real, classes).mean() == pytest.approx(1, rel=1e-12)


def test_diversity_of_a_class_is_its_mean_squared_distance_between_pairs_relative_to_the_data():
    real, fake = normal(31, 5), 0.7 * normal(23, 5, seed=1)
    pairs = [torch.pdist(features).square().mean() for features in (real, fake)]
    found = class_diversity(real, torch.zeros(31, dtype=torch.int64), fake, torch.zeros(23, dtype=torch.int64))
    assert found.mean() == pytest.approx(float(pairs[1] / pairs[0]), rel=1e-10)
    # in the order of the samples, by the squared distance to the mean
    assert torch.equal(found.argsort(), (fake - fake.mean(dim=0)).square().sum(dim=1).argsort())


@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_diversity_goes_with_the_square_of_the_spread_and_is_none_where_a_class_is_one_image(factor):
    classes, centers = torch.arange(4).repeat(25), 10 * normal(4, 6, seed=1)[torch.arange(4).repeat(25)]
    noise = normal(100, 6)
    found = class_diversity(centers + noise, classes, 5 + centers + factor * noise, classes)
    assert found.mean() == pytest.approx(factor**2, rel=1e-9, abs=1e-12)


def test_samples_of_a_class_with_fewer_than_two_on_either_side_have_no_diversity():
    real_classes, fake_classes = torch.tensor([0, 0, 0, 1, 2, 2, 3]), torch.tensor([2, 1, 0, 1, 0, 2, 3, 5, 3, 4, 4])
    found = class_diversity(normal(7, 3), real_classes, normal(11, 3, seed=1), fake_classes)
    # class 1 and 3 have one real sample, 4 and 5 have none
    assert found.isnan().tolist() == [label in (1, 3, 4, 5) for label in fake_classes.tolist()]
    few = class_diversity(normal(6, 3), torch.tensor([0, 0, 0, 1, 1, 1]), normal(3, 3), torch.tensor([0, 1, 1]))
    assert few.isnan().tolist() == [True, False, False]


def test_diversity_is_the_same_in_every_precision_and_for_tensors_that_learn():
    classes = torch.arange(3).repeat(8)
    real, fake = ((made * 8).round() / 8 for made in (normal(24, 4), normal(24, 4, seed=1)))
    expected, before = class_diversity(real, classes, fake, classes), fake.clone()
    assert torch.equal(class_diversity(real.float(), classes, fake.float(), classes), expected)
    trained = fake.clone().requires_grad_()
    assert torch.equal(class_diversity(real, classes, trained, classes).detach(), expected)
    assert torch.equal(fake, before) and trained.grad is None


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("splits", [None, pytest.param(1, marks=pytest.mark.long)])
def test_ten_times_the_samples_take_no_more_memory(splits):
    # rows of equal shares sum to 1 exactly
    assert memory_growth("torch.full((n, 256), 1 / 256)", f"metrics.inception_score(x, {splits})") < 100


def test_codes_are_matched_to_the_classes_that_agree_most():
    # Code 0 is mostly class 2, code 1 mostly class 0; code 2 would like class 2 too and has to take class 1.
    codes = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    classes = torch.tensor([2, 2, 2, 1, 0, 0, 1, 2, 2, 1])
    assert matched(codes, classes, 3).tolist() == [1, 1, 1, 0, 1, 1, 0, 0, 0, 1]


def test_any_renaming_of_the_classes_is_a_perfect_match():
    classes = torch.arange(50) % 10
    for seed in range(5):
        names = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
        assert matched(names[classes], classes, 10).mean() == 1


def test_codes_that_say_nothing_match_about_one_in_as_many():
    stream = torch.Generator().manual_seed(0)
    codes, classes = (torch.randint(10, (20_000,), generator=stream) for _ in range(2))
    assert 0.09 < float(matched(codes, classes, 10).mean()) < 0.12


def test_fewer_codes_than_classes_leave_classes_out_and_more_codes_leave_codes_out():
    few = matched(torch.tensor([0, 0, 1, 1, 1]), torch.tensor([3, 3, 2, 2, 0]), 4)
    assert few.tolist() == [1, 1, 1, 1, 0]
    assert matched(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), 2).sum() == 2
