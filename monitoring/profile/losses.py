"""The losses of labelled rows by bin of each feature: bounded, mergeable, and the same in any order.

With a baseline's losses on the same bins, a change of the mean loss splits into what more rows in bad bins did (mix)
and what worse predictions within bins did (rate).

Headroom: a loss is kept in 2^-22 of the largest possible one, and for its square in 2^-11, so that a bin holds 2^40
rows (10^12) in 64 bits. The mean loss of a bin is off by less than 2^-23 of the largest loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from monitoring.profile.fixed_point import FloatArray, IntArray

_LOSS_BITS, _SQUARE_BITS = 22, 11
_CHUNK = 2**30


@dataclass(frozen=True, eq=False)
class LossByBin:
    """Rows and losses per bin of each feature.

    Attributes:
        largest: The largest loss there can be, a part of the frozen spec: 1 for the Brier score, 36.05 for the log
            loss.
        features: By feature, rows, sum of losses and sum of squared losses of each bin, in units; shape (bins, 3).
        uncounted: Rows whose loss is not a number from 0 to `largest`.
    """

    largest: float
    features: dict[str, IntArray] = field(default_factory=dict)
    uncounted: int = 0

    @classmethod
    def empty(cls, sizes: Mapping[str, int], largest: float) -> Self:
        """The profile of no rows, with the number of bins of each feature."""
        return cls(largest, {name: np.zeros((size, 3), np.int64) for name, size in sizes.items()})

    @classmethod
    def of(cls, bins: Mapping[str, IntArray], sizes: Mapping[str, int], losses: FloatArray, largest: float) -> Self:
        """The profile of labelled rows.

        Args:
            bins: By feature, the bin of each row, shape (n,), in [0, size).
            sizes: By feature, the number of its bins.
            losses: Shape (n,).
            largest: The largest loss there can be.

        Raises:
            ValueError: A bin is out of range, or there is not one per row.

        >>> profile = LossByBin.of({"x": np.array([0, 1, 1])}, {"x": 2}, np.array([0.5, 0.25, 0.75]), 1.0)
        >>> [column.tolist() for column in profile.of_feature("x")]
        [[1.0, 2.0], [0.5, 1.0], [0.25, 0.625]]
        """
        losses = np.asarray(losses, np.float64)
        valid = (losses >= 0) & (losses <= largest)
        share = losses[valid] / largest
        found = {name: _counted(name, bins[name], size, valid, share) for name, size in sizes.items()}
        return cls(largest, found, int((~valid).sum()))

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows, on the same bins."""
        if self.largest != other.largest or self.features.keys() != other.features.keys():
            raise ValueError("profiles of losses on different features, or of different largest losses")
        features = {name: table + other.features[name] for name, table in self.features.items()}
        return type(self)(self.largest, features, self.uncounted + other.uncounted)

    def of_feature(self, name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows, sum of losses and sum of squared losses of each bin of a feature, three arrays of shape (bins,)."""
        rows, total, squares = self.features[name].T.astype(np.float64)
        return rows, total * (self.largest * 2.0**-_LOSS_BITS), squares * (self.largest * 2.0**-_SQUARE_BITS) ** 2

    def arrays(self) -> dict[str, IntArray | int]:
        """The state but for `largest`: arrays of numbers from 0 to 2^63 - 1."""
        return {"uncounted": self.uncounted, **{f"feature_{name}": table for name, table in self.features.items()}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray | int], largest: float) -> Self:
        """From `arrays`."""
        features = {
            name.removeprefix("feature_"): np.asarray(table, np.int64).reshape(-1, 3)
            for name, table in arrays.items()
            if name.startswith("feature_")
        }
        return cls(largest, features, int(arrays["uncounted"]))


def _counted(
    name: str, bins: IntArray, size: int, valid: np.ndarray[tuple[int], np.dtype[np.bool_]], share: FloatArray
) -> IntArray:
    if len(bins) != len(valid) or (len(bins) and not (bins.min() >= 0 and bins.max() < size)):
        raise ValueError(f"bins of {name} are not one per row, from 0 to {size - 1}")
    place = bins[valid]
    coarse = np.rint(share * 2**_SQUARE_BITS)
    table = np.zeros((size, 3), np.int64)
    # floats add whole numbers exactly up to 2^53: below 2^22 each, so 2^31 rows
    for start in range(0, len(place), _CHUNK):
        part = slice(start, start + _CHUNK)
        table[:, 0] += np.bincount(place[part], minlength=size)
        table[:, 1] += np.bincount(place[part], np.rint(share[part] * 2**_LOSS_BITS), size).astype(np.int64)
        table[:, 2] += np.bincount(place[part], coarse[part] * coarse[part], size).astype(np.int64)
    return table
