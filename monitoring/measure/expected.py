"""The performance numbers of rows whose labels are known only by their probability, and how they move with labels.

Rows are in cells, by score and prediction. Of each cell the rows are known and the positives are expected. Every number
is a smooth function of the positives of all cells. It is computed together with its gradient, from which the spread of
the number follows by the delta method. Labels of single rows are taken as independent, given their rates: areas count
pairs of rows, so the expectation of a product of two counts is that of the counts plus their covariance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Self

import numpy as np

from monitoring.measure.measurement import Direction
from monitoring.measure.ranking import harmonic_growth
from monitoring.profile import scores as grid
from monitoring.profile.fixed_point import BoolArray, FloatArray
from monitoring.profile.outcomes import LEAST_PROBABILITY
from monitoring.profile.score_counts import ScoreProfile


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows by score and prediction; the last cell along the first axis is for rows without a score.

    Attributes:
        scores: Score of each block of rows, ascending, shape (k,).
        tied: Whether the block's rows have one score, so that no order of them is known, shape (k,).
        rows: Rows by block and prediction, shape (k + 1, 2), whole numbers as floats.
        positives: Expected positive labels among them, shape (k + 1, 2).
        rates: The rate of those whose label is not known, shape (k + 1, 2).
        waiting: Rows whose label is not known, shape (k + 1, 2).
    """

    scores: FloatArray
    tied: BoolArray
    rows: FloatArray
    positives: FloatArray
    rates: FloatArray
    waiting: FloatArray

    @classmethod
    def unlabelled(cls, scores: ScoreProfile, rates: FloatArray) -> Self:
        """Rows without labels, that have these rates, shape (k + 1, 2)."""
        rows = np.concatenate([scores.rows, scores.unscored[None]]).astype(np.float64)
        return cls(mean_scores(scores), _tied(scores), rows, rows * rates, rates, rows)

    @cached_property
    def block_rows(self) -> FloatArray:
        """Rows of each block, shape (k,)."""
        return _of_block(self.rows)

    @cached_property
    def block_positives(self) -> FloatArray:
        """Expected positive labels of each block, shape (k,)."""
        return _of_block(self.positives)

    @cached_property
    def variances(self) -> FloatArray:
        """The variance of the positives of each block, shape (k,)."""
        return _of_block(self.waiting * self.rates * (1 - self.rates))

    @cached_property
    def slopes(self) -> FloatArray:
        """How the variance of a block moves with the positives of a cell, shape (k, 2)."""
        return np.asarray(1 - 2 * self.rates[:-1])


@dataclass(frozen=True, eq=False)
class Expectation:
    """An expected number.

    Attributes:
        name: What it is.
        value: The number, None where these rows do not define it.
        gradient: How it moves with the positives of each cell, shape (k + 1, 2).
        rows: Rows that it is about.
        direction: The side that is bad.
        method: How it is computed from labels.
        lowest: The lowest that it can be, whatever the labels are.
        highest: The highest that it can be.
    """

    name: str
    value: float | None
    gradient: FloatArray
    rows: float
    direction: Direction
    method: str
    lowest: float = -math.inf
    highest: float = math.inf


def _of_block(x: FloatArray) -> FloatArray:
    # many times as fast as a sum along an axis of two
    return np.asarray(x[:-1, 0] + x[:-1, 1])


def mean_scores(scores: ScoreProfile) -> FloatArray:
    """The mean score of the rows of each bin, shape (k,).

    >>> mean_scores(ScoreProfile.of(np.array([0.3, 0.3, 0.8]), np.array([False, False, True]))).round(3).tolist()
    [0.3, 0.8]
    """
    mean = (scores.places[:, 0] + scores.places[:, 1]) / (scores.rows[:, 0] + scores.rows[:, 1])
    return grid.score_at(scores.bins, np.clip(mean, 0, grid.PLACES - 1))


def _tied(scores: ScoreProfile) -> BoolArray:
    """Bins whose rows are taken to have one score.

    Then the mean place of both predictions is the same whole number. That it is so by chance is rare in a bin of many
    rows, and changes little in one of few.
    """
    whole = (scores.places[:, 0] + scores.places[:, 1]) // (scores.rows[:, 0] + scores.rows[:, 1])
    at_whole = scores.places == scores.rows * whole[:, None]
    return np.asarray(at_whole[:, 0] & at_whole[:, 1])


