"""What a profile knows of one column's distribution, as measurements read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Histogram:
    """A numeric column on frozen bins: bin i holds `edges[i-1] <= x < edges[i]`, the outer ones are open.

    Each bin knows the sum of its values, so integrals of the distribution function over a bin are exact.

    Attributes:
        edges: Bin edges, ascending, shape (b,).
        counts: Finite values per bin, shape (b + 1,).
        sums: Their sums, shape (b + 1,).
        squares: Sum of squared deviations of all finite values from their mean.
        low: Smallest finite value, NaN without one.
        high: Largest finite value, NaN without one.
        nulls: Missing values.
        nonfinite: NaN and infinite values.
        cells: Positions in `edges` of the borders of the coarse, robust cells that the baseline's quantiles give.
        integer: Whether the column's type is an integer.
    """

    edges: FloatArray
    counts: IntArray
    sums: FloatArray
    squares: float
    low: float
    high: float
    nulls: int = 0
    nonfinite: int = 0
    cells: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    integer: bool = False

    @classmethod
    def of(cls, values: FloatArray, edges: FloatArray, *, cells: IntArray | None = None) -> Self:
        """The histogram of some values, NaN for missing ones, by sorting: for small sets and for tests.

        Args:
            values: Shape (n,), of any numeric type.
            edges: Ascending, shape (b,).
            cells: Positions in `edges` of the borders of coarse cells.

        >>> h = Histogram.of(np.array([1.0, 2.0, 2.5, np.nan]), np.array([2.0]))
        >>> h.counts.tolist(), h.sums.tolist(), h.nulls
        ([1, 2], [1.0, 4.5], 1)
        """
        integer = bool(np.issubdtype(np.asarray(values).dtype, np.integer))
        values = np.asarray(values, np.float64)
        finite = values[np.isfinite(values)]
        place = np.searchsorted(edges, finite, side="right")
        return cls(
            edges=np.asarray(edges, np.float64),
            counts=np.bincount(place, minlength=len(edges) + 1).astype(np.int64),
            sums=np.bincount(place, weights=finite, minlength=len(edges) + 1).astype(np.float64),
            squares=float(((finite - finite.mean()) ** 2).sum()) if len(finite) else 0.0,
            low=float(finite.min()) if len(finite) else np.nan,
            high=float(finite.max()) if len(finite) else np.nan,
            nulls=int(np.isnan(values).sum()),
            nonfinite=int(np.isinf(values).sum()),
            cells=np.zeros(0, np.int64) if cells is None else cells,
            integer=integer,
        )

    @property
    def n(self) -> int:
        """Finite values."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean of the finite values, NaN without one."""
        return float(self.sums.sum() / self.n) if self.n else np.nan

    def variance(self, ddof: int = 0) -> float:
        """Variance of the finite values, NaN without enough of them."""
        return self.squares / (self.n - ddof) if self.n > ddof else np.nan

    @cached_property
    def atoms(self) -> BoolArray:
        """Which bins can hold only one value, because no other number lies between their edges; shape (b + 1,)."""
        single = np.nextafter(self.edges[:-1], np.inf) == self.edges[1:]
        return np.concatenate([[False], single, [False]])[: len(self.counts)]

    @property
    def exact(self) -> bool:
        """Whether every value is known: each is in a bin that can hold only one."""
        return bool((self.counts[~self.atoms] == 0).all())

    def cell_counts(self) -> IntArray:
        """Rows per coarse cell, then nulls, then NaN and infinite values: shape (cells + 3,)."""
        starts = np.concatenate([[0], self.cells + 1])
        return np.concatenate([np.add.reduceat(self.counts, starts), [self.nulls, self.nonfinite]])

    def subtract(self, part: Self) -> Self:
        """What is left without some of the rows, on the same edges; lowest and highest value stay as they were."""
        n, m = self.n, part.n
        gap = (self.mean - part.mean) if n and m else 0.0
        # what merging two sums of squares adds (Chan, Golub and LeVeque 1979), taken away again
        squares = self.squares - part.squares - (gap**2 * n * m / (n - m) if n > m else 0.0)
        return type(self)(
            self.edges,
            self.counts - part.counts,
            self.sums - part.sums,
            max(squares, 0.0),
            self.low,
            self.high,
            self.nulls - part.nulls,
            self.nonfinite - part.nonfinite,
            self.cells,
            self.integer,
        )


def distinct_edges(*samples: FloatArray) -> FloatArray:
    """Edges that give every distinct finite value a bin of its own.

    >>> distinct_edges(np.array([1.0, 2.0])).tolist()
    [1.0, 1.0000000000000002, 2.0, 2.0000000000000004]
    """
    values = np.unique(np.concatenate([np.asarray(sample, np.float64) for sample in samples]))
    values = values[np.isfinite(values)] + 0.0
    with np.errstate(over="ignore"):
        edges = np.unique(np.concatenate([values, np.nextafter(values, np.inf) + 0.0]))
    return np.asarray(edges[np.isfinite(edges)], np.float64)


@dataclass(frozen=True)
class Categories:
    """A categorical column.

    Attributes:
        counts: Rows per category that the baseline counts by name, in the order of the spec.
        nulls: Missing values.
        other: Rows with a category that the baseline has, but does not count by name.
        unseen: Rows with a category that the baseline does not have.
        new: The unseen categories that are known by name, with their rows; all of them, unless there are very many.
    """

    counts: dict[str, int]
    nulls: int = 0
    other: int = 0
    unseen: int = 0
    new: dict[str, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Values that are not missing."""
        return sum(self.counts.values()) + self.other + self.unseen

    @property
    def exact(self) -> bool:
        """Whether the count of every category is known."""
        return not self.other and self.unseen == sum(self.new.values())

    def cell_counts(self) -> IntArray:
        """Rows per named category, then other, unseen, nulls: shape (named + 3,)."""
        return np.array([*self.counts.values(), self.other, self.unseen, self.nulls], np.int64)

    def subtract(self, part: Self) -> Self:
        """What is left without some of the rows."""
        counts = {name: count - part.counts[name] for name, count in self.counts.items()}
        new = {name: count - part.new.get(name, 0) for name, count in self.new.items()}
        new = {name: count for name, count in new.items() if count}
        return type(self)(counts, self.nulls - part.nulls, self.other - part.other, self.unseen - part.unseen, new)


Distribution = Histogram | Categories
