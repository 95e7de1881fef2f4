"""An alarm on a mean that may be looked at after every window, for ever.

A window's excess is its loss less what is ordinary and tolerated, in units of the ordinary spread. As long as its
mean is not above 0, alarms come at a stated rate, however often somebody looks. The evidence is the sum, over every
window at which a change may have started, of how much better a change since then explains what came after it: the
Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change
detection, New England J. Stat. Data Sci. 2, 2024, arXiv 2203.03532.

What is ordinary was itself learned, from some blocks. So each summand is the e-value of the two-sample t-test of the
windows since the start against these blocks: the ratio of likelihoods with mean and spread integrated out, and the
effect, in spreads, under a half-normal distribution of deviation 2. A mean that was learned a little too low is no
evidence then, in however many windows it shows. Pérez-Ortiz, Lardy, de Heide and Grünwald, E-statistics, group
invariance and anytime-valid testing, Ann. Stat. 52, 2024; Rouder et al., Psychon. Bull. Rev. 16, 2009, for the
integral over the effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FloatArray = NDArray[np.float64]

# Variance of the effects that are looked for, in ordinary spreads
_EFFECTS = 4.0
# Only so many windows back can a change have started: one that old has been found, or is too small to be
_OLDEST_START = 200
# So many times likelier has the old mean to be again before an alarm ends
_RECOVERED = math.log(200)
_SMALLEST_EFFECT, _MOST_BLOCKS, _LARGEST_EXPONENT = 1.0, 1e6, 600.0


@dataclass(frozen=True)
class Path:
    """What the detector said after each window.

    Attributes:
        evidence: The sum of e-values; starts again from 0 after a recovery.
        alarm: Whether there was an alarm, from the window at which the evidence reached the threshold to the one
            before recovery.
        since: The index of the window at which the mean most likely changed; None without an alarm.
    """

    evidence: tuple[float, ...]
    alarm: tuple[bool, ...]
    since: tuple[int | None, ...]


def threshold(rate: float, blocks: float) -> float:
    """The evidence at which alarms come at this rate, of windows without a change: (0.42 + 1 / blocks) / rate.

    At 1 / rate the average run until a false alarm is 1 / rate windows or longer: proven where the ordinary is
    known, and each summand is an e-value where it was learned. But the evidence jumps over the threshold, and alarms
    are about half as frequent. So the product uses this threshold, which was calibrated by simulation: of independent
    normal windows, rates of 0.02 and 1 / 600 and 5 to 60 blocks, 0.8 to 1.25 times the rate over 300 windows, and
    0.4 to 1 times over the first 30, in which there are few starts to sum over.

    Args:
        rate: False alarms per window, more than 0 and at most 1.
        blocks: From how many windows the ordinary was learned.

    Raises:
        ValueError: The rate is not one.

    >>> round(threshold(0.05 / 30, 60))  # one in twenty months of days
    262
    """
    if not 0 < rate <= 1:
        raise ValueError(f"a rate of alarms per window is more than 0 and at most 1, not {rate}")
    return (0.42 + 1 / blocks) / rate


def path(excess: Sequence[float], threshold: float, blocks: float, autocorrelation: float = 0.0) -> Path:
    """Go through the windows in order.

    An alarm ends when the windows since some moment are 200 times likelier with the mean at 0 than with the mean of
    the alarm: the cumulative sum of Page, Continuous inspection schemes, Biometrika 41, 1954. The detector then
    starts afresh with the next window.

    Args:
        excess: (loss - ordinary - tolerance) / spread of each window, oldest first, windows without a loss left out.
            The spread is the standard deviation of the ordinary losses of such windows.
        threshold: The evidence that is an alarm; see the function of this name.
        blocks: From how many windows `ordinary` and the spread were learned, at least 2.
        autocorrelation: Of the ordinary losses of neighbouring windows. The windows are then those of a first-order
            autoregression; what is below 0 counts as 0.

    Raises:
        ValueError: Fewer than two blocks, an autocorrelation of 1 or more, or an excess that is not finite.

    >>> found = path([0.3, -0.8, 0.1, 2.9, 3.4, 2.7, -0.2, 0.4], threshold=200, blocks=40)
    >>> [round(value, 1) for value in found.evidence]
    [0.6, 0.5, 1.0, 23.0, 839.5, 7366.2, 412.7, 0.0]
    >>> found.alarm
    (False, False, False, False, True, True, True, False)
    >>> found.since
    (None, None, None, None, 3, 3, 3, None)
    """
    if blocks < 2 or autocorrelation >= 1 or not all(map(math.isfinite, excess)):
        raise ValueError("a path needs two blocks or more, an autocorrelation below 1, and finite numbers")
    detector = _Detector(min(blocks, _MOST_BLOCKS), max(autocorrelation, 0.0))
    evidence, alarms, sinces = [], [], []
    recovery: _Recovery | None = None
    for index, value in enumerate(excess):
        found, start = detector.add(index, value, may_start=recovery is None)
        if recovery is not None:
            if recovery.reached(value):
                recovery, found = None, 0.0
                detector.restart()
        elif found >= threshold:
            recovery = _Recovery(excess[start : index + 1], detector.efficiency)
        evidence.append(found)
        alarms.append(recovery is not None)
        sinces.append(start if recovery is not None else None)
    return Path(tuple(evidence), tuple(alarms), tuple(sinces))


class _Detector:
    """Sums over the windows since each possible start, and the e-values they amount to.

    With an autocorrelation r, a window less r times the one before it is independent of these. In units of its own
    spread, sqrt(1 - r²), a mean of 1 is then `step` = sqrt((1 - r) / (1 + r)), but 1 in the first window.
    """

    def __init__(self, blocks: float, autocorrelation: float) -> None:
        self._autocorrelation = autocorrelation
        self._own = math.sqrt(1 - autocorrelation**2)
        self.efficiency = (1 - autocorrelation) / (1 + autocorrelation)
        self._blocks = blocks * self.efficiency
        squared = autocorrelation**2
        self._freedom = (blocks - 1) * (1 - squared) / (1 + squared)
        self._before = 0.0
        self.restart()

    def restart(self) -> None:
        """Forget all starts."""
        self._starts = np.empty(0, np.int64)
        self._weight, self._sum, self._squares = np.empty(0), np.empty(0), np.empty(0)

    def add(self, index: int, value: float, *, may_start: bool) -> tuple[float, int]:
        """The evidence after one more window, at which a change may start or not, and the likeliest start."""
        fresh = (value - self._autocorrelation * self._before) / self._own
        self._before = value
        self._weight = self._weight + self.efficiency
        self._sum = self._sum + math.sqrt(self.efficiency) * fresh
        self._squares = self._squares + fresh**2
        if may_start:
            self._starts = np.append(self._starts, index)[-_OLDEST_START:]
            self._weight = np.append(self._weight, 1.0)[-_OLDEST_START:]
            self._sum = np.append(self._sum, value)[-_OLDEST_START:]
            self._squares = np.append(self._squares, value**2)[-_OLDEST_START:]
        factors = self._e_values(index)
        return float(factors.sum()), int(self._starts[factors.argmax()])

    def _e_values(self, index: int) -> _FloatArray:
        """One per start: how much likelier its windows are with a higher mean than with that of the blocks."""
        from scipy.special import ndtr

        both = self._blocks + self._weight
        freedom = self._freedom + (index + 1 - self._starts)
        # centred sums: squares, products with "since the start", and squares of the latter
        squares = self._freedom + self._squares - self._sum**2 / both
        product = self._sum * self._blocks / both
        shrunk = _EFFECTS / (1 + _EFFECTS * self._weight * self._blocks / both)
        explained = shrunk * product**2 / squares
        gain = -np.log1p(-explained)
        logarithm = 0.5 * np.log(shrunk / _EFFECTS) + freedom / 2 * gain
        # that the effect is above 0 has the probability of Student's t: Wallace, Ann. Math. Stat. 30, 1959
        normal = np.copysign(np.sqrt(freedom * gain), product) * (8 * freedom + 1) / (8 * freedom + 3)
        return np.asarray(2 * np.exp(np.minimum(logarithm, _LARGEST_EXPONENT)) * ndtr(normal))


class _Recovery:
    """Waits for the mean of an alarm to be ordinary again."""

    def __init__(self, windows: Sequence[float], efficiency: float) -> None:
        self._efficiency = efficiency
        self._total, self._count = math.fsum(windows), len(windows)
        self._pending, self._waiting, self._credit = 0.0, 0, 0.0

    def reached(self, value: float) -> bool:
        """Whether it is, with one more window."""
        # the alarm's mean is that of the windows which do not speak for recovery
        mean = max(self._total / self._count, _SMALLEST_EFFECT)
        self._pending, self._waiting = self._pending + value, self._waiting + 1
        self._credit += self._efficiency * mean * (mean / 2 - value)
        if self._credit <= 0:
            self._total, self._count = self._total + self._pending, self._count + self._waiting
            self._pending, self._waiting, self._credit = 0.0, 0, 0.0
        return self._credit >= _RECOVERED
