"""How sure it is that a measurement is beyond what is ordinary, and beyond what matters.

A drift or a loss counts when two things are sure at once: that ordinary windows hardly reach it, and that it is larger
than its tolerance in spite of the few rows that it was measured on. Each is a test of its own, and all must reject
(Berger, Multiparameter hypothesis testing and acceptance sampling, Technometrics 24, 1982). How rare a value is among
ordinary windows is held against the alarm budget; that the tolerance is passed has to be 95 % sure: windows in which
nothing is wrong are not at the tolerance, and to hold it to the budget too would only hide what is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from monitoring.judge.limits import Spread, logit, sampling_square
from monitoring.judge.tolerance import resemblance, resemblance_limit
from monitoring.measure import Measurement

# A test has to find what it is said to find four times in five
_POWER_Z = 0.8416212335729143
# With fewer independent blocks their spread says nothing
LEAST_BLOCKS = 2.0


class Test(Protocol):
    """A test of one value, of which high is bad."""

    def p_value(self, value: float) -> float:
        """Probability of such a value, or a higher one, where nothing is wrong."""

    def limit(self, level: float) -> float:
        """The value whose p-value is a level."""

    def detectable(self, level: float) -> float:
        """The true value that would be found with a power of 80 %."""


@dataclass(frozen=True)
class Normal:
    """A value that is normal around a centre, or Student's t if its deviation was learned.

    Attributes:
        centre: Its mean.
        deviation: Its standard deviation.
        freedom: Degrees of freedom of the deviation; infinite for one that is known.
        error: The part of the deviation that a changed window has as well: sampling.
    """

    centre: float
    deviation: float
    freedom: float = math.inf
    error: float | None = None

    def p_value(self, value: float) -> float:
        """Upper tail.

        >>> round(Normal(0.0, 1.0).p_value(1.645), 3), round(Normal(0.0, 1.0, 9.0).p_value(1.833), 3)
        (0.05, 0.05)
        """
        from scipy.special import ndtr, stdtr

        if not self.deviation:
            return float(value <= self.centre)
        z = (value - self.centre) / self.deviation
        return float(ndtr(-z) if math.isinf(self.freedom) else stdtr(self.freedom, -z))

    def limit(self, level: float) -> float:
        """Upper quantile.

        >>> round(Normal(1.0, 0.1).limit(0.025), 3)
        1.196
        """
        from scipy.special import ndtri, stdtrit

        if not self.deviation:
            return self.centre
        z = -(ndtri(level) if math.isinf(self.freedom) else stdtrit(self.freedom, level))
        return float(self.centre + z * self.deviation)

    def detectable(self, level: float) -> float:
        """The limit and what sampling may take away again."""
        return self.limit(level) + _POWER_Z * (self.deviation if self.error is None else self.error)


@dataclass(frozen=True)
class Logistic:
    """A value between 0 and 1, skewed near either end, whose logit has a test."""

    of_logit: Normal

    def p_value(self, value: float) -> float:
        """Upper tail."""
        return self.of_logit.p_value(logit(value))

    def limit(self, level: float) -> float:
        """Upper quantile."""
        return _logistic(self.of_logit.limit(level))

    def detectable(self, level: float) -> float:
        """The limit and what sampling may take away again."""
        return _logistic(self.of_logit.detectable(level))


def _logistic(number: float) -> float:
    return 1 / (1 + math.exp(-min(max(number, -700.0), 700.0)))


@dataclass(frozen=True)
class Resemblance:
    """A distance against a tolerated one.

    Attributes:
        tolerance: The distance that does not matter.
        freedom: Cells less one.
        n: Rows of the reference.
        m: Rows.
        error: Standard deviation that sampling gives to a distance near the limit.
        reciprocals: Sum of 1 / share over the cells.
    """

    tolerance: float
    freedom: int
    n: int
    m: int
    error: float
    reciprocals: float | None = None

    def p_value(self, value: float) -> float:
        """Upper tail at the tolerance."""
        cells = self.freedom + 1
        return resemblance(value, self.tolerance, cells, self.n, self.m, reciprocals=self.reciprocals)

    def limit(self, level: float) -> float:
        """Upper quantile."""
        cells = self.freedom + 1
        return resemblance_limit(level, self.tolerance, cells, self.n, self.m, reciprocals=self.reciprocals)

    def detectable(self, level: float) -> float:
        """The limit and what sampling may take away again."""
        return self.limit(level) + _POWER_Z * self.error


# How sure it has to be that a tolerance is passed; how rare that is ordinarily is another question
SURE = 0.05


@dataclass(frozen=True)
class Beyond:
    """Whether a tolerance is surely passed: a fixed significance, since how often nothing is wrong decides elsewhere.

    Attributes:
        of_tolerance: The test of it.
    """

    of_tolerance: Test

    def p_value(self, value: float) -> float:
        """0 where it is sure."""
        found = self.of_tolerance.p_value(value)
        return found if found > SURE else 0.0

    def limit(self, level: float) -> float:
        """Upper quantile."""
        return self.of_tolerance.limit(max(level, SURE))

    def detectable(self, level: float) -> float:
        """The limit and what sampling may take away again."""
        return self.of_tolerance.detectable(max(level, SURE))


@dataclass(frozen=True)
class Every:
    """Several tests that must all reject.

    Attributes:
        tests: At least one.
        ordinary: That of them which says how often ordinary windows go beyond a value; None where that is not known.
        most: No value is higher; where ordinary ones come near it, only what is new can reach the limit.
        sides: 2 where a value may be as far off on the other side.
    """

    tests: Sequence[Test]
    ordinary: Test | None = None
    most: float = math.inf
    sides: int = 1

    def p_value(self, value: float) -> float:
        """The largest of theirs."""
        if value >= self.most:
            return 0.0
        return min(self.sides * max(test.p_value(value) for test in self.tests), 1.0)

    def limit(self, level: float) -> float:
        """The largest of theirs."""
        return min(max(test.limit(level / self.sides) for test in self.tests), self.most)

    def detectable(self, level: float) -> float:
        """The largest of theirs."""
        return min(max(test.detectable(level / self.sides) for test in self.tests), self.most)

    def ordinary_tail(self, value: float) -> float:
        """How often ordinary windows go beyond a value."""
        return min(self.sides * self.ordinary.p_value(value), 1.0) if self.ordinary else self.p_value(value)


def distance_test(found: Measurement, spread: Spread | None, tolerance: float, most: float) -> Every:
    """The test of a distance from the reference.

    What sampling alone adds to a distance depends on the rows: it is taken from what is ordinary, and that of as many
    rows as there are is put in its place.

    Args:
        found: The distance.
        spread: How it varies over the baseline's blocks.
        tolerance: The distance that does not matter.
        most: No value is higher.
    """
    n, m = found.reference_rows or 0, found.rows
    if not n or not m or not found.freedom:
        return Every([Normal(tolerance, 0.0)], None, most)
    error = 1 / math.sqrt(8 * math.log(2) * n * m / (n + m))
    ordinary: Test
    tolerated = Resemblance(tolerance, found.freedom, n, m, error, found.reciprocals)
    if spread is None or spread.independent < LEAST_BLOCKS or not _varies(spread, found.freedom):
        ordinary = replace(tolerated, tolerance=0.0)
        return Every([Beyond(tolerated), ordinary], ordinary, most)
    here = math.sqrt(max(spread.square - spread.noise**2, 0.0) + sampling_square(found))
    moved = math.log(here / math.sqrt(spread.square)) if here else 0.0
    ordinary = Logistic(predictive(spread.logit_mean + moved, spread.logit_deviation, spread.independent))
    return Every([Beyond(tolerated), ordinary], ordinary, most)


def _varies(spread: Spread, freedom: int) -> bool:
    """Whether ordinary blocks differ by more than sampling makes them differ.

    Where they do not, sampling is known better than from their spread.
    """
    by_chance = spread.noise**2 * (1 + 3 * math.sqrt(2 / freedom / spread.independent))
    return spread.logit_deviation > 0 and spread.square > by_chance


def share_test(found: Measurement, spread: Spread | None, tolerance: float, most: float) -> Every:
    """The test of a share of rows that is bad when high."""
    mean = spread.mean if spread else 0.0
    allowed = min(mean + tolerance, most)
    rows = max(found.rows, 1)
    certain = Normal(allowed, math.sqrt(max(allowed * (1 - allowed), 1 / rows) / rows))
    tests: list[Test] = [certain]
    ordinary: Test | None = None
    if spread is not None and spread.independent >= LEAST_BLOCKS:
        sampling = mean * (1 - mean)
        more = max(sampling / rows - sampling / max(spread.rows, 1.0), 0.0)
        deviation = math.sqrt(spread.deviation**2 + more)
        ordinary = predictive(mean, deviation, spread.independent, error=math.sqrt(max(sampling, 1 / rows) / rows))
        tests = [Beyond(certain), ordinary]
    return Every(tests, ordinary, most)


def number_test(found: Measurement, spread: Spread | None, tolerance: float, *, low: bool = False) -> Every:
    """The test of a number with an interval, such as one of performance.

    Args:
        found: The number.
        spread: How it varies over the baseline's blocks.
        tolerance: How far off is not too far.
        low: Whether low is bad: then values are taken with the other sign.
    """
    sign = -1.0 if low else 1.0
    mean = sign * (spread.mean if spread else 0.0)
    error = error_of(found)
    tests: list[Test] = [Normal(mean + tolerance, error)]
    ordinary: Test | None = None
    if spread is not None and spread.independent >= LEAST_BLOCKS:
        ordinary = predictive(mean, widened(spread, found, error), spread.independent, error=error)
        tests = [Beyond(tests[0]), ordinary]
    return Every(tests, ordinary)


def predictive(mean: float, deviation: float, blocks: float, error: float | None = None) -> Normal:
    """What one more window will be like, after so many independent ones: Student's t, as their deviation is not known.

    Hahn, Factors for calculating two-sided prediction intervals for samples from a normal distribution, J. Am. Stat.
    Assoc. 64, 1969.

    >>> round(predictive(0.0, 1.0, 10.0).limit(0.025), 2)
    2.37
    """
    return Normal(mean, deviation * math.sqrt(1 + 1 / blocks), max(blocks - 1, 1.0), error)


def error_of(found: Measurement) -> float:
    """What sampling gives to a number: its standard error, or what its interval says of that."""
    if found.standard_error is not None:
        return found.standard_error
    if found.low is not None and found.high is not None:
        return (found.high - found.low) / (2 * 1.959963984540054)
    return 0.0


def widened(spread: Spread, found: Measurement, error: float) -> float:
    """The deviation of ordinary windows that have as few rows as this one."""
    if not found.rows or spread.rows <= found.rows:
        return spread.deviation
    # of the deviation learned, sampling in blocks of more rows is the part that grows
    return math.sqrt(spread.deviation**2 + error**2 * (1 - found.rows / spread.rows))


def other_way(found: Measurement) -> Measurement:
    """A number with the other sign."""
    value = None if found.value is None else -found.value
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return replace(found, value=value, low=low, high=high)