def expectations(cells: Cells) -> Iterator[Expectation]:
    """Every number of two classes, in the order of `performance`, but for the calibration errors.

    Those are distances: they have a kink where a group is calibrated, and no gradient there.
    """
    for measure in _MEASURES:
        yield measure(cells)


def _undefined(name: str, rows: float, direction: Direction, method: str, cells: Cells) -> Expectation:
    return Expectation(name, None, np.zeros_like(cells.rows), rows, direction, method)


def base_rate(cells: Cells) -> Expectation:
    """Share of positive labels."""
    n, method = float(cells.rows.sum()), "share of positive labels"
    if not n:
        return _undefined("base_rate", n, "both", method, cells)
    value = float(cells.positives.sum()) / n
    return Expectation("base_rate", value, np.full_like(cells.rows, 1 / n), n, "both", method, 0.0, 1.0)


def _of_scored(
    name: str, direction: Direction, method: str, if_negative: FloatArray, if_positive: FloatArray, cells: Cells
) -> Expectation:
    """A mean over scored rows of what each adds if its label is negative, and if it is positive; shape (k,)."""
    rows, gradient = cells.block_rows, np.zeros_like(cells.rows)
    n = float(rows.sum())
    if not n:
        return _undefined(name, n, direction, method, cells)
    more = if_positive - if_negative
    gradient[:-1] = more[:, None] / n
    base = float(rows @ if_negative)
    value = (base + float(cells.block_positives @ more)) / n
    least, most = base + float(rows @ np.minimum(more, 0)), base + float(rows @ np.maximum(more, 0))
    return Expectation(name, value, gradient, n, direction, method, least / n, most / n)


def mean_score(cells: Cells) -> Expectation:
    """Mean score, which no label changes."""
    return _of_scored("mean_score", "both", "mean score", cells.scores, cells.scores, cells)


def calibration(cells: Cells) -> Expectation:
    """Mean score minus rate of positive labels."""
    method = "mean score minus rate of positive labels"
    return _of_scored("calibration", "both", method, cells.scores, cells.scores - 1, cells)


def brier(cells: Cells) -> Expectation:
    """Brier score."""
    method = "Brier score: mean squared error of the probability"
    return _of_scored("brier", "high", method, cells.scores**2, (1 - cells.scores) ** 2, cells)


def log_loss(cells: Cells) -> Expectation:
    """Mean of −ln of the probability that was given to what happened."""
    negative, positive = (-np.log(np.maximum(x, LEAST_PROBABILITY)) for x in (1 - cells.scores, cells.scores))
    return _of_scored("log_loss", "high", "log loss, natural logarithm", negative, positive, cells)


def brier_skill(cells: Cells) -> Expectation:
    """1 − Brier / Brier of always predicting the rate.

    By chance the rate of n rows varies, which takes the variance of the rate from the expectation of r (1 − r).
    """
    method = "Brier skill score against the window's own rate"
    loss = brier(cells)
    rate = float(cells.block_positives.sum()) / loss.rows if loss.rows else 0.0
    slope = np.zeros_like(cells.rows)
    if loss.value is None or not loss.rows > 1:
        return _undefined("brier_skill", loss.rows, "low", method, cells)
    constant = rate * (1 - rate) - float(cells.variances.sum()) / loss.rows**2
    if not constant > 0:
        return _undefined("brier_skill", loss.rows, "low", method, cells)
    slope[:-1] = (1 - 2 * rate) / loss.rows - cells.slopes / loss.rows**2
    gradient = -loss.gradient / constant + loss.value / constant**2 * slope
    return Expectation("brier_skill", 1 - loss.value / constant, gradient, loss.rows, "low", method, highest=1.0)


