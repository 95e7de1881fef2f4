"""What became of predictions: how often each score met each label. Exact, and mergeable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class OutcomeProfile:
    """Labelled rows by score.

    Attributes:
        scores: Distinct scores, ascending, shape (k,).
        negatives: Rows with a negative label per score, shape (k,).
        positives: Rows with a positive label per score, shape (k,).
    """

    scores: FloatArray
    negatives: IntArray
    positives: IntArray

    @classmethod
    def empty(cls) -> Self:
        """The profile of no rows."""
        none = np.zeros(0, np.int64)
        return cls(np.zeros(0), none, none)

    @classmethod
    def of(cls, scores: FloatArray, labels: BoolArray) -> Self:
        """The profile of labelled rows.

        Args:
            scores: Shape (n,), probabilities.
            labels: Shape (n,), True for the positive class.
        """
        distinct, place = np.unique(scores, return_inverse=True)
        positives = np.bincount(place, weights=labels, minlength=len(distinct)).astype(np.int64)
        return cls(distinct, np.bincount(place, minlength=len(distinct)).astype(np.int64) - positives, positives)

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        distinct, place = np.unique(np.concatenate([self.scores, other.scores]), return_inverse=True)
        add = [
            np.bincount(place, weights=np.concatenate(pair), minlength=len(distinct)).astype(np.int64)
            for pair in ((self.negatives, other.negatives), (self.positives, other.positives))
        ]
        return type(self)(distinct, *add)

    @property
    def rows(self) -> int:
        """Labelled rows."""
        return int(self.negatives.sum() + self.positives.sum())
