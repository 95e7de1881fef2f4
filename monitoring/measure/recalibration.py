"""How labels correct the rates of rows whose labels are not known yet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitoring.measure.calibration_map import sums_by
from monitoring.measure.rates import Rates
from monitoring.profile.fixed_point import FloatArray, IntArray

# Strata, at most, and the labelled rows and the variance of labels that each should hold
MOST_STRATA, ROWS_OF_A_STRATUM, VARIANCE_OF_A_STRATUM = 10, 50, 5.0
# Predictions have strata of their own where each has as many labelled rows
FEWEST_OF_A_PREDICTION = 30
# A share of known labels is not taken to be 0 or 1 to the last row
LEAST_SHARE = 1e-4
_STEPS, _LONGEST, _NEAR = 50, 1.0, 1e-10


def corrected(rows: FloatArray, positives: FloatArray, rates: Rates, completeness: tuple[float, float]) -> Rates:
    """The rates of rows without labels, by a map and the labelled rows.

    A logistic regression of the labels, with the logit of the map's rate as its offset: one intercept per stratum of
    scores and predictions, so that the labelled rows of each stratum are right on average, and one slope for all,
    since scores that have come to mean less are off within a stratum, too. Each stratum has half a row of its rarer
    class more, as the map has it, and the slope is near 1 with a standard deviation of 1 before any label is known,
    so that no rate becomes 0 because few labels are known.

    If labels of one class come later, labelled rows have less of it and the others more: the odds of rows with and
    without labels differ by a factor (King and Zeng, Logistic regression in rare events data, Political Analysis 9,
    2001).

    Args:
        rows: Labelled rows of each cell, shape (k + 1, 2).
        positives: Their positive labels, shape (k + 1, 2).
        rates: What the map says.
        completeness: Share of the labels of negatives and of positives that is known.
    """
    known, waiting = _log_odds(completeness)
    of_map, n, found = _logit(rates.noise).ravel(), rows.ravel(), positives.ravel()
    stratum = _strata(rows, rates.noise).ravel()
    size = int(stratum.max()) + 1
    offset = of_map + known
    usual = _expit(offset)
    count = sums_by(stratum, n, size)
    weight = n * usual * (1 - usual)
    mean = np.where(count > 0, sums_by(stratum, n * usual, size) / np.maximum(count, 1), 0.5)
    centre = sums_by(stratum, weight * of_map, size) / np.maximum(sums_by(stratum, weight, size), 1e-300)
    # a row without a score has no place for a slope
    lever = np.where(np.arange(len(n)) < len(n) - 2, of_map - centre[stratum], 0.0)
    added = 0.5 / np.minimum(mean, 1 - mean)
    shift, covariance = _Labels(
        offset=np.concatenate([offset, _logit(mean)]),
        stratum=np.concatenate([stratum, np.arange(size)]),
        lever=np.concatenate([lever, np.zeros(size)]),
        rows=np.concatenate([n, added]),
        positives=np.concatenate([found, added * mean]),
    ).fit(size)
    rate = _expit(of_map + waiting + shift[stratum] + shift[-1] * lever)
    # as skewed as a share is
    third = 2 * (1 - 2 * np.append(_expit(_logit(mean) + shift[:-1]), 0.5)) * np.diag(covariance) ** 2
    rate, slope, lever = (x.reshape(rows.shape) for x in (rate, rate * (1 - rate), lever))
    return Rates(rate, rate, stratum.reshape(rows.shape), slope, lever, covariance, third)


@dataclass(frozen=True, eq=False)
class _Labels:
    """What the regression sees, all of shape (c,)."""

    offset: FloatArray
    stratum: IntArray
    lever: FloatArray
    rows: FloatArray
    positives: FloatArray

    def fit(self, size: int) -> tuple[FloatArray, FloatArray]:
        """Intercepts and slope (less 1), shape (size + 1,), and their covariance, by Newton's method."""
        shift = np.zeros(size + 1)
        for _ in range(_STEPS):
            score, information = self._derivatives(shift)
            step = np.linalg.solve(information, score)
            # the likelihood is concave, so a shortened step goes up, too
            shift = shift + step * min(1.0, _LONGEST / max(float(np.abs(step).max()), _NEAR))
            if float(np.abs(step).max()) < _NEAR:
                break
        return shift, np.asarray(np.linalg.inv(self._derivatives(shift)[1]), np.float64)

    def _derivatives(self, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
        size = len(shift) - 1
        rate = _expit(self.offset + shift[self.stratum] + shift[-1] * self.lever)
        left, weight = self.positives - self.rows * rate, self.rows * rate * (1 - rate)
        score = np.append(sums_by(self.stratum, left, size), left @ self.lever - shift[-1])
        information = np.diag(np.append(sums_by(self.stratum, weight, size), weight @ self.lever**2 + 1))
        information[-1, :-1] = information[:-1, -1] = sums_by(self.stratum, weight * self.lever, size)
        return score, information


def _log_odds(completeness: tuple[float, float]) -> tuple[float, float]:
    """How much the logit of a rate is higher among rows with labels than among all, and among those without.

    >>> [round(math.exp(x), 3) for x in _log_odds((0.8, 0.2))]
    [0.25, 4.0]
    """
    if completeness[0] == completeness[1]:
        return 0.0, 0.0
    negatives, positives = (min(max(share, LEAST_SHARE), 1 - LEAST_SHARE) for share in completeness)
    return math.log(positives / negatives), math.log((1 - positives) / (1 - negatives))


def _strata(rows: FloatArray, rates: FloatArray) -> IntArray:
    """The stratum of each cell: ranges of scores, by prediction; (k + 1, 2).

    Each has about an equal share of the labelled rows and of the variance of their labels together: rows tell of
    labels where none are expected, variance where some are. Predictions are together where one has too few labelled
    rows. Rows without a score are a stratum of their own.
    """
    stratum = np.zeros(rows.shape, np.int64)
    apart = bool((rows[:-1].sum(axis=0) >= FEWEST_OF_A_PREDICTION).all())
    first = 0
    for columns in ([0], [1]) if apart else ([0, 1],):
        inside = rows[:-1, columns].sum(axis=1)
        variance = (rows * rates * (1 - rates))[:-1, columns].sum(axis=1)
        n, varied = float(inside.sum()), float(variance.sum())
        count = int(min(max(min(n / ROWS_OF_A_STRATUM, varied / VARIANCE_OF_A_STRATUM), 1), MOST_STRATA))
        size = inside / max(n, 1.0) / 2 + variance / max(varied, 1e-300) / 2
        at = ((np.cumsum(size) - size / 2) * count).astype(np.int64)
        stratum[:-1, columns] = first + np.minimum(at, count - 1)[:, None]
        first += count
    stratum[-1] = first
    return stratum


def _logit(rate: FloatArray) -> FloatArray:
    return np.asarray(np.log(rate / (1 - rate)))


def _expit(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))
