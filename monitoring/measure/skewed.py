"""Intervals and p-values of quantities of which three moments are known.

Counts of rare events are skewed, and so is what depends on them. Pearson's type III distribution, a gamma
distribution that is moved, has any mean, variance and skewness; Wilson and Hilferty's cube root makes it normal (The
distribution of chi-square, PNAS 17, 1931).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from monitoring.measure.intervals import Z95

# Below this skewness the distribution is normal for all that matters; above the other, that of an
# exponential one, the cube root is far off
_SYMMETRIC, _MOST = 1e-6, 2.0


class Spread(NamedTuple):
    """How a quantity varies around its expectation.

    Attributes:
        variance: The second central moment.
        third: The third central moment.
        step: What a single label changes, typically. A quantity that jumps is not cut in the middle of a jump.
    """

    variance: float
    third: float
    step: float

    @property
    def error(self) -> float:
        """Standard deviation."""
        return math.sqrt(max(self.variance, 0.0))

    @property
    def skewness(self) -> float:
        """The third central moment in units of the standard deviation, within what the cube root stands."""
        if not self.variance > 0:
            return 0.0
        return min(max(self.third / math.pow(self.variance, 1.5), -_MOST), _MOST)

    def interval(self, value: float) -> tuple[float, float]:
        """The 95 % interval around an expectation.

        >>> [round(end, 2) for end in Spread(4.0, 4.0, 0.0).interval(4.0)]  # as skewed as a Poisson number of mean 4
        [0.57, 8.37]
        """
        low, high = (value + self.error * _quantile(z, self.skewness) for z in (-Z95, Z95))
        return min(low, value) - self.step / 2, max(high, value) + self.step / 2

    def p_value(self, distance: float) -> float:
        """Probability of a value at least this far from its expectation, on the likelier of both sides, twice.

        >>> round(Spread(1.0, 0.0, 0.0).p_value(-1.96), 3)
        0.05
        """
        beyond = math.copysign(max(abs(distance) - self.step / 2, 0.0), distance)
        if not beyond:
            return 1.0
        if not self.error:
            return 0.0
        return math.erfc(abs(_normal_score(beyond / self.error, self.skewness)) / math.sqrt(2))


def _quantile(z: float, skewness: float) -> float:
    if abs(skewness) < _SYMMETRIC:
        return z
    # no further than the end of the distribution
    root = max(1 + skewness * z / 6 - skewness * skewness / 36, 0.0)
    return 2 / skewness * (root * root * root - 1)


def _normal_score(x: float, skewness: float) -> float:
    if abs(skewness) < _SYMMETRIC:
        return x
    # beyond the end of the distribution: as far as can be
    cube = max(1 + skewness * x / 2, 0.0)
    score = 6 / skewness * (math.cbrt(cube) - 1) + skewness / 6
    # the median of a skewed quantity is not its mean: no sign may turn
    return max(score, 0.0) if x > 0 else min(score, 0.0)
