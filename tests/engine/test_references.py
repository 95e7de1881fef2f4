"""References and the calendar over days of the toy world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitoring import documents, pipeline
from monitoring.baseline import load_baseline, version_for
from monitoring.engine.profiles import ProfileReader
from monitoring.engine.references import past_references
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.judge.verdict import KIND, SCHEMA_VERSION

MakeWorld = Callable[..., Any]
BEFORE = {"name": "before", "kind": "trailing", "windows": 2}
VERSION = {"name": "last", "kind": "previous_version", "windows": 5}
# what moves where the model is as good as before only informs, unless it is told to fail
FAILS = {"feature_drift": {"severity": "fail"}}
# day 3 is closed: its amounts are ten times as large
CLOSED = {"name": "Closed", "from": "2024-01-14", "effect": "suppress"}


def _dear(item: Any) -> Any:
    amount = item.features[0]
    return replace(item, features=[amount and amount * 10, *item.features[1:]])


def _new_model(item: Any) -> Any:
    return replace(item, attributes={**item.attributes, "model_version": "2"})


def _make(make_world: MakeWorld, days: int, changes: dict[int, Any], **settings: Any) -> Any:
    world = make_world(labels=None, checks=FAILS, **{"trailing": 1, **settings})
    world.train()
    world.play(*range(days))
    for number, change in changes.items():
        world.replace_captures(number, change)
    return world


def _run(world: Any, *numbers: int) -> list[Verdict]:
    return [v for n in numbers for v in pipeline.run_window(world.monitor, world.window(n))]


def _amount(verdict: Verdict, reference: str) -> Finding:
    return next(
        item
        for item in verdict.findings
        if item.check == "feature_drift" and item.reference == reference and item.subject in ("amount", "")
    )


def test_a_trailing_reference_gets_used_to_what_stays(make_world: MakeWorld) -> None:
    world = _make(make_world, 4, dict.fromkeys((1, 2, 3), _dear), references=[BEFORE])
    verdicts = _run(world, *range(4))
    assert [_amount(verdict, "").status for verdict in verdicts] == [Status.OK, Status.FAIL, Status.FAIL, Status.FAIL]
    found = [_amount(verdict, "before") for verdict in verdicts]
    assert found[0].code is Code.UNTESTABLE
    assert "0 of its 2 windows have records" in found[0].message
    assert found[1].status is Status.FAIL
    # the last day is compared with the two before it, which were as dear
    assert found[3].status is Status.OK
    assert found[3].measurement is not None
    assert (found[3].measurement.rows, found[3].measurement.reference_rows) == (300, 600)


def test_the_baseline_teaches_what_is_ordinary(make_world: MakeWorld) -> None:
    world = _make(make_world, 1, {}, references=[BEFORE])
    baseline = load_baseline(world.monitor, version_for(world.monitor, world.window(0)))
    [spread] = baseline.reference.limits.spreads["trailing 2 1 of 1/feature_drift:amount"]
    assert spread.blocks == 9


def test_a_suppressed_day_is_no_example_for_those_after_it(make_world: MakeWorld) -> None:
    world = _make(make_world, 5, {3: _dear}, references=[BEFORE], calendar=[CLOSED])
    closed, after = _run(world, 3, 4)
    for reference in ("", "before"):
        found = _amount(closed, reference)
        assert (found.status, found.code) == (Status.INFO, Code.FEATURE_DRIFT)
        assert "but for the calendar: Closed" in found.message
        assert _amount(after, reference).status is Status.OK
    assert closed.calendar == ("Closed",)
    assert "feature_drift/before/amount" not in closed.families.get("fail drift", {}).get("fired", [])
    measured = _amount(after, "before").measurement
    assert measured is not None
    assert measured.reference_rows == 300


def test_the_days_after_do_not_look_back_at_a_suppressed_one(make_world: MakeWorld) -> None:
    world = _make(make_world, 5, {3: _dear}, trailing=2, calendar=[CLOSED])
    verdicts = _run(world, 3, 4)
    found = _amount(verdicts[-1], "")
    assert (found.status, found.windows) == (Status.OK, 1)
    assert verdicts[-1].trailing_windows == ("2024-01-14", "2024-01-15")


def test_the_version_before_the_present_one(make_world: MakeWorld) -> None:
    world = _make(make_world, 4, {3: _new_model}, references=[VERSION])
    before, after = _run(world, 2, 3)
    assert "version 1 answered in all of the last 5 windows" in _amount(before, "last").message
    found = _amount(after, "last")
    assert found.status is Status.OK
    assert found.measurement is not None
    assert found.measurement.reference_rows == 900


@pytest.mark.parametrize("start", ["2024-01-11", None])
def test_a_look_reads_what_was_known_then(make_world: MakeWorld, start: str | None) -> None:
    world = _make(make_world, 3, {}, references=[BEFORE], schedule={"start": start})
    _run(world, 0, 1)
    window, place = world.window(1), world.monitor.layout.verdict(world.window(1), 1)
    first = world.monitor.store.get(place)
    _run(world, 2)
    _run(world, 1)
    assert world.monitor.store.get(place) == first
    assert past_references(world.monitor, window, window, None, {}, ProfileReader(world.monitor)) == ()


def test_the_order_of_runs_does_not_matter(make_world: MakeWorld) -> None:
    world = _make(make_world, 3, {1: _dear}, references=[BEFORE])
    place = world.monitor.layout.verdict(world.window(2), 1)
    _run(world, 2)
    first = world.monitor.store.get(place)
    _run(world, 0, 1, 2)
    second = world.monitor.store.get(place)
    found = [
        _amount(Verdict.from_json(documents.decode(data, KIND, SCHEMA_VERSION, place)), "before")
        for data in (first, second)
    ]
    assert found[0].measurement is not None
    assert found[0].measurement == found[1].measurement
