"""What is broken is one finding, and bars what it makes unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.judge.context import Context
from monitoring.judge.folding import fold
from monitoring.judge.registry import run_checks
from monitoring.judge.volume_checks import silent_hours
from monitoring.measure import Measurement
from monitoring.profile import NumericProfile, NumericSpec, ProfileSpec, WindowProfile
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


def _ten_hours(rows: Any) -> tuple[Any, dict[str, Any]]:
    return replace(rows, hours=[hour % 14 for hour in rows.hours]), {}


def _empty(rows: Any) -> tuple[Any, dict[str, Any]]:
    return replace(rows, amount=[np.nan] * 400, country=[None] * 400), {}


def _unreadable(rows: Any) -> tuple[Any, dict[str, Any]]:
    return rows, {"quarantined": 500}


FEEDS = [
    (_collapsed, "only 5.0% of the rows that it ordinarily has have come"),
    (_half_a_day, "no record from 08:00 to 24:00, when 66% of the rows ordinarily come"),
    (_ten_hours, "no record from 14:00 to 24:00, when 40% of the rows ordinarily come"),
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


def _concept(rows: int = 400) -> dict[str, Any]:
    """A relation that has changed, in the whole and in a segment."""
    gap = Measurement("concept_gap", 0.2, rows, "high", "loss gap", standard_error=0.001)
    return {"ordinary_loss": 0.2, "loss": "Brier score", "concept_gap": gap, "segment_gaps": {"country=at": gap}}


def test_of_a_broken_input_no_changed_relation_is_told(make_bench: Make, rows: Any) -> None:
    opposite = replace(rows, label=[not label for label in rows.label])
    told = make_bench().judge(opposite, **_concept())
    assert {item.status for item in told.findings if item.check == "concept_drift"} == {Status.WARN}
    verdict = make_bench().judge(replace(opposite, amount=[5.0] * 400), **_concept())
    found = _one(verdict, "concept_drift")
    assert (found.status, found.code, found.folded) == (Status.UNKNOWN, Code.BARRED, ("concept_drift:country=at",))
    assert found.message == (
        "Whether the relation of inputs and labels has changed cannot be told: amount is broken, and predictions follow"
        " from it."
    )
    assert {"concept_drift", "concept_drift:country=at"} <= {*_one(verdict, "constants", "amount").folded}
    # what came of it still counts, and is the consequence
    assert _one(verdict, "worse_than_average").status is Status.FAIL
    # of a column most of whose rows are fine, the relation can be told
    some = make_bench().judge(replace(opposite, country=[None] * 120 + rows.country[120:]), **_concept())
    assert _one(some, "concept_drift").code is Code.CONCEPT_DRIFT


def test_a_barred_relation_does_not_hide_a_warning(make_bench: Make, rows: Any) -> None:
    checks = {"constants": {"severity": "warn"}}
    verdict = make_bench(checks=checks).judge(replace(rows, amount=[5.0] * 400), **_concept())
    assert _one(verdict, "concept_drift").status is Status.INFO
    assert verdict.status is Status.WARN


def _constant(bench: Any, *names: str) -> Any:
    """The reference of a baseline in which some numbers had one value."""
    profile = bench.reference.profile
    features = {name: replace(profile.features[name], low=0.41, high=0.41) for name in names}
    return replace(bench.reference, profile=replace(profile, features={**profile.features, **features}))


def test_a_column_that_had_one_value_and_varies_says_so(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    reference = _constant(bench, "amount")
    verdict = bench.judge(replace(rows, amount=[80.0 + i / 100 for i in range(400)]), reference)
    found = _one(verdict, "out_of_range", "amount")
    assert (found.status, found.folded) == (Status.WARN, ("feature_drift:amount",))
    assert found.message == "amount had one value (0.41) in the baseline and has others in 100% of the rows."
    assert _checks(verdict, "amount") == {"nulls", "out_of_range"}
    # a few new values are no reason, and do not explain that it drifts
    mixed = bench.judge(replace(rows, amount=[80.0] * 120 + [0.41] * 280), reference)
    assert "feature_drift" in _checks(mixed, "amount")
    informs = make_bench(checks={"out_of_range": {"severity": "info"}})
    told = informs.judge(replace(rows, amount=[80.0 + i / 100 for i in range(400)]), _constant(informs, "amount"))
    assert _one(told, "feature_drift", "amount").status is Status.WARN


def test_columns_that_had_one_value_are_told_together() -> None:
    names = ("a", "b", "c", "d")
    one = NumericProfile.of(pa.array([0.5] * 100), NumericSpec.fixed(np.array([0.4, 0.6])))
    several = NumericProfile.of(pa.array([0.0, 1.0] * 50), NumericSpec.fixed(np.array([0.4, 0.6])))
    profile = replace(WindowProfile.empty(ProfileSpec({})), features={"a": one, "b": one, "c": several, "d": one})
    measured = Measurement("out_of_range_share", 0.9, 400, "high", "share")
    places = {name: replace(measured, value=share) for name, share in zip(names, (0.9, 1.0, 0.9, 0.3), strict=True)}
    items: list[Any] = [
        Finding("out_of_range", name, Status.WARN, Code.OUT_OF_RANGE, "", found) for name, found in places.items()
    ]
    items += [Finding("feature_drift", name, Status.WARN, Code.FEATURE_DRIFT, "") for name in names]
    left = {(item.check, item.subject): item for item in fold(items, _toy(profile))}
    assert set(left) == {
        ("out_of_range", "a"),
        ("out_of_range", "c"),
        ("out_of_range", "d"),
        ("feature_drift", "d"),
    }
    found = left["out_of_range", "a"]
    assert isinstance(found, Finding)
    assert (
        found.message == "a (0.5) and b (0.5) had one value in the baseline and have others in 90% to 100% of the rows."
    )
    assert (found.group, found.folded) == ("a", ("out_of_range:b", "feature_drift:a", "feature_drift:b"))
    assert left["out_of_range", "c"].folded == ("feature_drift:c",)


def _toy(profile: WindowProfile) -> Context:
    """A context in which the baseline is as given, and of which nothing else is looked at."""
    config = SimpleNamespace(alarms=None, checks=SimpleNamespace(feed=SimpleNamespace(severity="off")))
    evidence = SimpleNamespace(hours=24, profile=profile)
    reference: Any = SimpleNamespace(profile=profile)
    return Context(cast("Any", evidence), reference, cast("Any", config))


def test_a_changed_unit_breaks_the_column(make_bench: Make, rows: Any) -> None:
    spoilt = replace(rows, amount=[1000.0 * value for value in rows.amount])
    bench = make_bench()
    profile = bench.reference.profile
    inside = {**profile.features, "amount": replace(profile.features["amount"], low=26.0, high=74.0)}
    reference = replace(bench.reference, profile=replace(profile, features=inside))
    verdict = bench.judge(spoilt, reference, **_concept())
    found = _one(verdict, "scale", "amount")
    assert (found.status, found.code) == (Status.FAIL, Code.SCALE_CHANGED)
    assert _checks(verdict, "amount") == {"scale"}
    assert {"out_of_range:amount", "feature_drift:amount", "concept_drift"} <= {*found.folded}
    assert _one(verdict, "concept_drift").code is Code.BARRED


def test_the_empty_hours_are_named(make_bench: Make, rows: Any) -> None:
    bench = make_bench()

    def named(*silent: int) -> str:
        kept = [hour for hour in range(24) if hour not in silent]
        moved = replace(
            rows, hours=[hour if hour in kept else kept[i % len(kept)] for i, hour in enumerate(rows.hours)]
        )
        return silent_hours(Context(bench.evidence(moved, start=START), bench.reference, bench.config))

    assert named() == ""
    assert named(0, 1, 22, 23) == "from 00:00 to 02:00 and from 22:00 to 24:00"
    assert named(3, 9, 10, 15) == "in 4 hours from 03:00 to 16:00"
    # hours that are empty now and then do not interrupt what is empty
    traffic = bench.limits.traffic
    now_and_then = replace(traffic, silent=tuple(int(hour == 20) for hour in range(24)))
    bench.reference = replace(bench.reference, limits=replace(bench.limits, traffic=now_and_then))
    assert named(*range(12, 24)) == "from 12:00 to 24:00"


def test_an_ordinary_window_is_left_as_it_is(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    context = Context(bench.evidence(rows, start=START), bench.reference, bench.config)
    items = list(run_checks(context))
    left = fold(items, context)
    assert [(item.check, item.subject, item.folded) for item in left] == [
        (item.check, item.subject, ()) for item in items
    ]
