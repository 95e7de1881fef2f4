"""Bins that a baseline freezes: where their edges lie, and how a value's bin is found quickly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from monitoring.profile.distribution import FloatArray, IntArray, distinct_edges
from monitoring.profile.kernels import BY_BITS, LINEAR, TABLE_CELLS

# Columns with at most this many values keep a bin for each.
MOST_DISTINCT = 256
# With 512 quantile bins no bin holds more than 0.2 % of the baseline, so that no distance of distribution
# functions is missed by more.
QUANTILE_BINS = 512
# Gaps in the baseline are divided, too.
EVEN_BINS = 64
# Wasserstein distances live in the tails, where quantiles are far apart.
TAIL_BINS = 128
# Cells of robust distances: deciles would hide a moved tail, more would be noise at a thousand rows.
CELLS = 20
# Beyond the baseline's range: at spread times 2⁻³, 2⁻², …, so that what moves far is still resolved
_BEYOND = 2.0 ** np.arange(-3, 13)
_CORE = 0.9995


def frozen_edges(values: FloatArray) -> FloatArray:
    """Edges for a column with these baseline values, ascending.

    Few distinct values get a bin each. Otherwise the edges are quantiles, values between which the sampling error
    of the distribution function, √(F(1-F)), integrates to equal parts. There are even ones for the gaps, and some
    beyond the range.

    Args:
        values: Finite, ascending, shape (n,).
    """
    if len(values) == 0:
        return np.zeros(0)
    distinct = values[np.concatenate([[True], values[1:] != values[:-1]])]
    low, high = float(values[0]), float(values[-1])
    core = quantiles(values, [1 - _CORE, _CORE]).tolist()
    spread = (core[1] - core[0]) or (high - low) or abs(high) or 1.0
    with np.errstate(over="ignore"):
        beyond = np.concatenate([low - spread * _BEYOND, high + spread * _BEYOND, np.nextafter([high], np.inf)])
    # values of a window may lie where the baseline has a gap
    share = np.arange(EVEN_BINS + 1) / EVEN_BINS
    even = core[0] * (1 - share) + core[1] * share
    parts: list[FloatArray] = [beyond, cell_edges(values), even]
    if len(distinct) <= MOST_DISTINCT:
        parts.append(distinct_edges(distinct))
    else:
        at = quantiles(values, np.arange(1, QUANTILE_BINS) / QUANTILE_BINS)
        repeated = np.unique(at[1:][at[1:] == at[:-1]])
        parts += [values[:1], at, _tail_edges(values), distinct_edges(repeated)]
    edges = np.unique(np.concatenate(parts) + 0.0)
    return edges[np.isfinite(edges)]


def quantiles(values: FloatArray, shares: Sequence[float] | FloatArray) -> FloatArray:
    """The smallest values that at least these shares of the values do not exceed.

    Args:
        values: Ascending, shape (n,), at least one.
        shares: From 0 to 1, shape (k,).

    >>> quantiles(np.array([1.0, 2.0, 3.0, 4.0]), [0.5, 0.51]).tolist()
    [2.0, 3.0]
    """
    # rounded, since 0.07 · 100 is a little more than 7
    at = np.ceil(np.round(np.asarray(shares) * len(values), 6)).astype(np.int64) - 1
    return values[np.clip(at, 0, len(values) - 1)]


def cell_edges(values: FloatArray) -> FloatArray:
    """The upper ends of `CELLS` cells of about equally many values, just above quantiles; shape (at most 19,).

    Args:
        values: Ascending, shape (n,), at least one.
    """
    at = np.unique(quantiles(values, np.arange(1, CELLS) / CELLS))
    with np.errstate(over="ignore"):
        edges = np.nextafter(at + 0.0, np.inf) + 0.0
    return edges[np.isfinite(edges)]


def _tail_edges(values: FloatArray) -> FloatArray:
    n = len(values)
    share = np.arange(1, n) / n
    with np.errstate(over="ignore", invalid="ignore"):
        noise = np.cumsum(np.diff(values) * np.sqrt(share * (1 - share)))
    if not np.isfinite(noise[-1]):
        return np.zeros(0)
    at = np.searchsorted(noise, np.linspace(0, noise[-1], TAIL_BINS))
    return values[np.minimum(at + 1, n - 1)]


def ordered_bits(values: FloatArray) -> IntArray:
    """Integers that order like the values, close to linear in their logarithm."""
    bits = (np.asarray(values, np.float64) + 0.0).view(np.int64)
    return np.where(bits >= 0, bits, bits ^ np.int64(0x7FFFFFFFFFFFFFFF))


def from_ordered_bits(keys: IntArray) -> FloatArray:
    """The values with these ordered bits; zero has one sign."""
    return np.where(keys >= 0, keys, keys ^ np.int64(0x7FFFFFFFFFFFFFFF)).view(np.float64) + 0.0


@dataclass(frozen=True, eq=False)
class BinTable:
    """How the compiled loop finds bins: what follows from the edges alone.

    A value's cell in an even table gives the first edge that may be above it. The cells are even in the value or
    in its bits, whichever leaves fewer edges to a cell.
    """

    edges: FloatArray
    table: np.ndarray[Any, np.dtype[np.uint32]]
    mode: int
    low: float
    scale: float
    key_low: int
    key_shift: int

    @classmethod
    def of(cls, edges: FloatArray) -> Self:
        """The table of some edges."""
        padded = np.concatenate([edges, [np.inf] * 3])
        if len(edges) == 0:
            return cls(padded, np.zeros(TABLE_CELLS, np.uint32), LINEAR, 0.0, 0.0, 0, 0)
        # the lowest and the highest edges lie where few values are
        trimmed = edges[len(_BEYOND) : -len(_BEYOND)] if len(edges) > 3 * len(_BEYOND) else edges
        inner = quantiles(trimmed, [0.02, 0.98])
        ranges = [(LINEAR, trimmed[[0, -1]]), (LINEAR, inner), (BY_BITS, trimmed[[0, -1]])]
        filled = [cls._even(padded, mode, *ends.tolist()) for mode, ends in ranges]
        # up to two edges in a cell are compared at once, more are searched
        return min(filled, key=lambda made: int(np.maximum(made.table[made._cells(trimmed)] >> 16, 2).sum()))

    @classmethod
    def _even(cls, padded: FloatArray, mode: int, first: float, last: float) -> Self:
        """The table of even cells from the first to the last value."""
        # the first and the last cell are left to what lies outside
        width = last / (TABLE_CELLS - 4) - first / (TABLE_CELLS - 4)
        scale = 1 / width if width > 0 and math.isfinite(1 / width) else 0.0
        keys = [int(key) for key in ordered_bits(np.array([first, last]))]
        shift = 2  # so that no difference of two keys overflows
        while (keys[1] >> shift) - (keys[0] >> shift) >= TABLE_CELLS - 2:
            shift += 1
        return cls(
            padded, np.zeros(0, np.uint32), mode, first - 1.5 * width, scale, (keys[0] >> shift) - 1, shift
        )._filled()

    def _filled(self) -> Self:
        inner = self.edges[:-3]
        inside = np.bincount(self._cells(inner), minlength=TABLE_CELLS)
        first = np.concatenate([[0], np.cumsum(inside)[:-1]])
        table = (first | (inside << 16)).astype(np.uint32)
        return type(self)(self.edges, table, self.mode, self.low, self.scale, self.key_low, self.key_shift)

    def _cells(self, values: FloatArray) -> IntArray:
        """The cells of some values, by the arithmetic of the compiled loop."""
        top = TABLE_CELLS - 1
        if self.mode == LINEAR:
            with np.errstate(over="ignore", invalid="ignore"):
                return np.clip(np.nan_to_num((values - self.low) * self.scale), 0, top).astype(np.int64)
        return np.asarray(np.clip((ordered_bits(values) >> self.key_shift) - self.key_low, 0, top), np.int64)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the compiled loop is given."""
        return self.edges, self.table, self.mode, self.low, self.scale, self.key_low, self.key_shift
