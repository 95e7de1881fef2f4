"""What the calendar makes of a verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitoring.judge import Finding, Status, Verdict

Make = Callable[..., Any]
LAUNCH = {"name": "Launch", "from": "2024-01-11"}
CLOSED = {**LAUNCH, "name": "Closed", "effect": "suppress"}
ALARMS = (Status.WARN, Status.FAIL)


def _of(verdict: Verdict, check: str, subject: str = "") -> Finding:
    [found] = [item for item in verdict.findings if (item.check, item.subject) == (check, subject)]
    return found


@pytest.fixture
def moved(rows: Any) -> Any:
    """A window of which a feature has moved far, and the values of another are null."""
    rows.amount = [75 + value / 4 for value in rows.amount]
    rows.country = [None] * 200 + rows.country[200:]
    return rows


def test_what_is_suppressed_informs_and_says_why(make_bench: Make, moved: Any) -> None:
    before = _of(make_bench().judge(moved), "feature_drift", "amount")
    verdict = make_bench(calendar=[CLOSED]).judge(moved)
    found = _of(verdict, "feature_drift", "amount")
    assert before.status is Status.WARN
    assert (found.status, found.code, found.suppressed) == (Status.INFO, before.code, "Closed")
    assert found.message.startswith("amount rose on this day: mean 88, ordinarily 50;")
    assert found.message.endswith("). This would warn, but for the calendar: Closed.")
    assert verdict.calendar == ("Closed",)
    assert "Suppressed for Closed: feature_drift" in verdict.headline


def test_what_is_broken_still_fails(make_bench: Make, moved: Any) -> None:
    verdict = make_bench(calendar=[CLOSED]).judge(moved)
    assert _of(verdict, "nulls", "country").status is Status.FAIL
    assert verdict.status is Status.FAIL


def test_what_is_suppressed_spends_no_alarms(make_bench: Make, moved: Any) -> None:
    with_all, without = (make_bench(calendar=calendar).judge(moved).families for calendar in ([], [CLOSED]))
    assert with_all["warn drift"]["fired"]
    assert "warn drift" not in without
    assert without["fail data"]["fired"] == with_all["fail data"]["fired"] != []


def test_what_is_annotated_stays_what_it_is(make_bench: Make, moved: Any) -> None:
    plain, verdict = make_bench().judge(moved), make_bench(calendar=[LAUNCH]).judge(moved)
    assert [item.status for item in verdict.findings] == [item.status for item in plain.findings]
    assert verdict.families == plain.families
    assert _of(verdict, "feature_drift", "amount").message.endswith("Calendar: Launch.")
    assert not any("Launch" in item.message for item in verdict.of_status(Status.OK))
    assert verdict.calendar == ("Launch",)


def test_only_the_checks_that_are_named(make_bench: Make, moved: Any) -> None:
    verdict = make_bench(calendar=[{**CLOSED, "checks": ["nulls"]}]).judge(moved)
    assert _of(verdict, "nulls", "country").status is Status.INFO
    assert _of(verdict, "feature_drift", "amount").status is Status.WARN


def test_other_days_are_judged_as_ever(make_bench: Make, moved: Any) -> None:
    other = {**CLOSED, "from": "2024-01-12"}
    assert make_bench(calendar=[other]).judge(moved).to_json() == make_bench().judge(moved).to_json()


def test_suppressed_performance_says_nothing_of_the_model(make_bench: Make, rows: Any) -> None:
    rows.label = [not label for label in rows.label]
    checks = ["worse_than_average", "ranking", "calibration"]
    assert make_bench(calendar=[CLOSED]).judge(rows).own_performance is Status.FAIL
    verdict = make_bench(calendar=[{**CLOSED, "checks": checks}]).judge(rows)
    assert verdict.own_performance is Status.UNKNOWN
    assert verdict.performance_status not in ALARMS


def test_no_records_are_unknown_whatever_the_calendar_says(make_bench: Make) -> None:
    from tests.judge.conftest import make_rows

    verdict = make_bench(calendar=[CLOSED]).judge(make_rows(1, 0))
    assert verdict.status is Status.UNKNOWN
    assert verdict.calendar == ("Closed",)


def test_it_is_kept(make_bench: Make, moved: Any) -> None:
    verdict = make_bench(calendar=[CLOSED]).judge(moved)
    assert Verdict.from_json(verdict.to_json()) == verdict
