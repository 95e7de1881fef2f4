"""Ids and times of rows in plain files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.readers.rows import EPOCH, id_text, parse_time

MOMENT = datetime(2024, 1, 11, 10, 0, 0, 250000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-11T10:00:00.25Z",
        " 2024-01-11 10:00:00.250000000 ",
        "2024-01-11 10:00:00.25 UTC",
        "2024-01-11T11:00:00.25+01:00",
        "1704967200.25",
        "1704967200250",
        1704967200.25,
        Decimal("1704967200.25"),
        1704967200250,
        1704967200250000,
        1704967200250000000,
        1704967200250.0,
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=-5))),
        MOMENT.replace(tzinfo=None),
    ],
)
def test_ways_to_say_a_time(value: object) -> None:
    assert parse_time(value) == MOMENT


def test_a_day_begins_at_midnight_in_utc() -> None:
    midnight = datetime(2024, 1, 11, tzinfo=UTC)
    assert parse_time("2024-01-11") == parse_time("20240111") == parse_time(date(2024, 1, 11)) == midnight


@pytest.mark.parametrize(
    "value", ["soon", "", "12:30", "17", 17, 0.5, -1704967200, 1e21, float("nan"), True, None, [], {}]
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(value)


@given(st.datetimes(datetime(1974, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001  # Hypothesis wants them so
def test_every_unit_says_the_same(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    count = (moment - EPOCH) // timedelta(microseconds=1)
    assert parse_time(count * 1000) == parse_time(str(count * 1000)) == moment
    for unit in (1000, 1_000_000):
        assert parse_time(count // unit) == EPOCH + timedelta(microseconds=count // unit * unit)


def test_what_can_be_an_id() -> None:
    assert [id_text(value) for value in ("a", 17, 17.0, 17.5, True, float("nan"), [], "\ud800")] == [
        "a",
        "17",
        "17",
        "17.5",
        None,
        None,
        None,
        None,
    ]
