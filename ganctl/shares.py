"""How sure a share is: so many of so many."""

import math

Z = 1.959963984540054  # standard deviations on each side of the mean that hold 95 % of a normal distribution


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, doi:10.2307/2276774, the equation on page 210); (0, 1) of nothing.

    It stays within [0, 1], and of none or all of a few it is no point.

    Args:
        count: how many have it.
        total: of how many.
    """
    if not total:
        return 0.0, 1.0
    share, spread = count / total, Z**2 / total
    middle = share + spread / 2
    half = math.sqrt(spread * (share * (1 - share) + spread / 4))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return (0.0 if not count else low), (1.0 if count == total else high)  # rounding aside, these are exact
