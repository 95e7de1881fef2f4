"""Whether the data are what they were: one number each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring.measure import quality
from monitoring.measure.measurement import Measurement
from monitoring.profile import (
    CategoricalProfile,
    CategoricalSpec,
    ColumnProfile,
    NumericProfile,
    NumericSpec,
    ProfileSpec,
    RecordColumns,
    WindowProfile,
    categorical,
)

NAN, INF = float("nan"), float("inf")


def _baseline(column: pa.Array) -> NumericProfile:
    return NumericProfile.of(column, NumericSpec.learn(column))


BASELINE, FEW = _baseline(pa.array(np.linspace(-1, 1, 1001))), _baseline(pa.array([2.0, 3.0, 5.0]))


def _numeric(*values: Any, like: NumericProfile = BASELINE) -> NumericProfile:
    return NumericProfile.of(pa.array(values, pa.float64()), like.spec)


def _categorical(*values: Any, names: tuple[str, ...] = ("a", "b")) -> CategoricalProfile:
    return CategoricalProfile.of(pa.array(values, pa.string()), CategoricalSpec(names))


def _window(**table: Any) -> WindowProfile:
    columns = RecordColumns("", event_time="event_time", status="status")
    return WindowProfile.of(pa.table(table), ProfileSpec(), columns)


def _is(found: Measurement, value: float | None, rows: int) -> None:
    assert found.rows == rows
    assert found.value == (None if value is None else pytest.approx(value))
    if found.low is not None and value is not None:
        assert found.high is not None
        assert found.low <= value <= found.high
    assert found.method


def test_nulls() -> None:
    _is(quality.completeness(_numeric(None, 1.0, 2.0, None)), 0.5, 4)
    # NaN, infinities and what is no number cannot be used either
    _is(quality.completeness(_numeric(None, 1.0, NAN, np.inf)), 0.75, 4)
    _is(quality.completeness(NumericProfile.of(pa.array(["1", "x"]), BASELINE.spec)), 0.5, 2)
    _is(quality.completeness(_categorical(None, "a", "z")), 1 / 3, 3)
    _is(quality.completeness(_numeric()), None, 0)
    assert quality.completeness(_numeric(1.0)).direction == "high"


def test_values_of_another_type() -> None:
    mixed = NumericProfile.of(pa.array(["1", "x", None, "y"]), BASELINE.spec)
    _is(quality.mismatch(mixed), 0.5, 4)
    _is(quality.mismatch(CategoricalProfile.of(pa.array([[1], None]), CategoricalSpec())), 0.5, 2)
    _is(quality.mismatch(_categorical()), None, 0)


def test_nan_and_infinite_values() -> None:
    _is(quality.nonfinite(_numeric(NAN, INF, -INF, 1.0, None)), 0.6, 5)
    _is(quality.nonfinite(_numeric()), None, 0)


def test_values_outside_the_baselines_range_are_counted_exactly() -> None:
    beside = [float(np.nextafter(-1, -9)), -1.0, 1.0, float(np.nextafter(1, 9))]
    _is(quality.out_of_range(_numeric(*beside, 0.0, NAN, None, 1e300), BASELINE), 0.5, 6)
    _is(quality.out_of_range(_numeric(2.0, 4.0, 5.0, like=FEW), FEW), 0.0, 3)
    _is(quality.out_of_range(_numeric(1.9, 5.1, like=FEW), FEW), 1.0, 2)
    _is(quality.out_of_range(BASELINE, BASELINE), 0.0, 1001)


def test_no_value_is_outside_where_none_or_no_range_is_known() -> None:
    _is(quality.out_of_range(_numeric(None), BASELINE), None, 0)
    _is(quality.out_of_range(_numeric(1.0, 2.0), _numeric(None)), None, 2)


def test_categories_that_the_baseline_has_not() -> None:
    _is(quality.unseen(_categorical("a", "z", None, "y")), 0.5, 4)
    _is(quality.unseen(_categorical()), None, 0)
    spec = CategoricalSpec(("a",), is_open=True)
    _is(quality.unseen(CategoricalProfile.of(pa.array(["a", "z"]), spec)), None, 2)


def test_uniqueness_is_one_for_identifiers() -> None:
    assert quality.uniqueness(_numeric(*[1.0, 2.0] * 50)).value == pytest.approx(0.02, rel=0.01)
    found = quality.uniqueness(_categorical(*(f"{i}" for i in range(5000))))
    assert 0.95 < (found.value or 0.0) <= 1
    _is(quality.uniqueness(_numeric(None, NAN)), None, 0)
    _is(quality.uniqueness(_categorical(None)), None, 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (_numeric(3.0, 3.0, None, NAN), 1.0),
        (_numeric(-0.0, 0.0), 1.0),
        (_numeric(3.0, float(np.nextafter(3, 4))), 0.0),
        (_numeric(3.0), None),
        (_numeric(), None),
        (_categorical("a", "a", None), 1.0),
        (_categorical("z", "z"), 1.0),
        (_categorical("a", "b"), 0.0),
        (_categorical("a", "z"), 0.0),
        (_categorical("y", "z"), 0.0),
        (_categorical("a", None), None),
    ],
)
def test_a_column_of_one_value_is_constant(column: ColumnProfile, value: float | None) -> None:
    assert quality.constancy(column).value == value


def test_two_categories_in_one_register_of_the_sketch_are_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CategoricalSpec(("a", "b"))
    both = CategoricalProfile.of(pa.array(["a", "b", "a"]), spec)
    monkeypatch.setattr(categorical, "distinct_count", lambda _: 1.0)
    assert quality.constancy(both).value == 0.0
    assert quality.constancy(CategoricalProfile.of(pa.array(["x", "yy"]), CategoricalSpec(is_open=True))).value == 0.0


def test_a_feed_that_repeats_itself_is_stale() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    before = _numeric(*values)
    _is(quality.staleness(_numeric(*values[::-1]), before), 1.0, 200)
    changed = values.copy()
    changed[3] += 1e-3
    _is(quality.staleness(_numeric(*changed), before), 0.0, 200)
    _is(quality.staleness(_numeric(*values, None), before), 0.0, 201)
    _is(quality.staleness(_categorical(*map(str, values)), _categorical(*map(str, values))), 1.0, 200)


def test_staleness_needs_rows_and_different_values() -> None:
    few = _numeric(*range(20))
    _is(quality.staleness(few, few), None, 20)
    _is(quality.staleness(_numeric(), _numeric(*range(100))), None, 0)
    _is(quality.staleness(_numeric(*range(100)), _numeric()), None, 100)


def test_volume_is_a_share_of_an_ordinary_window() -> None:
    _is(quality.volume(50, 200.0), 0.25, 50)
    _is(quality.volume(0, 200.0), 0.0, 0)
    _is(quality.volume(50, 0.0), None, 50)


def test_hours_without_a_record() -> None:
    hours = pa.array([0, 3599, 3600, None, 90_000], pa.int64()).cast(pa.timestamp("s", "UTC"))
    window = _window(event_time=hours)
    _is(quality.silent_hours(window, 24), 21 / 24, 5)
    _is(quality.silent_hours(_window(event_time=pa.nulls(2, pa.timestamp("s"))), 24), 1.0, 2)
    # records from outside of the window do not make up for more than all hours
    _is(quality.silent_hours(window, 2), 0.0, 5)


@pytest.mark.parametrize(
    ("statuses", "value", "answered"),
    [
        ([200, 200, 503, 500, None], 0.5, 4),
        ([200.0, 503.0, NAN], 0.5, 2),
        (["499", "500", "timeout", None], 1 / 3, 3),
        ([None, None], None, 0),
        ([], None, 0),
    ],
)
def test_server_errors(statuses: list[Any], value: float | None, answered: int) -> None:
    _is(quality.server_errors(_window(status=statuses)), value, answered)
