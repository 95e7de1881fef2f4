"""From a column of `statistics.json` to the frozen state that windows are compared with."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from monitoring.errors import ConfigError
from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, NumericSpec
from monitoring.profile.categorical import MOST_KNOWN, MOST_NAMED, hashes
from monitoring.profile.distribution import FloatArray, IntArray
from monitoring.sagemaker.files import FeatureStatistics, Kll, NumericalStatistics

# Edges are learned from a sketch of so many rows at most: their shares are what counts
_MOST_LEARNED = 1 << 20
_MOST_UNITS = 1 << 62


@dataclass(frozen=True)
class _Points:
    """Values that stand for the rows of a column.

    Attributes:
        values: Ascending, shape (n,).
        weights: How many rows each stands for, shape (n,).
        exact: Whether they are the rows themselves.
    """

    values: FloatArray
    weights: IntArray
    exact: bool

    @property
    def rows(self) -> int:
        """All rows."""
        return int(self.weights.sum())


def numeric_profile(column: FeatureStatistics, rows: int, *, fixed_cells: FloatArray | None = None) -> NumericProfile:
    """The state of a column of numbers.

    Bins come from the sketch, which knows ranks to about a thousandth. Without one they are the ten buckets, and
    nothing finer can be told apart. Mean and deviation are those of the file.

    Args:
        column: The column.
        rows: Rows of the data set.
        fixed_cells: Borders of the coarse cells, where a sketch allows for them.

    Raises:
        ConfigError: The column holds texts, or its numbers do not add up.
    """
    found = column.numerical_statistics
    if found is None:
        _require_empty(column, "numeric")
        return replace(NumericProfile.empty(NumericSpec()), nulls=rows)
    _require_all_rows(column, rows)
    kll = found.distribution.kll or Kll()
    integer = column.inferred_type == "Integral"
    sketch = _sketch(kll)
    within = sum(bucket.count for bucket in kll.buckets) or found.common.num_present
    if sketch is not None and sketch.rows == within:
        spec, points = _learned(sketch, found, fixed_cells), sketch
    else:
        spec, points = _bucketed(kll), _middles(kll)
    spec = replace(spec, integer=integer)
    if points.rows > found.common.num_present:
        raise ConfigError(f"{column.name}: more values in its distribution than are present")
    profile = _filled(spec, points, found)
    mismatched = found.common.num_present - points.rows
    return replace(profile, nulls=found.common.num_missing, mismatched=mismatched)


def _require_empty(column: FeatureStatistics, kind: str) -> None:
    if column.common is not None and column.common.num_present:
        raise ConfigError(
            f"{column.name} is {kind} in the model, and {column.inferred_type} in the statistics",
            hint="change its type under columns.features, or make the baseline from rows",
        )


def _require_all_rows(column: FeatureStatistics, rows: int) -> None:
    common = column.common
    if common is not None and common.num_present + common.num_missing != rows:
        there = f"{common.num_present} values and {common.num_missing} missing ones"
        raise ConfigError(f"{column.name}: {there} are not the {rows} rows of the data set")


def _sketch(kll: Kll) -> _Points | None:
    """The values of the sketch with their weights."""
    levels = kll.sketch.data
    values = np.array([value for level in levels for value in level], np.float64)
    weights = np.array([1 << height for height, level in enumerate(levels) for _ in level], np.int64)
    if len(values) == 0 or not np.isfinite(values).all():
        return None
    order = np.argsort(values, kind="stable")
    return _Points(values[order] + 0.0, weights[order], exact=not any(levels[1:]))


def _learned(sketch: _Points, found: NumericalStatistics, fixed_cells: FloatArray | None) -> NumericSpec:
    """Bins as if they had been learned from rows."""
    halvings = max(sketch.rows // _MOST_LEARNED, 1).bit_length() - 1
    values = np.repeat(sketch.values, np.maximum(sketch.weights >> halvings, 1))
    # a sketch may have lost the extremes, which are known
    ends = [] if sketch.exact else [end for end in (found.min, found.max) if end is not None]
    return NumericSpec.learn(pa.array(np.concatenate([values, ends])), fixed_cells=fixed_cells)


def _bucketed(kll: Kll) -> NumericSpec:
    """The buckets as bins; each is a cell."""
    if not kll.buckets:
        return NumericSpec()
    last = max(bucket.upper_bound for bucket in kll.buckets)
    borders = np.unique([*(bucket.lower_bound for bucket in kll.buckets), np.nextafter(last, np.inf)]) + 0.0
    units = NumericSpec.learn(pa.array(np.concatenate([borders[:-1], [last]])), fixed_cells=borders)
    return NumericSpec(borders, np.arange(len(borders)), units.centre, units.exponent)


def _middles(kll: Kll) -> _Points:
    """The middle of each bucket for its rows."""
    used = [bucket for bucket in kll.buckets if bucket.count]
    values = [bucket.lower_bound / 2 + bucket.upper_bound / 2 for bucket in used]
    return _Points(np.array(values, np.float64), np.array([bucket.count for bucket in used], np.int64), exact=False)


def _filled(spec: NumericSpec, points: _Points, found: NumericalStatistics) -> NumericProfile:
    """The profile of the rows that points stand for."""
    profile = NumericProfile.of(pa.array(points.values, pa.float64()), spec)
    if not points.rows:
        return profile
    low = found.min if found.min is not None else float(points.values[0])
    high = found.max if found.max is not None else float(points.values[-1])
    if points.exact:
        return replace(profile, low=low, high=high)
    places = np.searchsorted(spec.edges, points.values, side="right")
    counts = np.zeros(len(spec.edges) + 1, np.int64)
    np.add.at(counts, places, points.weights)
    distances = [_units_of(value, spec) for value in points.values.tolist()]
    units = [0] * len(counts)
    for place, distance, weight in zip(places.tolist(), distances, points.weights.tolist(), strict=True):
        units[place] += distance * weight
    if found.mean is not None:
        # each value counts to half a unit, and so does the mean
        target = round((Fraction(found.mean) - Fraction(spec.centre)) * points.rows * _scale(spec))
        units = _moved(units, target, counts.tolist(), _ends(spec, low, high))
    squares = sum(d * d * w for d, w in zip(distances, points.weights.tolist(), strict=True))
    if found.std_dev is not None:
        squares = _squares(found.std_dev, sum(units), points.rows, spec)
    fit = [total if abs(total) < _MOST_UNITS else 0 for total in units]
    return replace(
        profile,
        counts=counts,
        units=np.array(fit, np.int64),
        far={place: total for place, total in enumerate(units) if abs(total) >= _MOST_UNITS},
        squares=max(squares, -(-(sum(units) ** 2) // points.rows)),
        zeros=int(points.weights[points.values == 0].sum()),
        negatives=int(points.weights[points.values < 0].sum()) if low < 0 else 0,
        low=low,
        high=high,
    )


def _scale(spec: NumericSpec) -> Fraction:
    return Fraction(2) ** spec.exponent


def _units_of(value: float, spec: NumericSpec) -> int:
    return round((Fraction(value) - Fraction(spec.centre)) * _scale(spec))


def _squares(deviation: float, units: int, rows: int, spec: NumericSpec) -> int:
    """The sum of squared distances from the centre that has this standard deviation (ddof 0)."""
    return round(Fraction(deviation) ** 2 * rows * _scale(spec) ** 2 + Fraction(units**2, rows))


def _ends(spec: NumericSpec, low: float, high: float) -> list[tuple[int, int]]:
    """The lowest and the highest distance of each bin in units, within the column's range."""
    borders = [_units_of(min(max(edge, low), high), spec) for edge in spec.edges.tolist()]
    starts, stops = [_units_of(low, spec), *borders], [*borders, _units_of(high, spec)]
    return list(zip(starts, stops, strict=True))


