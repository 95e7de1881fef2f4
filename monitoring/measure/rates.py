"""The rates of positive labels that are expected of rows without labels, and how surely they are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitoring.measure.calibration_map import CalibrationMap, sums_by
from monitoring.measure.expected import mean_scores
from monitoring.measure.skewed import Spread
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.score_counts import ScoreProfile


@dataclass(frozen=True, eq=False)
class Rates:
    """The rate of positive labels in each cell.

    What is doubtful is few numbers: the rates of the map's steps, or the shifts by which labels correct them. Each
    cell depends on one of them, and, as much as its lever says, on a last one that all cells share.

    Attributes:
        rates: Shape (k + 1, 2), the last for rows without a score.
        noise: The same, but neither 0 nor 1, for the variance of labels, shape (k + 1, 2).
        doubt: Which of the doubtful numbers a cell depends on, shape (k + 1, 2).
        slope: How the rate moves with it, shape (k + 1, 2).
        lever: How much more it moves with the last number, shape (k + 1, 2).
        covariance: Of the doubtful numbers, shape (d, d), that of all cells last.
        third: Their third central moments, shape (d,).
    """

    rates: FloatArray
    noise: FloatArray
    doubt: IntArray
    slope: FloatArray
    lever: FloatArray
    covariance: FloatArray
    third: FloatArray

    def spread(self, waiting: FloatArray, gradient: FloatArray) -> Spread:
        """How a number with this gradient varies while these rows wait for their labels; both of shape (k + 1, 2)."""
        labels = waiting * self.noise * (1 - self.noise)
        by_labels = labels * gradient**2
        moved = gradient * waiting * self.slope
        moves = sums_by(self.doubt.ravel(), moved.ravel(), len(self.third))
        moves[-1] += float((moved * self.lever).sum())
        variance, third = float(by_labels.sum()), float((by_labels * gradient * (1 - 2 * self.noise)).sum())
        step = float(np.sqrt(variance / labels.sum())) if variance > 0 else 0.0
        return Spread(variance + float(moves @ self.covariance @ moves), third + float(moves**3 @ self.third), step)

    def among(self, negatives: float, positives: float) -> Rates:
        """The rates among rows of which these shares of negatives and of positives are there, by Bayes' rule."""
        if negatives == positives:
            return self
        rates, noise = (_among(x, negatives, positives) for x in (self.rates, self.noise))
        weight = self.noise * positives + (1 - self.noise) * negatives
        return replace(self, rates=rates, noise=noise, slope=self.slope * (negatives * positives / weight**2))


def mapped(scores: ScoreProfile, calibration: CalibrationMap) -> Rates:
    """The rates that a map gives to each cell of some rows.

    A step of n rows has a rate of variance r (1 − r) / n, with one more row of each class, so that a step without
    positives is not sure to have none. What its rate may truly be is skewed as a beta distribution is.
    """
    steps = len(calibration.starts)
    of_block = calibration.steps(mean_scores(scores))
    doubt = np.concatenate([np.repeat(of_block[:, None], 2, axis=1), [[steps, steps + 1]]])
    rows = np.concatenate([calibration.step_rows, calibration.unscored_rows + 1, [1.0]])
    rates = np.concatenate([calibration.step_rates, calibration.unscored_rates, [0.0]])
    smooth = (rates * rows + 1) / (rows + 2)
    variance = smooth * (1 - smooth) / rows
    third = 2 * variance * (1 - 2 * smooth) / rows
    # no number that all cells share
    variance[-1] = third[-1] = 0.0
    return Rates(
        rates[doubt], smooth[doubt], doubt, np.ones(doubt.shape), np.zeros(doubt.shape), np.diag(variance), third
    )


def _among(rates: FloatArray, negatives: float, positives: float) -> FloatArray:
    found = rates * positives
    return np.asarray(found / (found + (1 - rates) * negatives))