def roc_auc(cells: Cells) -> Expectation:
    """Area under the ROC curve, rows of one block count half: pairs that are won over pairs that there are."""
    method = "ROC AUC"
    rows, positives = cells.block_rows, cells.block_positives
    n, found, variances, slopes = float(rows.sum()), float(positives.sum()), cells.variances, cells.slopes
    negatives = rows - positives
    pairs = found * (n - found) - float(variances.sum())
    if not pairs > 0:
        return _undefined("roc_auc", n, "low", method, cells)
    below, above = np.cumsum(negatives) - negatives, found - np.cumsum(positives)
    won = float(positives @ below) + float((positives * negatives - variances).sum()) / 2
    value = won / pairs
    gradient = np.zeros_like(cells.rows)
    of_won = (below - above + (negatives - positives) / 2)[:, None] - slopes / 2
    gradient[:-1] = (of_won - value * (n - 2 * found - slopes)) / pairs
    return Expectation("roc_auc", value, gradient, n, "low", method, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _Gains:
    """Sums of the precisions at the positives of each block, and how they move.

    Attributes:
        sums: Shape (k,).
        own: How a block's sum moves with the positives of each of its cells, shape (k, 2).
        later: How a block's sum moves with the positives of better blocks, shape (k,).
    """

    sums: FloatArray
    own: FloatArray
    later: FloatArray


@dataclass(frozen=True, eq=False)
class _Descending:
    """Blocks from the best score down, each with what came before it, and its pairs; shapes (k,) and (k, 2)."""

    positives: FloatArray
    rows: FloatArray
    tied: BoolArray
    positives_before: FloatArray
    rows_before: FloatArray
    pairs: FloatArray
    pair_slopes: FloatArray

    @classmethod
    def of(cls, cells: Cells) -> _Descending:
        rows, positives = (np.ascontiguousarray(x[::-1]) for x in (cells.block_rows, cells.block_positives))
        # expected number of ordered pairs of positives
        pairs = np.maximum(positives**2 - positives + cells.variances[::-1], 0.0)
        slopes = 2 * positives[:, None] - 1 + cells.slopes[::-1]
        before = np.cumsum(positives) - positives, np.cumsum(rows) - rows
        return cls(positives, rows, cells.tied[::-1], *before, pairs, slopes)


def _step_gains(b: _Descending) -> _Gains:
    """Precision at each positive: see `ranking.average_precision` for the sum over rows in any order."""
    growth = harmonic_growth(b.rows_before, b.rows)
    others = np.maximum(b.rows - 1, 1)
    among = b.pairs / others
    end = b.rows_before + b.rows
    spread = among + (b.positives * (b.positives_before + 1) - among * (b.rows_before + 1)) * growth / b.rows
    # how the pairs count
    of_pairs = (1 - (b.rows_before + 1) * growth / b.rows) / others
    own = of_pairs[:, None] * b.pair_slopes + ((b.positives_before + 1) * growth / b.rows)[:, None]
    tied = (b.positives * (b.positives_before + 1) + b.pairs) / end
    own_tied = (b.pair_slopes + b.positives_before[:, None] + 1) / end[:, None]
    return _Gains(
        np.where(b.tied, tied, spread),
        np.where(b.tied[:, None], own_tied, own),
        np.where(b.tied, b.positives / end, b.positives * growth / b.rows),
    )


def _previous_gains(b: _Descending) -> _Gains:
    """Precision just before each positive; it is 1 before the very first row."""
    first = b.rows_before == 0
    start = np.maximum(b.rows_before, 1)
    growth = np.where(first, 0.0, harmonic_growth(start - 1, b.rows))
    among = b.pairs / np.maximum(b.rows - 1, 1)
    # before the very first row, 1 for its positive and nothing for the pairs that would come before it
    spread = (
        among
        + np.where(first, b.positives - among, (b.positives * b.positives_before - among * b.rows_before) * growth)
        / b.rows
    )
    of_pairs = (1 - np.where(first, 1.0, b.rows_before * growth) / b.rows) / np.maximum(b.rows - 1, 1)
    per_positive = np.where(first, 1.0, b.positives_before * growth) / b.rows
    own = of_pairs[:, None] * b.pair_slopes + per_positive[:, None]
    before = np.where(first, 1.0, b.positives_before / start)
    return _Gains(
        np.where(b.tied, b.positives * before, spread),
        np.where(b.tied[:, None], before[:, None], own),
        np.where(first, 0.0, np.where(b.tied, b.positives / start, b.positives * growth / b.rows)),
    )


def _precision_area(name: str, method: str, cells: Cells, gains: list[_Gains]) -> Expectation:
    found, n = float(cells.block_positives.sum()), float(cells.block_rows.sum())
    if not found > 0:
        return _undefined(name, n, "low", method, cells)
    share = 1 / len(gains)
    value = min(share * sum(float(gain.sums.sum()) for gain in gains) / found, 1.0)
    gradient = np.zeros_like(cells.rows)
    for gain in gains:
        # what comes after, in descending order
        after = gain.later.sum() - np.cumsum(gain.later)
        gradient[:-1] += share * (gain.own + after[:, None])[::-1]
    gradient[:-1] = (gradient[:-1] - value) / found
    return Expectation(name, value, gradient, n, "low", method, 0.0, 1.0)


def average_precision(cells: Cells) -> Expectation:
    """Average precision: the mean, over positives, of the precision at their score."""
    method = "average precision: area under the precision-recall curve by steps"
    return _precision_area("average_precision", method, cells, [_step_gains(_Descending.of(cells))])


def pr_auc(cells: Cells) -> Expectation:
    """Area under the precision-recall curve by the trapezoid rule."""
    method = "area under the precision-recall curve by trapezoids"
    blocks = _Descending.of(cells)
    return _precision_area("pr_auc", method, cells, [_step_gains(blocks), _previous_gains(blocks)])


def accuracy(cells: Cells) -> Expectation:
    """Share of rows that were predicted right."""
    n, method = float(cells.rows.sum()), "share of predictions that came true"
    if not n:
        return _undefined("accuracy", n, "low", method, cells)
    (all_negative, _), (missed, hit) = cells.rows.sum(axis=0), cells.positives.sum(axis=0)
    gradient = np.broadcast_to(np.array([-1.0, 1.0]) / n, cells.rows.shape)
    return Expectation("accuracy", float(all_negative - missed + hit) / n, gradient, n, "low", method, 0.0, 1.0)


def _ratio(name: str, method: str, cells: Cells, weight: float, *, predicted: bool, rows: float) -> Expectation:
    """(w + u) TP / (w P + u Q), of TP positives among Q positive predictions, and P positives; u is 1 or 0."""
    unit = float(predicted)
    _, hit = cells.positives.sum(axis=0).tolist()
    below = weight * float(cells.positives.sum()) + unit * float(cells.rows[:, 1].sum())
    if not below > 0:
        return _undefined(name, rows, "low", method, cells)
    value = (weight + unit) * hit / below
    of_prediction = np.array([-weight * value, weight + unit - weight * value]) / below
    gradient = np.broadcast_to(of_prediction, cells.rows.shape)
    return Expectation(name, value, gradient, rows, "low", method, 0.0, 1.0)


def precision(cells: Cells) -> Expectation:
    """Share of positive labels among positive predictions."""
    method = "precision: share of positive predictions that came true"
    return _ratio("precision", method, cells, 0.0, predicted=True, rows=float(cells.rows[:, 1].sum()))


def recall(cells: Cells) -> Expectation:
    """Share of positive predictions among positive labels."""
    method = "recall: share of positive labels that were predicted"
    return _ratio("recall", method, cells, 1.0, predicted=False, rows=float(cells.positives.sum()))


def f_beta(cells: Cells, beta: float) -> Expectation:
    """F-beta of precision and recall."""
    name, method = f"f{beta:g}".replace(".", "_"), f"F{beta:g} of precision and recall"
    return _ratio(name, method, cells, beta * beta, predicted=True, rows=float(cells.rows.sum()))


_MEASURES: tuple[Callable[[Cells], Expectation], ...] = (
    base_rate,
    mean_score,
    calibration,
    brier,
    brier_skill,
    log_loss,
    roc_auc,
    average_precision,
    pr_auc,
    accuracy,
    precision,
    recall,
    partial(f_beta, beta=0.5),
    partial(f_beta, beta=1.0),
    partial(f_beta, beta=2.0),
)
