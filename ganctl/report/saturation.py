"""How much of its gradient the minimax form of J(G) loses to the non-saturating form: numbers from the probes."""

from dataclasses import dataclass

import numpy as np

from ganctl.report.collect import CellRecord

# Below this ratio of the two gradient norms the minimax form counts as saturating. The ratio of one sample is
# D / (1 - D) (Goodfellow et al. 2014, section 3), so a half is a discriminator that gives its fakes one third.
HALF = 0.5


@dataclass(frozen=True)
class Saturation:
    """What the probes of one arm found in the second half of its runs, each number a median over seeds of medians.

    Attributes:
        seeds: how many runs were probed there.
        ratio: norm of the minimax form's gradient over that of the non-saturating form, at the same weights.
        fake: D(G(z)), the mean over a batch, at the steps of the probes.
        halved: at how many of the seeds the ratio is below `HALF`.
    """

    seeds: int
    ratio: float
    fake: float
    halved: int

    @property
    def saturated(self) -> bool:
        """Whether the minimax form gave less than half of the other form's gradient."""
        return self.ratio < HALF


def probed(cell: CellRecord) -> np.ndarray:
    """The rows of a run at which both forms were measured and at least one had a gradient: int [probes]."""
    minimax, other = (cell.series.get(f"evidence/norm_{form}") for form in ("minimax", "nonsaturating"))
    if minimax is None or other is None:
        return np.zeros(0, int)
    return np.flatnonzero(np.isfinite(minimax) & np.isfinite(other) & (np.maximum(minimax, other) > 0))


def ratios(cell: CellRecord) -> np.ndarray:
    """The norm of the minimax form's gradient over that of the non-saturating form: float [probes]."""
    rows = probed(cell)
    if not len(rows):
        return np.zeros(0)
    minimax, other = (cell.series[f"evidence/norm_{form}"][rows] for form in ("minimax", "nonsaturating"))
    return np.asarray(minimax / np.maximum(other, np.finfo(float).tiny))


def saturation(cells: list[CellRecord]) -> Saturation | None:
    """The numbers of one arm's cells; None if none of them was probed in the second half of its run.

    The first half is left out: untrained networks of all arms have the same ratio, which says nothing of the arm.
    """
    found, fakes = [], []
    for cell in cells:
        rows = probed(cell)
        late = cell.step[rows] > cell.step[-1] / 2 if len(rows) else np.zeros(0, bool)
        if late.any():
            fake = cell.series.get("score/fake", np.full(len(cell.step), np.nan))[rows[late]]
            if np.isfinite(fake).any():
                found.append(float(np.median(ratios(cell)[late])))
                fakes.append(float(np.nanmedian(fake)))
    if not found:
        return None
    return Saturation(len(found), float(np.median(found)), float(np.median(fakes)), sum(r < HALF for r in found))
