"""Metrics of what a game controls, on images whose classes are known."""

import math
from types import MappingProxyType

import pytest
import torch

from ganctl.config.load import load
from ganctl.config.metrics import METRIC_NAMES
from ganctl.data import DATASETS, ImageSet, Samples
from ganctl.errors import BadInput, RunFailed
from ganctl.evaluation import METRICS, POINT_METRICS, ImageEvaluator, PointEvaluator
from ganctl.games import GAMES, Game, GameMetric
from ganctl.games.aae import Aae
from tests.evaluation.test_evaluator import images

TRAIN, TEST = images(0, 240), images(1, 240)
LABELLED = ("label_agreement", "class_fid")


def game(*offers):
    """A game that offers these."""
    own = {name: row for name, row in Aae.metrics.items() if name in offers}
    return type("Offering", (Game,), {"offers": {*offers} - {*own}, "metrics": own})


@pytest.fixture(autouse=True)
def quick(quick_classifier):
    """Seconds instead of half a minute."""


def made(samples, kinds):
    """What gives these samples and what was asked for, chunk by chunk."""
    place = 0

    def draw(count, stream):
        nonlocal place
        place += count
        return Samples(samples[place - count : place], kinds[place - count : place])

    return draw


def measured(metrics, fake, kinds, offers=LABELLED, own=None, **more):
    evaluator = ImageEvaluator(TRAIN, TEST, metrics, "classifier", game=game(*offers), **more)
    return evaluator.evaluate(made(fake.pixels, kinds), "last", own=own)


def test_agreement_is_the_share_of_samples_that_have_the_class_asked_for():
    fake = images(2, 240)
    right = measured(["label_agreement"], fake, fake.labels)
    assert right.estimates["label_agreement"].value == 1 and right.floors["label_agreement"] == 1
    asked = fake.labels.clone()
    asked[:60] = 1 - asked[:60]
    some = measured(["label_agreement"], fake, asked).estimates["label_agreement"]
    assert some.value == pytest.approx(0.75)
    assert some.error == pytest.approx(math.sqrt(0.75 * 0.25 / 239), rel=1e-6)


@pytest.mark.slow
def test_the_distance_within_a_class_sees_classes_exchanged_and_the_whole_distance_does_not():
    fake = images(2, 240)
    whole = ["fid", "class_fid"]
    right, wrong = (measured(whole, fake, kinds).estimates for kinds in (fake.labels, 1 - fake.labels))
    assert right["fid"].value == pytest.approx(wrong["fid"].value)
    assert wrong["class_fid"].value > 10 * right["class_fid"].value


def test_each_class_has_its_row():
    fake = images(2, 240)
    fake.pixels[fake.labels == 0] = fake.pixels[0].clone()  # one image of a class, over and over
    found = measured(["label_agreement", "class_fid"], fake, fake.labels).to_dict()["classes"]
    assert set(found) == {"label_agreement", "class_fid", "diversity"}
    assert found["label_agreement"] == [1, 1]
    assert found["diversity"][0] == pytest.approx(0, abs=1e-9) and 0.5 < found["diversity"][1] < 2
    assert found["class_fid"][0] > found["class_fid"][1]


