"""What went wrong with a run, from its logged scalars. Imports no torch.

Every threshold has its source in `docs/diagnosis.md`. A condition must hold on four fifths of what was logged in
500 steps, so that a few odd batches neither raise nor hide an alarm, and what counts is what holds at the end.
"""

import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

# Causes come before what they bring about: the first that applies is the verdict.
VERDICTS = ("vanishing_gradient", "diverged", "discriminator_won", "oscillating", "mode_collapse")

LASTING = 500  # steps
FEWEST = 3  # values that must be there, where measurements are so rare that fewer fall into these steps
SHARE = 0.8  # of the values that must be beyond a threshold
ROWS = 60  # logged steps that a period is looked for in

VANISHING_DROP = 1e-2
VANISHING_SLOPE = 1e-2
WON_LOSS = 0.05
WON_ACCURACY = 0.99
COLLAPSED_DIVERSITY = 0.5
COLLAPSED_COVERAGE = 0.5
DIVERGED_LOGIT = 50.0
DIVERGED_GROWTH = 1e3
OSCILLATING_CORRELATION = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        verdict: one of VERDICTS.
        since: the step at which it began.
        because: what was measured, in words.
    """

    verdict: str
    since: int
    because: str


@dataclass
class _Signal:
    """One measured quantity, and since when it has been beyond a threshold over the whole window."""

    window: deque[tuple[int, float, bool]] = field(default_factory=deque)
    since: int | None = None
    full: bool = False
    count: int = 0  # of the window's values that are beyond; kept, since a window may hold 500 at every step

    @property
    def median(self) -> float:
        """Of the window's values."""
        return statistics.median(value for _, value, _ in self.window) if self.window else float("nan")

    def add(self, step: int, value: float, beyond: Callable[[float], bool], first: int) -> None:
        """Takes in the value of a step; `first` is the first step of the run."""
        self.window.append((step, value, beyond(value)))
        self.count += self.window[-1][2]
        while len(self.window) > FEWEST and self.window[0][0] < step - LASTING:
            self.count -= self.window.popleft()[2]
        self.full = len(self.window) >= FEWEST and step - first >= LASTING
        if not self.full or self.count / len(self.window) < SHARE:
            self.since = None
        elif self.since is None:
            self.since = next(step for step, _, is_beyond in self.window if is_beyond)


@dataclass(frozen=True)
class _Rule:
    """When the median of a quantity says that something is wrong."""

    verdict: str
    value: Callable[[Mapping[str, float]], float | None]
    beyond: Callable[[float], bool]
    because: str
    log_odds: bool = False  # whether it means something only where logits are log-odds


