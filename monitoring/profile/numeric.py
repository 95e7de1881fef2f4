"""The mergeable state of a numeric column."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pyarrow as pa

from monitoring.errors import StoredDocumentError
from monitoring.profile import kernels
from monitoring.profile.arrow_types import Numbers, is_integer, numbers, takeable
from monitoring.profile.bins import BinTable, cell_edges, from_ordered_bits, frozen_edges, quantiles
from monitoring.profile.distinct import Registers, distinct_count, no_registers
from monitoring.profile.distribution import FloatArray, Histogram, IntArray

# Values whose distance from the centre is this many units or less are most of a column.
_CORE_BITS = 27
_CORE = 0.9995
# So many times further out than these shares of a column lie its outliers, for which its units should not be coarser.
_INNER_CORES, _FAR_AWAY = (0.99, 0.95), 1024
# Powers of two that are numbers themselves, and leave a scale of 1e308 its units
_LEAST_EXPONENT, _MOST_EXPONENT = -1000, 900
_MOST_ROWS = 1 << 32
# A root of whole numbers is taken to this many halves of a bit behind the point.
_ROOT_BITS = 64


@dataclass(frozen=True, eq=False)
class NumericSpec:
    """What the baseline froze about a numeric column, so that profiles of any two sets of rows can be merged.

    Attributes:
        edges: Bin edges, ascending: bin i holds `edges[i-1] <= x < edges[i]`; shape (b,).
        cells: Positions in `edges` of the borders of the coarse cells that robust distances use.
        centre: Subtracted from values before they are summed; a whole number of units.
        exponent: Sums are of whole units of 2^-exponent, so that their order does not matter.
        integer: Whether the baseline's column was of an integer type.
    """

    edges: FloatArray = field(default_factory=lambda: np.zeros(0))
    cells: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    centre: float = 0.0
    exponent: int = 0
    integer: bool = False

    kind = "numeric"

    @classmethod
    def learn(cls, column: pa.ChunkedArray | pa.Array, *, fixed_cells: FloatArray | None = None) -> Self:
        """Freeze the bins of a baseline column.

        Args:
            column: Any column that has numbers.
            fixed_cells: Borders of the coarse cells; by default quantiles of the column.
        """
        found = numbers(column)
        values = found.values[found.present()]
        values = np.sort(values[np.isfinite(values)]) + 0.0
        if len(values) == 0:
            return cls() if fixed_cells is None else cls.fixed(fixed_cells)
        borders = cell_edges(values) if fixed_cells is None else fixed_cells
        edges = np.union1d(frozen_edges(values), borders)
        return cls(edges, np.searchsorted(edges, borders), *_units(*_centre_and_reach(values)), is_integer(column.type))

    @classmethod
    def fixed(cls, edges: FloatArray) -> Self:
        """Bins that do not depend on a baseline: each is a cell."""
        edges = np.asarray(edges, np.float64)
        return cls(edges, np.arange(len(edges)), *_units(0.0, float(np.abs(edges).max()) / 2))

    @cached_property
    def table(self) -> BinTable:
        """How the compiled loop finds bins."""
        return BinTable.of(self.edges)

    @property
    def unit(self) -> float:
        """What sums are counted in."""
        return math.ldexp(1.0, -self.exponent)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "edges": self.edges.tolist(),
            "cells": self.cells.tolist(),
            "centre": self.centre,
            "exponent": self.exponent,
            "integer": self.integer,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        edges, cells = np.array(data["edges"], np.float64), np.array(data["cells"], np.int64)
        return cls(edges, cells, data["centre"], data["exponent"], data["integer"])

    def cell_names(self) -> list[str]:
        """What the coarse cells are called: by six digits of their borders, or by as many as tell them apart."""
        edges = self.edges[self.cells].tolist()
        spelled = ([f"{edge:.{digits}g}" for edge in edges] for digits in range(6, 18))
        borders = ["", *next(names for names in spelled if len({*names}) == len(edges)), ""]
        return [*(_cell_name(low, high) for low, high in pairwise(borders)), "(null)", "(not finite)"]


def _centre_and_reach(values: FloatArray) -> tuple[float, float]:
    """The median, and half of how far most values are from it, without some that are far away from all others.

    Args:
        values: Ascending, shape (n,), at least one.
    """
    middle = float(quantiles(values, [0.5])[0])
    reaches = []
    for core in (_CORE, *_INNER_CORES):
        low, high = quantiles(values, [1 - core, core]).tolist()
        reaches.append(max(high / 2 - middle / 2, middle / 2 - low / 2))
    outer, inner = reaches[0], next((reach for reach in reaches[:0:-1] if reach), 0.0)
    if inner and outer > inner * _FAR_AWAY:
        return middle, inner * math.sqrt(_FAR_AWAY)
    return middle, outer or abs(middle / 2) or 0.5


def _units(middle: float, half_reach: float) -> tuple[float, int]:
    exponent = _CORE_BITS - 1 - math.frexp(half_reach)[1]
    exponent = max(min(exponent, _MOST_EXPONENT), _LEAST_EXPONENT)
    # a whole number of units, so that whole values keep whole distances from it
    scaled = middle * 2.0**exponent
    centre = round(scaled) * 2.0**-exponent if math.isfinite(scaled) else middle
    return (centre if math.isfinite(centre) else middle), exponent


def _cell_name(low: str, high: str) -> str:
    if not low and not high:
        return "any"
    if not low:
        return f"≤ {high}"
    return f"{low} – {high}" if high else f"> {low}"


@dataclass(frozen=True, eq=False)
class NumericProfile:
    """A numeric column.

    Attributes:
        spec: What the baseline froze.
        nulls: Missing values.
        mismatched: Values that are no numbers; they are not among the nulls.
        nans: NaN values.
        infinities: Infinite values.
        zeros: Values that are 0.
        negatives: Values below 0.
        counts: Finite values per bin, shape (b + 1,).
        units: Sum of the finite values' distances from the centre per bin, in units, without the far ones.
        far: Sum of the far values' distances in units, by bin: values too far from the centre for 64-bit sums.
        squares: Sum of the squared distances of all finite values from the centre, in squared units.
        low: Smallest finite value, NaN without one.
        high: Largest finite value, NaN without one.
        registers: Sketch of the distinct values, shape (4096,).
    """

    spec: NumericSpec
    nulls: int
    mismatched: int
    nans: int
    infinities: int
    zeros: int
    negatives: int
    counts: IntArray
    units: IntArray
    far: dict[int, int]
    squares: int
    low: float
    high: float
    registers: Registers

    @classmethod
    def empty(cls, spec: NumericSpec) -> Self:
        """The profile of no rows."""
        none = np.zeros(len(spec.edges) + 1, np.int64)
        return cls(spec, 0, 0, 0, 0, 0, 0, none, none, {}, 0, math.nan, math.nan, no_registers())

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array, spec: NumericSpec) -> Self:
        """The profile of a column."""
        builder = NumericBuilder(spec)
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            builder.add(chunk)
        return cls.built(builder)

    @classmethod
    def built(cls, builder: NumericBuilder) -> Self:
        """The profile of what a builder was given."""
        sums = builder.sums.reshape(-1, 2)
        found = builder.counters.tolist()
        some = found[kernels.FINITE] > 0
        low, high = from_ordered_bits(builder.extremes).tolist()
        return cls(
            spec=builder.spec,
            nulls=builder.nulls,
            mismatched=builder.mismatched,
            nans=found[kernels.NANS],
            infinities=found[kernels.INFINITIES],
            zeros=found[kernels.ZEROS],
            negatives=found[kernels.NEGATIVES],
            counts=sums[:, 0].copy(),
            units=sums[:, 1].copy(),
            far=dict(sorted(builder.far.items())),
            squares=builder.squares + (found[kernels.SQUARES_HIGH] << 32) + found[kernels.SQUARES_LOW],
            low=low if some else math.nan,
            high=high if some else math.nan,
            registers=builder.registers,
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        if self.rows + other.rows > _MOST_ROWS:
            raise OverflowError(f"a profile holds at most {_MOST_ROWS} rows")
        far = {place: self.far.get(place, 0) + other.far.get(place, 0) for place in sorted({*self.far, *other.far})}
        return type(self)(
            self.spec,
            self.nulls + other.nulls,
            self.mismatched + other.mismatched,
            self.nans + other.nans,
            self.infinities + other.infinities,
            self.zeros + other.zeros,
            self.negatives + other.negatives,
            self.counts + other.counts,
            self.units + other.units,
            far,
            self.squares + other.squares,
            float(np.fmin(self.low, other.low)),
            float(np.fmax(self.high, other.high)),
            np.maximum(self.registers, other.registers),
        )

    @cached_property
    def finite(self) -> int:
        """Finite values."""
        return int(self.counts.sum())

    @property
    def nonfinite(self) -> int:
        """NaN and infinite values."""
        return self.nans + self.infinities

    @property
    def unusable(self) -> int:
        """Rows without a finite number."""
        return self.nulls + self.mismatched + self.nonfinite

    @property
    def rows(self) -> int:
        """All rows, with or without a value."""
        return self.finite + self.nonfinite + self.nulls + self.mismatched

    @property
    def distance_units(self) -> int:
        """Sum of the finite values' distances from the centre, in units."""
        return int(self.units.sum(dtype=object)) + sum(self.far.values())

    @property
    def mean(self) -> float | None:
        """Mean of the finite values, None without one; each counts to half a unit."""
        if not self.finite:
            return None
        return _value(self.distance_units, self.finite, self.spec.exponent, Fraction(self.spec.centre))

    @property
    def deviation(self) -> float | None:
        """Standard deviation (ddof 0) of the finite values, None without one."""
        if not self.finite:
            return None
        # in whole numbers, so that nothing cancels
        numerator = self.squares * self.finite - self.distance_units**2
        return _value(math.isqrt(numerator << _ROOT_BITS), self.finite << (_ROOT_BITS // 2), self.spec.exponent)

    @property
    def distinct(self) -> float:
        """About how many different values there are."""
        return distinct_count(self.registers)

    def histogram(self) -> Histogram:
        """What measurements read."""
        return self._histogram

    @cached_property
    def _histogram(self) -> Histogram:
        spec = self.spec
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self.counts * spec.centre + self.units * spec.unit
        for place in {*self.far, *np.flatnonzero(~np.isfinite(sums)).tolist()}:
            centre = Fraction(spec.centre) * int(self.counts[place])
            sums[place] = _value(self.far.get(place, 0) + int(self.units[place]), 1, spec.exponent, centre)
        deviation = self.deviation or 0.0
        squares = deviation * deviation * self.finite
        nulls = self.nulls + self.mismatched
        return Histogram(
            edges=spec.edges,
            counts=self.counts,
            sums=sums,
            squares=squares,
            low=self.low,
            high=self.high,
            nulls=nulls,
            nonfinite=self.nonfinite,
            cells=spec.cells,
            integer=spec.integer,
        )

    def cells(self) -> dict[str, int]:
        """Rows per coarse cell; nulls and non-finite values are cells like any other."""
        return dict(zip(self.spec.cell_names(), self.histogram().cell_counts().tolist(), strict=True))

    def quantile(self, share: float) -> float | None:
        """The upper edge of the bin that holds a quantile; the highest value in the last bin, None without values.

        Args:
            share: Between 0 and 1.
        """
        if not self.finite:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), max(share * self.finite, 1)))
        return min(float(self.spec.edges[place]), self.high) if place < len(self.spec.edges) else self.high

    def head(self) -> dict[str, Any]:
        """The single numbers, as JSON values."""
        return {
            "nulls": self.nulls,
            "mismatched": self.mismatched,
            "nans": self.nans,
            "infinities": self.infinities,
            "zeros": self.zeros,
            "negatives": self.negatives,
            "squares": self.squares,
            "far": [[place, units] for place, units in self.far.items()],
            "low": None if math.isnan(self.low) else self.low,
            "high": None if math.isnan(self.high) else self.high,
        }

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays, to be stored beside the head."""
        return {"counts": self.counts, "units": self.units, "registers": self.registers}

    @classmethod
    def restore(cls, spec: NumericSpec, head: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Self:
        """From `head` and `arrays`.

        Raises:
            StoredDocumentError: It was made with other bins.
        """
        if len(arrays["counts"]) != len(spec.edges) + 1:
            raise StoredDocumentError("a profile of other bins")
        extremes = {name: math.nan if head[name] is None else head[name] for name in ("low", "high")}
        return cls(spec=spec, **{**head, **arrays, **extremes, "far": dict(head["far"])})


def _value(units: int, count: int, exponent: int, centre: Fraction | int = 0) -> float:
    """The centre and units / count · 2^-exponent, infinite where no float holds it."""
    value = Fraction(units << max(-exponent, 0), count << max(exponent, 0)) + centre
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class NumericBuilder:
    """Adds batches to the state of a numeric column, in place."""

    def __init__(self, spec: NumericSpec) -> None:
        self.spec = spec
        self.nulls = self.mismatched = self.squares = 0
        self.sums = np.zeros(2 * (len(spec.edges) + 1), np.int64)
        self.counters = np.zeros(kernels.COUNTERS, np.int64)
        self.extremes = np.array([np.iinfo(np.int64).max, np.iinfo(np.int64).min])
        self.registers = no_registers()
        self.far: dict[int, int] = {}
        self._arguments = (*spec.table.arguments, spec.centre, 2.0**spec.exponent)

    def add(self, array: pa.Array, chosen: pa.BooleanArray | None = None) -> None:
        """Add one batch.

        Args:
            array: The values.
            chosen: Which of them to add; by default all.
        """
        batch = numbers(array)
        if chosen is not None:
            batch = numbers(takeable(array).filter(chosen)) if batch.mismatched else batch.where(chosen)
        self.nulls += batch.nulls
        self.mismatched += batch.mismatched
        far = self.counters[kernels.FAR]
        kernels.add_numbers(
            batch.values,
            batch.identity,
            batch.validity,
            batch.first_bit,
            batch.has_nulls,
            *self._arguments,
            self.sums,
            self.counters,
            self.extremes,
            self.registers,
        )
        self._carry()
        if self.counters[kernels.FAR] != far:
            self._add_far(batch)

    def merge(self, other: Self) -> None:
        """Add what another builder was given."""
        self.nulls += other.nulls
        self.mismatched += other.mismatched
        self.squares += other.squares
        self.sums += other.sums
        self.counters += other.counters
        self._carry()
        self.extremes = np.array(
            [min(self.extremes[0], other.extremes[0]), max(self.extremes[1], other.extremes[1])], np.int64
        )
        self.registers = np.maximum(self.registers, other.registers)
        for place, units in other.far.items():
            self.far[place] = self.far.get(place, 0) + units

    def _carry(self) -> None:
        """Keep the lower half of the sum of squares below 2³²."""
        low = self.counters[kernels.SQUARES_LOW]
        self.counters[kernels.SQUARES_HIGH] += low >> 32
        self.counters[kernels.SQUARES_LOW] = low & 0xFFFFFFFF

    def _add_far(self, batch: Numbers) -> None:
        """Values too far from the centre for 64-bit sums: their exact distances in units, as whole numbers."""
        values = batch.values[batch.present()]
        values = values[np.isfinite(values)]
        with np.errstate(over="ignore"):  # as the compiled loop tells what is far
            far = ~(np.abs((values - self.spec.centre) * 2.0**self.spec.exponent) < kernels.NEAR)
        values = values[far]
        places = np.searchsorted(self.spec.edges, values, side="right")
        fractions, exponents = np.frexp(values / 2 - self.spec.centre / 2)  # the whole distance may be no float
        powers = exponents.astype(np.int64) + 1 + self.spec.exponent
        shifts = np.maximum(powers - 53, 0)
        whole = np.rint(np.ldexp(fractions, powers - shifts)).astype(np.int64)
        order = np.lexsort((shifts, places))
        places, shifts, whole = places[order], shifts[order], whole[order]
        starts = np.flatnonzero(np.diff(places, prepend=-1) | np.diff(shifts, prepend=-1))
        for mine in np.split(np.arange(len(whole)), starts[1:]):
            place, shift = int(places[mine[0]]), int(shifts[mine[0]])
            self.far[place] = self.far.get(place, 0) + (_sum(whole[mine]) << shift)
            self.squares += _sum_of_squares(whole[mine]) << (2 * shift)


def _sum(values: IntArray) -> int:
    """The exact sum, where 64 bits would not hold it."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _sum_of_squares(values: IntArray) -> int:
    """The exact sum of the squares of integers of 53 bits."""
    upper, lower = values >> 26, values & 0x3FFFFFF
    return (_sum(upper * upper) << 52) + (_sum(upper * lower) << 27) + _sum(lower * lower)
