"""Scored rows whose labels are not known yet: counts per score bin and predicted class.

Everything is a whole number, so that states can be merged in any order, and one that is a part of another can be taken
from it: the rows of a window less its labelled rows are those that still wait.

Headroom: numbers per bin are 64 bits wide and hold 2^40 rows (10^12) in a single bin: 2^40 · 2^22 = 2^62.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from monitoring.profile import scores as grid
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.outcomes import COARSE, OutcomeProfile, bin_and_place

_CHUNK = 2**18
_SHAPES = {"bins": (-1,), "rows": (-1, 2), "places": (-1, 2), "unscored": (2,)}


def _none_unscored() -> IntArray:
    return np.zeros(2, np.int64)


@dataclass(frozen=True, eq=False)
class ScoreProfile:
    """Scored rows by score bin and predicted class.

    Attributes:
        bins: Bins of the score grid (see `scores`) that have rows, ascending, shape (k,).
        rows: Rows per bin by prediction (0 negative, 1 positive), shape (k, 2).
        places: Sum of the rows' places in their bin, shape (k, 2).
        unscored: Rows whose score is NaN or outside [0, 1], by prediction, shape (2,).
    """

    bins: IntArray
    rows: IntArray
    places: IntArray
    unscored: IntArray = field(default_factory=_none_unscored)

    @classmethod
    def empty(cls) -> Self:
        """The profile of no rows."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64))

    @classmethod
    def of(cls, scores: FloatArray, predictions: BoolArray) -> Self:
        """The profile of rows.

        Args:
            scores: Shape (n,), probabilities of the positive class.
            predictions: Shape (n,), True where the positive class was predicted.

        Raises:
            ValueError: The arrays differ in length.

        >>> profile = ScoreProfile.of(np.array([0.2, 0.9, 0.2, np.nan]), np.array([0, 1, 0, 1]))
        >>> profile.rows.tolist(), profile.unscored.tolist(), profile.total
        ([[2, 0], [0, 1]], [0, 1], 4)
        """
        scores, predicted = np.asarray(scores, np.float64), np.asarray(predictions, bool)
        if not scores.shape == predicted.shape:
            raise ValueError(f"{scores.shape} scores, {predicted.shape} predictions")
        # one place before the grid for rows without a score
        rows, places = (np.zeros((grid.BINS + 1) * 2, np.int64) for _ in range(2))
        for start in range(0, len(scores), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            bins, place = grid.score_place(scores[chunk])
            at = (bins - grid.INVALID) * 2 + predicted[chunk]
            rows += np.bincount(at, minlength=len(rows))
            # floats add whole numbers exactly up to 2^53: below 2^22 each, so 2^31 rows
            places += np.bincount(at, place, len(places)).astype(np.int64)
        by_bin, unscored = rows.reshape(-1, 2)[1:], rows[:2]
        bins = np.flatnonzero(by_bin.any(axis=1))
        return cls(bins, by_bin[bins], places.reshape(-1, 2)[1:][bins], unscored)

    @classmethod
    def of_outcomes(cls, outcomes: OutcomeProfile) -> Self:
        """The profile of labelled rows, as if their labels were not known.

        Exact, but for the places of rows in crowded bins, whose two predictions get the mean coarse place of both.

        >>> scores, predictions = np.array([0.2, 0.9, 0.2]), np.array([False, True, False])
        >>> ScoreProfile.of_outcomes(OutcomeProfile.of(scores, predictions, predictions)).rows.tolist()
        [[2, 0], [0, 1]]
        """
        of_point, place = bin_and_place(outcomes.points)
        bins = np.union1d(of_point, outcomes.bins)
        rows, places = (np.zeros((len(bins), 2), np.int64) for _ in range(2))
        at = np.searchsorted(bins, of_point), (outcomes.points >> 1) & 1
        np.add.at(rows, at, outcomes.point_rows)
        np.add.at(places, at, outcomes.point_rows * place)
        crowded = outcomes.counts.sum(axis=2)
        middle = (outcomes.places.sum(axis=1) / np.maximum(crowded.sum(axis=1), 1) + 0.5) * COARSE - 0.5
        at_crowded = np.searchsorted(bins, outcomes.bins)
        rows[at_crowded] += crowded
        places[at_crowded] += np.rint(crowded * middle[:, None]).astype(np.int64)
        return cls(bins, rows, places, outcomes.unscored.sum(axis=1))

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        bins = np.union1d(self.bins, other.bins)
        rows, places = (np.zeros((len(bins), 2), np.int64) for _ in range(2))
        for part in (self, other):
            at = np.searchsorted(bins, part.bins)
            rows[at] += part.rows
            places[at] += part.places
        return type(self)(bins, rows, places, self.unscored + other.unscored)

    def subtract(self, part: Self) -> Self:
        """The profile of the rows that are not in a part of them.

        Raises:
            ValueError: The part has rows that these do not have.

        >>> whole = ScoreProfile.of(np.array([0.2, 0.9]), np.array([False, True]))
        >>> whole.subtract(ScoreProfile.of(np.array([0.9]), np.array([True]))).rows.tolist()
        [[1, 0]]
        """
        negated = type(self)(part.bins, -part.rows, -part.places, -part.unscored)
        left = self.merge(negated)
        if (left.rows < 0).any() or (left.unscored < 0).any():
            raise ValueError("rows are taken from a profile of scores that does not have them")
        kept = left.rows.any(axis=1)
        return type(self)(left.bins[kept], left.rows[kept], left.places[kept], left.unscored)

    @property
    def scored(self) -> int:
        """Rows with a score in [0, 1]."""
        return int(self.rows.sum())

    @property
    def total(self) -> int:
        """Rows, those without a valid score included."""
        return self.scored + int(self.unscored.sum())

    def arrays(self) -> dict[str, IntArray]:
        """The state, for writing: arrays of whole numbers from 0 to 2^63 - 1."""
        return {name: getattr(self, name) for name in _SHAPES}

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray]) -> Self:
        """From `arrays`; they may have lost their shape, but not their order."""
        return cls(**{name: np.asarray(arrays[name], np.int64).reshape(shape) for name, shape in _SHAPES.items()})
