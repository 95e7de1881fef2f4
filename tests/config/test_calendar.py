"""Which windows are in the calendar, and which checks it is about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitoring.config.calendar import MOVED_BY_A_CROWD, CalendarEntry, in_force, is_suppressed
from monitoring.config.checks import Checks
from monitoring.window import Window

NEW_YEAR = {"name": "New Year", "from": "2024-12-30", "to": "2025-01-02"}


def _entry(**settings: Any) -> CalendarEntry:
    return CalendarEntry.model_validate({**NEW_YEAR, **settings})


def _covers(entry: CalendarEntry, *windows: str, every: Any = "day") -> list[bool]:
    return [entry.covers(Window.parse(window, every)) for window in windows]


def test_both_ends_are_in_it() -> None:
    days = ("2024-12-29", "2024-12-30", "2025-01-02", "2025-01-03", "2025-12-30")
    assert _covers(_entry(), *days) == [False, True, True, False, False]
    assert _covers(_entry(to=None), "2024-12-30", "2024-12-31") == [True, False]


def test_hours_of_the_day_and_the_week_around_it_are_in_it() -> None:
    assert _covers(_entry(), "2025-01-02T23", "2025-01-03T00", every="hour") == [True, False]
    assert _covers(_entry(), "2024-12-23", "2024-12-30", "2025-01-06", every="week") == [False, True, False]


def test_what_comes_every_year_may_run_into_the_next() -> None:
    days = ("2019-12-29", "2019-12-30", "2020-01-02", "2030-01-02", "2030-01-03")
    assert _covers(_entry(every="year"), *days) == [False, True, True, True, False]
    leap = _entry(**{"from": "2024-02-29", "to": None, "every": "year"})
    assert _covers(leap, "2025-02-28", "2028-02-28", "2028-02-29") == [True, False, True]


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 300), st.integers(-20, 320))
def test_a_yearly_entry_covers_what_the_plain_one_covers(first: date, length: int, shift: int) -> None:
    settings = {"from": first, "to": first + timedelta(days=length)}
    window = Window.parse((first + timedelta(days=shift)).isoformat(), "day")
    plain, yearly = _entry(**settings), _entry(**settings, every="year")
    assert plain.covers(window) == (0 <= shift <= length)
    assert yearly.covers(window) or not plain.covers(window)


def test_what_is_broken_is_broken_on_a_holiday_too() -> None:
    quiet, named = _entry(effect="suppress"), _entry()
    assert quiet.is_about("volume")
    assert quiet.is_about("feature_drift")
    assert not any(quiet.is_about(check) for check in ("schema", "nulls", "errors", "loss", "accuracy"))
    assert named.is_about("schema")
    assert _entry(effect="suppress", checks=["loss"]).is_about("loss")
    assert not _entry(effect="suppress", checks=["loss"]).is_about("volume")


def test_only_what_is_suppressed_is_no_example() -> None:
    calendar = [_entry(), _entry(name="Closed", effect="suppress", to=None)]
    first, second = Window.parse("2024-12-30", "day"), Window.parse("2024-12-31", "day")
    assert [entry.name for entry in in_force(calendar, first)] == ["New Year", "Closed"]
    assert [is_suppressed(calendar, window) for window in (first, second)] == [True, False]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"to": "2024-12-29"}, "must not lie before"),
        ({"to": "2026-01-02"}, "nor a year after"),
        ({"checks": ["volumes"]}, "no check 'volumes'"),
        ({"effect": "hide"}, "annotate"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        _entry(**settings)


def test_what_a_crowd_moves_are_checks_that_exist() -> None:
    assert set(Checks.model_fields) >= MOVED_BY_A_CROWD


def test_every_check_may_be_named(make_config: Any) -> None:
    config = make_config(calendar=[{**NEW_YEAR, "checks": ["schema", "volume", "loss"]}])
    assert config.calendar[0].checks == ["schema", "volume", "loss"]
