"""Broken data: each check where it fires, where it must not, and with too few rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.judge.limits import Limits, learn_limits
from monitoring.measure.habits import Habits
from monitoring.window import Window

Make = Callable[..., Any]
COLUMNS = ("amount", "country", "score", "label", "hours", "status")
START = Window.parse("2024-01-11", "day").start


def _cut(rows: Any, kept: int) -> Any:
    return replace(rows, **{name: getattr(rows, name)[:kept] for name in COLUMNS})


def _first(rows: Any, count: int, name: str, value: Any) -> Any:
    values = [value] * count + getattr(rows, name)[count:]
    return replace(rows, **{name: values})


def _found(verdict: Verdict, check: str, subject: str = "") -> list[Finding]:
    return [item for item in verdict.findings if (item.check, item.subject) == (check, subject)]


def _one(verdict: Verdict, check: str, subject: str = "") -> Finding:
    [found] = _found(verdict, check, subject)
    return found


def _mismatched(bench: Any, rows: Any, count: int) -> Any:
    """The profile of rows, some of which have a text where a number belongs."""
    profile = rows.profile(bench.config)
    amount = replace(profile.features["amount"], nulls=0, mismatched=count)
    return replace(profile, features={**profile.features, "amount": amount})


def test_values_of_another_type(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    for count, status, code in ((60, Status.FAIL, Code.VALUES_OF_OTHER_TYPE), (20, Status.OK, Code.WITHIN_LIMITS)):
        spoilt = _mismatched(bench, _first(rows, count, "amount", None), count)
        found = _one(bench.judge(rows, profile=spoilt), "mismatch", "amount")
        assert (found.status, found.code) == (status, code)
    assert _one(bench.judge(rows), "mismatch").status is Status.OK


def test_nan_and_infinite_values(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    verdict = bench.judge(_first(rows, 100, "amount", np.nan))
    found = _one(verdict, "nonfinite", "amount")
    assert (found.status, found.code) == (Status.FAIL, Code.NONFINITE_INCREASED)
    # it is told once, as what it is
    assert not _found(verdict, "nulls", "amount")
    assert "nulls:amount" in found.folded
    assert _one(bench.judge(_first(rows, 20, "amount", np.inf)), "nonfinite", "amount").status is Status.OK


def test_values_out_of_the_baselines_range(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    profile = bench.reference.profile
    below = replace(profile.features["amount"], high=74.0)
    reference = replace(bench.reference, profile=replace(profile, features={**profile.features, "amount": below}))
    inside = replace(rows, amount=[float(i % 74) for i in range(400)])
    for count, status, code in ((60, Status.WARN, Code.OUT_OF_RANGE), (10, Status.OK, Code.WITHIN_LIMITS)):
        found = _one(bench.judge(_first(inside, count, "amount", 1e4), reference), "out_of_range", "amount")
        assert (found.status, found.code) == (status, code)
    assert _one(bench.judge(inside, reference), "out_of_range").status is Status.OK


@pytest.mark.parametrize("check", ["mismatch", "nonfinite", "out_of_range", "scale", "constants"])
def test_few_rows_tell_nothing_of_columns(make_bench: Make, few: Any, check: str) -> None:
    found = _one(make_bench().judge(few), "rows")
    assert found.code is Code.TOO_FEW_ROWS
    assert check in found.folded


def test_a_column_that_varied_has_one_value(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    for name, value in (("amount", 5.0), ("country", "at")):
        verdict = bench.judge(_first(rows, 400, name, value))
        found = _one(verdict, "constants", name)
        assert (found.status, found.code) == (Status.FAIL, Code.COLUMN_CONSTANT)
        assert f"feature_drift:{name}" in found.folded
        assert not _found(verdict, "feature_drift", name)
    nearly = replace(rows, country=["at"] * 399 + ["ch"])
    assert _one(bench.judge(nearly), "constants").status is Status.OK


def test_a_column_that_often_has_one_value_is_not_broken(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    constant = _first(rows, 400, "country", "at")
    for habits in (Habits(20, {"amount": 0.3, "country": 1.0}), Habits(4, {"amount": 0.3, "country": 0.6})):
        reference = replace(bench.reference, limits=replace(bench.limits, habits=habits))
        assert _one(bench.judge(constant, reference), "constants").status is Status.OK
    # one row in a thousand: that there is none among 400 is no wonder
    rare = replace(bench.limits, habits=Habits(20, {"amount": 0.3, "country": 0.999}))
    assert _one(bench.judge(constant, replace(bench.reference, limits=rare)), "constants", "country").p_value > 0.5


def test_a_column_that_repeats_the_window_before(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    before = replace(rows, country=rows.country[::-1], amount=rows.amount[::-1])
    before = _first(before, 100, "country", "at").profile(bench.config)
    verdict = bench.judge(rows, before=before)
    found = _one(verdict, "staleness", "amount")
    assert (found.status, found.code) == (Status.FAIL, Code.COLUMN_STALE)
    assert "feature_drift:amount" in found.folded
    other = _first(rows, 1, "amount", 0.5).profile(bench.config)
    assert _one(bench.judge(rows, before=other), "staleness").status is Status.OK
    used_to = replace(bench.limits, habits=replace(bench.limits.habits, repeating=("amount",)))
    again = bench.judge(rows, replace(bench.reference, limits=used_to), before=before)
    assert _one(again, "staleness").status is Status.OK
    assert not _found(bench.judge(rows), "staleness")


def test_few_rows_tell_nothing_of_repetition(make_bench: Make, rows: Any, few: Any) -> None:
    bench = make_bench()
    assert "staleness" in _one(bench.judge(few, before=rows.profile(bench.config)), "rows").folded
    # few rows before are other rows
    assert _one(bench.judge(rows, before=few.profile(bench.config)), "staleness").status is Status.OK


def _from_26_to_74(bench: Any) -> Any:
    """The reference of a baseline whose amounts are in the two bins in the middle."""
    profile = bench.reference.profile
    inside = replace(profile.features["amount"], low=26.0, high=74.0)
    return replace(bench.reference, profile=replace(profile, features={**profile.features, "amount": inside}))


@pytest.mark.parametrize(
    ("values", "code", "says"),
    [
        # another unit
        (
            lambda i: 1000.0 * (i % 100),
            Code.SCALE_CHANGED,
            "ordinarily 49.73, about 1,000 times: has its unit changed?",
        ),
        # with another sign there is no ratio
        (lambda i: -500.0 - i % 100, Code.SCALE_CHANGED, "ordinarily 49.73: has its unit changed?"),
        # all beyond the range, but not by far: a summer after a winter
        (lambda i: 110.0 + i % 100, Code.WITHIN_LIMITS, ""),
        # a few far away
        (lambda i: 1e6 if i < 190 else 50.0, Code.WITHIN_LIMITS, ""),
    ],
)
def test_another_unit(make_bench: Make, rows: Any, values: Any, code: Code, says: str) -> None:
    spoilt = replace(rows, amount=[values(i) for i in range(400)])
    bench = make_bench()
    verdict = bench.judge(spoilt, _from_26_to_74(bench))
    found = _one(verdict, "scale", "amount" if says else "")
    assert (found.code, found.status is Status.FAIL) == (code, bool(says))
    assert found.message.endswith(says)


def test_another_unit_is_told_with_its_numbers(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    spoilt = replace(rows, amount=[50_000.0] * 399 + [50.0])
    found = _one(bench.judge(spoilt, _from_26_to_74(bench)), "scale", "amount")
    assert found.message == (
        "amount: 99.8% of the values are outside the baseline's range; their mean is 49,880, ordinarily 49.73,"
        " about 1,000 times: has its unit changed?"
    )
    assert found.measurement is not None
    assert (found.measurement.name, found.baseline) == ("mean", pytest.approx(49.73, abs=0.01))
    assert found.limit == 74 + 2 * (74 - 26)
    rule = make_bench(checks={"scale": {"tolerance": 2000.0}})
    assert _one(rule.judge(spoilt, _from_26_to_74(rule)), "scale").status is Status.OK


@pytest.mark.parametrize(("count", "status"), [(50, Status.WARN), (44, Status.OK), (0, Status.OK)])
def test_duplicates(make_bench: Make, rows: Any, count: int, status: Status) -> None:
    assert _one(make_bench().judge(rows, duplicates=count), "duplicates").status is status


@pytest.mark.parametrize(
    ("kept", "status", "code"),
    [
        (400, Status.OK, Code.WITHIN_LIMITS),
        (230, Status.OK, Code.WITHIN_LIMITS),
        (130, Status.WARN, Code.VOLUME_LOW),
    ],
)
def test_volume_by_hour(make_bench: Make, rows: Any, kept: int, status: Status, code: Code) -> None:
    found = _one(make_bench().judge(_cut(rows, kept), start=START), "volume")
    assert (found.status, found.code) == (status, code)
    assert "of the day ordinarily have 400." in found.message


def test_twice_the_volume_and_more(make_bench: Make, rows: Any) -> None:
    many = replace(rows, **{name: getattr(rows, name) * 3 for name in COLUMNS})
    found = _one(make_bench().judge(many, start=START), "volume")
    assert (found.status, found.code) == (Status.WARN, Code.VOLUME_HIGH)


def test_a_limit_of_ones_own_for_the_volume(make_bench: Make, rows: Any) -> None:
    bench = make_bench(checks={"volume": {"limit": 1.2}})
    for kept, status in ((330, Status.OK), (310, Status.WARN)):
        assert _one(bench.judge(_cut(rows, kept), start=START), "volume").status is status


def test_a_low_level_that_lasts_is_no_collapse(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    few = _cut(rows, 60)
    fallen = bench.judge(few, start=START)
    assert _one(fallen, "feed").status is Status.FAIL
    earlier = few.profile(bench.config)
    shifted = {f"2024-01-10{hour[10:]}": n for hour, n in earlier.hours.items()}
    trailing = earlier.merge(replace(earlier, hours=shifted))
    lasting = bench.judge(few, start=START, trailing=trailing, windows=2)
    assert not _found(lasting, "feed")
    assert _one(lasting, "volume").status is Status.WARN


@pytest.mark.parametrize(("silent", "status"), [((), Status.OK), ((5,), Status.WARN), (range(4, 10), Status.FAIL)])
def test_gaps(make_bench: Make, rows: Any, silent: Any, status: Status) -> None:
    hours = [hour if hour not in silent else 0 for hour in rows.hours]
    found = _one(make_bench().judge(replace(rows, hours=hours), start=START), "gaps")
    assert (found.status, found.code is Code.HOURS_MISSING) == (status, bool(silent))


def test_gaps_are_not_known_without_hours(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    unknown = replace(bench.reference, limits=replace(bench.limits, traffic=None))
    assert _one(bench.judge(rows, unknown, start=START), "gaps").code is Code.UNTESTABLE
    assert _one(bench.judge(rows), "gaps").code is Code.UNTESTABLE
    # of five rows an hour may well have none
    found = _one(make_bench(checks={"feed": {"severity": "off"}}).judge(_cut(rows, 23), start=START), "gaps")
    assert found.status is Status.OK


def test_a_new_model_version_is_told(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    profile = rows.profile(bench.config)
    now, before = replace(profile, versions={"6": 148, "7": 252}), replace(profile, versions={"5": 40, "6": 360})
    verdict = bench.judge(rows, profile=now, before=before)
    found = _one(verdict, "model_version", "7")
    assert (found.status, found.code) == (Status.INFO, Code.MODEL_VERSION)
    assert found.message == "Model version 7 appears with 63% of the rows; the window before has none of it."
    assert _one(verdict, "model_version", "5").message == (
        "Model version 5 no longer answers; the window before has 10% of it."
    )
    assert not _found(verdict, "model_version", "6")
    same = bench.judge(rows, profile=before, before=before)
    assert not [item for item in same.findings if item.check == "model_version"]
    reference = replace(bench.reference, profile=replace(bench.reference.profile, versions={"6": 8000}))
    assert "the baseline has none" in _one(bench.judge(rows, reference, profile=now), "model_version", "7").message


def test_what_is_learned_of_data_survives_json(make_bench: Make) -> None:
    bench = make_bench()
    limits = Limits.from_json(bench.limits.to_json())
    assert limits == bench.limits
    assert limits.traffic is not None
    assert limits.habits.windows == 20
    # what no window of the baseline had is not kept
    assert not {key for key in limits.spreads if key.startswith(("mismatch", "nonfinite"))}
    assert limits.spreads["volume"][0].mean == pytest.approx(1.0)


def test_a_baseline_without_times_has_no_traffic(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    timeless = [replace(rows.profile(bench.config), hours={}) for _ in range(3)]
    limits = learn_limits(timeless, [], None, longest=1, hours=24)
    assert limits.traffic is None
    found = _one(bench.judge(_cut(rows, 60), replace(bench.reference, limits=limits), start=START), "volume")
    assert (found.status, found.code) == (Status.WARN, Code.VOLUME_LOW)
    assert "an ordinary window has" in found.message
