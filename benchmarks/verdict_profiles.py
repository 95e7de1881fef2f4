"""Profiles of windows that are drawn from a pool, from how often each of its rows was drawn.

They are those that the product makes of the same rows (`tests/benchmarks/test_verdicts.py` compares them), at a cost
that depends on the distinct values of a column and not on the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.verdict_streams import Draw, Pool
from monitoring.measure.basis import State
from monitoring.measure.binary_basis import BinaryBasis
from monitoring.measure.performance_rows import cells_by_column
from monitoring.profile import (
    CategoricalProfile,
    CategoricalSpec,
    NumericProfile,
    NumericSpec,
    OutcomeProfile,
    ProfileSpec,
    WindowProfile,
)
from monitoring.profile import scores as grid
from monitoring.profile.distinct import Registers
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray, in_units, natural_log, sum_of_products
from monitoring.profile.losses import LossByBin
from monitoring.profile.outcomes import SUMS, point_of
from monitoring.profile.score_counts import ScoreProfile
from monitoring.profile.window import LATENCY


@dataclass(frozen=True, eq=False)
class _Registers:
    """Where each distinct value of a column stands in the sketch of distinct values, and how high; shape (v,)."""

    places: IntArray
    ranks: Registers
    whole: Registers

    @classmethod
    def of(cls, profiles: Sequence[Any]) -> _Registers:
        places = np.array([int(np.argmax(profile.registers)) for profile in profiles], np.int64)
        ranks = np.array([int(profile.registers.max()) for profile in profiles], np.uint8)
        return cls(places, ranks, np.maximum.reduce([profile.registers for profile in profiles]))

    def sketch(self, present: BoolArray) -> Registers:
        if present.all():
            return self.whole
        registers = np.zeros_like(self.whole)
        np.maximum.at(registers, self.places[present], self.ranks[present])
        return registers


class NumericCounter:
    """A numeric column, or the score.

    Args:
        values: The value of each row of the pool, NaN where it has none; shape (n,).
        spec: What the baseline froze.
    """

    def __init__(self, values: FloatArray, spec: NumericSpec) -> None:
        self.spec = spec
        known = np.isfinite(values)
        self.values = np.unique(values[known])
        self.codes = np.where(known, np.searchsorted(self.values, np.where(known, values, 0.0)), len(self.values))
        singles = [NumericProfile.of(pa.array([value]), spec) for value in self.values]
        self._bins = np.array([int(np.argmax(single.counts)) for single in singles], np.int64)
        assert len(np.unique(self._bins)) == len(self._bins)
        self._units = np.array([single.distance_units for single in singles], np.int64)
        self._registers = _Registers.of(singles)
        self._empty = NumericProfile.empty(spec)

    def counts(self, rows: IntArray) -> IntArray:
        """Rows per distinct value, and behind them rows without one; shape (v + 1,)."""
        return np.bincount(self.codes, rows, len(self.values) + 1).astype(np.int64)

    def profile(self, counts: IntArray) -> NumericProfile:
        """The profile of these rows."""
        *_, nulls = counts.tolist()
        counts = counts[:-1]
        present = counts > 0
        if not present.any():
            return NumericProfile(**{**vars(self._empty), "nulls": nulls})
        in_bins, units = np.zeros_like(self._empty.counts), np.zeros_like(self._empty.units)
        in_bins[self._bins], units[self._bins] = counts, counts * self._units  # each value has a bin of its own
        seen = self.values[present]
        return NumericProfile(
            spec=self.spec,
            nulls=nulls,
            mismatched=0,
            nans=0,
            infinities=0,
            zeros=int(counts[self.values == 0].sum()),
            negatives=int(counts[self.values < 0].sum()),
            counts=in_bins,
            units=units,
            far={},
            squares=sum_of_products(counts * self._units, self._units),
            low=float(seen[0]),
            high=float(seen[-1]),
            registers=self._registers.sketch(present),
        )


class CategoricalCounter:
    """A categorical column.

    Args:
        values: The category of each row of the pool, None where it has none.
        spec: What the baseline froze.
    """

    def __init__(self, values: Sequence[str | None], spec: CategoricalSpec) -> None:
        self.spec = spec
        self.values = sorted({value for value in values if value is not None})
        places = {value: place for place, value in enumerate(self.values)}
        self.codes = np.array([places.get(value, len(places)) if value else len(places) for value in values])
        singles = [CategoricalProfile.of(pa.array([value]), spec) for value in self.values]
        self._places = np.array([spec.names.index(value) for value in self.values], np.int64)
        self._lengths = np.array([len(value) for value in self.values], np.int64)
        self._registers = _Registers.of(singles)
        self._empty = CategoricalProfile.empty(spec)

    def counts(self, rows: IntArray) -> IntArray:
        """Rows per category, and behind them rows without one; shape (v + 1,)."""
        return np.bincount(self.codes, rows, len(self.values) + 1).astype(np.int64)

    def profile(self, counts: IntArray) -> CategoricalProfile:
        """The profile of these rows."""
        *_, nulls = counts.tolist()
        counts = counts[:-1]
        present = counts > 0
        named = np.zeros_like(self._empty.counts)
        named[self._places] = counts
        lengths = self._lengths[present]
        return CategoricalProfile(
            spec=self.spec,
            nulls=nulls,
            mismatched=0,
            counts=named,
            unseen=0,
            new={},
            empty_texts=0,
            characters=int(counts @ self._lengths),
            shortest=int(lengths.min()) if len(lengths) else None,
            longest=int(lengths.max()) if len(lengths) else None,
            registers=self._registers.sketch(present),
        )


class Profiler:
    """Profiles of draws from a pool.

    Args:
        pool: The pool.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        # of the pool, not of each baseline: the borders of cells are those of a large baseline
        self.spec = ProfileSpec.learn(pool.records, pool.kinds)  # type: ignore[arg-type]  # names of kinds
        self.columns = {name: _counter(pool, name, spec) for name, spec in self.spec.features.items()}
        self.score = NumericCounter(pool.rates, self.spec.score)
        self._positive = self.score.values >= 0.5
        bins, places = grid.score_place(self.score.values)
        points = np.stack([point_of(bins, places, self._positive.astype(np.int64), actual) for actual in _ACTUAL])
        self._bins, self._places, self._points = bins, places, points
        self._order = np.argsort(points.ravel())
        self._sums = _units_of(self.score.values)
        self.cells = cells_by_column(pool.records, self.spec)
        self._latency = NumericProfile.empty(LATENCY)

    def window(self, draws: Sequence[Draw]) -> WindowProfile:
        """The profile of some windows together."""
        rows = np.sum([draw.rows for draw in draws], axis=0)
        total = int(rows.sum())
        scores = self.score.counts(rows)
        by_class = {"false": np.append(~self._positive, True), "true": np.append(self._positive, False)}
        parts = {name: np.where(mine, scores, 0) for name, mine in by_class.items()}
        return WindowProfile(
            self.spec,
            total,
            {name: column.profile(column.counts(rows)) for name, column in self.columns.items()},
            {name: self.score.profile(counts) for name, counts in parts.items() if counts.any()},
            NumericProfile(**{**vars(self._latency), "nulls": total}),
            {"v1": total},
            {"200": total},
            {name: count for draw in draws for name, count in _hours(draw.day, draw.hours).items()},
        )

    def labels(self, draw: Draw) -> IntArray:
        """Rows by distinct score and label, shape (scores, 2)."""
        positive, all_rows = self.score.counts(draw.positives)[:-1], self.score.counts(draw.rows)[:-1]
        return np.stack([all_rows - positive, positive], axis=1)

    def state(self, labels: IntArray, known: IntArray) -> State:
        """What rows amount to of which some have labels.

        Args:
            labels: All of them by distinct score and label, shape (scores, 2).
            known: Those with a label, likewise.
        """
        waiting = (labels - known).sum(axis=1)
        some = waiting > 0
        rows = np.zeros((int(some.sum()), 2), np.int64)
        rows[np.arange(len(rows)), self._positive[some].astype(np.int64)] = waiting[some]
        places = rows * self._places[some][:, None]
        return State(self.outcomes(known), ScoreProfile(self._bins[some], rows, places))

    def outcomes(self, known: IntArray) -> OutcomeProfile:
        """The profile of labelled rows, by distinct score and label, shape (scores, 2)."""
        rows = known.T.ravel()[self._order]
        some = rows > 0
        points = self._points.ravel()[self._order][some]
        sums = tuple(
            tuple(sum_of_products(np.ascontiguousarray(known[:, label]), units[label]) for label in (0, 1))
            for units in self._sums
        )
        empty = OutcomeProfile.empty()
        return OutcomeProfile(
            points, rows[some], empty.bins, empty.counts, empty.places, empty.squares, empty.unscored, sums
        )

    def basis(self, draws: Sequence[Draw]) -> BinaryBasis:
        """What performance is held against: these windows, all of whose rows have labels."""
        rows = np.sum([draw.rows for draw in draws], axis=0)
        positives = np.sum([draw.positives for draw in draws], axis=0)
        labels = np.sum([self.labels(draw) for draw in draws], axis=0)
        losses = self.losses(rows, positives, [*self.cells])
        return BinaryBasis(self.outcomes(labels), losses)

    def losses(self, rows: IntArray, positives: IntArray, names: Sequence[str]) -> LossByBin:
        """The Brier losses of labelled rows by cell of some columns.

        Args:
            rows: By row of the pool, shape (n,).
            positives: Those with a positive label, shape (n,).
            names: The columns.
        """
        by_label = np.stack([rows - positives, positives]).astype(np.float64)
        losses = np.stack([self.pool.rates**2, (1 - self.pool.rates) ** 2])
        units, coarse = np.rint(losses * 2.0**22), np.rint(losses * 2.0**11) ** 2
        weights = (by_label.sum(axis=0), (by_label * units).sum(axis=0), (by_label * coarse).sum(axis=0))
        found = {}
        for name in names:
            cells, size = self.cells[name]
            found[name] = np.stack([np.bincount(cells, w, size).astype(np.int64) for w in weights], axis=1)
        return LossByBin(1.0, found)


_ACTUAL = (np.int64(0), np.int64(1))


def _counter(pool: Pool, name: str, spec: Any) -> NumericCounter | CategoricalCounter:
    values = pool.values(name)
    if isinstance(spec, NumericSpec):
        return NumericCounter(np.array([np.nan if value is None else value for value in values], float), spec)
    return CategoricalCounter(values, spec)


def _units_of(scores: FloatArray) -> list[tuple[IntArray, IntArray]]:
    """Each of the sums of an `OutcomeProfile` in its units, of a row with each score, by label."""
    found = []
    for actual, given in ((0, 1 - scores), (1, scores)):
        error2, loss = (scores - actual) ** 2 if actual == 0 else (1 - scores) ** 2, -natural_log(given)
        rows = (scores, scores * scores, error2, error2 * error2, loss, loss * loss)
        found.append([in_units(values, bits) for values, bits in zip(rows, SUMS.values(), strict=True)])
    return list(zip(*found, strict=True))


def _hours(day: date, hours: IntArray) -> Mapping[str, int]:
    return {f"{day.isoformat()}T{hour:02d}Z": count for hour, count in enumerate(hours.tolist()) if count}