class Diagnosis:
    """Follows a run row by row; the same rows give the same diagnosis, so a resumed run reads its old ones again.

    Args:
        log_odds: whether the sigmoid of a logit means a probability under the run's loss.
        modes: of the density; None for images.
        stages: first steps of the run's stages. Each stage is judged by itself: other players move in it, other terms
            are minimized, or the networks are larger, so that a gradient says nothing about that of the stage before.
    """

    def __init__(self, log_odds: bool, modes: int | None = None, stages: Sequence[int] = ()) -> None:
        self._failure: Finding | None = None
        self._rules = [rule for rule in self._all_rules(modes) if log_odds or not rule.log_odds]
        self._stages = sorted(stages)
        self._stage = 0
        self._step = 0
        self._begin()

    def _begin(self) -> None:
        """Forgets all rows, at the beginning of a stage."""
        self._early: dict[str, list[float]] = {}
        self._reference: dict[str, float] = {}
        self._first: int | None = None
        self._logits: list[tuple[int, float]] = []
        self._signals = [_Signal() for _ in self._rules]

    def _all_rules(self, modes: int | None) -> list[_Rule]:
        """Of one verdict, the first that applies says why."""
        return [*self._gradient_rules(), *self._opinion_rules(), *self._sample_rules(modes)]

    def _gradient_rules(self) -> list[_Rule]:
        return [
            _Rule(
                "vanishing_gradient",
                lambda row: row.get("evidence/slope_own_q50"),
                lambda value: value < VANISHING_SLOPE,
                "half of the samples pull at the generator with less than {value:.2g} of the loss's full slope",
                log_odds=True,
            ),
            _Rule(
                "vanishing_gradient",
                lambda row: self._growth("grad_norm/generator", row),
                lambda value: value < VANISHING_DROP,
                "the generator's gradient fell to {value:.2g} of what it was in the first 500 steps",
            ),
            *(
                _Rule(
                    "diverged",
                    lambda row, tag=f"grad_norm/{player}": self._growth(tag, row),  # type: ignore[misc]
                    lambda value: value > DIVERGED_GROWTH,
                    f"the {player}'s gradient grew to {{value:.3g}} times what it was in the first 500 steps",
                )
                for player in ("generator", "discriminator")
            ),
        ]

    def _opinion_rules(self) -> list[_Rule]:
        return [
            _Rule(
                "diverged",
                lambda row: max(abs(row["logit/real"]), abs(row["logit/fake"])) if "logit/real" in row else None,
                lambda value: value > DIVERGED_LOGIT,
                "the discriminator's mean logit grew to {value:.3g}",
                log_odds=True,
            ),
            _Rule(
                "discriminator_won",
                lambda row: row.get("yardstick/j_d"),
                lambda value: value < WON_LOSS,
                "the discriminator's loss fell to {value:.2g} (1.386 where it cannot tell)",
                log_odds=True,
            ),
            _Rule(
                "discriminator_won",
                lambda row: (
                    min(row["evidence/accuracy_real"], row["evidence/accuracy_fake"])
                    if "evidence/accuracy_real" in row
                    else None
                ),
                lambda value: value > WON_ACCURACY,
                "the discriminator is right about {value:.1%} of real and of generated samples",
                log_odds=True,
            ),
        ]

    def _sample_rules(self, modes: int | None) -> list[_Rule]:
        rules = [
            _Rule(
                "mode_collapse",
                lambda row: row.get("quality/diversity"),
                lambda value: value < COLLAPSED_DIVERSITY,
                "two samples are {value:.2f} times as far apart as two real ones",
            ),
        ]
        if modes:
            rules.append(
                _Rule(
                    "mode_collapse",
                    lambda row: row["modes/covered"] / modes if "modes/covered" in row else None,
                    lambda value: value < COLLAPSED_COVERAGE,
                    "the samples cover {value:.0%} of the modes",
                )
            )
        return rules

    def _growth(self, tag: str, row: Mapping[str, float]) -> float | None:
        """How many times larger the scalar is than it was in the first 500 steps; None within them."""
        if tag not in row or tag not in self._reference:
            return None
        if self._reference[tag] == 0:
            return 0.0 if row[tag] == 0 else None
        return row[tag] / self._reference[tag]

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Takes in a logged row."""
        stage = sum(first <= step for first in self._stages)
        if stage != self._stage:
            self._stage = stage
            self._begin()
        if self._first is None:
            self._first = step
        self._step = step
        for tag in ("grad_norm/generator", "grad_norm/discriminator"):
            if tag in scalars and tag not in self._reference:
                early = self._early.setdefault(tag, [])
                early.append(scalars[tag])
                if step - self._first >= LASTING:
                    # Near their top, so that a gradient that dies early is measured by what it was before.
                    self._reference[tag] = float(np.quantile(early, 0.9))
        if "logit/fake" in scalars:
            self._logits.append((step, scalars["logit/fake"]))
        for rule, signal in zip(self._rules, self._signals, strict=True):
            value = rule.value(scalars)
            if value is not None:
                signal.add(step, value, rule.beyond, self._first)

    def fail(self, step: int, reason: str) -> None:
        """Takes in that a number was no longer finite."""
        self._failure = Finding("diverged", step, reason)

    def findings(self) -> list[Finding]:
        """All that is wrong now, one of each kind, the one that gives the verdict first."""
        if self._failure:
            return [self._failure]
        found: dict[str, Finding] = {}
        for rule, signal in zip(self._rules, self._signals, strict=True):
            if signal.since is not None and rule.verdict not in found:
                found[rule.verdict] = Finding(rule.verdict, signal.since, rule.because.format(value=signal.median))
        swing = self._oscillation()
        if swing:
            found["oscillating"] = swing
        return [found[verdict] for verdict in VERDICTS if verdict in found]

    def _oscillation(self) -> Finding | None:
        """A period in D's opinion of generated samples over the second half of the run."""
        steps, logits = np.array(self._logits, float).reshape(-1, 2).T
        half = len(steps) // 2
        if half < ROWS or steps[-1] - steps[half] < LASTING:
            return None
        correlation, lag = period(logits[half:])
        if correlation < OSCILLATING_CORRELATION:
            return None
        steps_each = (steps[-1] - steps[half]) / (len(steps) - half - 1)
        # Back through the run in windows of the same length, as long as each repeats itself too.
        length, begin = len(steps) - half, half
        while begin > 0:
            earlier = max(0, begin - max(1, length // 4))
            if period(logits[earlier : earlier + length])[0] < OSCILLATING_CORRELATION:
                break
            begin = earlier
        return Finding(
            "oscillating",
            int(steps[begin]),
            f"D's opinion of generated samples repeats every {lag * steps_each:,.0f} steps (correlation "
            f"{correlation:.2f})",
        )

    @property
    def verdict(self) -> str | None:
        """The first finding's; "healthy" where there is none.

        None where the run is too short to tell, or something was measured too seldom for the last 500 steps to show it.
        """
        findings = self.findings()
        if findings:
            return findings[0].verdict
        examined = all(signal.full for signal in self._signals if signal.window)
        return "healthy" if examined and self._first is not None and self._step - self._first >= LASTING else None

    def report(self) -> dict[str, Any]:
        """What run.json has of it."""
        return {"verdict": self.verdict, "findings": [asdict(finding) for finding in self.findings()]}


def period(values: np.ndarray) -> tuple[float, int]:
    """The strongest repetition in a series: its autocorrelation and its lag.

    A straight line is taken off first. Only lags behind the first zero of the autocorrelation count, for a slow drift
    resembles itself at every short lag, and only those that fit into the series three times.

    Args:
        values: [rows], evenly spaced.
    """
    places = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(places, values, 1), places)
    if not rest.std() > 1e-9 * max(1.0, np.abs(values).max()):
        return 0.0, 0
    lags = np.arange(len(rest) // 3 + 1)
    # By Wiener and Khinchin, of the series with as many zeros behind it; each lag by the number of its pairs.
    power = np.abs(np.fft.rfft(rest, 2 * len(rest))) ** 2
    correlation = np.fft.irfft(power)[: len(lags)] / (len(rest) - lags) / rest.var()
    below = np.flatnonzero(correlation < 0)
    if not len(below) or correlation[below[0] :].max() <= 0:
        return 0.0, 0
    behind = np.arange(below[0], len(lags))
    # A wave resembles itself at every multiple of its period: the first of about equally high peaks is the period.
    high = behind[correlation[behind] >= 0.9 * correlation[behind].max()]
    run = high[: np.flatnonzero(np.diff(high, append=high[-1] + 2) > 1)[0] + 1]
    lag = int(run[correlation[run].argmax()])
    return float(correlation[lag]), lag
