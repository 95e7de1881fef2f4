"""Estimates beside what became of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure import Measurement
from monitoring.measure.series import Performance, Stage
from monitoring.report.measured import SeriesPoint
from monitoring.report.track_record import track_record
from monitoring.window import Window
from tests.conftest import FIRST_DAY

SHARES = st.floats(0, 1)


def number(value: float | None, half: float | None = None, rows: int = 300) -> Measurement:
    if value is None or half is None:
        return Measurement("roc_auc", value, rows, "low", "")
    return Measurement("roc_auc", value, rows, "low", "", value - half, value + half)


def point(day: int, before: Measurement, found: Measurement, stage: Stage = "final") -> SeriesPoint:
    performance = Performance(stage, 300, 200, {"roc_auc": found}, {"roc_auc": before}, {"roc_auc": found})
    return SeriesPoint(Window(FIRST_DAY, "day").shift(day), 1, performance, 24.0)


@given(st.lists(st.tuples(SHARES, SHARES, st.floats(0, 0.5)), min_size=1, max_size=60))
def test_means_and_counts_fit_together(rows: list[tuple[float, float, float]]) -> None:
    points = [point(i, number(before, half), number(found)) for i, (before, found, half) in enumerate(rows)]
    record = track_record(points, "roc_auc", 5)
    assert record is not None
    assert record.windows == len(rows)
    assert record.difference == pytest.approx(record.realised - record.estimated)
    assert record.absolute >= abs(record.difference) - 1e-12
    assert record.inside == sum(before - half <= found <= before + half for before, found, half in rows)


def test_only_final_windows_with_an_interval_and_enough_rows_count() -> None:
    good = point(0, number(0.8, 0.1), number(0.75))
    others = [
        point(1, number(0.8, 0.1), number(0.1), "provisional"),
        point(2, number(0.8), number(0.1)),
        point(3, number(0.8, 0.1), number(None)),
        point(4, number(0.8, 0.1), number(0.1, rows=4)),
    ]
    record = track_record([good, *others], "roc_auc", 5)
    assert record is not None
    assert (record.windows, record.inside) == (1, 1)
    assert track_record(others, "roc_auc", 5) is None
    assert track_record([good], "brier", 5) is None


@pytest.mark.parametrize(("inside", "often"), [(20, False), (18, False), (16, False), (15, True), (0, True)])
def test_more_misses_than_chance_gives_are_told(inside: int, often: bool) -> None:
    points = [point(i, number(0.8, 0.1), number(0.8 if i < inside else 0.5)) for i in range(20)]
    record = track_record(points, "roc_auc", 5)
    assert record is not None
    assert record.misses_often == often
