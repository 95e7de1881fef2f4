"""What probabilities and predictions of two classes are worth: everything but the ranking."""

from __future__ import annotations

import math

import numpy as np

from monitoring.measure.intervals import (
    Z95,
    estimate,
    mean_of,
    proportion,
    ratio,
    sample_variance,
    undefined,
)
from monitoring.measure.measurement import Measurement
from monitoring.measure.ranking import Ranked, ranked
from monitoring.profile import scores as grid
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.outcomes import OutcomeProfile

# The grid has bin edges at all multiples of 1/16, so that groups of equal width need no approximation
GROUPS = 16
_FOLDED = math.sqrt(2 / math.pi)


def base_rate(outcomes: OutcomeProfile) -> Measurement:
    """Share of positive labels among labelled rows, Wilson's interval."""
    positives = int(outcomes.confusion[:, 1].sum())
    return proportion("base_rate", positives, outcomes.rows, "both", "share of positive labels")


def mean_score(outcomes: OutcomeProfile) -> Measurement:
    """Mean score of labelled rows, normal interval."""
    total, squares = sum(outcomes.total("score")), sum(outcomes.total("score_squared"))
    return mean_of("mean_score", total, squares, outcomes.scored, "both", "mean score of labelled rows")


def calibration(outcomes: OutcomeProfile) -> Measurement:
    """Mean score minus rate of positive labels: below 0, more came true than was predicted. Normal interval.

    >>> outcomes = OutcomeProfile.of(np.array([0.25, 0.75]), np.array([False, True]), np.array([True, True]))
    >>> calibration(outcomes).value
    -0.5
    """
    difference = sum(outcomes.total("score")) - outcomes.labels[1]
    # the squared residual is the squared error
    squares = sum(outcomes.total("error2"))
    method = "mean score minus rate of positive labels"
    return mean_of("calibration", difference, squares, outcomes.scored, "both", method)


def brier(outcomes: OutcomeProfile) -> Measurement:
    """Brier score, the mean of (score − label)², normal interval.

    Brier, Verification of forecasts expressed in terms of probability, Mon. Weather Rev. 78, 1950.

    >>> outcomes = OutcomeProfile.of(np.array([0.25, 0.75]), np.array([False, True]), np.array([True, True]))
    >>> brier(outcomes).value  # (0.5625 + 0.0625) / 2
    0.3125
    """
    total, squares = sum(outcomes.total("error2")), sum(outcomes.total("error4"))
    method = "Brier score: mean squared error of the probability"
    return mean_of("brier", total, squares, outcomes.scored, "high", method, lowest=0.0)


def brier_skill(outcomes: OutcomeProfile) -> Measurement:
    """1 − Brier / Brier of always predicting the rate: 0 is no better than the average, negative is worse.

    Murphy, Skill scores based on the mean square error, Mon. Weather Rev. 116, 1988; the interval is the delta
    method's: the skill moves with a row's loss L and label y as −L / c + B (1 − 2r) y / c², c = r (1 − r).

    >>> outcomes = OutcomeProfile.of(np.array([0.25, 0.75]), np.array([False, True]), np.array([False, True]))
    >>> brier_skill(outcomes).value  # 1 - 0.0625 / 0.25
    0.75
    """
    method = "Brier skill score against the window's own rate"
    n, positives = outcomes.scored, outcomes.labels[1]
    rate = positives / n if n else 0.0
    constant = rate * (1 - rate)
    if not constant:
        return undefined("brier_skill", n, "low", method)
    of_negatives, of_positives = outcomes.total("error2")
    total = of_negatives + of_positives
    loss = total / n
    slope = loss * (1 - 2 * rate) / constant**2
    spread = sample_variance(total, sum(outcomes.total("error4")), n)
    together = (of_positives - total * rate) / (n - 1)
    of_rate = constant * n / (n - 1)
    variance = spread / constant**2 + slope**2 * of_rate - 2 * slope / constant * together
    return estimate("brier_skill", 1 - loss / constant, variance / n, n, "low", method)


def log_loss(outcomes: OutcomeProfile) -> Measurement:
    """Mean of −ln of the probability that was given to what happened, at least 2^-52; normal interval.

    >>> outcomes = OutcomeProfile.of(np.array([0.5, 0.25]), np.array([True, False]), np.array([True, True]))
    >>> round(log_loss(outcomes).value, 4)  # 1.5 ln 2
    1.0397
    """
    total, squares = sum(outcomes.total("log_loss")), sum(outcomes.total("log_loss_squared"))
    method = "log loss, natural logarithm"
    return mean_of("log_loss", total, squares, outcomes.scored, "high", method, lowest=0.0)


def accuracy(outcomes: OutcomeProfile) -> Measurement:
    """Share of labelled rows that were predicted right, Wilson's interval."""
    right = int(np.trace(outcomes.confusion))
    return proportion("accuracy", right, outcomes.rows, "low", "share of predictions that came true")


def precision(outcomes: OutcomeProfile) -> Measurement:
    """Share of positive labels among positive predictions, Wilson's interval."""
    predicted = outcomes.confusion[1]
    method = "precision: share of positive predictions that came true"
    return proportion("precision", int(predicted[1]), int(predicted.sum()), "low", method)


def recall(outcomes: OutcomeProfile) -> Measurement:
    """Share of positive predictions among positive labels, Wilson's interval."""
    positive = outcomes.confusion[:, 1]
    method = "recall: share of positive labels that were predicted"
    return proportion("recall", int(positive[1]), int(positive.sum()), "low", method)


