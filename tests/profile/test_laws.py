"""Profiles are commutative monoids, and the profile of a union is the merge of the profiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import chain
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.records import FEATURE_PREFIX, schema
from monitoring.config.model import Columns
from monitoring.profile import (
    CategoricalProfile,
    ColumnSpec,
    NumericProfile,
    ProfileSpec,
    WindowProfile,
)

NUMERIC = ColumnSpec("numeric", edges=(-1.0, 0.0, 0.1, 7.0), unit=2.0**-20)
CATEGORICAL = ColumnSpec("categorical", categories=("a", "b"))
SPEC = ProfileSpec({"amount": NUMERIC, "country": CATEGORICAL})
COLUMNS = Columns(features={"amount": "numeric", "country": "categorical"})

_numbers = st.none() | st.floats() | st.sampled_from([*NUMERIC.edges, -0.0, 1e308, -1e308, 5e-324])
_names = st.none() | st.sampled_from(["a", "b", "c", ""]) | st.text(max_size=2)
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "event_time": st.integers(0, 90).map(
                lambda hours: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
            ),
            "model_version": st.sampled_from(["1", "2"]),
            "score": st.floats(0, 1),
            "latency_ms": st.none() | st.floats(0),
            "status": st.none() | st.sampled_from([200, 503]),
            f"{FEATURE_PREFIX}amount": _numbers,
            f"{FEATURE_PREFIX}country": _names,
        }
    ),
    max_size=10,
)


def _numeric(values: list[Any]) -> NumericProfile:
    return NumericProfile.of(pa.chunked_array([pa.array(values, pa.float64())]), NUMERIC)


def _categorical(values: list[Any]) -> CategoricalProfile:
    return CategoricalProfile.of(pa.chunked_array([pa.array(values, pa.string())]), CATEGORICAL)


def _window(rows: list[dict[str, Any]]) -> WindowProfile:
    whole = [{"event_id": "x", "prediction": row["score"] >= 0.5, **row} for row in rows]
    return WindowProfile.of(pa.Table.from_pylist(whole, schema=schema(COLUMNS)), SPEC, FEATURE_PREFIX)


def _json(profile: Any) -> str:
    return json.dumps(profile.to_json(), allow_nan=False)


def _check(of: Callable[[list[Any]], Any], empty: Any, parts: list[list[Any]]) -> None:
    a, b, c = (of(part) for part in parts)
    assert _json(a.merge(b)) == _json(b.merge(a))
    assert _json(a.merge(b).merge(c)) == _json(a.merge(b.merge(c)))
    assert _json(a.merge(empty)) == _json(empty.merge(a)) == _json(a)
    assert _json(of([])) == _json(empty)
    assert _json(of([*chain(*parts)])) == _json(reduce(type(a).merge, [a, b, c]))


@given(st.tuples(*[st.lists(_numbers, max_size=10)] * 3))
def test_numeric(parts: tuple[list[Any], ...]) -> None:
    _check(_numeric, NumericProfile.empty(NUMERIC), list(parts))


@given(st.tuples(*[st.lists(_names, max_size=30)] * 3))
def test_categorical(parts: tuple[list[Any], ...]) -> None:
    _check(_categorical, CategoricalProfile.empty(CATEGORICAL), list(parts))


@settings(deadline=None)
@given(st.tuples(_rows, _rows, _rows))
def test_window(parts: tuple[list[Any], ...]) -> None:
    _check(_window, WindowProfile.empty(SPEC), list(parts))


@settings(deadline=None)
@given(_rows)
def test_profiles_survive_json(rows: list[Any]) -> None:
    profile = _window(rows)
    assert WindowProfile.from_json(json.loads(_json(profile)), SPEC) == profile
    assert ProfileSpec.from_json(json.loads(json.dumps(SPEC.to_json()))) == SPEC


@settings(deadline=None)
@given(_rows)
def test_every_row_is_in_one_cell(rows: list[Any]) -> None:
    profile = _window(rows)
    assert profile.rows == len(rows)
    for name, column in profile.features.items():
        assert sum(column.cells(SPEC.features[name]).values()) == column.rows == len(rows)
    assert sum(profile.versions.values()) == sum(profile.hours.values()) == len(rows)
    assert sum(profile.statuses.values()) == sum(row["status"] is not None for row in rows)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.just(5e-324), max_size=40))
def test_learned_edges_fit_every_baseline_row(values: list[float]) -> None:
    column = pa.chunked_array([pa.array(values, pa.float64())])
    spec = ColumnSpec.learn(column, "numeric")
    profile = NumericProfile.of(column, spec)
    assert list(spec.edges) == sorted(set(spec.edges))
    assert sum(profile.counts) == len(values)
    assert (profile.mean(spec) is None) == (not values)
    if values:
        tolerance = len(values) * max(abs(x) for x in values) * 2**-32 + 1e-300
        exact = sum(x / len(values) for x in values)
        assert abs(profile.mean(spec) - exact) <= tolerance  # type: ignore[operator]
