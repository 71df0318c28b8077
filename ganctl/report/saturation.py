"""How much smaller the minimax form's gradient is than the non-saturating form's: numbers from the probes."""

from dataclasses import dataclass

import numpy as np

from ganctl.report.collect import CellRecord

# The minimax form counts as saturated where the ratio of the two gradient norms is below this. For one sample the
# ratio is D / (1 - D) (Goodfellow et al. 2014, section 3), so one half means D(G(z)) = 1/3.
HALF = 0.5


@dataclass(frozen=True)
class Saturation:
    """The probes of one arm in the second half of its runs.

    Attributes:
        seeds: number of runs with probes there.
        ratio: norm of the minimax form's gradient over that of the non-saturating form, at the same weights. The
            median over seeds of each run's median.
        fake: D(G(z)), the mean over a batch, at the steps of the probes. The median over seeds of each run's median.
        halved: number of seeds with a ratio below `HALF`.
    """

    seeds: int
    ratio: float
    fake: float
    halved: int

    @property
    def saturated(self) -> bool:
        """Whether the minimax form's gradient was less than half of the other form's."""
        return self.ratio < HALF


def probed(cell: CellRecord) -> np.ndarray:
    """Indices of the rows at which both forms were measured and at least one gradient is not 0: int [probes]."""
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
    """The `Saturation` of one arm's cells; None if none of them has probes in the second half of its run.

    The first half is left out: untrained networks have the same ratio in all arms, which says nothing about the arm.
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
