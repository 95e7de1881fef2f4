"""Profiles are commutative monoids, and the profile of a union is the merge of the profiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.profile import (
    CategoricalProfile,
    CategoricalSpec,
    NumericProfile,
    NumericSpec,
    Packed,
    ProfileSpec,
    WindowProfile,
    categorical,
    window,
)

NUMERIC = NumericSpec.learn(pa.array([-1.0, 0.0, 0.1, 7.0, 7.0, *np.linspace(0, 3, 40)]))
CATEGORICAL = CategoricalSpec.learn(pa.array(["a", "b", "a"]))
SPEC = ProfileSpec({"amount": NUMERIC, "country": CATEGORICAL})

_special = st.sampled_from([*NUMERIC.edges.tolist(), -0.0, 1e308, -1e308, 5e-324, np.finfo(float).max, 2.0**31, 1e12])
_numbers = st.none() | st.floats() | _special
_names = st.none() | st.sampled_from(["a", "b", "c", "", "(null)", "(other)"]) | st.text(max_size=2)
_moments = st.none() | st.integers(-90, 90).map(lambda h: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=h))
_row = st.fixed_dictionaries(
    {
        "event_time": _moments,
        "model_version": _names,
        "score": st.none() | st.floats(),
        "prediction": _names,
        "latency_ms": st.none() | st.floats(0),
        "status": st.none() | st.sampled_from([200, 503]),
        "feature:amount": _numbers,
        "feature:country": _names,
    }
)
_rows = st.lists(_row, max_size=10)
_schema = pa.schema(
    {
        "event_time": pa.timestamp("us", "UTC"),
        "model_version": pa.string(),
        "score": pa.float64(),
        "prediction": pa.string(),
        "latency_ms": pa.float64(),
        "status": pa.int16(),
        "feature:amount": pa.float64(),
        "feature:country": pa.string(),
    }
)


def _numeric(values: list[Any]) -> NumericProfile:
    return NumericProfile.of(pa.array(values, pa.float64()), NUMERIC)


def _categorical(values: list[Any]) -> CategoricalProfile:
    return CategoricalProfile.of(pa.array(values, pa.string()), CATEGORICAL)


def _window(rows: list[dict[str, Any]]) -> WindowProfile:
    return WindowProfile.of(pa.Table.from_pylist(rows, schema=_schema), SPEC)


def _bytes(profile: Any) -> bytes:
    if isinstance(profile, WindowProfile):
        return profile.pack()
    arrays = {name: array.tolist() for name, array in profile.arrays().items()}
    return json.dumps([profile.head(), arrays], allow_nan=False).encode()


def _check(of: Callable[[list[Any]], Any], empty: Any, parts: list[list[Any]]) -> None:
    a, b, c = (of(part) for part in parts)
    assert _bytes(a.merge(b)) == _bytes(b.merge(a))
    assert _bytes(a.merge(b).merge(c)) == _bytes(a.merge(b.merge(c)))
    assert _bytes(a.merge(empty)) == _bytes(empty.merge(a)) == _bytes(a)
    assert _bytes(of([])) == _bytes(empty)
    together = [*chain(*parts)]
    assert _bytes(of(together)) == _bytes(of(together[::-1])) == _bytes(reduce(type(a).merge, [a, b, c]))


@settings(deadline=None)
@given(st.tuples(*[st.lists(_numbers, max_size=10)] * 3))
def test_numeric(parts: tuple[list[Any], ...]) -> None:
    _check(_numeric, NumericProfile.empty(NUMERIC), list(parts))


@settings(deadline=None)
@given(st.tuples(*[st.lists(_names, max_size=30)] * 3))
def test_categorical(parts: tuple[list[Any], ...]) -> None:
    _check(_categorical, CategoricalProfile.empty(CATEGORICAL), list(parts))


@settings(deadline=None, max_examples=50)
@given(st.tuples(_rows, _rows, _rows))
def test_window(parts: tuple[list[Any], ...]) -> None:
    _check(_window, WindowProfile.empty(SPEC), list(parts))


@settings(deadline=None, max_examples=50)
@given(st.tuples(_rows, _rows, _rows))
def test_windows_with_more_names_than_are_kept(parts: tuple[list[Any], ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "MOST_NAMES", 2)
        patch.setattr(window, "MOST_HOURS", 3)
        patch.setattr(window, "_FEW_CLASSES", 1)
        patch.setattr(categorical, "MOST_NEW", 2)
        _check(_window, WindowProfile.empty(SPEC), list(parts))
        profile = _window([*chain(*parts)])
        assert len(profile.features["country"].new) <= 2  # type: ignore[union-attr]
        assert len(profile.hours) <= 3
        assert len(profile.versions) <= 5


@settings(deadline=None)
@given(st.lists(_numbers, max_size=40), st.data())
def test_any_partition_and_order_of_a_column_gives_the_same(values: list[Any], data: st.DataObject) -> None:
    whole = _bytes(_numeric(values))
    shuffled = data.draw(st.permutations(values))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    array = pa.array(shuffled, pa.float64())
    chunks = [array.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True)]
    assert _bytes(NumericProfile.of(pa.chunked_array(chunks), NUMERIC)) == whole
    encoded = pa.chunked_array([chunk.dictionary_encode() for chunk in chunks])
    assert _bytes(NumericProfile.of(encoded, NUMERIC)) == whole
    assert _bytes(reduce(NumericProfile.merge, [NumericProfile.of(chunk, NUMERIC) for chunk in chunks])) == whole


@settings(deadline=None)
@given(st.lists(st.none() | st.sampled_from(["1", "2.5", "x", "nan", "-inf", "", "1e400", "0x1"]), max_size=20))
def test_texts_are_parsed_one_by_one(texts: list[str | None]) -> None:
    array = pa.array(texts, pa.string())
    whole = NumericProfile.of(array, NUMERIC)
    parts = [NumericProfile.of(array.slice(k, 1), NUMERIC) for k in range(len(array))]
    assert _bytes(reduce(NumericProfile.merge, parts, NumericProfile.empty(NUMERIC))) == _bytes(whole)
    assert whole.rows == len(texts)
    assert whole.mismatched == sum(text in ("x", "", "0x1") for text in texts)


@settings(deadline=None, max_examples=50)
@given(_rows)
def test_profiles_survive_their_bytes(rows: list[Any]) -> None:
    data = _window(rows).pack(day="2024-01-11")
    packed = Packed.read(data, "k")
    assert WindowProfile.unpack(packed, SPEC).pack(**packed.about) == data


@settings(deadline=None, max_examples=50)
@given(_rows)
def test_every_row_is_in_one_cell(rows: list[Any]) -> None:
    profile = _window(rows)
    assert profile.rows == len(rows)
    for column in profile.features.values():
        assert sum(column.cells().values()) == column.rows == len(rows)
    amount = profile.features["amount"]
    assert isinstance(amount, NumericProfile)
    assert amount.finite + amount.nans + amount.infinities + amount.nulls + amount.mismatched == len(rows)
    assert profile.score.rows == sum(p.rows for p in profile.scores.values()) == len(rows)
    assert sum(profile.versions.values()) == sum(row["model_version"] is not None for row in rows)
    assert sum(profile.statuses.values()) == sum(row["status"] is not None for row in rows)
    assert sum(profile.hours.values()) == sum(row["event_time"] is not None for row in rows)


@settings(deadline=None)
@given(st.lists(_numbers, max_size=40), st.lists(_numbers, max_size=20))
def test_any_column_can_be_learned_and_profiled(baseline: list[Any], current: list[Any]) -> None:
    spec = NumericSpec.learn(pa.array(baseline, pa.float64()))
    again = NumericSpec.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False)))
    for values in (baseline, current):
        profile = NumericProfile.of(pa.array(values, pa.float64()), spec)
        assert _bytes(profile) == _bytes(NumericProfile.of(pa.array(values, pa.float64()), again))
        finite = np.array([x for x in values if x is not None and np.isfinite(x)])
        places = np.searchsorted(spec.edges, finite, side="right")
        assert profile.counts.tolist() == np.bincount(places, minlength=len(spec.edges) + 1).tolist()
        assert (profile.mean is None) == (len(finite) == 0)
        assert len(profile.cells()) == len(spec.cells) + 3
        if len(finite):
            assert (profile.low, profile.high) == (finite.min(), finite.max())
            scale = 2.0**-10  # so that the golden sum does not overflow
            exact = float((finite * scale).mean() / scale)
            bound = 1e-12 * float(np.abs(finite).max()) + spec.unit + 1e-320
            assert profile.mean == exact or abs((profile.mean or 0.0) - exact) <= bound
            assert not np.isnan(profile.histogram().sums).any()
