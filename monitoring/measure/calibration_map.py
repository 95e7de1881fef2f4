"""What a score has meant: the rate of positive labels as a monotone function of the score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from monitoring.measure.binary import equal_groups
from monitoring.measure.expected import Cells, expectations, mean_scores
from monitoring.measure.intervals import Z95
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.measure.ranking import Ranked, ranked
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.score_counts import ScoreProfile

# A map from fewer labelled rows, or from fewer of a class, would be a guess
FEWEST_ROWS = 100
FEWEST_OF_A_CLASS = 10
# Groups of about equally many rows on which a map is checked
GROUPS = 10
_FOLDED = math.sqrt(2 / math.pi)


@dataclass(frozen=True, eq=False)
class CalibrationMap:
    """A monotone step function from the score to the probability of a positive label.

    Attributes:
        starts: The lowest score of each step, ascending, the first is 0; shape (t,).
        step_rates: The rate of positive labels on each step, not descending, shape (t,).
        step_rows: The labelled rows behind each step, shape (t,), whole numbers as floats.
        unscored_rows: Labelled rows without a valid score, by prediction, shape (2,).
        unscored_rates: The rate of positive labels among them, and one row of the base rate, shape (2,).
        optimism: By number, how much higher the map expects it to be than it is, on the rows behind the map.
    """

    starts: FloatArray
    step_rates: FloatArray
    step_rows: FloatArray
    unscored_rows: FloatArray
    unscored_rates: FloatArray
    optimism: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def fit(cls, outcomes: OutcomeProfile) -> Self | None:
        """Isotonic regression of the labels on the scores.

        Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, KDD 2002.
        Rows of one bin of the score grid are on one step. Between two steps the border is halfway.

        Args:
            outcomes: Labelled rows. Those without a valid score say nothing here.

        Returns:
            The map, None with fewer than `FEWEST_ROWS` rows or `FEWEST_OF_A_CLASS` of a class.

        >>> scores = np.repeat([0.2, 0.4, 0.6], 40)
        >>> labels = np.tile(np.arange(40), 3) < np.repeat([10, 6, 30], 40)
        >>> found = CalibrationMap.fit(OutcomeProfile.of(scores, scores > 0.5, labels))
        >>> found.step_rates.tolist(), found.step_rows.tolist(), found.starts.round(3).tolist()
        ([0.2, 0.75], [80.0, 40.0], [0.0, 0.5])
        """
        if outcomes.scored < FEWEST_ROWS or min(outcomes.labels) < FEWEST_OF_A_CLASS:
            return None
        from scipy.optimize import isotonic_regression

        scores, rows, positives = _by_bin(ranked(outcomes))
        blocks = isotonic_regression(positives / rows, weights=rows).blocks[:-1]
        count, found = np.add.reduceat(rows, blocks), np.add.reduceat(positives, blocks)
        # blocks of one rate need no border between them
        step = np.cumsum(np.diff(found / count, prepend=-1.0) > 0) - 1
        count, found = sums_by(step, count), sums_by(step, found)
        first = blocks[np.flatnonzero(np.diff(step, prepend=-1))]
        starts = np.concatenate([[0.0], (scores[first[1:] - 1] + scores[first[1:]]) / 2])
        unscored = outcomes.unscored.sum(axis=1).astype(np.float64)
        rates = (outcomes.unscored[:, 1] + positives.sum() / rows.sum()) / (unscored + 1)
        fitted = cls(starts, found / count, count, unscored, rates)
        return replace(fitted, optimism=fitted._optimism(outcomes))

    def steps(self, scores: FloatArray) -> IntArray:
        """The step of each score, shape (n,)."""
        return np.maximum(np.searchsorted(self.starts, scores, side="right") - 1, 0)

    def rates(self, scores: FloatArray) -> FloatArray:
        """The probability of a positive label at each score, shape (n,)."""
        return self.step_rates[self.steps(scores)]

    def _optimism(self, outcomes: OutcomeProfile) -> dict[str, float]:
        """What is expected of the rows behind the map, less what they are.

        A map of few rows fits their chance, too, and so makes scores seem to rank better than they do.
        """
        scores, realised = ScoreProfile.of_outcomes(outcomes), performance(outcomes)
        of_block = np.repeat(self.rates(mean_scores(scores))[:, None], 2, axis=1)
        cells = Cells.unlabelled(scores, np.concatenate([of_block, self.unscored_rates[None]]))
        pairs = ((number.name, number.value, realised[number.name].value) for number in expectations(cells))
        return {name: one - other for name, one, other in pairs if one is not None and other is not None}

    @property
    def rows(self) -> int:
        """Scored rows behind the map."""
        return int(self.step_rows.sum())

    @property
    def step_variances(self) -> FloatArray:
        """The variance of each step's rate by sampling, shape (t,).

        That of a share, with one more row of each class, so that a step without positives is not sure to have none.
        """
        rate = (self.step_rates * self.step_rows + 1) / (self.step_rows + 2)
        return np.asarray(rate * (1 - rate) / self.step_rows)

    def check(self, outcomes: OutcomeProfile) -> Measurement:
        """Whether other labelled rows have the rates that the map says: the mean distance in 10 groups.

        Groups have about equally many rows. Chance alone, that of the labels and that of the map, makes the distance
        positive: `noise` says by how much. The interval's lower end takes that off. The p-value is that of the sum of
        the squared distances in units of chance, by the χ² distribution.

        Args:
            outcomes: Labelled rows, others than those that the map was fitted on.
        """
        from scipy.special import chdtrc

        method = f"mean distance of the calibration map and the rate in {GROUPS} groups of equally many rows"
        blocks = ranked(outcomes)
        rows = blocks.negatives + blocks.positives
        if not len(rows):
            return Measurement("calibration_map", None, 0, "high", method)
        group = _from_zero(equal_groups(blocks, GROUPS))
        steps = self.steps(blocks.scores)
        expected = self.step_rates[steps]
        count = sums_by(group, rows)
        off = np.abs(sums_by(group, rows * expected - blocks.positives)) / count
        variance = self._label_variance(group, steps, rows) / count**2 + self._map_variance(group, steps, rows, count)
        sigma, weight = np.sqrt(variance), count / count.sum()
        value, noise = float(weight @ off), float(weight @ sigma) * _FOLDED
        error = math.sqrt(float(weight**2 @ variance) * (1 - _FOLDED**2))
        p_value = float(chdtrc(len(count), float(np.square(off / sigma).sum())))
        low, high = max(value - noise - Z95 * error, 0.0), min(value + Z95 * error, 1.0)
        total = int(rows.sum())
        return Measurement(
            "calibration_map", value, total, "high", method, low, high,
            reference_rows=self.rows, standard_error=error, p_value=p_value, noise=noise,
        )  # fmt: skip

    def _label_variance(self, group: IntArray, steps: IntArray, rows: FloatArray) -> FloatArray:
        """The variance of the number of positives of each group if the map is right, shape (groups,)."""
        smooth = (self.step_rates * self.step_rows + 1) / (self.step_rows + 2)
        return sums_by(group, rows * smooth[steps] * (1 - smooth[steps]))

    def _map_variance(self, group: IntArray, steps: IntArray, rows: FloatArray, count: FloatArray) -> FloatArray:
        """The variance of the map's mean over the rows of each group, shape (groups,)."""
        size = len(self.starts)
        shared = sums_by(group * size + steps, rows, len(count) * size).reshape(-1, size)
        return np.asarray((shared / count[:, None]) ** 2 @ self.step_variances)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        numbers = {name: getattr(self, name).tolist() for name in _NUMBERS}
        return numbers | {"optimism": dict(self.optimism)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        numbers = {name: np.array(data[name], np.float64) for name in _NUMBERS}
        return cls(**numbers, optimism=data["optimism"])


_NUMBERS = ("starts", "step_rates", "step_rows", "unscored_rows", "unscored_rates")


def sums_by(group: IntArray, x: FloatArray, size: int = 0) -> FloatArray:
    """The sum of the numbers of each group from 0 up, of at least `size` groups.

    >>> sums_by(np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 0.0, 5.0]
    """
    return np.asarray(np.bincount(group, x, size), np.float64)


def _by_bin(blocks: Ranked) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean score, rows and positives of each bin of the grid that has rows."""
    at = _from_zero(blocks.bins)
    rows = blocks.negatives + blocks.positives
    count = sums_by(at, rows)
    return sums_by(at, rows * blocks.scores) / count, count, sums_by(at, blocks.positives)


def _from_zero(ascending: IntArray) -> IntArray:
    """The numbers 0, 1, 2, ... in the place of ascending numbers that may have gaps."""
    return np.cumsum(np.diff(ascending, prepend=ascending[:1]) > 0)