def f_beta(outcomes: OutcomeProfile, beta: float) -> Measurement:
    """F-beta: the mean of precision and recall, in which recall weighs beta² times as much as precision.

    (1 + β²) TP / D with D = (1 + β²) TP + β² FN + FP (van Rijsbergen, Information Retrieval, 1979). By the delta
    method on the counts its variance is [TP ((1 + β²)(1 − F))² + FP F² + FN (β² F)²] / D²; the interval is that of
    a share that varies as much.

    >>> predicted, actual = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    >>> round(f_beta(OutcomeProfile.of(predicted * 0.5, predicted, actual), 1.0).value, 4)  # 2 · 2 / (4 + 1 + 1)
    0.6667
    """
    (_, fn), (fp, tp) = outcomes.confusion.tolist()
    name, method = f"f{beta:g}".replace(".", "_"), f"F{beta:g} of precision and recall"
    weight = beta * beta
    found = (1 + weight) * tp + weight * fn + fp
    if not found:
        return undefined(name, outcomes.rows, "low", method)
    value = (1 + weight) * tp / found
    squares = tp * ((1 + weight) * (1 - value)) ** 2 + fp * value**2 + fn * (weight * value) ** 2
    return ratio(name, value, squares / found**2, outcomes.rows, "low", method, at_most=tp + fp + fn)


def expected_calibration_error(outcomes: OutcomeProfile) -> Measurement:
    """Expected calibration error: |mean score − rate| in 16 groups of equal width, weighted by their rows.

    Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015. Where
    nearly all scores are in one group, as those of rare events are, look at `adaptive_calibration_error`.

    >>> outcomes = OutcomeProfile.of(np.array([0.2, 0.9]), np.array([False, True]), np.array([False, True]))
    >>> round(expected_calibration_error(outcomes).value, 4)  # (0.2 + 0.1) / 2
    0.15
    """
    rows = ranked(outcomes)
    group = np.minimum((grid.bin_middles(rows.bins) * GROUPS).astype(np.int64), GROUPS - 1)
    method = f"mean distance of score and rate in {GROUPS} groups of equal width"
    return _calibration_error("expected_calibration_error", rows, group, method)


def adaptive_calibration_error(outcomes: OutcomeProfile) -> Measurement:
    """Adaptive calibration error: as `expected_calibration_error`, in 16 groups of about equally many rows.

    Nixon et al., Measuring calibration in deep learning, CVPR workshops 2019. Rows of one score stay together.

    >>> outcomes = OutcomeProfile.of(np.array([0.001, 0.003]), np.array([False] * 2), np.array([False, True]))
    >>> round(adaptive_calibration_error(outcomes).value, 4)  # (0.001 + 0.997) / 2
    0.499
    """
    method = f"mean distance of score and rate in {GROUPS} groups of equally many rows"
    rows = ranked(outcomes)
    return _calibration_error("adaptive_calibration_error", rows, equal_groups(rows), method)


def equal_groups(rows: Ranked, groups: int = GROUPS) -> IntArray:
    """The group of each block of rows, so that groups have about equally many, shape (k,)."""
    sizes = rows.negatives + rows.positives
    middle = np.cumsum(sizes) - sizes / 2
    return np.asarray((middle / max(sizes.sum(), 1) * groups).astype(np.int64))


def calibration_curve(rows: Ranked, group: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean score, rate of positive labels and rows of each group that has rows.

    Args:
        rows: Blocks of rows.
        group: The group of each of them, ascending, shape (k,).

    Returns:
        Three arrays of shape (groups,), by ascending score.
    """
    sizes = rows.negatives + rows.positives
    count, score, positives = (_by_group(group, x) for x in (sizes, sizes * rows.scores, rows.positives))
    kept = count > 0
    return score[kept] / count[kept], positives[kept] / count[kept], count[kept]


def _by_group(group: IntArray, x: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(group, x), np.float64)


def _calibration_error(name: str, blocks: Ranked, group: IntArray, method: str) -> Measurement:
    """A weighted mean of |mean score − rate| over groups.

    Chance alone makes it positive: a group that is calibrated is off by √(2/π) σ on average, σ² = p (1 − p) / n.
    The interval's lower end takes that much off each group, and is 0 where nothing is left. Its width is that of
    independent folded normal variables.
    """
    if not len(blocks.scores):
        return undefined(name, 0, "high", method)
    score, rate, rows = calibration_curve(blocks, group)
    weight = rows / rows.sum()
    off = np.abs(score - rate)
    # a group without positives is not sure to have none: one more row of each class
    smooth = (rate * rows + 1) / (rows + 2)
    sigma = np.sqrt(smooth * (1 - smooth) / rows)
    chance = np.array([_folded_mean(d, s) for d, s in zip(off, sigma, strict=True)])
    error = math.sqrt(float(weight**2 @ np.maximum(off**2 + sigma**2 - chance**2, 0)))
    value = float(weight @ off)
    noise = float(weight @ (_FOLDED * sigma))
    at_least = float(weight @ np.maximum(off - _FOLDED * sigma, 0))
    low, high = max(at_least - Z95 * error, 0.0), min(value + Z95 * error, 1.0)
    return Measurement(name, value, int(rows.sum()), "high", method, low, high, standard_error=error, noise=noise)


def _folded_mean(mean: float, sigma: float) -> float:
    """The mean of |x| for a normal x."""
    z = mean / sigma
    return sigma * _FOLDED * math.exp(-z * z / 2) + mean * math.erf(z / math.sqrt(2))
