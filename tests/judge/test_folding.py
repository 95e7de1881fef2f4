"""What is broken is one finding, and bars what it makes unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.judge.context import Context
from monitoring.judge.folding import fold
from monitoring.judge.registry import run_checks
from monitoring.window import Window

Make = Callable[..., Any]
COLUMNS = ("amount", "country", "score", "label", "hours", "status")
START = Window.parse("2024-01-11", "day").start
OF_MODEL = {"feature_drift", "prediction_drift", "worse_than_average", "ranking", "calibration"}


def _cut(rows: Any, kept: int) -> Any:
    return replace(rows, **{name: getattr(rows, name)[:kept] for name in COLUMNS})


def _one(verdict: Verdict, check: str, subject: str = "") -> Finding:
    [found] = [item for item in verdict.findings if (item.check, item.subject) == (check, subject)]
    return found


def _checks(verdict: Verdict, subject: str) -> set[str]:
    return {item.check for item in verdict.findings if item.subject == subject}


@pytest.mark.parametrize("change", ["missing_columns", "changed_columns"])
def test_a_broken_column_is_one_finding(make_bench: Make, rows: Any, change: str) -> None:
    empty = replace(rows, amount=[None] * 400)
    verdict = make_bench().judge(empty, **{change: ("amount",)})
    assert _checks(verdict, "amount") == {"schema"}
    assert "feature_drift:amount" in _one(verdict, "schema", "amount").folded
    # the other column and the model are judged: performance is what comes of it
    assert {"nulls", "unseen", "feature_drift"} <= _checks(verdict, "country")
    assert _one(verdict, "ranking").code is Code.WITHIN_LIMITS
    assert _one(verdict, "prediction_drift").code is Code.WITHIN_LIMITS


def test_a_burst_of_nulls_explains_the_drift_of_its_column(make_bench: Make, rows: Any) -> None:
    verdict = make_bench().judge(replace(rows, country=[None] * 300 + rows.country[300:]))
    assert _checks(verdict, "country") == {"nulls"}
    found = _one(verdict, "nulls", "country")
    assert (found.status, found.folded) == (Status.FAIL, ("unseen:country", "feature_drift:country"))
    # of a smaller one what is left is still looked at
    some = make_bench().judge(replace(rows, country=[None] * 120 + rows.country[120:]))
    assert _checks(some, "country") == {"nulls", "unseen"}


def test_what_does_not_fire_explains_nothing(make_bench: Make, rows: Any) -> None:
    verdict = make_bench().judge(replace(rows, amount=[None] * 40 + rows.amount[40:]))
    assert _one(verdict, "nulls", "amount").folded == ()
    assert "feature_drift" in _checks(verdict, "amount")


def _collapsed(rows: Any) -> tuple[Any, dict[str, Any]]:
    return _cut(rows, 20), {}


def _half_a_day(rows: Any) -> tuple[Any, dict[str, Any]]:
    return replace(rows, hours=[hour % 8 for hour in rows.hours]), {}


def _empty(rows: Any) -> tuple[Any, dict[str, Any]]:
    return replace(rows, amount=[np.nan] * 400, country=[None] * 400), {}


def _unreadable(rows: Any) -> tuple[Any, dict[str, Any]]:
    return rows, {"quarantined": 500}


FEEDS = [
    (_collapsed, "only 5.0% of the rows that it ordinarily has have come"),
    (_half_a_day, "the hours are empty in which 66% of its rows ordinarily come"),
    (_empty, "2 of 2 columns are broken (amount, country)"),
    (_unreadable, "500 of 900 records could not be read"),
]


@pytest.mark.parametrize(("spoil", "why"), FEEDS)
def test_a_broken_feed_is_one_finding_and_bars_the_model(make_bench: Make, rows: Any, spoil: Any, why: str) -> None:
    spoilt, changes = spoil(rows)
    bench = make_bench()
    verdict = bench.judge(spoilt, start=START, **changes)
    feed = _one(verdict, "feed")
    assert (verdict.status, feed.status, feed.code) == (Status.FAIL, Status.FAIL, Code.FEED_BROKEN)
    assert feed.message.startswith(f"The feed is broken: {why}. This explains ")
    assert verdict.headline.startswith(feed.message)
    assert [item for item in verdict.findings if item.status is Status.FAIL] == [feed]
    assert feed.folded
    barred = {item.check: item for item in verdict.findings if item.code is Code.BARRED}
    assert set(barred) == OF_MODEL
    assert {item.status for item in barred.values()} == {Status.UNKNOWN}
    assert why in barred["ranking"].message
    assert set(barred["feature_drift"].folded) == {"feature_drift:amount", "feature_drift:country"}
    assert not {item.check for item in verdict.findings if item.status is Status.OK} & OF_MODEL
    # nothing of the model is asked, so that nothing of its budget is spent
    assert not [name for name in verdict.families if not name.endswith("data")]
    assert verdict.own_performance is verdict.performance_status is Status.UNKNOWN


def test_a_feed_that_repeats_itself_is_broken(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    feed = _one(bench.judge(rows, before=rows.profile(bench.config), start=START), "feed")
    assert "every column has exactly the values of the window before" in feed.message
    assert feed.folded


@pytest.mark.parametrize(("spoil", "why"), FEEDS)
def test_without_the_check_nothing_is_barred(make_bench: Make, rows: Any, spoil: Any, why: str) -> None:
    spoilt, changes = spoil(rows)
    verdict = make_bench(checks={"feed": {"severity": "off"}}).judge(spoilt, start=START, **changes)
    assert not {Code.FEED_BROKEN, Code.BARRED} & {item.code for item in verdict.findings}, why


def test_less_than_most_is_no_broken_feed(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    half_of_the_columns = bench.judge(replace(rows, amount=[None] * 400), start=START)
    a_third_of_the_hours = bench.judge(replace(rows, hours=[max(hour, 8) for hour in rows.hours]), start=START)
    a_third_of_the_rows = bench.judge(_cut(rows, 130), start=START)
    a_third_unread = bench.judge(rows, start=START, quarantined=200)
    for verdict in (half_of_the_columns, a_third_of_the_hours, a_third_of_the_rows, a_third_unread):
        assert not {Code.FEED_BROKEN, Code.BARRED} & {item.code for item in verdict.findings}


def test_what_only_informs_is_barred_as_such_and_facts_stay(make_bench: Make, rows: Any) -> None:
    checks = {"feature_drift": {"severity": "info"}, "feed": {"severity": "warn"}}
    verdict = make_bench(checks=checks).judge(_cut(rows, 20), start=START, new_columns=("age",))
    assert _one(verdict, "feature_drift").status is Status.INFO
    assert _one(verdict, "feed").status is Status.WARN
    assert _one(verdict, "schema", "age").code is Code.COLUMN_NEW
    assert "label_coverage" in {item.check for item in verdict.findings}


def test_an_ordinary_window_is_left_as_it_is(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    context = Context(bench.evidence(rows, start=START), bench.reference, bench.config)
    items = list(run_checks(context))
    left = fold(items, context)
    assert [(item.check, item.subject, item.folded) for item in left] == [
        (item.check, item.subject, ()) for item in items
    ]
