"""Differences of one number of each distribution: of means, and of shares of two values."""

from __future__ import annotations

import math

from monitoring.measure.cells import named_counts, require_same_edges
from monitoring.measure.curves import scale
from monitoring.measure.null_distributions import MEAN_FOLDED, normal_tails, sampling_scale
from monitoring.measure.score import Score
from monitoring.profile.distribution import Categories, Distribution, Histogram


def mean_shift(reference: Histogram, current: Histogram) -> Score:
    """How far the mean has moved up, in standard deviations of the reference.

    Glass's Δ (Primary, secondary, and meta-analysis of research, Educ. Res. 5, 1976), with the p-value of Welch's
    t-test, which does not take the variances as equal (Biometrika 34, 1947), on both sides. `curves.scale` says
    what the standard deviation of a constant is.

    >>> import numpy as np
    >>> edges = np.array([1.0, 2.0, 3.0, 4.0])
    >>> old, new = (Histogram.of(np.array(values), edges) for values in ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]))
    >>> score = mean_shift(old, new)
    >>> round(score.value, 6), round(score.p_value, 6)
    (1.224745, 0.287864)
    """
    require_same_edges(reference, current)
    n, m = reference.n, current.n
    if not n or not m:
        return Score(None, n, m)
    unit = scale(reference, current)
    moved = current.mean - reference.mean
    if not math.isfinite(unit) or not math.isfinite(moved):
        return Score(None, n, m)
    if not unit:
        return Score(0.0, n, m, None, 1.0, 0.0)
    value = moved / unit
    noise = MEAN_FOLDED * math.sqrt(sampling_scale(n, m))
    if n < 2 or m < 2:
        return Score(value, n, m, None, None, noise)
    parts = reference.variance(ddof=1) / n, current.variance(ddof=1) / m
    variance = sum(parts)
    error = math.sqrt(variance / (unit * unit) + value * value / (2 * n))
    return Score(value, n, m, error, _welch_tails(moved, parts, n, m) if variance else None, noise)


def _welch_tails(moved: float, parts: tuple[float, float], n: int, m: int) -> float:
    from scipy.special import stdtr

    variance = sum(parts)
    # as shares of their sum, whose squares cannot underflow
    first, second = parts[0] / variance, parts[1] / variance
    freedom = 1 / (first * first / (n - 1) + second * second / (m - 1))
    return float(2 * stdtr(freedom, -abs(moved) / math.sqrt(variance)))


def share_shift(reference: Distribution, current: Distribution) -> Score:
    """How much the share of the greater of two values has grown, such as that of `True`, 1 or `yes`.

    The p-value is that of the test of two proportions with a pooled variance, on both sides (Fleiss, Levin and
    Paik, Statistical methods for rates and proportions, 2003). Not defined for more than two values; nulls are
    not a value.

    >>> score = share_shift(Categories({"no": 60, "yes": 40}), Categories({"no": 40, "yes": 60}))
    >>> round(score.value, 6), round(score.p_value, 6)
    (0.2, 0.004678)
    """
    if isinstance(reference, Histogram) and isinstance(current, Histogram):
        require_same_edges(reference, current)
        occupied = (reference.counts > 0) | (current.counts > 0)
        first, second = reference.counts[occupied], current.counts[occupied]
        known = not (occupied & ~reference.atoms).any()
    elif isinstance(reference, Categories) and isinstance(current, Categories):
        _, first, second = named_counts(reference, current)
        known = reference.exact and current.exact
    else:
        raise TypeError("a numeric and a categorical distribution cannot be compared")
    n, m = int(first.sum()), int(second.sum())
    if not n or not m or len(first) > 2 or not known:
        return Score(None, n, m)
    if len(first) < 2:
        return Score(0.0, n, m, 0.0, 1.0, 0.0)
    p, q = int(first[1]) / n, int(second[1]) / m
    pooled = (int(first[1]) + int(second[1])) / (n + m)
    deviation = math.sqrt(pooled * (1 - pooled) * sampling_scale(n, m))
    error = math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    return Score(q - p, n, m, error, normal_tails((q - p) / deviation), MEAN_FOLDED * deviation)
