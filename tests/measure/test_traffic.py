"""What hours ordinarily have: by hour of the week, of the day, or at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitoring import documents
from monitoring.measure.traffic import Traffic, learn_traffic

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
SUNDAY = MONDAY + timedelta(days=6)


def _day(start: datetime, rows: list[int]) -> dict[str, int]:
    hours = (start + timedelta(hours=i) for i in range(len(rows)))
    return {f"{hour.isoformat()[:13]}Z": n for hour, n in zip(hours, rows, strict=True) if n}


def _ordinary(day: int) -> list[int]:
    """Forty records an hour, ten on Sundays, none at three in the morning."""
    return [0 if hour == 3 else 10 if day % 7 == 6 else 40 for hour in range(24)]


def _learn(days: int, seed: int | None = None) -> Traffic:
    random = np.random.default_rng(seed)
    rows = [_ordinary(day) if seed is None else random.poisson(_ordinary(day)).tolist() for day in range(days)]
    found = learn_traffic([_day(MONDAY + timedelta(days=day), hours) for day, hours in enumerate(rows)], 24)
    assert found is not None
    return found[0]


def test_a_sunday_is_compared_with_sundays() -> None:
    traffic = _learn(28)
    assert (len(traffic.expected), traffic.log_deviation) == (168, 0.0)
    assert traffic.volume(230, SUNDAY, 24).value == 1.0
    assert traffic.volume(230, MONDAY, 24).value == 0.25
    assert "hours of the week" in traffic.volume(230, SUNDAY, 24).method


def test_with_few_weeks_hours_of_the_day_and_with_few_days_any_hours_are_compared() -> None:
    assert [len(_learn(days).expected) for days in (2, 3, 20, 21)] == [1, 24, 24, 168]
    assert _learn(2).volume(920, MONDAY, 24).value == 1.0
    # what Sundays differ by is then in the spread of windows
    assert _learn(14).log_deviation > 0.3


def test_fewer_than_two_windows_tell_nothing() -> None:
    assert learn_traffic([_day(MONDAY, _ordinary(0)), {}], 24) is None
    assert learn_traffic([], 24) is None


def test_the_spread_is_that_of_windows_against_the_others() -> None:
    days = [_day(MONDAY + timedelta(days=day), [10] * 24) for day in range(5)]
    days[2] = _day(MONDAY + timedelta(days=2), [20] * 24)
    found = learn_traffic(days, 24)
    assert found is not None
    assert [volume.value for volume in found[1]] == pytest.approx([0.8, 0.8, 2.0, 0.8, 0.8])


def test_chance_is_no_burst_and_few_rows_vary_more() -> None:
    traffic = _learn(56, seed=1)
    assert traffic.bursts < 0.01
    assert traffic.deviation(50.0) > 2 * traffic.deviation(800.0) > 0


def test_hours_that_are_never_empty_are_missed_when_they_are() -> None:
    traffic, rows = _learn(28, seed=1), _ordinary(0)
    rows[10:16] = [0] * 6
    gap = traffic.gap(_day(MONDAY, rows), MONDAY, 24)
    assert (gap.hours[0], gap.hours[-1], len(gap.hours)) == ("2024-01-01T10Z", "2024-01-01T15Z", 6)
    assert gap.share == pytest.approx(6 / 23, rel=0.05)
    assert gap.p_value < 1e-20


def test_hours_that_are_empty_in_the_baseline_are_not_missed() -> None:
    traffic = _learn(28)
    assert traffic.gap(_day(MONDAY, _ordinary(0)), MONDAY, 24).hours == ()


def test_few_rows_may_leave_an_hour_empty() -> None:
    # a fortieth of the traffic: about one row an hour, so that an hour without any is nothing special
    rows = [1] * 24
    rows[10] = 0
    gap = _learn(28).gap(_day(MONDAY, rows), MONDAY, 24)
    assert gap.hours == ("2024-01-01T10Z",)
    assert gap.p_value == 1.0


def test_a_feed_that_comes_in_bursts_may_leave_out_hours() -> None:
    random = np.random.default_rng(2)
    days = [
        _day(MONDAY + timedelta(days=day), (1 + random.gamma(0.2, 200, 24)).astype(int).tolist()) for day in range(28)
    ]
    found = learn_traffic(days, 24)
    assert found is not None
    assert found[0].bursts > 1
    rows = [40] * 24
    rows[10] = 0
    assert found[0].gap(_day(MONDAY, rows), MONDAY, 24).p_value > 0.5


def test_windows_of_an_hour_and_of_a_week() -> None:
    hourly = [_day(MONDAY + timedelta(hours=i), [40]) for i in range(24 * 28)]
    found = learn_traffic(hourly, 1)
    assert found is not None
    assert (len(found[0].expected), found[0].volume(10, MONDAY, 1).value) == (168, 0.25)
    weekly = [_day(MONDAY + timedelta(weeks=i), [40] * 168) for i in range(4)]
    found = learn_traffic(weekly, 168)
    assert found is not None
    assert found[0].volume(3360, MONDAY, 168).value == 0.5


def test_traffic_survives_json() -> None:
    traffic = _learn(28, seed=3)
    data = documents.decode(documents.encode("traffic", 1, {"it": traffic.to_json()}), "traffic", 1, "k")
    assert Traffic.from_json(data["it"]) == traffic
