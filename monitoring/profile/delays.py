"""How long the labels of some rows took: bounded, mergeable, and the same in any order.

One such profile per window makes the rows of a development triangle, from which `measure.maturity` tells how many
labels are to be expected by when.

A lag is when a label became known minus the time of its inference, in hours. Its bins are frozen: 16 per octave from
2^-6 hours (56 seconds) to 32 hours, one per hour to 512 hours (three weeks), and again 16 per octave to 18 432 hours
(768 days). Labels are delivered and windows looked at by the hour, so that a delivery just before a look must not
share its bin with the time after the look. The edges are sums of few powers of two, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from monitoring.profile.fixed_point import FloatArray, IntArray

_PER_OCTAVE = 16
# Exponents of the first lag, of those between which bins are an hour wide, and of the last whole octave's end
_SMALLEST, _HOURLY_FROM, _HOURLY_TO, _LARGEST = -6, 5, 9, 14
# Classes that have a group of their own
MOST_GROUPS = 20


def _edges() -> FloatArray:
    mantissas = 1 + np.arange(_PER_OCTAVE) / _PER_OCTAVE
    short, long = (
        [np.ldexp(mantissas, exponent) for exponent in range(first, last)]
        for first, last in ((_SMALLEST, _HOURLY_FROM), (_HOURLY_TO, _LARGEST))
    )
    hours = np.arange(2.0**_HOURLY_FROM, 2.0**_HOURLY_TO)
    return np.concatenate([[0.0], *short, hours, *long, np.ldexp(mantissas[:3], _LARGEST)])


# Bin 0 holds lags <= 0, bin i those above LAG_EDGES[i - 1] up to LAG_EDGES[i], the last what is above all edges
LAG_EDGES = _edges()
LAG_BINS = len(LAG_EDGES) + 1


def lag_bin(lags_hours: FloatArray) -> IntArray:
    """The bin of each lag.

    Args:
        lags_hours: Shape (n,), in hours; infinite is allowed.

    Raises:
        ValueError: A lag is NaN.

    >>> lag_bin(np.array([-5.0, 0.0, 0.001, 24.0, 24.1, 1e6])).tolist()
    [0, 0, 1, 169, 170, 740]
    """
    lags = np.asarray(lags_hours, np.float64)
    if np.isnan(lags).any():
        raise ValueError("the lag of a label is not a number")
    return np.searchsorted(LAG_EDGES, lags, side="left").astype(np.int64)


@dataclass(frozen=True, eq=False)
class DelayProfile:
    """Labelled rows by lag and group, and how many rows there are.

    Attributes:
        groups: The names of the groups, a part of the frozen spec: the classes of a classifier, at most 20; none for a
            regression.
        rows: Rows, labelled or not.
        counts: Labelled rows by bin of the lag and group, shape (LAG_BINS, groups + 1). The last group holds all other
            rows: of further classes, of labels that are no known class, of a regression.
    """

    groups: tuple[str, ...]
    rows: int
    counts: IntArray

    @classmethod
    def empty(cls, groups: Sequence[str] = ()) -> Self:
        """The profile of no rows."""
        names = tuple(groups)[:MOST_GROUPS]
        return cls(names, 0, np.zeros((LAG_BINS, len(names) + 1), np.int64))

    @classmethod
    def of(cls, lags_hours: FloatArray, group_codes: IntArray, groups: Sequence[str], rows: int) -> Self:
        """The profile of some rows.

        Args:
            lags_hours: The lags of the labelled rows, shape (n,).
            group_codes: The place of their labels in `groups`, or `len(groups)` for none of them, shape (n,).
            groups: The classes; none for a regression. Those after the first 20 are counted together.
            rows: All rows, with those that have no label.

        Raises:
            ValueError: The arrays differ in length, there are more labels than rows, a lag is NaN, or a code is out
                of range.

        >>> profile = DelayProfile.of(np.array([0.5, 30.0, -1.0]), np.array([0, 1, 1]), ("no", "yes"), 10)
        >>> profile.rows, profile.labelled, profile.counts.sum(axis=0).tolist(), profile.counts[0].tolist()
        (10, 3, [1, 2, 0], [0, 1, 0])
        """
        bins, codes = lag_bin(lags_hours), np.asarray(group_codes, np.int64)
        if bins.shape != codes.shape or len(bins) > rows:
            raise ValueError(f"{bins.shape} lags and {codes.shape} groups of {rows} rows")
        if len(codes) and not (codes.min() >= 0 and codes.max() <= len(groups)):
            raise ValueError(f"a group is not one from 0 to {len(groups)}")
        names = tuple(groups)[:MOST_GROUPS]
        width = len(names) + 1
        counts = np.bincount(bins * width + np.minimum(codes, len(names)), minlength=LAG_BINS * width)
        return cls(names, int(rows), counts.reshape(LAG_BINS, width).astype(np.int64))

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows, of the same groups."""
        if self.groups != other.groups:
            raise ValueError(f"delays of the groups {self.groups} and {other.groups}")
        return type(self)(self.groups, self.rows + other.rows, self.counts + other.counts)

    @property
    def labelled(self) -> int:
        """Rows that have a label."""
        return int(self.counts.sum())

    def arrays(self) -> dict[str, IntArray | int]:
        """The state but for the groups: numbers from 0 to 2^63 - 1; of bins that have rows only."""
        bins = np.flatnonzero(self.counts.any(axis=1)).astype(np.int64)
        return {"rows": self.rows, "bins": bins, "counts": self.counts[bins]}

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray | int], groups: Sequence[str]) -> Self:
        """From `arrays`, with the groups that they were made with; arrays may have lost their shape."""
        found = cls.empty(groups)
        bins = np.asarray(arrays["bins"], np.int64)
        found.counts[bins] = np.asarray(arrays["counts"], np.int64).reshape(len(bins), len(found.groups) + 1)
        return cls(found.groups, int(arrays["rows"]), found.counts)
