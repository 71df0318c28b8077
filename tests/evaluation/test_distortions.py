"""Each metric sees the fault that it exists for, and not the others: real digits, spoilt in known ways."""

from functools import partial

import pytest
import torch
from torch.nn.functional import avg_pool2d

from ganctl.config.schema import Mnist5k
from ganctl.data import DATASETS, ImageSet, Samples
from ganctl.evaluation import ImageEvaluator
from ganctl.evaluation.classifier import RECIPE
from ganctl.metrics.kernel import kernel_distance

pytestmark = pytest.mark.slow
NUM = 1000


@pytest.fixture(scope="module")
def digits():
    """Three separate thirds of mnist5k: for training, for testing, and fresh."""
    whole = DATASETS["mnist5k"](Mnist5k())
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    assert whole.labels is not None
    return [ImageSet(whole.pixels[rows], whole.labels[rows]) for rows in order.split([2000, 2000, 1000])]


@pytest.fixture(scope="module")
def scores(digits):
    """images uint8 [1000, 1, 28, 28] -> every metric."""
    train, test, _ = digits
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPE, "steps", 200)
        # Ten subsets of the kernel distance order these images as well as 100 in a tenth of the time.
        patch.setattr("ganctl.evaluation.scores.kernel_distance", partial(kernel_distance, subsets=10))
        evaluator = ImageEvaluator(train, test, [], num=NUM)

        def measured(images):
            given = iter(images.split(500))
            found = evaluator.evaluate(lambda count, stream: Samples(next(given)), "none", errors=False)
            return {name: estimate.value for name, estimate in found.estimates.items()}

        yield measured


@pytest.fixture(scope="module")
def fresh(digits, scores):
    """What real digits come to that nobody has seen."""
    return scores(digits[2].pixels)


def shuffled(images):
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(1))]


def test_real_digits_look_real(fresh):
    assert fresh["fid"] < 8 and abs(fresh["kid"]) < 3
    assert min(fresh["precision"], fresh["recall"], fresh["coverage"]) > 0.8
    assert fresh["modes"] == 10 and fresh["class_kl"] < 0.02
    assert fresh["density"] == pytest.approx(1, abs=0.1) and fresh["diversity"] == pytest.approx(1, abs=0.1)
    assert fresh["memorization"] == pytest.approx(0.5, abs=0.06)


def test_more_noise_is_further_away(digits, scores, fresh):
    noise = torch.randn(digits[2].pixels.shape, generator=torch.Generator().manual_seed(1))
    levels = [
        scores((digits[2].pixels.float() + strength * noise).clamp(0, 255).to(torch.uint8))
        for strength in (20, 60, 120)
    ]
    for name, rising in (
        ("fid", True),
        ("kid", True),
        ("recall", False),
        ("coverage", False),
        ("inception_score", False),
    ):
        values = [fresh[name], *(found[name] for found in levels)]
        assert values == sorted(values, reverse=not rising), (name, values)
    assert levels[-1]["fid"] > 50 * fresh["fid"]


def test_more_blur_is_further_away_and_less_diverse(digits, scores, fresh):
    levels = [scores(avg_pool2d(digits[2].pixels.float(), size, 1, size // 2).to(torch.uint8)) for size in (3, 5, 7)]
    for name, rising in (("fid", True), ("kid", True), ("precision", False), ("diversity", False), ("coverage", False)):
        values = [fresh[name], *(found[name] for found in levels)]
        assert values == sorted(values, reverse=not rising), (name, values)


def test_five_kinds_of_ten_are_precise_and_incomplete(digits, scores, fresh):
    half = digits[0].pixels[digits[0].labels < 5][:900]
    found = scores(shuffled(torch.cat([half, half[:100]])))
    assert found["modes"] == 5
    assert found["class_kl"] == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=0.15)
    assert found["precision"] > 0.8
    assert found["recall"] < fresh["recall"] - 0.1 and found["coverage"] < 0.65
    assert found["inception_score"] < 6 and found["fid"] > 20 * fresh["fid"]


def test_twenty_images_over_and_over_are_precise_and_cover_nothing(digits, scores, fresh):
    found = scores(shuffled(digits[2].pixels[:20].repeat(50, 1, 1, 1)))
    assert found["precision"] > 0.9
    assert found["recall"] < 0.05 and found["coverage"] < 0.1
    assert found["fid"] > 20 * fresh["fid"]


def test_one_image_is_measured_without_a_crash(digits, scores):
    found = scores(digits[2].pixels[:1].repeat(NUM, 1, 1, 1))
    assert all(abs(value) < float("inf") for value in found.values()), found
    assert found["diversity"] == 0 and found["modes"] == 1 and found["recall"] == 0
    assert found["inception_score"] == pytest.approx(1, abs=1e-3)


def test_training_images_are_seen_by_memorization_alone(digits, scores, fresh):
    found = scores(shuffled(digits[0].pixels)[:NUM])
    # Half of the 2,000 training images are among the 1,000 looked at: 1/2 + 1/2 x 1/2.
    assert found["memorization"] == pytest.approx(0.75, abs=0.06)
    for name in ("precision", "recall", "coverage"):
        assert found[name] == pytest.approx(fresh[name], abs=0.06)
    assert found["fid"] < 2 * fresh["fid"]


def test_the_pixels_order_distortions_too(digits):
    train, test, fresh = digits
    evaluator = ImageEvaluator(train, test, ["fid"], features="pixels", num=NUM)

    def fid(images):
        given = iter(images.split(500))
        return (
            evaluator.evaluate(lambda count, stream: Samples(next(given)), "none", errors=False).estimates["fid"].value
        )

    noise = torch.randn(fresh.pixels.shape, generator=torch.Generator().manual_seed(1))
    spoilt = [(fresh.pixels.float() + strength * noise).clamp(0, 255).to(torch.uint8) for strength in (20, 60, 120)]
    values = [fid(images) for images in (fresh.pixels, *spoilt)]
    assert values == sorted(values)
