"""Axes and lines of the figures."""

import numpy as np
import pytest

from ganctl.report.drawing import log_scale, panels


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.15, 8.0, {"0.2", "0.5", "1", "2", "5"}),
        (0.02, 1e6, {"0.01", "1", "100"}),
        (1e-30, 1.0, {"1e-20"}),
    ],
)
def test_a_logarithmic_axis_has_a_few_plain_numbers(low, high, expected):
    figure, (panel, *_) = panels(1)
    panel.plot([0, 1, 2], [low, np.sqrt(low * high), high])
    log_scale(panel)
    figure.draw_without_rendering()
    bottom, top = panel.get_ylim()
    assert panel.get_yscale() == "log" and bottom <= low and top >= high
    shown = {
        label.get_text()
        for place, label in zip(panel.get_yticks(), panel.get_yticklabels(), strict=True)
        if bottom <= place <= top
    }
    assert 3 <= len(shown) <= 10 and not any("$" in text for text in shown), shown
    assert len(shown & expected) >= min(3, len(expected)), shown
