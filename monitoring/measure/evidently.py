"""Drift scores as Evidently 0.7.23 computes them, from distributions instead of rows.

For those who come from Evidently, or want to hold its scores against ours. Its formulas are kept with their
weaknesses, which `docs/drift-statistics.md` names: one-sided samples, bins that one outlier stretches, an absolute
floor, no nulls. Where every distinct value is known (`Histogram.exact`, `Categories.exact`) the scores are those of
Evidently to nine digits; elsewhere the distribution function is interpolated inside bins.
"""

from __future__ import annotations

import math

import numpy as np

from monitoring.measure.cells import (
    Shares,
    hellinger_of,
    jensen_shannon_of,
    kullback_leibler_of,
    named_counts,
    pearson_tail,
    psi_of,
    require_same_edges,
    shares_of,
    without_shares,
)
from monitoring.measure.curves import energy_in, wasserstein_in
from monitoring.measure.curves import kolmogorov_smirnov as gap_between
from monitoring.measure.null_distributions import chi_square_tail, exact_smirnov_tail, normal_tails
from monitoring.measure.score import Score
from monitoring.profile.distribution import Categories, Distribution, FloatArray, Histogram, IntArray

# The smallest standard deviation that Evidently divides by, whatever the unit of the column
_LEAST_DEVIATION = 0.001
# More distinct values than this in the reference are put into bins.
_MOST_KEYS = 20
_FILL = 0.0001
# Up to this many rows SciPy counts the paths of a Smirnov test, beyond it takes a limit.
_MOST_EXACT_ROWS = 10_000
_SMALL_REFERENCE = 1000


def default_method(reference: Distribution, current: Distribution) -> str:
    """The statistic that Evidently takes if none is named: by type, size of the reference and distinct values.

    Args:
        reference: Only its rows that are neither null nor infinite count.
        current: Its rows do not count, its distinct values do.

    >>> default_method(Categories({"a": 900, "b": 101}), Categories({"a": 5}))
    'jensen_shannon'
    >>> default_method(Categories({"a": 900, "b": 100}), Categories({"a": 5}))
    'z'
    """
    first, _ = _keys(reference, current)
    values = len(first)
    if isinstance(reference, Histogram) and isinstance(current, Histogram):
        # a bin that is not a single value may hold many
        values = max(values, distinct_values(reference, current))
    small = int(first.sum()) <= _SMALL_REFERENCE
    if isinstance(reference, Histogram) and values > 5:
        return "ks" if small else "wasserstein"
    if small:
        return "chi_square" if values > 2 else "z"
    return "jensen_shannon"


def distinct_values(*sides: Histogram) -> int:
    """Distinct finite values of histograms on the same edges.

    Rows of a bin that can hold several values are taken as distinct, as far as there are whole numbers for them in
    a column of those.
    """
    first = sides[0]
    rows = np.sum([side.counts for side in sides], axis=0)
    most = np.full(len(rows), np.inf)
    if all(side.integer for side in sides):
        borders = np.ceil([np.fmin.reduce([side.low for side in sides]), *first.edges, np.inf])
        most = np.maximum(np.diff(np.maximum.accumulate(borders)), 0)
        most[-1] = max(np.fmax.reduce([side.high for side in sides]) - borders[-2] + 1, 0)
    return int(np.where(first.atoms, rows > 0, np.minimum(rows, most)).sum())


def _keys(reference: Distribution, current: Distribution) -> tuple[IntArray, IntArray]:
    """Rows per distinct value that occurs on either side, in ascending order."""
    if isinstance(reference, Histogram) and isinstance(current, Histogram):
        require_same_edges(reference, current)
        occupied = (reference.counts > 0) | (current.counts > 0)
        return reference.counts[occupied], current.counts[occupied]
    if isinstance(reference, Categories) and isinstance(current, Categories):
        _, first, second = named_counts(reference, current)
        return first, second
    raise TypeError("a numeric and a categorical distribution cannot be compared")


def _binned(reference: Distribution, current: Distribution) -> Shares | None:
    """Shares of bins: of equal width over both sides, or one per value if the reference has few; None without rows."""
    first, second = _keys(reference, current)
    n, m = int(first.sum()), int(second.sum())
    if not n or not m:
        return None
    if isinstance(reference, Histogram) and isinstance(current, Histogram) and distinct_values(reference) > _MOST_KEYS:
        whole = _whole(reference) and _whole(current)
        return _between(_sturges_edges(reference, current, n + m, whole=whole), reference, current)
    return shares_of(first, second)


def _between(edges: FloatArray, reference: Histogram, current: Histogram) -> Shares:
    n, m = reference.n, current.n
    p, q = _rows_between(reference, edges) / n, _rows_between(current, edges) / m
    occupied = p + q > 0
    return Shares(p, q, n, m, int(occupied.sum()) - 1, pearson_tail(p[occupied], q[occupied], n, m))


def _whole(side: Histogram) -> bool:
    """Whether the values are integers to pandas, and so to Evidently: those of a column with nulls are floats."""
    return side.integer and not side.nulls


