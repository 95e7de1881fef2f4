"""Estimates with their 95 % intervals: means by the normal distribution, shares by Wilson's, areas by the logit."""

from __future__ import annotations

import math

from monitoring.measure.measurement import Direction, Measurement

Z95 = 1.959963984540054


def undefined(name: str, rows: int, direction: Direction, method: str) -> Measurement:
    """A number that these rows do not define."""
    return Measurement(name, None, rows, direction, method)


def estimate(
    name: str,
    value: float,
    variance: float,
    rows: int,
    direction: Direction,
    method: str,
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Measurement:
    """A number with a normal interval, cut at what the number can be.

    Args:
        name: What it is.
        value: The number.
        variance: The variance of the estimate; not finite when these rows do not tell it.
        rows: Rows that it was computed from.
        direction: The side that is bad.
        method: How it was computed.
        lowest: The lowest that it can be.
        highest: The highest that it can be.

    >>> estimate("x", 0.9, 0.01, 5, "low", "", highest=1.0).high
    1.0
    """
    if not math.isfinite(variance):
        return Measurement(name, value, rows, direction, method)
    error = math.sqrt(max(variance, 0.0))
    low, high = max(value - Z95 * error, lowest), min(value + Z95 * error, highest)
    return Measurement(name, value, rows, direction, method, low, high, standard_error=error)


def mean_of(
    name: str, total: float, squares: float, rows: int, direction: Direction, method: str, *, lowest: float = -math.inf
) -> Measurement:
    """The mean of a quantity with the normal interval, from its sum and the sum of its squares.

    >>> number = mean_of("mean", 6.0, 14.0, 3, "both", "")  # of 1, 2 and 3
    >>> number.value, round(number.high - number.value, 4)  # 1.96 · 1 / √3
    (2.0, 1.1316)
    """
    if not rows:
        return undefined(name, 0, direction, method)
    variance = sample_variance(total, squares, rows) / rows
    return estimate(name, total / rows, variance, rows, direction, method, lowest=lowest)


def sample_variance(total: float, squares: float, rows: int) -> float:
    """The variance of a quantity from its sum and the sum of its squares, NaN with fewer than two rows.

    >>> sample_variance(6.0, 14.0, 3)
    1.0
    """
    return max(squares - total * total / rows, 0.0) / (rows - 1) if rows > 1 else math.nan


def wilson(share: float, rows: float) -> tuple[float, float]:
    """Wilson's interval of a share; `rows` may be an effective number.

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.

    >>> [round(end, 4) for end in wilson(0.1, 100)]
    [0.0552, 0.1744]
    """
    z2 = Z95**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z95 * math.sqrt(max(share * (1 - share), 0.0) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    # exactly 0 and 1 at the ends, where rounding would leave a trace
    return max(middle - half, 0.0) if share > 0 else 0.0, min(middle + half, 1.0) if share < 1 else 1.0


def proportion(name: str, hits: int, rows: int, direction: Direction, method: str) -> Measurement:
    """A share, with Wilson's interval.

    >>> share = proportion("share", 10, 100, "high", "")
    >>> round(share.low, 4), round(share.high, 4)
    (0.0552, 0.1744)
    """
    if not rows:
        return undefined(name, 0, direction, method)
    return _share(name, hits / rows, rows, rows, direction, method)


def _share(name: str, value: float, effective: float, rows: int, direction: Direction, method: str) -> Measurement:
    """A share of an effective number of rows; its standard error is the interval's, so that it is never zero."""
    low, high = wilson(value, effective)
    error = (high - low) / (2 * Z95)
    return Measurement(name, value, rows, direction, method, low, high, standard_error=error)


def ratio(
    name: str, value: float, variance: float, rows: int, direction: Direction, method: str, *, at_most: float
) -> Measurement:
    """A number between 0 and 1 that is not a share of rows, with the interval of a share that varies as much.

    A share of n rows has variance v (1 − v) / n; so a number of this variance is as sure as a share of
    v (1 − v) / variance rows. At 0 and 1, where the variance vanishes, it is taken to be as sure as `at_most` rows.

    Args:
        name: What it is.
        value: The number.
        variance: The variance of the estimate.
        rows: Rows that it was computed from.
        direction: The side that is bad.
        method: How it was computed.
        at_most: The rows that matter to it: no interval is narrower than that of a share of them all.

    >>> number = ratio("f1", 0.5, 0.0025, 400, "low", "", at_most=200)  # as sure as a share of 100 rows
    >>> round(number.low, 4), round(number.high, 4)
    (0.4038, 0.5962)
    """
    inside = value * (1 - value)
    # at 0 and 1 rounding may leave a trace of a variance
    effective = inside / variance if variance > 0 and inside > 0 else math.inf
    return _share(name, value, min(effective, at_most), rows, direction, method)


def area(name: str, value: float, variance: float, rows: int, direction: Direction, method: str) -> Measurement:
    """An area between 0 and 1, with a normal interval of its logit, so that it stays between 0 and 1.

    Without an interval where the area is 0 or 1: there the delta method knows no spread.

    >>> number = area("pr_auc", 0.9, 0.0009, 100, "low", "")
    >>> round(number.low, 4), round(number.high, 4)
    (0.824, 0.9453)
    """
    inside = value * (1 - value)
    if not math.isfinite(variance) or inside <= 0:
        return Measurement(name, value, rows, direction, method)
    error = math.sqrt(max(variance, 0.0))
    middle, half = math.log(value / (1 - value)), Z95 * error / inside
    low, high = (1 / (1 + math.exp(min(-end, 700.0))) for end in (middle - half, middle + half))
    return Measurement(name, value, rows, direction, method, low, high, standard_error=error)
