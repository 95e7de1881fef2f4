"""What became of the predictions of a binary classifier: bounded, mergeable, and the same in any order.

Everything is a count or a sum of whole numbers. A score has a bin, and a place in its bin (see `scores`). As long as
the rows of a bin are at no more than 32 places, they are counted by place: then everything about their order is
known, as it is for tied scores, for rounded ones, and for few rows. A bin with more places is *crowded*: it keeps its
rows by prediction and label, and the sums of their coarse places, of which a bin has 2048, and of their squares. Which
bins are crowded depends on the rows alone, and not on how they were brought together, because a set of places only
grows.

Headroom: numbers per bin are 64 bits wide and hold 2^40 rows (10^12) in a single bin: 2^40 · 2047² < 2^62. Sums over
all rows are Python's unbounded whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from monitoring.profile import scores as grid
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray, in_units, natural_log

__all__ = ["BoolArray", "FloatArray", "IntArray", "OutcomeProfile"]

# What is summed, per label, with the exponent of its unit: a chunk of 2^16 rows stays below 2^63
SUMS = {"score": 40, "score_squared": 40, "error2": 40, "error4": 40, "log_loss": 40, "log_loss_squared": 36}
# The probability that a certain and wrong prediction is taken to have had, as scikit-learn does with 64-bit floats
LEAST_PROBABILITY = 2.0**-52
# A bin with more places than these is crowded
MOST_PLACES = 32
# Places per coarse place
COARSE = grid.PLACES // 2**11
# What `_surely_crowded` looks at in a bin, as a power of two
_CELL_BITS = 6
# Fewer rows than these are sorted sooner than looked at
_FEW = 2**14
_CHUNK = 2**16
_MOST_ADDED = 2**31
_NO_SUMS = tuple((0, 0) for _ in SUMS)


def _no_counts() -> IntArray:
    return np.zeros((2, 2), np.int64)


@dataclass(frozen=True, eq=False)
class OutcomeProfile:
    """Labelled rows by score, prediction and label.

    Attributes:
        points: What rows there are in bins that are not crowded: `point_of` their bin, place, prediction and label;
            ascending, shape (m,).
        point_rows: Rows of each point, shape (m,).
        bins: Crowded bins, ascending, shape (k,).
        counts: Rows per crowded bin, prediction and label (0 negative, 1 positive), shape (k, 2, 2).
        places: Sum of the rows' coarse places per crowded bin and label, shape (k, 2).
        squares: Sum of the squared coarse places per crowded bin, shape (k,).
        unscored: Rows whose score is NaN or outside [0, 1], by prediction and label, shape (2, 2). They count in
            everything that needs no score, such as the accuracy, and in nothing else.
        sums: For each of `SUMS`, its sum over scored rows with a negative and with a positive label, in units.
    """

    points: IntArray
    point_rows: IntArray
    bins: IntArray
    counts: IntArray
    places: IntArray
    squares: IntArray
    unscored: IntArray = field(default_factory=_no_counts)
    sums: tuple[tuple[int, int], ...] = _NO_SUMS

    @classmethod
    def empty(cls) -> Self:
        """The profile of no rows."""
        none = np.zeros(0, np.int64)
        return cls(none, none, *_crowd(none, none))

    @classmethod
    def of(cls, scores: FloatArray, predictions: BoolArray, labels: BoolArray) -> Self:
        """The profile of labelled rows.

        Args:
            scores: Shape (n,), probabilities of the positive class.
            predictions: Shape (n,), True where the positive class was predicted.
            labels: Shape (n,), True for the positive class.

        Raises:
            ValueError: The arrays differ in length.

        >>> profile = OutcomeProfile.of(np.array([0.2, 0.9, np.nan]), np.array([0, 1, 1]), np.array([0, 1, 0]))
        >>> profile.rows, profile.scored, profile.confusion.tolist()
        (3, 2, [[1, 0], [1, 1]])
        """
        scores = np.ascontiguousarray(scores, np.float64)
        # multiplied below, so whole numbers rather than truth values
        predicted, actual = (np.asarray(x, bool).astype(np.int64) for x in (predictions, labels))
        if not scores.shape == predicted.shape == actual.shape:
            raise ValueError(f"{scores.shape} scores, {predicted.shape} predictions, {actual.shape} labels")
        points = np.empty(len(scores), np.int64)
        sums = np.array(_NO_SUMS, object)
        for start in range(0, len(scores), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            bins, places = grid.score_place(scores[chunk])
            points[chunk] = point_of(bins, places, predicted[chunk], actual[chunk])
            valid = bins != grid.INVALID
            sums += _sums_of(scores[chunk][valid], actual[chunk][valid])
        unscored = np.bincount(points[points < 0] & 3, minlength=4).reshape(2, 2).astype(np.int64)
        points = points[points >= 0] if unscored.any() else points
        # sorting is slow, and most rows of many are in bins that are crowded at first sight
        surely = _surely_crowded(points)
        few = ~surely[bin_and_place(points)[0]]
        distinct, rows = np.unique(points[few], return_counts=True)
        settled = _settle(distinct, rows.astype(np.int64), np.flatnonzero(surely))
        many = points[~few]
        for start in range(0, len(many), _MOST_ADDED):
            _add(settled[3:], _sums_of_rows(many[start : start + _MOST_ADDED], settled[2]))
        return cls(*settled, unscored, tuple((int(a), int(b)) for a, b in sums))

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        points = np.union1d(self.points, other.points)
        rows = np.zeros(len(points), np.int64)
        rows[np.searchsorted(points, self.points)] += self.point_rows
        rows[np.searchsorted(points, other.points)] += other.point_rows
        settled = _settle(points, rows, np.union1d(self.bins, other.bins))
        for part in (self, other):
            at = np.searchsorted(settled[2], part.bins)
            _add(settled[3:], (part.counts, part.places, part.squares), at)
        return type(self)(
            *settled,
            self.unscored + other.unscored,
            tuple((a + c, b + d) for (a, b), (c, d) in zip(self.sums, other.sums, strict=True)),
        )

    @property
    def confusion(self) -> IntArray:
        """Labelled rows by prediction and label, shape (2, 2): true negatives are at [0, 0], false ones at [0, 1]."""
        points = np.zeros(4, np.int64)
        np.add.at(points, self.points & 3, self.point_rows)
        return np.asarray(points.reshape(2, 2) + self.counts.sum(axis=0) + self.unscored)

    @property
    def rows(self) -> int:
        """Labelled rows, those without a valid score included."""
        return int(self.confusion.sum())

    @property
    def scored(self) -> int:
        """Labelled rows with a score in [0, 1]."""
        return sum(self.labels)

    @property
    def labels(self) -> tuple[int, int]:
        """Scored rows with a negative and with a positive label."""
        negative, positive = (self.confusion - self.unscored).sum(axis=0).tolist()
        return negative, positive

    def total(self, quantity: str) -> tuple[float, float]:
        """The sum of one of `SUMS` over scored rows with a negative and with a positive label.

        The rounding of each row's quantity to its unit makes an error below 2^-37 per row.
        """
        place = list(SUMS).index(quantity)
        unit = 2 ** SUMS[quantity]
        # of whole numbers, so rounded once
        negative, positive = (total / unit for total in self.sums[place])
        return negative, positive

    def arrays(self) -> dict[str, IntArray | int]:
        """The state, for writing.

        Arrays hold whole numbers from 0 to 2^63 - 1; the single numbers, `sum_...`, are not negative either, and may
        have more than 64 bits from 10^5 rows on.
        """
        named = {name: getattr(self, name) for name in _ARRAYS}
        return named | {
            f"sum_{name}_{label}": total
            for name, both in zip(SUMS, self.sums, strict=True)
            for label, total in zip(("negative", "positive"), both, strict=True)
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray | int]) -> Self:
        """From `arrays`; arrays may have lost their shape, but not their order."""
        shapes = {"counts": (-1, 2, 2), "places": (-1, 2), "unscored": (2, 2)}
        found = {name: np.asarray(arrays[name], np.int64).reshape(shapes.get(name, (-1,))) for name in _ARRAYS}
        sums = tuple((int(arrays[f"sum_{name}_negative"]), int(arrays[f"sum_{name}_positive"])) for name in SUMS)
        return cls(**found, sums=sums)


_ARRAYS = ("points", "point_rows", "bins", "counts", "places", "squares", "unscored")


def point_of(bins: IntArray, places: IntArray, predicted: IntArray, actual: IntArray) -> IntArray:
    """One number for bin, place, prediction and label, ascending with the score; below 0 for an invalid bin."""
    return np.asarray(((bins * grid.PLACES + places) * 2 + predicted) * 2 + actual, np.int64)


def bin_and_place(points: IntArray) -> tuple[IntArray, IntArray]:
    """The bin and the place of points.

    >>> [x.tolist() for x in bin_and_place(point_of(np.array([7]), np.array([5]), np.array([1]), np.array([0])))]
    [[7], [5]]
    """
    return points >> (grid.PLACE_BITS + 2), (points >> 2) & (grid.PLACES - 1)


def _bin_and_coarse_place(points: IntArray) -> tuple[IntArray, IntArray]:
    bins, places = bin_and_place(points)
    return bins, places // COARSE


def _settle(
    points: IntArray, rows: IntArray, crowded: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Points that stay, their rows, and bins, counts, places and squares of those that are crowded now.

    Args:
        points: Ascending, each once.
        rows: Rows of each.
        crowded: Bins that are crowded already, ascending.
    """
    bins, _ = bin_and_place(points)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    # a place may have up to four points
    fresh = np.diff(points >> 2, prepend=-1) > 0
    distinct = np.add.reduceat(fresh, starts, dtype=np.int64) if len(starts) else np.zeros(0, np.int64)
    many = np.zeros(grid.BINS, bool)
    many[crowded] = True
    many[bins[starts[distinct > MOST_PLACES]]] = True
    moved = many[bins]
    return points[~moved], rows[~moved], *_crowd(points[moved], rows[moved], np.flatnonzero(many))


