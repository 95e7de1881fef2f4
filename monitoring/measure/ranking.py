"""How well scores put positives before negatives: curves and areas, from counts per score bin.

Rows of one bin have to be brought into an order. Most bins know it: they count their rows by place (see
`monitoring.profile.outcomes`), and rows of one place are tied, as scikit-learn takes rows of one score. Rows of a
crowded bin are *spread*: every order of them is taken to be equally likely, and the expectation over all orders is
computed, not simulated. For the area under the ROC curve, their positives beat their negatives as often as they do
where scores are uniform and means differ by what they do.

That is a guess, and the interval does not rely on it: it is widened to where the best and the worst order within
crowded bins would bring the area. If these are more than `MOST_UNKNOWN` apart, there is no value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from monitoring.measure.intervals import area, estimate, undefined
from monitoring.measure.measurement import Measurement
from monitoring.profile import scores as grid
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.outcomes import COARSE, OutcomeProfile, bin_and_place

# How far apart the best and the worst order within crowded bins may bring an area that still has a value
MOST_UNKNOWN = 0.05
_SQRT12 = math.sqrt(12)
# Below this, harmonic numbers are added up; from it on their series is exact to 10^-13
_SERIES = 64
_EULER = 0.5772156649015329
_HARMONIC = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, _SERIES))]) - _EULER


@dataclass(frozen=True, eq=False)
class Ranked:
    """Rows in order of their score, best last, as blocks of ties and of rows in any order.

    Attributes:
        bins: Score bin of each block, ascending, shape (k,); a bin that is not crowded may have several.
        scores: Mean score per block, ascending, shape (k,).
        negatives: Rows with a negative label, shape (k,), whole numbers as floats.
        positives: Rows with a positive label, shape (k,).
        tied: Whether the block's rows have one score, shape (k,).
        wins: Share of the block's pairs in which the positive has the higher score, ties half, shape (k,).
    """

    bins: IntArray
    scores: FloatArray
    negatives: FloatArray
    positives: FloatArray
    tied: BoolArray
    wins: FloatArray


@lru_cache(maxsize=4)  # several numbers of the same rows need it, one after the other
def ranked(outcomes: OutcomeProfile) -> Ranked:
    """The scored rows in order.

    >>> scores = np.array([0.3, 0.3001, 0.3001, 0.8])
    >>> rows = ranked(OutcomeProfile.of(scores, scores > 0.5, np.array([1, 0, 1, 1])))
    >>> rows.negatives.tolist(), rows.positives.tolist()
    ([0.0, 1.0, 0.0], [1.0, 1.0, 1.0])
    """
    starts = np.flatnonzero(np.diff(outcomes.points >> 2, prepend=-1))
    by_label = [np.where(outcomes.points & 1 == label, outcomes.point_rows, 0) for label in (0, 1)]
    tied = [np.add.reduceat(x, starts) if len(starts) else np.zeros(0, np.int64) for x in by_label]
    bins, places = bin_and_place(outcomes.points[starts])
    crowded = outcomes.counts.sum(axis=1).astype(np.float64)
    # the middle of the mean coarse place
    mean = (outcomes.places.sum(axis=1) / crowded.sum(axis=1) + 0.5) * COARSE - 0.5

    bins = np.concatenate([bins, outcomes.bins])
    order = np.argsort(bins, kind="stable")
    negatives, positives = (np.concatenate([tied[label], crowded[:, label]])[order] for label in (0, 1))
    return Ranked(
        bins=bins[order],
        scores=grid.score_at(bins, np.concatenate([places, mean]))[order],
        negatives=negatives,
        positives=positives,
        tied=order < len(starts),
        wins=np.concatenate([np.full(len(starts), 0.5), _wins(outcomes, crowded)])[order],
    )


def _wins(outcomes: OutcomeProfile, labels: FloatArray) -> FloatArray:
    """The share of a crowded bin's pairs that the positive wins, if scores are uniform over the spread they show.

    For two distributions on an interval of width w whose densities are straight lines, P(X < Y) is exactly
    ½ + (E Y − E X) / w. A uniform distribution of variance v has w = √(12 v).
    """
    both, n = (labels > 0).all(axis=1), labels.sum(axis=1)
    means = outcomes.places / np.maximum(labels, 1)
    mean = outcomes.places.sum(axis=1) / n
    # more than one place, so more than one row
    variance = (outcomes.squares - n * mean * mean) / (n - 1)
    # a coarse place is as wide as 1, which adds 1/12 to the variance
    width = _SQRT12 * np.sqrt(np.maximum(variance, 0) + 1 / 12)
    return np.where(both, np.clip(0.5 + (means[:, 1] - means[:, 0]) / width, 0, 1), 0.5)


def roc_auc(outcomes: OutcomeProfile) -> Measurement:
    """Area under the ROC curve, ties counted half, with DeLong's interval.

    DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44, 1988. The interval takes rows as independent. It is missing where the
    classes do not overlap, since placements then have no spread. Pairs within a crowded bin may be won all or none.

    >>> scores = np.array([0.1, 0.4, 0.35, 0.8])
    >>> roc_auc(OutcomeProfile.of(scores, scores >= 0.5, np.array([False, False, True, True]))).value
    0.75
    """
    method = "ROC AUC, DeLong interval"
    rows = ranked(outcomes)
    negatives, positives = rows.negatives.sum(), rows.positives.sum()
    if not negatives or not positives:
        return undefined("roc_auc", outcomes.scored, "low", method)
    # for a positive, the share of negatives below it; for a negative, the share of positives above it
    beaten = (np.cumsum(rows.negatives) - rows.negatives * (1 - rows.wins)) / negatives
    beating = (positives - np.cumsum(rows.positives) + rows.positives * rows.wins) / positives
    value = float((rows.positives * beaten).sum() / positives)
    variance = _variance(beaten, rows.positives) / positives + _variance(beating, rows.negatives) / negatives
    if value in (0.0, 1.0):
        variance = math.nan
    number = estimate("roc_auc", value, variance, outcomes.scored, "low", method, lowest=0.0, highest=1.0)
    pairs = np.where(rows.tied, 0.0, rows.negatives / negatives * (rows.positives / positives))
    return _widened(number, float((pairs * rows.wins).sum()), float((pairs * (1 - rows.wins)).sum()))


def _widened(number: Measurement, below: float, above: float) -> Measurement:
    """An area that the order within crowded bins may bring lower by `below` and higher by `above`.

    The standard error remains what sampling alone gives.
    """
    if below + above > MOST_UNKNOWN:
        why = f"the order within crowded score bins may move it by {below + above:.2g}"
        method = f"{number.method}; undefined: the scores are too close together for the state, {why}"
        return undefined(number.name, number.rows, number.direction, method)
    if number.low is None or number.high is None:
        return number
    return replace(number, low=max(number.low - below, 0.0), high=min(number.high + above, 1.0))


def _variance(values: FloatArray, weights: FloatArray) -> float:
    n = weights.sum()
    if n < 2:
        return math.nan
    mean = (values * weights).sum() / n
    return float(((values - mean) ** 2 * weights).sum() / (n - 1))


def average_precision(outcomes: OutcomeProfile) -> Measurement:
    """Average precision: the mean, over positives, of the precision at their score.

    What scikit-learn calls `average_precision_score`. After T rows with P positives among them, a block of n rows
    with m positives in any order gives, on average, with b = (m − 1) / (n − 1) and H the harmonic numbers,

        m / n · [ b n + (P + 1 − b (T + 1)) (H(T + n) − H(T)) ]

    because the j-th row of the block is a positive with probability m / n, and then (j − 1) b of those before it
    are, too. The variance is that of the functional's influence function.

    >>> scores = np.array([0.1, 0.4, 0.35, 0.8])
    >>> labels = np.array([False, False, True, True])
    >>> round(average_precision(OutcomeProfile.of(scores, scores >= 0.5, labels)).value, 4)  # (1 + 2/3) / 2
    0.8333
    """
    method = "average precision: area under the precision-recall curve by steps, logit interval"
    rows = _descending(ranked(outcomes))
    return _precision_area("average_precision", rows, _step_gain(rows), _step_bounds(rows), outcomes.scored, method)


def pr_auc(outcomes: OutcomeProfile) -> Measurement:
    """Area under the precision-recall curve by the trapezoid rule, from recall 0 with precision 1.

    What scikit-learn's `auc(recall, precision)` gives on its `precision_recall_curve`. It is somewhat kinder than
    the average precision, because it joins points of the curve by straight lines (Davis and Goadrich, The
    relationship between precision-recall and ROC curves, ICML 2006). The average over orders is that of
    `average_precision`, with the mean of the precisions at and just before each positive.

    >>> scores = np.array([0.1, 0.4, 0.35, 0.8])
    >>> labels = np.array([False, False, True, True])
    >>> round(pr_auc(OutcomeProfile.of(scores, scores >= 0.5, labels)).value, 4)
    0.7917
    """
    method = "area under the precision-recall curve by trapezoids, logit interval"
    rows = _descending(ranked(outcomes))
    return _precision_area("pr_auc", rows, _trapezoid_gain(rows), _trapezoid_bounds(rows), outcomes.scored, method)


@dataclass(frozen=True, eq=False)
class _Descending:
    """Blocks from the best score down, each with what came before it; all of shape (k,)."""

    positives: FloatArray
    rows: FloatArray
    tied: BoolArray
    positives_before: FloatArray
    rows_before: FloatArray


def _descending(blocks: Ranked) -> _Descending:
    positives, rows = blocks.positives[::-1], (blocks.positives + blocks.negatives)[::-1]
    return _Descending(positives, rows, blocks.tied[::-1], np.cumsum(positives) - positives, np.cumsum(rows) - rows)


def _step_gain(b: _Descending) -> FloatArray:
    """Sum of the precisions at the positives of each block, on average over the orders of its rows."""
    tied = b.positives * (b.positives_before + b.positives) / (b.rows_before + b.rows)
    among = (b.positives - 1) / np.maximum(b.rows - 1, 1)
    growth = harmonic_growth(b.rows_before, b.rows)
    spread = among * b.rows + (b.positives_before + 1 - among * (b.rows_before + 1)) * growth
    return np.where(b.tied, tied, b.positives / b.rows * spread)


def _trapezoid_gain(b: _Descending) -> FloatArray:
    """As `_step_gain`, of the mean of the precisions at each positive and just before it."""
    before = _precision(b.positives_before, b.rows_before)
    after = (b.positives_before + b.positives) / (b.rows_before + b.rows)
    among = (b.positives - 1) / np.maximum(b.rows - 1, 1)
    # the precisions before each row: the same sum over rows T to T + n - 1, with precision 1 before the very first
    start = np.maximum(b.rows_before, 1)
    growth = harmonic_growth(start - 1, b.rows)
    spread = among * b.rows + np.where(
        b.rows_before > 0, (b.positives_before - among * b.rows_before) * growth, 1 - among
    )
    return np.where(b.tied, b.positives * (before + after) / 2, (b.positives / b.rows * spread + _step_gain(b)) / 2)


def _step_bounds(b: _Descending) -> tuple[FloatArray, FloatArray]:
    """The least and the most that `_step_gain` is for any order of a block's rows, with any of them tied.

    After T rows, P of them positive, and k negatives, the precision at the j-th positive is at least
    (P + j) / (T + k + j). With k all the block's negatives that adds up to the least. It is the most if the block's
    positives are tied, with all negatives after them.
    """
    worse = b.rows_before + b.rows - b.positives
    least = b.positives + (b.positives_before - worse) * harmonic_growth(worse, b.positives)
    most = b.positives * _precision(b.positives_before + b.positives, b.rows_before + b.positives)
    return least, most


def _trapezoid_bounds(b: _Descending) -> tuple[FloatArray, FloatArray]:
    """As `_step_bounds`, of `_trapezoid_gain`.

    The precision is a concave function of j, so chords are below it: the least is that of tied positives after all
    negatives, and the most that of positives all apart before all negatives.
    """
    worse, end = b.rows_before + b.rows - b.positives, b.positives_before + b.positives
    least = b.positives * (_precision(b.positives_before, worse) + _precision(end, worse + b.positives)) / 2
    steps = b.positives + (b.positives_before - b.rows_before) * harmonic_growth(b.rows_before, b.positives)
    first, last = _precision(b.positives_before, b.rows_before), _precision(end, b.rows_before + b.positives)
    return least, steps + (first - last) / 2


def _precision(positives: FloatArray, rows: FloatArray) -> FloatArray:
    """Share of positives, 1 where there are no rows yet."""
    return np.asarray(np.where(rows > 0, positives / np.maximum(rows, 1), 1.0))


def harmonic_growth(start: FloatArray, more: FloatArray) -> FloatArray:
    """H(start + more) − H(start), the sum of 1 / (start + j) for j from 1 to more.

    Args:
        start: Shape (k,), whole numbers, at least 0.
        more: Shape (k,), whole numbers, at least 0.

    >>> harmonic_growth(np.array([1.0]), np.array([2.0])).round(4).tolist()  # 1/2 + 1/3
    [0.8333]
    """
    # H(x) is Euler's constant + ln(x + 1/2) + 1/24 (x + 1/2)^-2 - 7/960 (x + 1/2)^-4 + ...; the logarithms are
    # subtracted as one
    far = np.log1p(more / (start + 0.5)) + _correction(start + more) - _correction(start)
    place = np.minimum(start, _SERIES - 1).astype(np.int64)
    end = start + more
    small = _HARMONIC[np.minimum(end, _SERIES - 1).astype(np.int64)]
    near = np.where(end < _SERIES, small, np.log(end + 0.5) + _correction(end)) - _HARMONIC[place]
    return np.where(start < _SERIES, near, far)


def _correction(x: FloatArray) -> FloatArray:
    square = (x + 0.5) ** -2
    return np.asarray(square / 24 - 7 / 960 * square * square)


def _precision_area(
    name: str, b: _Descending, gain: FloatArray, bounds: tuple[FloatArray, FloatArray], rows: int, method: str
) -> Measurement:
    """An area under the precision-recall curve.

    Its influence function: a row with label y and score x moves the area by
    [y A(x)/M(x) + y E(1/M; x' ≤ x) − E(A/M²; x' ≤ x) − y area] / rate, where A and M are the shares of positives
    and of rows at or above a score, and the expectations are over positives that score no higher. Rows of one block
    are taken at its middle.
    """
    positives, n = b.positives.sum(), b.rows.sum()
    if not positives:
        return undefined(name, rows, "low", method)
    value = min(float(gain.sum() / positives), 1.0)
    share = (b.positives_before + b.positives / 2) / n
    mass = (b.rows_before + b.rows / 2) / n
    first, second = _at_or_below(b.positives / n / mass), _at_or_below(b.positives / n * share / mass**2)
    rate = positives / n
    of_positive, of_negative = (share / mass + first - second - value) / rate, -second / rate
    squares = (b.positives * of_positive**2 + (b.rows - b.positives) * of_negative**2).sum()
    variance = float(squares / (n - 1) / n) if n > 1 and positives > 1 else math.nan
    # rounding must not turn bounds around
    below, above = (
        float(np.where(b.tied, 0.0, np.maximum(x, 0.0)).sum() / positives) for x in (gain - bounds[0], bounds[1] - gain)
    )
    return _widened(area(name, value, variance, rows, "low", method), below, above)


def _at_or_below(x: FloatArray) -> FloatArray:
    """Sums over blocks with a lower score, and half of the own block; blocks descend."""
    return np.asarray(np.cumsum(x[::-1])[::-1] - x / 2)


def roc_curve(outcomes: OutcomeProfile) -> tuple[FloatArray, FloatArray, FloatArray]:
    """False-positive rate, true-positive rate and score, from no row predicted positive to all of them.

    Returns:
        Three arrays of shape (k + 1,); the first score is infinite. Rates are NaN without a row of their class.

    >>> scores = np.array([0.2, 0.6, 0.7])
    >>> curve = roc_curve(OutcomeProfile.of(scores, scores > 0.5, np.array([False, False, True])))
    >>> [x.round(2).tolist() for x in curve]
    [[0.0, 0.0, 0.5, 1.0], [0.0, 1.0, 1.0, 1.0], [inf, 0.7, 0.6, 0.2]]
    """
    rows = ranked(outcomes)
    false, true = (np.concatenate([[0.0], np.cumsum(x[::-1])]) for x in (rows.negatives, rows.positives))
    with np.errstate(invalid="ignore"):
        return false / false[-1], true / true[-1], np.concatenate([[np.inf], rows.scores[::-1]])


def precision_recall_curve(outcomes: OutcomeProfile) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Precision, recall and score, from no row predicted positive, where precision counts as 1, to all of them.

    Returns:
        Three arrays of shape (k + 1,); the first score is infinite. Recall is NaN without positives.

    >>> scores = np.array([0.2, 0.6, 0.7])
    >>> curve = precision_recall_curve(OutcomeProfile.of(scores, scores > 0.5, np.array([False, True, True])))
    >>> [x.round(2).tolist() for x in curve]
    [[1.0, 1.0, 1.0, 0.67], [0.0, 0.5, 1.0, 1.0], [inf, 0.7, 0.6, 0.2]]
    """
    blocks = ranked(outcomes)
    rows, true = np.cumsum((blocks.positives + blocks.negatives)[::-1]), np.cumsum(blocks.positives[::-1])
    found = true[-1] if len(true) else 0.0
    with np.errstate(invalid="ignore"):
        recall = np.concatenate([[0.0], true]) / found
    return np.concatenate([[1.0], true / rows]), recall, np.concatenate([[np.inf], blocks.scores[::-1]])