def _sturges_edges(reference: Histogram, current: Histogram, size: int, *, whole: bool) -> FloatArray:
    """Edges of equal bins over the range of both, as many as Sturges' rule gives for `size` values.

    Sturges, The choice of a class interval, JASA 21, 1926; NumPy makes no bin of integers narrower than 1.
    """
    low, high = min(reference.low, current.low), max(reference.high, current.high)
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    width = (high - low) / (math.log2(size) + 1)
    if whole:
        width = max(width, 1.0)
    if not 0 < width < math.inf:
        return np.array([low, high])
    return np.linspace(low, high, math.ceil((high - low) / width) + 1)


def _rows_between(side: Histogram, edges: FloatArray) -> FloatArray:
    """Rows from each edge to before the next, the last edge included, shape (e - 1,)."""
    below = np.append(_rows_below(side, edges[:-1]), float(side.n))
    return np.diff(below)


def _rows_below(side: Histogram, places: FloatArray) -> FloatArray:
    """Rows with a value less than each place; exact for bins of one value or one row, otherwise interpolated."""
    bins = np.searchsorted(side.edges, places, side="left")
    counts = side.counts[bins]
    ends = np.concatenate([side.edges, [np.inf]])[bins]
    left = np.maximum(np.concatenate([[-np.inf], side.edges])[bins], side.low)
    width = np.minimum(ends, side.high) - left
    mean = side.sums[bins] / np.maximum(counts, 1)
    spread = width > 0
    place = np.divide(places - left, width, out=np.zeros_like(width), where=spread)
    middle = np.divide(mean - left, width, out=np.zeros_like(width), where=spread)
    inside = _below_with_mean(np.clip(middle, 1e-9, 1 - 1e-9), np.clip(place, 0.0, 1.0))
    # a single value, or values that are all the same, are below a place or not
    inside = np.where((counts == 1) | ~spread, places > mean, inside)
    inside = np.where(side.atoms[bins] | (places > side.high), 1.0, inside)
    # whole rows, because a bin that is empty is filled in, and one with a part of a row is not
    return np.concatenate([[0.0], np.cumsum(side.counts)])[bins] + np.rint(counts * inside)


def _below_with_mean(mean: FloatArray, place: FloatArray) -> FloatArray:
    """The distribution function of the straight density on [0, 1] with a mean, which ends where it reaches 0."""
    straight = place + 6 * (mean - 0.5) * (place * place - place)
    falling = 1 - (1 - np.minimum(place / (3 * mean), 1.0)) ** 2
    rising = (1 - np.minimum((1 - place) / (3 * (1 - mean)), 1.0)) ** 2
    return np.asarray(np.where(mean < 1 / 3, falling, np.where(mean > 2 / 3, rising, straight)))


def jensen_shannon(reference: Distribution, current: Distribution) -> Score:
    """The Jensen-Shannon distance in Evidently's bins, with the natural logarithm: sqrt(ln 2) = 0.83 at most.

    >>> round(jensen_shannon(Categories({"a": 1}), Categories({"b": 1})).value, 6)
    0.832555
    """
    shares = _binned(reference, current)
    return without_shares(*_keys(reference, current)) if shares is None else jensen_shannon_of(shares, math.e)


def _filled(reference: Distribution, current: Distribution) -> Shares | None:
    """Shares without an empty bin: 0.0001, or a millionth of the smallest share where that is smaller than 0.0001."""
    shares = _binned(reference, current)
    if shares is None:
        return None
    filled = []
    for side in (shares.p, shares.q):
        least = float(side[side > 0].min())
        filled.append(np.where(side == 0, least / 1e6 if least <= _FILL else _FILL, side))
    return shares._replace(p=filled[0], q=filled[1])


def psi(reference: Distribution, current: Distribution) -> Score:
    """The population stability index in Evidently's bins; the shares it fills in are not subtracted elsewhere.

    >>> round(psi(Categories({"a": 50, "b": 50}), Categories({"a": 100})).value, 6)
    4.604318
    """
    shares = _filled(reference, current)
    return without_shares(*_keys(reference, current)) if shares is None else _only_value(psi_of(shares))


def kullback_leibler(reference: Distribution, current: Distribution) -> Score:
    """The Kullback-Leibler divergence from the reference in Evidently's bins.

    >>> round(kullback_leibler(Categories({"a": 50, "b": 50}), Categories({"a": 60, "b": 40})).value, 6)
    0.020411
    """
    shares = _filled(reference, current)
    if shares is None:
        return without_shares(*_keys(reference, current))
    return _only_value(kullback_leibler_of(shares._replace(p=shares.p / shares.p.sum(), q=shares.q / shares.q.sum())))


def _only_value(score: Score) -> Score:
    """Without what is not known: how a statistic varies whose empty bins are filled with a constant."""
    return Score(score.value, score.reference_rows, score.rows)


