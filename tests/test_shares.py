"""The interval of a share."""

import pytest
from scipy import stats

from ganctl.shares import wilson


@pytest.mark.parametrize(
    ("count", "total"), [(0, 5), (2, 5), (5, 5), (3, 40), (1, 1), (0, 1), (7, 10_000), (9999, 10_000)]
)
def test_wilsons_interval_is_scipys(count, total):
    found = stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
    assert wilson(count, total) == pytest.approx((found.low, found.high), abs=1e-12)


def test_nothing_may_be_any_share():
    assert wilson(0, 0) == (0, 1)
