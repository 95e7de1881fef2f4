"""Which windows a reference has, and which ones are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from monitoring.config.references import Reference
from monitoring.window import Window

JANUARY = {"name": "january", "kind": "fixed", "from": "2024-01-01", "to": "2024-01-31"}


def _windows(settings: dict[str, Any], day: str, every: Any = "day", span: int = 7) -> list[str]:
    reference: Any = TypeAdapter(Reference).validate_python({"name": "r", **settings})
    window = Window.parse(day, every)
    needs_span = reference.kind in ("trailing", "fixed")
    found = reference.windows_before(window, span) if needs_span else reference.windows_before(window)
    return [item.label for item in found]


def test_trailing_windows_end_before_those_that_are_judged() -> None:
    assert _windows({"kind": "trailing", "windows": 2}, "2024-03-10") == ["2024-03-02", "2024-03-03"]
    assert _windows({"kind": "trailing", "windows": 2, "lag": 9}, "2024-03-10") == ["2024-02-29", "2024-03-01"]


def test_a_fixed_reference_is_whole_windows() -> None:
    found = _windows(JANUARY, "2024-03-10")
    assert (found[0], found[-1], len(found)) == ("2024-01-01", "2024-01-31", 31)
    assert _windows(JANUARY, "2024-03-04", "week", 2) == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"]


def test_a_fixed_reference_has_to_be_over_before_the_judged_windows_begin() -> None:
    assert _windows(JANUARY, "2024-02-06") == []
    assert len(_windows(JANUARY, "2024-02-07")) == 31


def test_the_same_hour_and_the_same_day_of_the_week() -> None:
    weekly = {"kind": "phase", "count": 2}
    assert _windows(weekly, "2024-01-31") == ["2024-01-17", "2024-01-24"]
    assert _windows(weekly, "2024-01-31T07", "hour") == ["2024-01-17T07", "2024-01-24T07"]


def test_the_same_month_of_last_year() -> None:
    yearly = {"kind": "phase", "every": "year"}
    found = _windows(yearly, "2025-02-10")
    assert (found[0], found[-1], len(found)) == ("2024-02-01", "2024-02-29", 29)
    assert len(_windows(yearly, "2025-01-10T00", "hour")) == 31 * 24
    assert _windows(yearly, "2025-01-06", "week") == [
        "2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29",
    ]  # fmt: skip


@given(
    settings=st.one_of(
        st.fixed_dictionaries({"kind": st.just("trailing"), "windows": st.integers(1, 50)}),
        st.fixed_dictionaries({"kind": st.just("phase"), "count": st.integers(1, 5)}),
        st.just({"kind": "phase", "every": "year"}),
        st.just({"kind": "previous_version", "windows": 20}),
        st.just(JANUARY),
    ),
    every=st.sampled_from(["hour", "day"]),
    shift=st.integers(0, 10_000),
)
def test_no_window_is_its_own_reference(settings: dict[str, Any], every: Any, shift: int) -> None:
    window = Window.parse("2023-12-01", every).shift(shift)
    reference: Any = TypeAdapter(Reference).validate_python({"name": "r", **settings})
    needs_span = reference.kind in ("trailing", "fixed")
    found = reference.windows_before(window, 7) if needs_span else reference.windows_before(window)
    assert found == sorted(set(found))
    assert all(item < window for item in found)


@pytest.mark.parametrize(
    ("references", "every", "complaint"),
    [
        ([{"name": "a", "kind": "trailing", "lag": 2}], "day", "lag of at least 3"),
        ([{"name": "a", "kind": "phase", "every": "week"}], "week", "take kind: trailing"),
        ([{"name": "a", "kind": "trailing"}, {"name": "a", "kind": "phase"}], "day", "a name of its own"),
        ([{"name": "A b", "kind": "trailing"}], "day", "pattern"),
        ([{**JANUARY, "to": "2023-12-31"}], "day", "to lies before from"),
        ([{**JANUARY, "to": "2024-01-05"}], "week", "has 0 windows"),
        ([{**JANUARY, "to": "2030-01-05"}], "day", "from 1 to 1000"),
        ([{"name": "a", "kind": "moon"}], "day", "previous_version"),
    ],
)
def test_what_is_refused(make_config: Any, references: list[Any], every: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        make_config(references=references, schedule={"every": every, "start": "2024-01-01"})


def test_there_is_none_by_default(make_config: Any) -> None:
    assert make_config().references == []
