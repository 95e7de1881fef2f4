"""What folders of keys say about time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.inspect.folders import common, is_unpadded, place_of
from monitoring.config.capture import Capture

PATTERNS = [
    "%Y/%m/%d/%H",
    "%Y/%m/%d",
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y%m%d%H",
    "%Y-%m-%d-%H",
    "%Y-%m-%dT%H",
    "dt=%Y-%m-%d/hour=%H",
    "dt=%Y-%m-%d",
    "year=%Y/month=%m/day=%d",
    "year=%Y/month=%m/day=%d/hour=%H",
    "event_date=%Y%m%d/%H",
    "date-%Y-%m-%d",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001  # Hypothesis wants them so
    above=st.sampled_from([(), ("churn",), ("ep-1", "AllTraffic"), ("v2", "12")]),
    below=st.sampled_from(["a.jsonl", "part=1/a.parquet", "15-30-123-x.jsonl"]),
)
def test_every_pattern_is_found(pattern: str, moment: datetime, above: tuple[str, ...], below: str) -> None:
    place = place_of("/".join([*above, moment.strftime(pattern), below]))
    assert (place.above, place.pattern) == (above, pattern)
    step = {"minute": 0, "second": 0, "microsecond": 0} | ({} if "%H" in pattern else {"hour": 0})
    assert place.start == moment.replace(tzinfo=UTC, **step)
    assert Capture(uri="x", folders=place.pattern).folders == pattern


@pytest.mark.parametrize(
    "key",
    [
        "a.jsonl",
        "2024-01-11.jsonl",
        "2024/13/01/a.jsonl",
        "2024/02/30/a.jsonl",
        "customer/1234567890/a.jsonl",
        "2024/a.jsonl",
        "2024/1/11/a.jsonl",
        "year=2024/month=1/day=11/a.jsonl",
    ],
)
def test_what_names_no_time(key: str) -> None:
    place = place_of(key)
    assert (place.pattern, place.start, place.end) == ("", None, None)
    assert "/".join(place.above) == key.rpartition("/")[0]


def test_days_without_leading_zeros_are_noticed() -> None:
    assert is_unpadded("year=2024/month=1/day=11/a.jsonl")
    assert is_unpadded("x/2024/1/1/a.jsonl")
    assert not is_unpadded("2024/01/11/a.jsonl")
    assert not is_unpadded("a/b/c.jsonl")


def test_the_folder_over_all() -> None:
    assert common([("a", "b"), ("a", "c", "d")]) == ("a",)
    assert common([("a",)]) == ("a",)
    assert common([(), ("a",)]) == ()
