"""Profiles of single columns. `merge` is associative and commutative, with `empty` as its identity."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.config.model import FeatureType

# Bins per numeric column: deciles would hide a moved tail, more would be noise at a thousand rows.
BINS = 20
# Categories that are counted by name; the rest of the baseline's categories are one cell.
MOST_CATEGORIES = 200
_EXAMPLES = 20
# Powers of two that leave room for a sum of a million values in a float
_MOST_EXPONENT = 1000


@dataclass(frozen=True)
class ColumnSpec:
    """What the baseline froze about a column, so that profiles of any two sets of rows can be merged.

    Attributes:
        kind: `numeric` or `categorical`.
        edges: Inner bin edges, ascending; bin i holds `edges[i-1] < x <= edges[i]` (numeric).
        unit: Sums are kept in whole multiples of this, so that their order does not matter (numeric).
        categories: The categories that are counted by name (categorical).
        folded: Whether the baseline had more categories than that.
    """

    kind: FeatureType
    edges: tuple[float, ...] = ()
    unit: float = 2.0**-20
    categories: tuple[str, ...] = ()
    folded: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "edges": list(self.edges),
            "unit": self.unit,
            "categories": list(self.categories),
            "folded": self.folded,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(
            data["kind"],
            tuple(data["edges"]),
            data["unit"],
            tuple(data["categories"]),
            data["folded"],
        )

    @classmethod
    def learn(cls, column: pa.ChunkedArray, kind: FeatureType) -> Self:
        """Freeze the edges or categories of a baseline column.

        Numeric edges are quantiles, so each bin holds about as many baseline rows; a value that is a large
        share of the rows gets a bin of its own.
        """
        if kind == "categorical":
            counts = pc.value_counts(column.drop_null()).to_pylist()
            ranked = sorted(counts, key=lambda item: (-item["counts"], item["values"]))
            names = sorted(item["values"] for item in ranked[:MOST_CATEGORIES])
            return cls(kind, categories=tuple(names), folded=len(ranked) > MOST_CATEGORIES)
        values = _finite(column)
        if len(values) == 0:
            return cls(kind)
        edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf"))
        spread = float(np.abs(values).max()) or 1.0
        unit = 2.0 ** max(np.ceil(np.log2(spread)) - 32, -_MOST_EXPONENT)
        return cls(kind, edges=tuple(edges.tolist()), unit=float(unit))


def _finite(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(column.drop_null().to_numpy(), np.float64)
    return np.asarray(values[np.isfinite(values)])


def _units(values: np.ndarray[Any, np.dtype[np.float64]], unit: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Values in whole units, held back where their sum would no longer be a number."""
    most = 2.0**_MOST_EXPONENT
    with np.errstate(over="ignore"):
        return np.rint(np.clip(values / unit, -most, most))


