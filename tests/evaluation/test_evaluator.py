"""One protocol: what it holds, what it refuses, and that equal samples give equal numbers."""

import json
import math

import pytest
import torch

from ganctl.data import Density, ImageSet, Samples
from ganctl.errors import BadInput, RunFailed
from ganctl.evaluation import (
    FEATURES,
    METRICS,
    FeatureNetwork,
    ImageEvaluator,
    PointEvaluator,
    fingerprint,
)
from ganctl.evaluation.found import Evaluation
from ganctl.evaluation.scores import Estimate


def images(seed, count=120, shape=(1, 8, 8)):
    """Noise with a class that its brightness tells."""
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 100, (count, *shape), generator=stream)
    return ImageSet((noise + 120 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)


def drawn(samples):
    """What gives these samples, chunk by chunk."""
    place = 0

    def draw(count, stream):
        nonlocal place
        place += count
        return Samples(samples[place - count : place])

    return draw


TRAIN, TEST = images(0), images(1)
PIXELS = ["fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage", "memorization"]


@pytest.fixture(autouse=True)
def quick(quick_classifier):
    """Seconds instead of half a minute."""


def evaluator(metrics=(), features="pixels", test=TEST, **more):
    return ImageEvaluator(TRAIN, test, metrics, features, **more)


def test_all_that_can_be_had_is_measured_when_nothing_is_named():
    assert evaluator().metrics == PIXELS
    assert set(evaluator(features="classifier").metrics) - {*PIXELS} == {
        "inception_score", "modes", "class_kl", "diversity",
    }  # fmt: skip
    assert evaluator(test=None).metrics == PIXELS[:-1]  # nothing is held out


@pytest.mark.slow
def test_every_metric_has_a_value_an_interval_around_it_and_a_floor():
    found = evaluator(features="classifier").evaluate(drawn(images(2).pixels), "last").to_dict()
    for name, row in found["metrics"].items():
        assert row["value"] is not None and row["floor"] is not None, name
        assert row["low"] <= row["value"] <= row["high"], name
        assert row["protocol"] == found["fingerprint"]
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
def test_a_classifier_trained_on_samples_is_as_good_as_they_are():
    real = evaluator(["classifier_accuracy"], features="classifier").evaluate(drawn(images(2).pixels), "last")
    assert real.estimates["classifier_accuracy"].value > 0.95 and real.floors["classifier_accuracy"] > 0.95
    one = images(2).pixels[:1].repeat(120, 1, 1, 1)  # one kind of two
    found = evaluator(["classifier_accuracy"], features="classifier").evaluate(drawn(one), "last")
    assert found.estimates["classifier_accuracy"].value == pytest.approx(0.5, abs=0.1)


def test_an_interval_ends_where_the_metric_does_and_the_unknown_is_null():
    protocol = evaluator().protocol("last")
    found = Evaluation(
        {"recall": Estimate(0.99, 0.1), "kid": Estimate(0.01, 0.1), "fid": Estimate(math.nan)},
        {},
        protocol,
        [],
        METRICS,
    )
    rows = found.to_dict()["metrics"]
    assert rows["recall"]["high"] == 1 and rows["recall"]["low"] == pytest.approx(0.99 - 0.196)
    assert rows["kid"]["low"] < 0  # an unbiased estimate may be
    assert rows["fid"]["value"] is None and rows["fid"]["low"] is None


@pytest.mark.parametrize("name", ["precision", "recall", "coverage", "memorization"])
def test_a_share_of_none_or_of_all_is_not_known_exactly(name):
    black = torch.zeros_like(images(2).pixels)
    row = evaluator().evaluate(drawn(black), "last").to_dict()["metrics"][name]
    assert row["value"] in (0, 1)
    assert row["high"] - row["low"] == pytest.approx(3.84 / len(black), rel=0.05)  # z^2/n


def test_a_share_of_no_points_is_not_known_exactly():
    far = PointEvaluator(Density(torch.zeros(1, 2), 0.1, 100), ["high_quality"], 100)
    row = far.evaluate(lambda count, _: Samples(torch.full((count, 2), 9.0)), "last").to_dict()["metrics"][
        "high_quality"
    ]
    assert row["low"] == row["value"] == 0 and row["high"] == pytest.approx(0.037, abs=1e-3)


def test_equal_samples_give_equal_numbers_and_one_fingerprint():
    first, second = (evaluator().evaluate(drawn(images(2).pixels), "last") for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_what_is_being_done_is_told_and_changes_no_number():
    told, fresh = [], images(77)
    metrics = ["kid", "precision", "memorization"]
    loud = ImageEvaluator(fresh, TEST, metrics, "pixels", num=60, told=told.append)
    assert told[-2:] == ["real images, 0 of 60", "real images, 60 of 60"]
    found = loud.evaluate(drawn(images(2).pixels), "last")
    quiet = ImageEvaluator(fresh, TEST, metrics, "pixels", num=60)
    assert found.to_dict() == quiet.evaluate(drawn(images(2).pixels), "last").to_dict()
    rest = told[told.index("generated images, 0 of 60") :]
    assert rest[1:5] == ["generated images, 60 of 60", "kid, 1 of 3", "precision, 2 of 3", "memorization, 3 of 3"]
    assert rest[5:] == [*(f"{name} of real images, {place} of 3" for place, name in enumerate(metrics, 1)),
                        "nearest neighbours"]  # fmt: skip


def test_a_network_that_is_trained_for_it_says_how_far_it_is(monkeypatch):
    from ganctl.evaluation.classifier import RECIPE

    monkeypatch.setitem(RECIPE, "steps", 6)  # a recipe of this test alone, so that it is trained here
    told = []
    evaluator(features="classifier", told=told.append)
    assert told[:6] == [f"steps of the classifier's training, {step} of 6" for step in range(1, 7)]


@pytest.mark.parametrize(
    "other",
    [
        {"num": 60}, {"split": "train"}, {"seed": 1}, {"features": "classifier"}, {"test": images(5)}, {"test": None},
    ],
)  # fmt: skip
def test_a_fingerprint_changes_with_the_protocol(other):
    assert fingerprint(evaluator(**other).protocol("last")) != fingerprint(evaluator().protocol("last"))


def test_a_fingerprint_changes_with_the_weights_and_with_the_versions(monkeypatch):
    own = evaluator().protocol("last")
    assert fingerprint(evaluator().protocol("averaged")) != fingerprint(own)
    monkeypatch.setattr("ganctl.evaluation.protocol.versions", lambda: {"python": "9", "torch": "9.9"})
    assert fingerprint(evaluator().protocol("last")) != fingerprint(own)


def test_the_protocol_says_all_that_a_number_depends_on():
    protocol = evaluator(features="classifier", num=60).protocol("averaged")
    assert protocol["features"]["name"] == "classifier" and len(protocol["features"]["sha256"]) == 64
    assert protocol["reference"] == TEST.fingerprint and protocol["features"]["trained_on"] == TRAIN.fingerprint
    assert (protocol["num_real"], protocol["num_fake"], protocol["split"]) == (120, 60, "test")
    assert protocol["dtype"] == "float64" and protocol["weights"] == "averaged" and protocol["seed"] == 0
    assert {"python", "ganctl", "torch", "numpy"} <= {*protocol["versions"]}


def test_the_reference_is_looked_at_once_for_pixels_and_network(monkeypatch):
    seen = []

    def counted(request):
        def look(pixels):
            seen.append(len(pixels))
            return pixels.float().flatten(1) / 255, None

        return FeatureNetwork("counted", "a", 64, look)

    monkeypatch.setitem(FEATURES, "counted", counted)
    evaluator(features="counted")
    assert sum(seen) == 240
    evaluator(features="counted")  # both are in the cache
    assert sum(seen) == 240
    changed = ImageSet(TEST.pixels.clone(), TEST.labels)
    changed.pixels[0, 0, 0, 0] ^= 1
    ImageEvaluator(TRAIN, ImageSet(changed.pixels, TEST.labels), [], "counted")  # one pixel makes other images
    assert sum(seen) == 360
    monkeypatch.setitem(FEATURES, "counted", lambda request: FeatureNetwork("counted", "b", 64, counted(request).look))
    evaluator(features="counted")  # other weights
    assert sum(seen) == 600


def test_a_network_of_a_plugin_measures(monkeypatch):
    monkeypatch.setitem(
        FEATURES,
        "mean",
        lambda request: FeatureNetwork("mean", "1", 1, lambda x: (x.float().mean((1, 2, 3))[:, None], None)),
    )
    found = evaluator(["fid"], features="mean").evaluate(drawn(TEST.pixels), "none")
    assert found.estimates["fid"].value == pytest.approx(0, abs=1e-6)  # the test images themselves


def test_features_that_are_not_finite_are_refused(monkeypatch):
    monkeypatch.setitem(
        FEATURES,
        "broken",
        lambda request: FeatureNetwork("broken", "1", 1, lambda x: (torch.full((len(x), 1), math.nan), None)),
    )
    with pytest.raises(RunFailed, match="not finite"):
        evaluator(["fid"], features="broken")


def test_without_a_test_split_one_half_is_measured_against_the_other_and_that_is_said():
    found = evaluator(test=None).evaluate(drawn(images(2).pixels), "last")
    assert (found.protocol["split"], found.protocol["num_real"], found.protocol["num_fake"]) == ("half", 60, 60)
    assert any("no test split" in line for line in found.warnings)


def test_too_few_samples_for_the_features_are_told():
    found = evaluator(["fid"], num=40).evaluate(drawn(images(2).pixels), "last")
    assert any("40 generated and 120 real images are too few for 64 features" in line for line in found.warnings)
    assert not evaluator(["kid"], num=40).evaluate(drawn(images(2).pixels), "last").warnings
    assert not evaluator(["fid"], num=100).evaluate(drawn(images(2).pixels), "last").warnings


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"metrics": ["fidd"]}, "metrics=fidd: no such metric of images"),
        ({"metrics": ["modes"]}, "modes needs the classes of the data"),
        ({"metrics": ["inception_score"]}, "inception_score needs class probabilities"),
        ({"metrics": ["memorization"], "test": None}, "memorization needs a test split of the images that"),
        ({"features": "resnet"}, "features=resnet: no such network; choose from auto, classifier, pixels, inception"),
        ({"split": "val"}, "split=val: choose from test, train"),
        ({"num": 5}, "num=5: too few"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(more, message):
    with pytest.raises(BadInput, match=message):
        evaluator(**more)


def test_images_without_classes_have_no_classifier():
    bare = ImageSet(TRAIN.pixels)
    assert ImageEvaluator(bare, None, []).network.name == "pixels"  # what auto means for them
    with pytest.raises(BadInput, match="have no classes"):
        ImageEvaluator(bare, None, [], "classifier")


def test_large_images_are_averaged_down_for_their_pixels():
    large = ImageSet(torch.randint(0, 255, (40, 3, 64, 64), dtype=torch.uint8))
    assert ImageEvaluator(large, None, ["kid"]).network.dimensions <= 1024


RING = Density(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 0.01, 1000)


def points(modes, seed=0, count=2000):
    stream = torch.Generator().manual_seed(seed)
    chosen = torch.randint(modes, (count,), generator=stream)
    return RING.centers[chosen] + 0.01 * torch.randn(count, 2, generator=stream)


def test_exact_points_come_to_what_exact_points_come_to():
    found = PointEvaluator(RING, [], 2000).evaluate(drawn(points(4)), "last")
    rows = found.to_dict()["metrics"]
    assert rows["modes"]["value"] == 4
    # 1 - exp(-4.5) in the plane.
    assert rows["high_quality"]["low"] - 0.004 < 0.98889 < rows["high_quality"]["high"] + 0.004
    assert rows["class_kl"]["value"] < 0.005
    assert rows["sliced_wasserstein"]["value"] < 3 * rows["sliced_wasserstein"]["floor"]


def test_missing_modes_are_counted_and_cost_distance():
    half = PointEvaluator(RING, [], 2000).evaluate(drawn(points(2)), "last")
    assert half.estimates["modes"].value == 2
    assert half.estimates["class_kl"].value == pytest.approx(math.log(2), abs=0.01)
    assert half.estimates["sliced_wasserstein"].value > 3 * half.floors["sliced_wasserstein"]


def test_of_points_too_what_is_being_done_is_told():
    told = []
    PointEvaluator(RING, [], 2000, told=told.append).evaluate(drawn(points(4)), "last")
    assert told == ["drawing 2,000 points", "measuring 2,000 points"]


def test_points_have_no_image_metrics():
    with pytest.raises(BadInput, match="metrics=fid: no such metric of points; choose from modes"):
        PointEvaluator(RING, ["fid"])
