"""The schedules of the learning rate, step by step."""

import pytest

from ganctl.training.optimizers import schedule


@pytest.mark.parametrize(
    ("kind", "factors"),
    [
        ("linear", [1, 0.75, 0.5, 0.25, 0]),
        ("late_linear", [1, 1, 1, 0.5, 0]),
        ("cosine", [1, 0.853553, 0.5, 0.146447, 0]),
    ],
)
def test_a_schedule_goes_from_one_to_its_end(kind, factors):
    factor = schedule(kind, 0.0, 5)
    assert [factor(step) for step in range(1, 6)] == pytest.approx(factors, abs=1e-6)
    ended = schedule(kind, 0.2, 5)
    assert [ended(step) for step in (1, 5, 9)] == pytest.approx([1, 0.2, 0.2])


def test_without_a_schedule_there_is_no_factor():
    assert schedule("constant", 0.5, 5) is None
