"""Diagnoses failures of a training from its logged scalars. Imports no torch.

`docs/diagnosis.md` has the source of every threshold. A condition must hold on four fifths of the rows logged in 500
steps, so that a few odd batches neither raise nor hide an alarm. Only conditions that hold at the end count.
"""

import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ganctl.watching.periods import period

# In this order, causes before their effects: the first that applies is the verdict.
VERDICTS = ("vanishing_gradient", "diverged", "discriminator_won", "oscillating", "mode_collapse")

LASTING = 500  # steps over which a condition must hold
FEWEST = 3  # values that a window keeps, even if measurements are so rare that it then spans more steps
SHARE = 0.8  # share of a window's values that must be beyond a threshold
ROWS = 60  # logged steps that the search for a period needs

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
    """One fault of a run.

    Attributes:
        verdict: one of VERDICTS.
        since: the step at which the fault began.
        because: the measurement that shows it, in words.
    """

    verdict: str
    since: int
    because: str


@dataclass
class _Signal:
    """The recent values of one quantity, and the step since which the quantity has been beyond its threshold."""

    window: deque[tuple[int, float, bool]] = field(default_factory=deque)
    since: int | None = None
    full: bool = False
    count: int = 0  # number of the window's values that are beyond; not recounted, since a window may hold 500 values

    @property
    def median(self) -> float:
        """The median of the window's values."""
        return statistics.median(value for _, value, _ in self.window) if self.window else float("nan")

    def add(self, step: int, value: float, beyond: Callable[[float], bool], first: int) -> None:
        """Adds the value of a step. `first` is the first logged step of the run."""
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
    """A rule for one fault: a quantity, the condition on it, and the words for a finding."""

    verdict: str
    value: Callable[[Mapping[str, float]], float | None]
    beyond: Callable[[float], bool]
    because: str
    log_odds: bool = False  # whether the rule applies only to losses whose logits are log-odds


class Diagnosis:
    """The diagnosis of a run, updated with each logged row.

    The same rows give the same diagnosis, so a resumed run adds its old rows again.

    Args:
        log_odds: whether the sigmoid of a logit is a probability under the run's loss.
        modes: number of modes of the mixture; None for images.
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
        """All rules. If several rules of one verdict apply, the first one gives the reason."""
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
        """The scalar relative to its value in the first 500 steps; None within those steps."""
        if tag not in row or tag not in self._reference:
            return None
        if self._reference[tag] == 0:
            return 0.0 if row[tag] == 0 else None
        return row[tag] / self._reference[tag]

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds a logged row."""
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
                    # A high quantile, so that the reference of a gradient that vanishes early is its value before.
                    self._reference[tag] = float(np.quantile(early, 0.9))
        if "logit/fake" in scalars:
            self._logits.append((step, scalars["logit/fake"]))
        for rule, signal in zip(self._rules, self._signals, strict=True):
            value = rule.value(scalars)
            if value is not None:
                signal.add(step, value, rule.beyond, self._first)

    def fail(self, step: int, reason: str) -> None:
        """Records that a number became nan or infinite."""
        self._failure = Finding("diverged", step, reason)

    def findings(self) -> list[Finding]:
        """The current faults, at most one per verdict; the first one gives the run's verdict."""
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
        """A finding if the mean logit of generated samples is periodic over the second half of the run."""
        steps, logits = np.array(self._logits, float).reshape(-1, 2).T
        half = len(steps) // 2
        if half < ROWS or steps[-1] - steps[half] < LASTING:
            return None
        correlation, lag = period(logits[half:])
        if correlation < OSCILLATING_CORRELATION:
            return None
        steps_each = (steps[-1] - steps[half]) / (len(steps) - half - 1)
        # The start is found by going back in windows of the same length, as long as each is periodic too.
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
        """The verdict of the first finding; "healthy" if there is none.

        None if the run is too short to tell, or a quantity was measured too rarely within the last 500 steps.
        """
        findings = self.findings()
        if findings:
            return findings[0].verdict
        examined = all(signal.full for signal in self._signals if signal.window)
        return "healthy" if examined and self._first is not None and self._step - self._first >= LASTING else None

    def report(self) -> dict[str, Any]:
        """The verdict and the findings, as entries of run.json."""
        return {"verdict": self.verdict, "findings": [asdict(finding) for finding in self.findings()]}
