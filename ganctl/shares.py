"""Confidence intervals of shares."""

import math

Z = 1.959963984540054  # 95 % of a normal distribution lies within so many standard deviations of its mean


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of the share count / total; (0, 1) if `total` is 0.

    Wilson 1927, doi:10.2307/2276774, the equation on page 210. It stays within [0, 1], and has a positive width even
    for shares of 0 and 1.

    Args:
        count: number of cases that have the property.
        total: number of all cases.
    """
    if not total:
        return 0.0, 1.0
    share, spread = count / total, Z**2 / total
    middle = share + spread / 2
    half = math.sqrt(spread * (share * (1 - share) + spread / 4))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return (0.0 if not count else low), (
        1.0 if count == total else high
    )  # without rounding both formulas give exactly this
