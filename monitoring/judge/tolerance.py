"""How probable it is that an ordinary window is as far beyond its tolerance as this one.

Three kinds of evidence: against the spread of earlier windows (`beyond_ordinary`), against a distance that does not
matter (`resemblance`), and against a limit (`above`). Of each there is the p-value, the value at which the p-value is
a given level (`…_limit`), and the true value that is found with a given power at that level (`…_detectable`). All are
one-sided: only what is high is evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

POWER = 0.8
_LARGEST_EXPONENT = 700.0


def above(value: float, limit: float, error: float, freedom: float | None = None) -> float:
    """The p-value of a mean, a share or a difference against a limit that it should not exceed.

    Args:
        value: The estimate.
        limit: The largest true value that does not matter.
        error: Standard error of the estimate; 0 where it is known.
        freedom: Degrees of freedom of the error, for Student's t; None for the normal distribution.

    >>> round(above(0.13, 0.10, 0.01), 5)  # 3 errors above
    0.00135
    >>> round(above(0.13, 0.10, 0.01, 9), 5)
    0.00748
    """
    if not error:
        return 0.0 if value > limit else 1.0
    return _tail((value - limit) / error, freedom)


def above_limit(level: float, limit: float, error: float, freedom: float | None = None) -> float:
    """The estimate at which `above` is `level`.

    >>> round(above_limit(0.00135, 0.10, 0.01), 4)
    0.13
    """
    return limit + error * _quantile(level, freedom)


def above_detectable(
    level: float, limit: float, error: float, freedom: float | None = None, power: float = POWER
) -> float:
    """The true value of which a share of `power` is found at `level`.

    >>> round(above_detectable(0.00135, 0.10, 0.01), 4)  # 3 + 0.84 errors above
    0.1384
    """
    return limit + error * (_quantile(level, freedom) + _quantile(1 - power, freedom))


def beyond_ordinary(
    value: float, mean: float, deviation: float, blocks: float, extra_variance: float = 0.0, *, log: bool = False
) -> float:
    """The p-value of a new window, given the spread of the blocks of the baseline: Student's prediction.

    The new value less their mean has the variance deviation² (1 + 1 / blocks) + extra_variance, of which the first
    part is known with blocks - 1 degrees of freedom and the second exactly. Geisser, Predictive Inference, 1993, for
    the prediction; Welch, The generalization of "Student's" problem, Biometrika 34, 1947, for the freedom of the sum.

    Args:
        value: The new window's.
        mean: Of the blocks.
        deviation: Their standard deviation.
        blocks: How many independent blocks they are worth.
        extra_variance: How much more than a block the new window varies, for instance because it has fewer rows.
        log: Whether it is the logarithm that is normal, as of a distance, which is skewed to the right. `mean`,
            `deviation` and `extra_variance` are those of the values themselves all the same.

    Returns:
        1 where fewer than two blocks say nothing of a spread. Where the blocks are all equal and nothing else
        varies, 1 / (blocks + 1) for a higher value: that it is the largest of so many is all that is known.

    >>> round(beyond_ordinary(0.12, 0.05, 0.02, 20), 5)  # t = 0.07 / (0.02 √1.05) = 3.416 of 19 degrees
    0.00145
    >>> round(beyond_ordinary(0.12, 0.05, 0.02, 20, log=True), 5)  # ln 0.12 is 2.41 of 0.385 √1.05 above
    0.01325
    """
    known = _predict(mean, deviation, blocks, extra_variance, log=log)
    if known is None:
        return 1.0
    if not known.error:
        return 1.0 / (blocks + 1.0) if value > mean else 1.0
    place = value if not known.log else math.log(value) if value > 0.0 else -math.inf
    return _tail((place - known.centre) / known.error, known.freedom)


def beyond_ordinary_limit(
    level: float, mean: float, deviation: float, blocks: float, extra_variance: float = 0.0, *, log: bool = False
) -> float:
    """The value at which `beyond_ordinary` is `level`; infinite with fewer than two blocks.

    >>> round(beyond_ordinary_limit(0.00145, 0.05, 0.02, 20), 4)
    0.12
    """
    known = _predict(mean, deviation, blocks, extra_variance, log=log)
    return math.inf if known is None else known.value(_quantile(level, known.freedom))


def beyond_ordinary_detectable(
    level: float,
    mean: float,
    deviation: float,
    blocks: float,
    extra_variance: float = 0.0,
    *,
    log: bool = False,
    power: float = POWER,
) -> float:
    """The value about which new windows vary of which a share of `power` is found at `level`.

    Infinite with fewer than two blocks.

    >>> round(beyond_ordinary_detectable(0.00145, 0.05, 0.02, 20), 4)  # 3.416 + 0.861 of 0.02 √1.05 above
    0.1376
    """
    known = _predict(mean, deviation, blocks, extra_variance, log=log)
    if known is None:
        return math.inf
    return known.value(_quantile(level, known.freedom) + _quantile(1 - power, known.freedom))


class _Prediction(NamedTuple):
    """Where a new value is expected: (itself or its logarithm - centre) / error is Student's t."""

    centre: float
    error: float
    freedom: float
    log: bool

    def value(self, errors: float) -> float:
        """The value so many errors above the centre."""
        place = self.centre + errors * self.error
        if not self.log:
            return place
        return math.exp(place) if place < _LARGEST_EXPONENT else math.inf


