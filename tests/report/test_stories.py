"""Numbers of a report from rows made by hand."""

from pathlib import Path

import numpy as np
import pytest

from ganctl.formats import number
from ganctl.report.collect import CellRecord, read_cell
from ganctl.report.drawing import band, smooth
from ganctl.report.stories import facts, story
from ganctl.store.run import RunFolder

RULES = {"outcome": "quality/sliced_wasserstein", "checkpoint": "last"}


def cell(score, norm=None, arm="minimax", seed=0, status="completed", steps=None):
    score = np.array(score, dtype=float)
    steps = np.arange(1, len(score) + 1) * 10 if steps is None else np.array(steps)
    series = {
        "score/fake": score,
        "score/real": 1 - score,
        "grad_norm/generator": np.ones_like(score) if norm is None else np.array(norm, dtype=float),
    }
    return CellRecord(arm, seed, RunFolder(Path("nowhere")), {"status": status}, steps, steps / 20, series, {}, RULES)


def test_final_values_are_means_over_the_last_epoch():
    # An epoch is 20 steps here: the rows at steps 50 and 60 lie within one epoch of the end.
    assert cell([0.9, 0.9, 0.9, 0.9, 0.2, 0.4]).final()["score/fake"] == pytest.approx(0.3)


def test_a_tag_that_some_rows_lack_is_averaged_over_the_others():
    record = cell([0.9, 0.9, 0.2, 0.4])
    record.series["speed/images_per_second"] = np.array([np.nan, 5.0, np.nan, 7.0])
    record.series["speed/never"] = np.full(4, np.nan)
    assert record.final()["speed/images_per_second"] == 7 and "speed/never" not in record.final()


def test_a_discriminator_that_stays_sure_is_dated():
    found = facts(cell([0.5, 0.001, 0.5, 0.009, 0.001, 0.0], norm=[2, 4, 1, 1, 1e-6, 1e-8]))
    assert found["sure_from"] == 40 and found["sure_share"] == pytest.approx(4 / 6)
    assert found["grad_norm_start"] == 3 and found["grad_norm_end"] == pytest.approx(0.5 * (1e-6 + 1e-8))
    assert "From step 40 to the end" in story(cell([0.5, 0.001, 0.5, 0.009, 0.001, 0.0]))


def test_a_story_says_nothing_that_did_not_happen():
    never, once = story(cell([0.5, 0.02, 0.3])), story(cell([0.5, 0.001, 0.3]))
    assert "was never below 0.01" in never and "From step" not in never
    assert "on 33.3% of the logged steps, not lastingly" in once
    assert "From step" not in story(cell([0.5, 0.5, 0.001]))  # one last row is no lasting state
    assert facts(cell([0.001, 0.001]))["sure_from"] == 10
    assert story(cell([])) == "It logged nothing of a discriminator and a generator."


def test_a_story_compares_the_first_epoch_with_the_last_only_where_they_are_two():
    assert "first epoch" not in story(cell([0.5, 0.5, 0.5]))
    assert "first epoch" in story(cell([0.5, 0.5, 0.5, 0.5]))


def test_a_story_gives_no_probabilities_where_a_loss_has_none():
    record = cell([0.001, 0.001, 0.001])
    record.info["log_odds"] = False
    record.series.update({"logit/real": np.full(3, 12.0), "logit/fake": np.full(3, -7.0)})
    assert "D's output was 12 on real and -7 on generated" in story(record) and "D(G(z))" not in story(record)
    assert "sure_share" not in facts(record)


def test_a_story_of_points_ends_with_their_modes():
    record = cell([0.5, 0.5])
    record.series.update({"modes/covered": np.array([np.nan, 7.0]), "modes/high_quality": np.array([np.nan, 0.51])})
    assert "It covered 7 modes in the end, with 51% of its samples of high quality." in story(record)


def test_the_final_count_of_modes_is_the_last_one():
    # The first row of a short run lies in its only epoch and must not be averaged into what it reached.
    record = cell([0.5, 0.5])
    record.series.update({"modes/covered": np.array([0.0, 7.0])})
    assert record.final()["modes/covered"] == 7


def test_a_count_of_modes_is_a_whole_number():
    assert (number(8.0, "modes/covered"), number(8.0, "modes/kl")) == ("8", "8.000")


def test_a_band_aligns_seeds_by_step_and_averages_what_is_there():
    made = band([cell([1, 3, 5]), cell([3, 5], steps=[10, 20])], "score/fake")
    assert made.step.tolist() == [10, 20, 30]
    assert made.mean.tolist() == [2, 4, 5]
    assert np.isnan(made.seeds[1, 2])
    assert band([cell([])], "no/such") is None


def test_smoothing_keeps_constants_and_short_curves():
    assert smooth(np.arange(50.0)).tolist() == np.arange(50.0).tolist()
    assert smooth(np.full(500, 3.0)) == pytest.approx(3.0)
    # A window of 2 * (300 // 100) + 1 = 7 points around a single spike of 7 has mean 1.
    spike = np.zeros(300)
    spike[150] = 7
    assert smooth(spike)[150] == pytest.approx(1)
    # A gradient that dies stays visible on a log scale.
    dying = np.logspace(0, -30, 700)
    ratio = smooth(dying) / dying
    assert (ratio > 0.5).all() and (ratio < 5).all()
    # A seed that stopped early or missed a row keeps its other values.
    spike[40] = spike[290:] = np.nan
    made = smooth(spike)
    assert np.isnan(made[[40, 290, 299]]).all() and np.isfinite(made[[39, 41, 289]]).all()
    assert made[150] == pytest.approx(1)


def test_numbers_keep_their_magnitude():
    assert [number(value) for value in (0.0, 1.2345, 2.5e-7, 0.01, None)] == ["0.000", "1.234", "2.5e-07", "0.010", "–"]
    assert [number(value, sign=True) for value in (0.0031, -0.25, 12.0)] == ["+0.0031", "−0.250", "+12.000"]


def test_a_cell_that_never_began_is_an_empty_record(tmp_path):
    record = read_cell("minimax", 0, RunFolder(tmp_path / "nowhere"), RULES)
    assert record.status == "not begun" and record.final() == {} and len(record.step) == 0
