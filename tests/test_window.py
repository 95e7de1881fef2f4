"""Windows tile the time, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import ConfigError
from monitoring.window import LENGTHS, Every, Window, iso

_every = st.sampled_from(sorted(LENGTHS))
_zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
_moments = st.builds(datetime.fromtimestamp, st.integers(-(10**9), 4 * 10**9), _zones)


@given(_moments, _every)
def test_every_moment_lies_in_one_window(moment: datetime, every: Every) -> None:
    window = Window.containing(moment, every)
    assert window.start <= moment < window.end
    assert window.start.tzinfo is UTC
    assert window.shift(1).start == window.end
    assert window.shift(3).shift(-3) == window
    assert Window.parse(window.label, every) == window
    assert len(window.hours()) == LENGTHS[every] // timedelta(hours=1)
    assert all(window.start <= hour < window.end for hour in window.hours())


@given(_moments, _moments, _every)
def test_labels_sort_as_windows_do(a: datetime, b: datetime, every: Every) -> None:
    first, second = Window.containing(a, every), Window.containing(b, every)
    assert (first < second) == (first.label < second.label)


def test_weeks_begin_on_monday() -> None:
    for day in range(15, 22):
        assert Window.containing(datetime(2013, 4, day, 23, tzinfo=UTC), "week").label == "2013-04-15"


@pytest.mark.parametrize("text", ["2013-04-20", "2013-04-20T00:00", "2013-04-20T02:00:00+02:00", "2013-04-20T00:00Z"])
def test_ways_to_write_a_day(text: str) -> None:
    assert Window.parse(text, "day") == Window(datetime(2013, 4, 20, tzinfo=UTC), "day")


@pytest.mark.parametrize(
    ("text", "every", "message"),
    [
        ("yesterday", "day", "'yesterday' is not a window; hint: write a date like 2013-04-20"),
        ("2013-02-30", "day", "'2013-02-30' is not a window; hint: write a date like 2013-04-20"),
        (
            "2013-04-20T07",
            "day",
            "no day window starts at 2013-04-20T07; hint: the window around it starts at 2013-04-20",
        ),
        ("2013-04-20", "week", "no week window starts at 2013-04-20; hint: the window around it starts at 2013-04-15"),
    ],
)
def test_what_is_no_window(text: str, every: Every, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Window.parse(text, every)
    assert str(caught.value) == message


def test_iso_is_utc() -> None:
    assert iso(datetime(2013, 4, 20, 2, tzinfo=timezone(timedelta(hours=2)))) == "2013-04-20T00:00:00Z"