def _predict(mean: float, deviation: float, blocks: float, extra: float, *, log: bool) -> _Prediction | None:
    if blocks < 2.0:
        return None
    centre = mean
    if log and mean > 0.0:
        # the moments of a logarithm that is normal, from those of the value
        spread = math.log1p((deviation / mean) ** 2)
        extra = math.log1p(((deviation / mean) ** 2) + extra / mean**2) - spread
        centre, deviation = math.log(mean) - spread / 2, math.sqrt(spread)
    learned = deviation * deviation * (1.0 + 1.0 / blocks)
    freedom = (blocks - 1.0) * (1.0 + extra / learned) ** 2 if learned else math.inf
    return _Prediction(centre, math.sqrt(learned + extra), freedom, log and mean > 0.0)


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


def resemblance_detectable(
    level: float,
    tolerance: float,
    cells: int,
    n: int,
    m: int,
    *,
    reciprocals: float | None = None,
    power: float = POWER,
) -> float:
    """The true distance of which a share of `power` is found at `level`; infinite with a single cell.

    >>> round(resemblance_detectable(0.001, 0.05, 20, 20_000, 1_000), 4)
    0.1112
    """
    if cells < 2:
        return math.inf
    law = _law(cells, n, m, reciprocals)
    needed = _noncentral_quantile(level, law.freedom, law.per_square * tolerance**2)

    def lacking(root: float) -> float:
        return _quantile(power, None) - _quantile(_noncentral_tail(needed, law.freedom, root * root), None)

    start = math.sqrt(max(needed - law.freedom, 0.0)) + _quantile(1 - power, None)
    return _zero(lacking, max(start, 0.1)) / math.sqrt(law.per_square)


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


def _tail(value: float, freedom: float | None) -> float:
    """The probability of more, of the normal distribution or Student's t."""
    from scipy.special import ndtr, stdtr

    if freedom is None or math.isinf(freedom):
        return float(ndtr(-value))
    return float(stdtr(freedom, -value))


def _quantile(level: float, freedom: float | None) -> float:
    """The value with a tail of `level`."""
    from scipy.special import ndtri, stdtrit

    if freedom is None or math.isinf(freedom):
        return -float(ndtri(level))
    return -float(stdtrit(freedom, level))


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
        return _tail(signed + skewness / 6, None)
    steep = tilt * math.sqrt(4 * noncentrality / root**3 + 2 * freedom / root**2)
    return _tail(signed + math.log(steep / signed) / signed, None)


def _noncentral_quantile(level: float, freedom: float, noncentrality: float) -> float:
    """The value with a tail of `level`, of the noncentral chi-square distribution."""
    if not noncentrality:
        from scipy.special import chdtri

        return float(chdtri(freedom, level))
    wanted = _quantile(level, None)

    def beyond(root: float) -> float:
        return _quantile(_noncentral_tail(root * root, freedom, noncentrality), None) - wanted

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