def _moved(units: list[int], target: int, counts: Sequence[int], ends: Sequence[tuple[int, int]]) -> list[int]:
    """The sums of the bins, changed so that they add up to the target and no bin's mean leaves its bin."""
    missing = target - sum(units)
    side = 1 if missing > 0 else 0
    rooms = [max((end[side] * n - u) * (1 if side else -1), 0) for u, n, end in zip(units, counts, ends, strict=True)]
    total = sum(rooms)
    if not total:
        return units
    whole = min(abs(missing), total)
    # shares of a running total, so that what is rounded off is not lost
    passed, given, moved = 0, 0, []
    for room, before in zip(rooms, units, strict=True):
        passed += room
        share = whole * passed // total - given
        given += share
        moved.append(before + (share if side else -share))
    return moved


def categorical_profile(
    column: FeatureStatistics, rows: int, *, counts: dict[str, int] | None, domain: Sequence[str] = ()
) -> CategoricalProfile:
    """The state of a column of texts.

    Args:
        column: The column.
        rows: Rows of the data set.
        counts: Rows of each category, as it is stored; None where the file has no distribution.
        domain: Further categories that are allowed.

    Raises:
        ConfigError: The column holds numbers, or its numbers do not add up.
    """
    if column.string_statistics is None:
        _require_empty(column, "categorical")
        return replace(CategoricalProfile.empty(CategoricalSpec(is_open=True, is_text=True)), nulls=rows)
    _require_all_rows(column, rows)
    present, missing = column.string_statistics.common.num_present, column.string_statistics.common.num_missing
    if counts is None:
        # too many categories for the file: identifiers, or free text
        empty = CategoricalProfile.empty(CategoricalSpec(is_open=True, is_text=True))
        return replace(empty, nulls=missing, counts=np.array([present], np.int64))
    unnamed = present - sum(counts.values())
    if unnamed < 0:
        raise ConfigError(f"{column.name}: more values in its distribution than are present")
    allowed = {**dict.fromkeys(domain, 0), **counts}
    ranked = heapq.nsmallest(MOST_NAMED, allowed.items(), key=lambda item: (-item[1], item[0]))
    named = tuple(sorted(name for name, _ in ranked))
    others = sorted(allowed.keys() - set(named))
    known = np.sort(hashes(pa.array(others, pa.string())))
    is_open = unnamed > 0 or len(allowed) > MOST_KNOWN
    spec = CategoricalSpec(named, np.zeros(0, np.uint64) if is_open else known, is_open=is_open)
    seen = sorted(name for name, n in counts.items() if n)
    lengths = [len(name) for name in seen]
    rest = sum(counts.get(name, 0) for name in others) + unnamed
    return replace(
        CategoricalProfile.of(pa.array(seen, pa.string()), spec),
        nulls=missing,
        counts=np.array([*(counts.get(name, 0) for name in named), rest], np.int64),
        unseen=0,
        new={},
        empty_texts=counts.get("", 0),
        characters=sum(len(name) * n for name, n in counts.items()),
        shortest=min(lengths, default=None),
        longest=max(lengths, default=None),
    )