def test_a_code_matches_whatever_class_it_stands_for():
    fake = images(2, 240)
    found = measured(["code_match"], fake, 1 - fake.labels, ("code_match",))
    assert found.estimates["code_match"].value == 1 and found.floors["code_match"] == 1
    half = measured(["code_match"], fake, torch.arange(240) // 120, ("code_match",))
    assert half.estimates["code_match"].value == pytest.approx(0.5, abs=0.01)


def test_what_a_game_does_not_offer_is_refused_and_left_out():
    with pytest.raises(
        BadInput, match="label_agreement is only of what game=cgan, projection, acgan, aae_semisupervised, srgan"
    ):
        ImageEvaluator(TRAIN, TEST, ["label_agreement"], "classifier")
    assert "label_agreement" not in ImageEvaluator(TRAIN, TEST, [], "classifier").metrics
    assert {*LABELLED} <= {*ImageEvaluator(TRAIN, TEST, [], "classifier", game=game(*LABELLED)).metrics}
    with pytest.raises(BadInput, match="needs the classes of the data"):
        ImageEvaluator(TRAIN, TEST, ["label_agreement"], "pixels", game=game(*LABELLED))


def test_what_the_networks_say_of_themselves_is_of_held_out_images():
    seen = []

    def own(pixels, labels, stream):
        seen.append((pixels, labels))
        codes = torch.randn(len(pixels), 2, generator=stream)
        return {
            "reconstruction_error": pixels.float().flatten(1).mean(dim=1),
            "latents": codes,
            "prior": -codes,
            "other_prior": codes.flip(0),
        }

    offers = ("reconstruction_error", "prior_distance", "prior_p")
    fake = images(2, 240)
    found = measured(offers, fake, fake.labels, offers, own)
    pixels, labels = (torch.cat(parts) for parts in zip(*seen, strict=True))
    assert sorted(pixels.flatten(1).float().mean(1).tolist()) == sorted(TEST.pixels.flatten(1).float().mean(1).tolist())
    assert int(labels.sum()) == 120
    assert found.estimates["reconstruction_error"].value == pytest.approx(float(TEST.pixels.float().mean()), rel=1e-6)
    assert found.estimates["prior_p"].value > 0.01 and found.floors["prior_distance"] >= 0
    # Codes far from their prior are told so.
    far = measured(
        offers,
        fake,
        fake.labels,
        offers,
        lambda *given: {**own(*given), "latents": torch.full((len(given[0]), 2), 3.0)},
    )
    assert far.estimates["prior_p"].value == pytest.approx(0.001)
    assert far.estimates["prior_distance"].value > 10 * far.floors["prior_distance"]


def test_networks_are_not_asked_where_no_metric_needs_them():
    def own(*given):
        raise AssertionError

    fake = images(2, 240)
    assert measured(["label_agreement"], fake, fake.labels, own=own).estimates["label_agreement"].value == 1


def test_labels_of_the_data_travel_with_their_images():
    # Of images without labels nothing can be asked by class.
    bare = ImageSet(TEST.pixels)
    with pytest.raises(BadInput):
        ImageEvaluator(ImageSet(TRAIN.pixels), bare, ["class_fid"], "auto", game=game(*LABELLED))


def test_every_name_has_a_row_and_every_row_a_name():
    # What a report knows without torch, and what computes it: of images, of points, or of a game.
    own = {name for rules in GAMES.values() for name in rules.metrics}
    assert {*METRIC_NAMES} == {*METRICS, *POINT_METRICS, *own}
    assert not own & {*METRICS, *POINT_METRICS}
    for name, row in {**METRICS, **POINT_METRICS}.items():
        assert (row.label, row.better) == METRIC_NAMES[name]
    assert {name for rules in GAMES.values() for name in rules.offers} == {
        name for name, row in METRICS.items() if row.offered
    }


def test_a_game_brings_a_metric_of_images_and_of_points():
    class Odd(Game):
        metrics = MappingProxyType({"half": GameMetric("half of one", "higher", least=0.4, most=0.6)})

    def own(samples, labels, stream):
        return {"half": torch.arange(len(samples)).double() % 2}

    fake = images(2, 240)
    density = DATASETS["ring8"](load(["data=ring8"]).data)
    points = PointEvaluator(density, [], 200, game=Odd)
    assert {*POINT_METRICS} < {*points.metrics}
    for found in (
        ImageEvaluator(TRAIN, TEST, ["half", "kid"], "pixels", game=Odd).evaluate(
            made(fake.pixels, fake.labels), "last", own=own
        ),
        points.evaluate(lambda count, stream: Samples(density.draw(count, stream)), "last", own=own),
    ):
        row = found.to_dict()["metrics"]["half"]
        assert (row["value"], row["label"], row["better"]) == (0.5, "half of one", "higher")
        assert 0 < row["standard_error"] < 0.04 and row["low"] >= 0.4 and row["high"] <= 0.6
        assert row["floor"] is None


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"kid": GameMetric("another", "lower")}, "kid is the name of another one"),
        ({"modes": GameMetric("another", "lower")}, "modes is the name of another one"),
        ({"reconstruction_error": GameMetric("another", "lower")}, "reconstruction_error is the name of another one"),
        ({"a b": GameMetric("spaced", "lower")}, "a b is no name; write letters, digits and _"),
    ],
)
def test_a_name_is_of_one_metric(metrics, message):
    with pytest.raises(BadInput, match=message):
        ImageEvaluator(TRAIN, TEST, [], "pixels", game=type("Odd", (Game,), {"metrics": metrics}))


def test_a_game_gives_a_number_for_each_sample():
    odd = type("Odd", (Game,), {"metrics": {"mean": GameMetric("a mean", "lower")}})
    fake = images(2, 240)
    evaluator = ImageEvaluator(TRAIN, TEST, ["mean"], "pixels", game=odd)
    for said in (torch.tensor(1.0), torch.ones(3)):
        with pytest.raises(RunFailed, match=r"own_figures: mean has shape \[3?\] for 240 samples"):
            evaluator.evaluate(made(fake.pixels, fake.labels), "last", own=lambda *given, said=said: {"mean": said})
    silent = evaluator.evaluate(made(fake.pixels, fake.labels), "last", own=lambda *given: {})
    assert math.isnan(silent.estimates["mean"].value)
    assert silent.warnings[-1] == "mean has no value: the game's own_figures gave no finite number of that name"


def test_rivals_are_measured_as_the_generator_is():
    fake, other = images(2, 240), images(3, 240)
    wrong = 1 - other.labels
    evaluator = ImageEvaluator(TRAIN, TEST, ["label_agreement", "fid"], "classifier", game=game(*LABELLED))
    rivals = {"worse": made(other.pixels, wrong)}
    found = evaluator.evaluate(made(fake.pixels, fake.labels), "last", rivals=rivals)
    alone = evaluator.evaluate(made(other.pixels, wrong), "last")
    assert found.rivals == {"worse": {name: each.value for name, each in alone.estimates.items()}}
    assert found.rivals["worse"]["label_agreement"] == 0 and found.estimates["label_agreement"].value == 1
    entry = found.to_dict()["metrics"]["label_agreement"]
    assert entry["value"] == 1 and entry["rivals"] == {"worse": 0}
    assert "rivals" not in alone.to_dict()["metrics"]["fid"]
    # While a run trains, only the generator is measured.
    assert not evaluator.evaluate(made(fake.pixels, fake.labels), "last", errors=False, rivals=rivals).rivals


def test_the_distance_of_features_is_that_from_each_images_own_truth():
    seen = []

    def own(pixels, kinds, stream):
        del kinds, stream
        seen.append(pixels)
        return {"made": pixels, "truth": pixels, "worse/made": 255 - pixels, "worse/truth": pixels}

    fake = images(3, 240)
    evaluator = ImageEvaluator(TRAIN, TEST, ["feature_distance"], "pixels", game=game("feature_distance"))
    rivals = {"worse": made(fake.pixels, fake.labels)}
    found = evaluator.evaluate(made(fake.pixels, fake.labels), "last", own=own, rivals=rivals)
    assert found.estimates["feature_distance"].value == 0
    expected = (1 - 2 * torch.cat(seen).float() / 255).square().mean().item()
    assert found.rivals["worse"]["feature_distance"] == pytest.approx(expected, rel=1e-5)
