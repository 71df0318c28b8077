"""Formats numbers and lists for people."""


def number(value: float | None, tag: str = "", sign: bool = False) -> str:
    """A scalar as text: a count in full, other numbers with three decimals, very small or large ones with two digits.

    Args:
        value: the number; None gives a dash.
        tag: the scalar's tag; it tells which scalars are counts.
        sign: whether a positive number gets a plus sign.
    """
    if value is None:
        return "–"
    if tag in ("modes/covered", "metric/modes"):
        return f"{value:g}"
    size = abs(value)
    form = ".3f" if value == 0 or 0.01 <= size < 10_000 else ".2g" if 1e-4 <= size < 0.01 else ".1e"
    if sign:
        return f"{value:+{form}}".replace("-", "−")
    return f"{value + 0.0:{form}}"


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def amount(value: float | None) -> str:
    """A large number with its unit: 12, 3.2 k, 1.5 M, 134 T."""
    if value is None:
        return "–"
    for power, unit in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if abs(value) >= 10**power:
            return f"{value / 10**power:.3g} {unit}"
    return f"{value:g}"


def roughly(seconds: float) -> str:
    """An estimated duration in words: about 40 seconds, about 5 minutes, about 2.5 hours, about 3 days."""
    if seconds < 55:
        return f"about {max(5, round(seconds / 5) * 5)} seconds"
    for size, unit, limit in ((60, "minute", 90), (3600, "hour", 36)):
        if seconds < size * limit:
            found = max(1.0, round(seconds / size, 1 if unit == "hour" and seconds < 10 * size else None))
            return f"about {found:g} {unit}{'' if found == 1 else 's'}"
    days = round(seconds / 86400)
    return f"about {days:,} days"


def listed(words: list[str], most: int = 6, joint: str = ", ") -> str:
    """The words joined by `joint`; if there are more than `most`, the first ones and the number of the others."""
    return joint.join(words) if len(words) <= most else f"{joint.join(words[:most])}{joint}and {len(words) - most} more"
