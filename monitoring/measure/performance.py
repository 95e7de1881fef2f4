"""How well scores met labels: binary classification, exact, from outcome profiles."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from monitoring.measure.measurement import Direction, Measurement
from monitoring.profile.outcomes import FloatArray, OutcomeProfile

Z95 = 1.959963984540054
_CLIP = 1e-15


def performance(outcomes: OutcomeProfile, threshold: float) -> dict[str, Measurement]:
    """Every performance number of a binary classifier.

    Args:
        outcomes: Labelled rows by score.
        threshold: A score at or above it counts as positive.

    Returns:
        By name: `base_rate`, `mean_score`, `calibration`, `brier`, `brier_skill`, `log_loss`, `roc_auc`,
        `accuracy`, `precision`, `recall`, `f1`. A number that these rows do not define has value None.

    >>> outcomes = OutcomeProfile.of(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    >>> numbers = performance(outcomes, 0.5)
    >>> numbers["roc_auc"].value, round(numbers["brier"].value, 6)
    (0.75, 0.158125)
    """
    numbers = [
        _base_rate(outcomes),
        _mean_score(outcomes),
        _calibration(outcomes),
        _brier(outcomes),
        _brier_skill(outcomes),
        _log_loss(outcomes),
        roc_auc(outcomes),
        *_confusion(outcomes, threshold),
    ]
    return {number.name: number for number in numbers}


def roc_auc(outcomes: OutcomeProfile) -> Measurement:
    """Area under the ROC curve, ties counted half, with DeLong's interval.

    DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44, 1988. The interval takes rows as independent.
    """
    neg, pos = outcomes.negatives.astype(np.float64), outcomes.positives.astype(np.float64)
    n, m = neg.sum(), pos.sum()
    method = "ROC AUC, DeLong interval"
    if n == 0 or m == 0:
        return Measurement("roc_auc", None, outcomes.rows, "low", method)
    # for a positive at score k: share of negatives below it; for a negative: share of positives above it
    beaten = (np.cumsum(neg) - neg / 2) / n
    beating = (m - np.cumsum(pos) + pos / 2) / m
    area = float((pos * beaten).sum() / m)
    variance = _variance(beaten, pos) / m + _variance(beating, neg) / n
    return _with_interval("roc_auc", area, variance, outcomes.rows, "low", method)


def _variance(values: FloatArray, weights: FloatArray) -> float:
    n = weights.sum()
    if n < 2:
        return math.nan
    mean = (values * weights).sum() / n
    return float(((values - mean) ** 2 * weights).sum() / (n - 1))


def _mean(
    name: str,
    per_negative: FloatArray,
    per_positive: FloatArray,
    outcomes: OutcomeProfile,
    direction: Direction,
    method: str,
) -> Measurement:
    """The mean of a quantity over rows, with a normal interval."""
    values = np.concatenate([per_negative, per_positive])
    weights = np.concatenate([outcomes.negatives, outcomes.positives]).astype(np.float64)
    if outcomes.rows == 0:
        return Measurement(name, None, 0, direction, method)
    mean = float((values * weights).sum() / outcomes.rows)
    return _with_interval(name, mean, _variance(values, weights) / outcomes.rows, outcomes.rows, direction, method)


def _with_interval(
    name: str, value: float, variance: float, rows: int, direction: Direction, method: str
) -> Measurement:
    if not math.isfinite(variance):
        return Measurement(name, value, rows, direction, method)
    half = Z95 * math.sqrt(max(variance, 0.0))
    return Measurement(name, value, rows, direction, method, value - half, value + half)


def _base_rate(outcomes: OutcomeProfile) -> Measurement:
    return proportion("base_rate", int(outcomes.positives.sum()), outcomes.rows, "both", "share of positive labels")


def _mean_score(outcomes: OutcomeProfile) -> Measurement:
    scores = outcomes.scores
    return _mean("mean_score", scores, scores, outcomes, "both", "mean score of labelled rows")


def _calibration(outcomes: OutcomeProfile) -> Measurement:
    method = "mean score minus rate of positive labels"
    return _mean("calibration", outcomes.scores, outcomes.scores - 1, outcomes, "both", method)


def _brier(outcomes: OutcomeProfile) -> Measurement:
    method = "Brier score: mean squared error of the probability"
    return _mean("brier", outcomes.scores**2, (1 - outcomes.scores) ** 2, outcomes, "high", method)


def _log_loss(outcomes: OutcomeProfile) -> Measurement:
    clipped = np.clip(outcomes.scores, _CLIP, 1 - _CLIP)
    return _mean("log_loss", -np.log1p(-clipped), -np.log(clipped), outcomes, "high", "log loss, natural logarithm")


def _brier_skill(outcomes: OutcomeProfile) -> Measurement:
    """1 - Brier / Brier of always predicting the rate: 0 is no better than the average, negative is worse.

    Murphy, Skill scores based on the mean square error, Mon. Weather Rev. 116, 1988; the interval is the delta
    method's.
    """
    method = "Brier skill score against the window's own rate"
    n = outcomes.rows
    rate = float(outcomes.positives.sum() / n) if n else 0.0
    constant = rate * (1 - rate)
    if not constant:
        return Measurement("brier_skill", None, n, "low", method)
    losses = np.concatenate([outcomes.scores**2, (1 - outcomes.scores) ** 2])
    labels = np.concatenate([np.zeros(len(outcomes.scores)), np.ones(len(outcomes.scores))])
    weights = np.concatenate([outcomes.negatives, outcomes.positives]).astype(np.float64)
    loss = float((losses * weights).sum() / n)
    influence = -(losses - loss) / constant + loss * (1 - 2 * rate) * (labels - rate) / constant**2
    variance = _variance(influence, weights) / n
    return _with_interval("brier_skill", 1 - loss / constant, variance, n, "low", method)


def _confusion(outcomes: OutcomeProfile, threshold: float) -> Iterable[Measurement]:
    positive = outcomes.scores >= threshold
    tp, fp = int(outcomes.positives[positive].sum()), int(outcomes.negatives[positive].sum())
    fn, tn = int(outcomes.positives[~positive].sum()), int(outcomes.negatives[~positive].sum())
    yield proportion("accuracy", tp + tn, tp + fp + fn + tn, "low", f"accuracy at {threshold:g}")
    yield proportion("precision", tp, tp + fp, "low", f"precision at {threshold:g}")
    yield proportion("recall", tp, tp + fn, "low", f"recall at {threshold:g}")
    found = 2 * tp + fp + fn
    yield Measurement("f1", 2 * tp / found if found else None, outcomes.rows, "low", f"F1 at {threshold:g}")


def proportion(name: str, hits: int, rows: int, direction: Direction, method: str) -> Measurement:
    """A share, with Wilson's interval.

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.

    >>> share = proportion("share", 10, 100, "high", "")
    >>> round(share.low, 4), round(share.high, 4)
    (0.0552, 0.1744)
    """
    if not rows:
        return Measurement(name, None, 0, direction, method)
    p, z2 = hits / rows, Z95**2
    middle = (p + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z95 * math.sqrt(p * (1 - p) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return Measurement(name, p, rows, direction, method, max(middle - half, 0.0), min(middle + half, 1.0))
