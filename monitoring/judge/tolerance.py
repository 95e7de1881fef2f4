"""How probable it is that a distance that does not matter looks as large as this one.

There is the p-value, and the distance at which the p-value is a given level. Both are one-sided: only what is high is
evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

_LARGEST_EXPONENT = 700.0


def resemblance(
    value: float, tolerance: float, cells: int, n: int, m: int, *, reciprocals: float | None = None
) -> float:
    """The p-value of a Jensen-Shannon distance, base 2, against the largest one that does not matter.

    8 ln 2 n m / (n + m) times the squared distance of two samples has the noncentral chi-square distribution with
    cells - 1 degrees of freedom, its noncentrality as many times the squared true distance, for distributions that
    are near each other. The idea, for another divergence: Potgieter, van Zyl, Schutte and Lombard, The population
    resemblance statistic, arXiv 2307.11878, 2023. The limit without a change: Menéndez, Pardo, Pardo and Pardo, The
    Jensen-Shannon divergence, J. Franklin Inst. 334, 1997. With few rows a cell the statistic is larger and varies
    more, so scale and freedom are those that give it the mean and variance of its next order in rows a cell.

    Args:
        value: The distance of the two samples, from 0 to 1.
        tolerance: The true distance that does not matter.
        cells: Cells with rows in either sample.
        n: Rows of one sample.
        m: Rows of the other.
        reciprocals: The sum of 1 / share over the cells; None for cells of equal shares, where it is cells².

    >>> round(resemblance(0.11, 0.0, 20, 20_000, 1_000), 6)  # as chance alone has it
    1e-06
    >>> round(resemblance(0.11, 0.05, 20, 20_000, 1_000), 5)  # as a change has it that does not matter
    0.00334
    >>> round(resemblance(0.052, 0.05, 20, 1_000_000, 1_000_000), 5)
    0.00063
    """
    if cells < 2:
        return 1.0
    law = _law(cells, n, m, reciprocals)
    return _noncentral_tail(law.per_square * value**2, law.freedom, law.per_square * tolerance**2)


def resemblance_limit(
    level: float, tolerance: float, cells: int, n: int, m: int, *, reciprocals: float | None = None
) -> float:
    """The distance at which `resemblance` is `level`; infinite with a single cell. It can be more than 1.

    >>> round(resemblance_limit(0.001, 0.05, 20, 20_000, 1_000), 4)
    0.1147
    """
    if cells < 2:
        return math.inf
    law = _law(cells, n, m, reciprocals)
    return math.sqrt(_noncentral_quantile(level, law.freedom, law.per_square * tolerance**2) / law.per_square)


class _Law(NamedTuple):
    """`per_square` times a squared distance is chi-square with so much freedom."""

    per_square: float
    freedom: float


def _law(cells: int, n: int, m: int, reciprocals: float | None) -> _Law:
    """The distribution of a squared distance, by the expansion of its mean and variance for Poisson counts.

    A cell of share p adds (a + b) p (1 + A / p) to the mean of 8 ln 2 d², a = 1 / n, b = 1 / m,
    A = (3 (a² + b²) / 8 - a b / 4) / (a + b), and 2 ((a + b) p)² (1 + V / p) to its variance in the next order,
    V = (11 (a³ + b³) / 8 - 3 a b (a + b) / 8) / (a + b)².
    """
    a, b = 1.0 / n, 1.0 / m
    each = float(cells) if reciprocals is None else reciprocals / cells
    mean = 1.0 + each * (0.375 * (a * a + b * b) - 0.25 * a * b) / (a + b)
    variance = 1.0 + each * (1.375 * (a**3 + b**3) - 0.375 * a * b * (a + b)) / (a + b) ** 2
    scale = variance / mean
    return _Law(8.0 * math.log(2.0) / ((a + b) * scale), (cells - 1) * mean / scale)


def _tail(value: float) -> float:
    """The probability of more, of the normal distribution."""
    from scipy.special import ndtr

    return float(ndtr(-value))


def _quantile(level: float) -> float:
    """The value with a tail of `level`."""
    from scipy.special import ndtri

    return -float(ndtri(level))


# Where the difference to 1 has too few digits left, or the series too many terms
_SMALLEST_DIFFERENCE, _LARGEST_NONCENTRALITY = 1e-8, 1e5


def _noncentral_tail(value: float, freedom: float, noncentrality: float) -> float:
    """The probability of more, of the noncentral chi-square distribution."""
    from scipy.special import chdtrc, chndtr

    if not noncentrality or value <= 0.0:
        return float(chdtrc(freedom, max(value, 0.0)))
    if noncentrality < _LARGEST_NONCENTRALITY:
        found = 1.0 - float(chndtr(value, freedom, noncentrality))
        if found > _SMALLEST_DIFFERENCE:
            return found
    return _saddlepoint_tail(value, freedom, noncentrality)


def _saddlepoint_tail(value: float, freedom: float, noncentrality: float) -> float:
    """The same approximately: within 2 % at 1e-8 for a noncentrality of 2 or more, and ever nearer above.

    Lugannani and Rice, Saddle point approximation for the distribution of the sum of independent random variables,
    Adv. Appl. Probab. 12, 1980, in the form of Barndorff-Nielsen. The saddlepoint of a noncentral chi-square is the
    root of a quadratic.

    >>> round(_saddlepoint_tail(100.0, 19.0, 20.0), 9)  # exactly 0.000012023
    1.2035e-05
    """
    root = (freedom + math.sqrt(freedom**2 + 4 * value * noncentrality)) / (2 * value)
    tilt = (1 - root) / 2
    excess = tilt * (value - noncentrality / root) + freedom / 2 * math.log(root)
    signed = math.copysign(math.sqrt(2 * max(excess, 0.0)), tilt)
    if abs(signed) < 1e-3:
        # the limit of the correction: a sixth of the skewness
        skewness = 8 * (freedom + 3 * noncentrality) / (2 * freedom + 4 * noncentrality) ** 1.5
        return _tail(signed + skewness / 6)
    steep = tilt * math.sqrt(4 * noncentrality / root**3 + 2 * freedom / root**2)
    return _tail(signed + math.log(steep / signed) / signed)


def _noncentral_quantile(level: float, freedom: float, noncentrality: float) -> float:
    """The value with a tail of `level`, of the noncentral chi-square distribution."""
    if not noncentrality:
        from scipy.special import chdtri

        return float(chdtri(freedom, level))
    wanted = _quantile(level)

    def beyond(root: float) -> float:
        return _quantile(_noncentral_tail(root * root, freedom, noncentrality)) - wanted

    # the root of a chi-square is nearly normal
    spread = math.sqrt((freedom / 2 + noncentrality) / (freedom + noncentrality))
    start = math.sqrt(freedom + noncentrality) + wanted * spread
    return _zero(beyond, max(start, 0.1)) ** 2


def _zero(function: Callable[[float], float], start: float) -> float:
    """Where an increasing function is zero that is nearly a straight line: the secant method."""
    before, here = start, start + _FIRST_STEP
    low, high = function(before), function(here)
    for _ in range(_MOST_STEPS):
        if abs(high) < _NEAR or high == low:
            break
        before, here = here, max(here - high * (here - before) / (high - low), here / 2)
        low, high = high, function(here)
    return here


_FIRST_STEP, _MOST_STEPS, _NEAR = 0.1, 30, 1e-7