@dataclass(frozen=True)
class NumericProfile:
    """A numeric column.

    Attributes:
        rows: Rows, nulls included.
        nulls: Missing values.
        infinite: NaN and infinite values.
        counts: Finite values per bin.
        low: Smallest finite value, None without one.
        high: Largest finite value, None without one.
        sum_units: Sum of the finite values in whole units of the spec.
    """

    rows: int
    nulls: int
    infinite: int
    counts: tuple[int, ...]
    low: float | None = None
    high: float | None = None
    sum_units: int = 0

    @classmethod
    def empty(cls, spec: ColumnSpec) -> Self:
        """The profile of no rows."""
        return cls(0, 0, 0, (0,) * (len(spec.edges) + 1))

    @classmethod
    def of(cls, column: pa.ChunkedArray, spec: ColumnSpec) -> Self:
        """The profile of a column."""
        values = _finite(column)
        if len(values) == 0:
            present = len(column) - column.null_count
            return cls(len(column), column.null_count, present, (0,) * (len(spec.edges) + 1))
        counts = np.bincount(np.searchsorted(spec.edges, values, side="left"), minlength=len(spec.edges) + 1)
        return cls(
            rows=len(column),
            nulls=column.null_count,
            infinite=len(column) - column.null_count - len(values),
            counts=tuple(counts.tolist()),
            # zero has two signs, and which one a minimum keeps depends on the order
            low=float(values.min()) + 0.0,
            high=float(values.max()) + 0.0,
            sum_units=sum(int(x) for x in _units(values, spec.unit)),
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        lows = [x for x in (self.low, other.low) if x is not None]
        highs = [x for x in (self.high, other.high) if x is not None]
        return type(self)(
            self.rows + other.rows,
            self.nulls + other.nulls,
            self.infinite + other.infinite,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            min(lows, default=None),
            max(highs, default=None),
            self.sum_units + other.sum_units,
        )

    def mean(self, spec: ColumnSpec) -> float | None:
        """Mean of the finite values."""
        n = sum(self.counts)
        return self.sum_units * spec.unit / n if n else None

    def cells(self, spec: ColumnSpec) -> dict[str, int]:
        """Rows per cell of the distribution; nulls and non-finite values are cells like any other."""
        edges = ["", *(f"{edge:.6g}" for edge in spec.edges), ""]
        names = [_bin_name(low, high) for low, high in pairwise(edges)]
        return {
            **dict(zip(names, self.counts, strict=True)),
            "(null)": self.nulls,
            "(not finite)": self.infinite,
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "nulls": self.nulls,
            "infinite": self.infinite,
            "counts": list(self.counts),
            "low": self.low,
            "high": self.high,
            "sum_units": self.sum_units,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**{**data, "counts": tuple(data["counts"])})


def _bin_name(low: str, high: str) -> str:
    if not low and not high:
        return "any"
    if not low:
        return f"≤ {high}"
    return f"{low} – {high}" if high else f"> {low}"


@dataclass(frozen=True)
class CategoricalProfile:
    """A categorical column.

    Attributes:
        rows: Rows, nulls included.
        nulls: Missing values.
        counts: Rows per category of the spec.
        unseen: Rows with a category that the spec does not count by name.
        examples: The first such categories in alphabetical order, at most 20.
    """

    rows: int
    nulls: int
    counts: tuple[int, ...]
    unseen: int = 0
    examples: tuple[str, ...] = field(default=())

    @classmethod
    def empty(cls, spec: ColumnSpec) -> Self:
        """The profile of no rows."""
        return cls(0, 0, (0,) * len(spec.categories))

    @classmethod
    def of(cls, column: pa.ChunkedArray, spec: ColumnSpec) -> Self:
        """The profile of a column."""
        found = {item["values"]: item["counts"] for item in pc.value_counts(column.drop_null()).to_pylist()}
        counts = tuple(found.pop(name, 0) for name in spec.categories)
        return cls(
            len(column),
            column.null_count,
            counts,
            sum(found.values()),
            tuple(heapq.nsmallest(_EXAMPLES, found)),
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        return type(self)(
            self.rows + other.rows,
            self.nulls + other.nulls,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            self.unseen + other.unseen,
            tuple(heapq.nsmallest(_EXAMPLES, {*self.examples, *other.examples})),
        )

    def cells(self, spec: ColumnSpec) -> dict[str, int]:
        """Rows per cell of the distribution; nulls and categories without a name are cells like any other."""
        return {**dict(zip(spec.categories, self.counts, strict=True)), "(null)": self.nulls, "(unseen)": self.unseen}

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "nulls": self.nulls,
            "counts": list(self.counts),
            "unseen": self.unseen,
            "examples": list(self.examples),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**{**data, "counts": tuple(data["counts"]), "examples": tuple(data["examples"])})


def quantile(profile: ColumnProfile, spec: ColumnSpec, share: float) -> float | None:
    """The upper edge of the bin that holds a quantile; the highest value in the last bin, None without values.

    Args:
        profile: A numeric profile.
        spec: Its spec.
        share: Between 0 and 1.
    """
    if not isinstance(profile, NumericProfile) or not sum(profile.counts):
        return None
    below = np.cumsum(profile.counts)
    place = int(np.searchsorted(below, share * below[-1]))
    return spec.edges[place] if place < len(spec.edges) else profile.high


ColumnProfile = NumericProfile | CategoricalProfile


def profile_type(spec: ColumnSpec) -> type[NumericProfile | CategoricalProfile]:
    """Which profile a column of this spec has."""
    return NumericProfile if spec.kind == "numeric" else CategoricalProfile