def hellinger(reference: Distribution, current: Distribution) -> Score:
    """The Hellinger distance; numeric bins are as many as Sturges' rule gives for the distinct values.

    >>> round(hellinger(Categories({"a": 1, "b": 1}), Categories({"a": 1, "b": 3})).value, 6)
    0.184592
    """
    counts = _keys(reference, current)
    shares = shares_of(*counts)
    if shares is None:
        return without_shares(*counts)
    if isinstance(reference, Histogram) and isinstance(current, Histogram):
        # Evidently bins the set of all values, in which a value of both sides is of the reference's type
        whole = _whole(reference) and (_whole(current) or bool(counts[0].all()))
        edges = _sturges_edges(reference, current, distinct_values(reference, current), whole=whole)
        shares = _between(edges, reference, current)
    return hellinger_of(shares)


def wasserstein(reference: Histogram, current: Histogram) -> Score:
    """The Wasserstein distance in standard deviations of the reference, of which 0.001 is the least.

    >>> edges = np.array([0.0, 1e-5])
    >>> old, new = (Histogram.of(np.array(values), edges) for values in ([0.0, 1e-5], [1e-5, 2e-5]))
    >>> round(wasserstein(old, new).value, 6)  # two standard deviations
    0.01
    """
    deviation = math.sqrt(reference.variance()) if reference.n else _LEAST_DEVIATION
    return wasserstein_in(max(deviation, _LEAST_DEVIATION), reference, current)


def energy(reference: Histogram, current: Histogram) -> Score:
    """The energy distance, in the root of the column's own unit.

    >>> edges = np.array([1.0, 2.0, 3.0, 4.0])
    >>> energy(Histogram.of(np.array([1.0, 3.0]), edges), Histogram.of(np.array([2.0, 4.0]), edges)).value
    1.0
    """
    return energy_in(1.0, reference, current)


def kolmogorov_smirnov(reference: Histogram, current: Histogram) -> Score:
    """The p-value of the Smirnov test, exact up to 10 000 rows, beyond that by SciPy's limit.

    >>> edges = np.array([1.0, 2.0, 3.0])
    >>> low, high = (Histogram.of(np.array(values), edges) for values in ([0.0, 1.0, 1.5], [2.0, 2.5, 3.0]))
    >>> round(kolmogorov_smirnov(low, high).value, 6)
    0.1
    """
    score = gap_between(reference, current)
    if score.value is None:
        return score
    n, m = score.reference_rows, score.rows
    if max(n, m) <= _MOST_EXACT_ROWS:
        p_value = exact_smirnov_tail(score.value, n, m)
    else:
        from scipy.stats import kstwo

        large, small = float(max(n, m)), float(min(n, m))
        p_value = float(np.clip(kstwo.sf(score.value, np.round(large * small / (large + small))), 0.0, 1.0))
    return Score(p_value, n, m, None, p_value)


def chi_square(reference: Distribution, current: Distribution) -> Score:
    """The p-value of a chi-square test that takes the reference's shares as exact.

    >>> round(chi_square(Categories({"a": 50, "b": 50}), Categories({"a": 60, "b": 40})).value, 6)
    0.0455
    """
    first, second = _keys(reference, current)
    n, m = int(first.sum()), int(second.sum())
    if not n or not m or len(first) < 2:
        # one value on both sides leaves Evidently without a p-value too
        return Score(None, n, m)
    expected = first * (m / n)
    if not expected.all():
        return Score(0.0, n, m, None, 0.0)
    p_value = chi_square_tail(float(((second - expected) ** 2 / expected).sum()), len(first) - 1)
    return Score(p_value, n, m, None, p_value)


def share_shift(reference: Distribution, current: Distribution) -> Score:
    """The p-value of a z-test of two proportions: those of every value but the smallest.

    >>> round(share_shift(Categories({"no": 60, "yes": 40}), Categories({"no": 40, "yes": 60})).value, 6)
    0.004678
    """
    first, second = _keys(reference, current)
    n, m = int(first.sum()), int(second.sum())
    if not n or not m:
        return Score(None, n, m)
    if len(first) == 1:
        return Score(1.0, n, m, None, 1.0)
    p, q = (n - int(first[0])) / n, (m - int(second[0])) / m
    pooled = (p * n + q * m) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    if variance <= 0:
        return Score(None, n, m)
    p_value = normal_tails((p - q) / math.sqrt(variance))
    return Score(p_value, n, m, None, p_value)


def mean_shift(reference: Histogram, current: Histogram) -> Score:
    """The p-value of Student's t-test, which takes the variances as equal.

    >>> edges = np.array([1.0, 2.0, 3.0, 4.0])
    >>> old, new = (Histogram.of(np.array(values), edges) for values in ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]))
    >>> round(mean_shift(old, new).value, 6)
    0.287864
    """
    from scipy.special import stdtr

    require_same_edges(reference, current)
    n, m = reference.n, current.n
    if not n or not m or n + m < 3:
        return Score(None, n, m)
    freedom = n + m - 2
    variance = (reference.squares + current.squares) / freedom
    if not variance:
        p_value = None if reference.mean == current.mean else 0.0
        return Score(p_value, n, m, None, p_value)
    t = (reference.mean - current.mean) / math.sqrt(variance * (1 / n + 1 / m))
    p_value = float(2 * stdtr(freedom, -abs(t)))
    return Score(p_value, n, m, None, p_value)
