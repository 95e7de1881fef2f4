"""What goes into which cell."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from monitoring.capture.records import FEATURE_PREFIX, schema
from monitoring.config.model import Columns
from monitoring.profile import CategoricalProfile, ColumnSpec, NumericProfile, ProfileSpec, WindowProfile
from monitoring.profile.columns import BINS, MOST_CATEGORIES


def _numbers(*values: Any) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.float64())])


def _names(*values: Any) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def test_a_value_equal_to_an_edge_is_below_it() -> None:
    spec = ColumnSpec("numeric", edges=(1.0, 2.0))
    profile = NumericProfile.of(_numbers(0.5, 1.0, math.nextafter(1, 2), 2.0, math.nextafter(2, 3)), spec)
    assert profile.counts == (2, 2, 1)
    assert profile.cells(spec) == {"≤ 1": 2, "1 – 2": 2, "> 2": 1, "(null)": 0, "(not finite)": 0}


def test_nulls_and_what_is_not_finite() -> None:
    spec = ColumnSpec("numeric", edges=(1.0,))
    profile = NumericProfile.of(_numbers(None, math.nan, math.inf, -math.inf, 0.5, 3.0), spec)
    assert (profile.rows, profile.nulls, profile.infinite, profile.counts) == (6, 1, 3, (1, 1))
    assert (profile.low, profile.high, profile.mean(spec)) == (0.5, 3.0, 1.75)
    nothing = NumericProfile.of(_numbers(None, math.nan), spec)
    assert (nothing.rows, nothing.nulls, nothing.infinite, nothing.low) == (2, 1, 1, None)
    assert nothing.mean(spec) is None


def test_values_far_beyond_the_baseline_are_counted() -> None:
    spec = ColumnSpec.learn(_numbers(0.0, 1e-3), "numeric")
    profile = NumericProfile.of(_numbers(1e308, 1e308), spec)
    assert profile.counts[-1] == 2
    assert profile.high == 1e308
    assert math.isfinite(profile.mean(spec) or math.nan)


def test_numeric_bins_hold_equal_shares_of_the_baseline() -> None:
    column = _numbers(*range(1, 1001))
    spec = ColumnSpec.learn(column, "numeric")
    assert spec.edges == tuple(range(50, 1000, 50))
    assert NumericProfile.of(column, spec).counts == (50,) * BINS


def test_a_frequent_value_gets_a_bin_of_its_own() -> None:
    column = _numbers(*[0.0] * 500, *range(1, 501))
    spec = ColumnSpec.learn(column, "numeric")
    assert spec.edges[0] == 0.0
    assert NumericProfile.of(column, spec).counts[0] == 500
    assert len(spec.edges) == len(set(spec.edges)) == 10


@pytest.mark.parametrize("values", [(), (None, None), (math.nan, math.inf)])
def test_a_baseline_column_without_numbers(values: tuple[Any, ...]) -> None:
    spec = ColumnSpec.learn(_numbers(*values), "numeric")
    assert spec.edges == ()
    assert NumericProfile.of(_numbers(3.0, None), spec).cells(spec) == {"any": 1, "(null)": 1, "(not finite)": 0}


def test_unseen_categories_are_one_cell_with_examples() -> None:
    spec = ColumnSpec.learn(_names("b", "a", "b", None), "categorical")
    assert (spec.categories, spec.folded) == (("a", "b"), False)
    profile = CategoricalProfile.of(_names("a", "z", "y", "z", None), spec)
    assert profile.cells(spec) == {"a": 1, "b": 0, "(null)": 1, "(unseen)": 3}
    assert profile.examples == ("y", "z")
    many = CategoricalProfile.of(_names(*(f"{i:03d}" for i in range(100, 0, -1))), spec)
    assert many.examples == tuple(f"{i:03d}" for i in range(1, 21))


def test_more_categories_than_are_counted_by_name() -> None:
    common = [f"c{i:03d}" for i in range(MOST_CATEGORIES)]
    column = _names(*common * 2, "rare", "scarce")
    spec = ColumnSpec.learn(column, "categorical")
    assert (list(spec.categories), spec.folded) == (common, True)
    profile = CategoricalProfile.of(column, spec)
    assert (profile.unseen, profile.examples) == (2, ("rare", "scarce"))
    assert not ColumnSpec.learn(_names(*common), "categorical").folded


def test_a_window_counts_versions_statuses_hours_and_positives() -> None:
    columns = Columns(features={"x": "numeric"})
    moment = datetime(2024, 1, 11, 7, 59, tzinfo=UTC)
    row = {"event_time": moment, "model_version": "1", "score": 0.5, "prediction": True, "status": 200}
    rows = [row, row | {"model_version": "2", "prediction": False}, row | {"status": None, "latency_ms": 3.0}]
    table = pa.Table.from_pylist([{"event_id": f"{i}", **r} for i, r in enumerate(rows)], schema=schema(columns))
    found = WindowProfile.of(table, ProfileSpec({"x": ColumnSpec("numeric")}), FEATURE_PREFIX)
    assert (found.rows, found.positives) == (3, 2)
    assert (found.versions, found.statuses) == ({"1": 2, "2": 1}, {"200": 2})
    assert found.hours == {"2024-01-11T07Z": 3}
    assert (found.latency.rows, found.latency.nulls) == (3, 2)