def _surely_crowded(points: IntArray) -> BoolArray:
    """Bins whose rows are in more than `MOST_PLACES` of 64 cells, and so at more places; none of few; shape (BINS,)."""
    if len(points) < _FEW:
        return np.zeros(grid.BINS, bool)
    taken = np.zeros(grid.BINS << _CELL_BITS, bool)
    taken[points >> (grid.PLACE_BITS + 2 - _CELL_BITS)] = True
    cells = taken.view(np.uint8).reshape(grid.BINS, -1).sum(axis=1, dtype=np.uint8)
    return np.asarray(cells > MOST_PLACES)


def _add(totals: tuple[IntArray, ...], more: tuple[IntArray, ...], at: IntArray | slice = slice(None)) -> None:
    """Add to some rows of each array, in place."""
    for total, part in zip(totals, more, strict=True):
        total[at] += part


def _sums_of_rows(points: IntArray, crowded: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Counts, places and squares of rows in crowded bins, one point per row, at most 2^31 of them."""
    bins, places = _bin_and_coarse_place(points)
    position = np.zeros(grid.BINS, np.int64)
    position[crowded] = np.arange(len(crowded))
    at = position[bins]
    counts = np.bincount(at * 4 + (points & 3), minlength=4 * len(crowded)).astype(np.int64)
    # floats add whole numbers exactly up to 2^53, and squares of places are below 2^22
    sums = np.bincount(at * 2 + (points & 1), places, 2 * len(crowded)).astype(np.int64)
    squares = np.bincount(at, places * places, len(crowded)).astype(np.int64)
    return counts.reshape(-1, 2, 2), sums.reshape(-1, 2), squares


def _crowd(
    points: IntArray, rows: IntArray, crowded: IntArray | None = None
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Bins, counts, places and squares of points in crowded bins, which may include bins without points."""
    crowded = np.zeros(0, np.int64) if crowded is None else crowded.astype(np.int64)
    bins, places = _bin_and_coarse_place(points)
    at, kind = np.searchsorted(crowded, bins), points & 3
    counts, sums = np.zeros(4 * len(crowded), np.int64), np.zeros(2 * len(crowded), np.int64)
    squares = np.zeros(len(crowded), np.int64)
    np.add.at(counts, at * 4 + kind, rows)
    np.add.at(sums, at * 2 + (kind & 1), rows * places)
    np.add.at(squares, at, rows * places * places)
    return crowded, counts.reshape(-1, 2, 2), sums.reshape(-1, 2), squares


def _sums_of(scores: FloatArray, actual: IntArray) -> np.ndarray[tuple[int, int], np.dtype[np.object_]]:
    """The sums of a chunk by quantity and label, shape (quantities, 2), as Python's numbers."""
    negative, positive = scores[actual == 0], scores[actual == 1]
    by_label = (_sums_of_label(negative, negative, 1 - negative), _sums_of_label(positive, 1 - positive, positive))
    return np.array(by_label, object).T


def _sums_of_label(scores: FloatArray, error: FloatArray, given: FloatArray) -> list[int]:
    """The sums of rows of one label: `given` is the probability that they gave to it."""
    error2 = error * error
    loss = -natural_log(np.maximum(given, LEAST_PROBABILITY))
    rows = (scores, scores * scores, error2, error2 * error2, loss, loss * loss)
    return [int(in_units(values, bits).sum()) for values, bits in zip(rows, SUMS.values(), strict=True)]
