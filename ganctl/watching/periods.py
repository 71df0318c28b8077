"""Periods in a series, by its autocorrelation. Imports no torch."""

import numpy as np


def period(values: np.ndarray) -> tuple[float, int]:
    """The strongest periodicity of a series: its autocorrelation and its lag; (0, 0) if there is none.

    A straight line is subtracted first. Only lags after the first zero of the autocorrelation count, since a slow drift
    correlates with itself at every short lag, and only lags that fit into the series three times.

    Args:
        values: [rows], evenly spaced.
    """
    places = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(places, values, 1), places)
    if not rest.std() > 1e-9 * max(1.0, np.abs(values).max()):
        return 0.0, 0
    lags = np.arange(len(rest) // 3 + 1)
    # Autocorrelation by the Wiener-Khinchin theorem, on the zero-padded series; divided by the number of pairs per lag.
    power = np.abs(np.fft.rfft(rest, 2 * len(rest))) ** 2
    correlation = np.fft.irfft(power)[: len(lags)] / (len(rest) - lags) / rest.var()
    below = np.flatnonzero(correlation < 0)
    if not len(below) or correlation[below[0] :].max() <= 0:
        return 0.0, 0
    behind = np.arange(below[0], len(lags))
    # A periodic series correlates with itself at every multiple of its period: the first of the highest peaks counts.
    high = behind[correlation[behind] >= 0.9 * correlation[behind].max()]
    run = high[: np.flatnonzero(np.diff(high, append=high[-1] + 2) > 1)[0] + 1]
    lag = int(run[correlation[run].argmax()])
    return float(correlation[lag]), lag
