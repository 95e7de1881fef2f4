"""From batches to a window: what a few rows of a small batch may not do, and windows of before a new feature."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitoring import pipeline
from monitoring.baseline import create_baseline
from monitoring.capture import write_captures
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.report import write_report
from tests.conftest import FEATURES, ROWS_A_DAY, World

MakeWorld = Callable[..., World]
Change = Callable[[dict[str, str]], dict[str, Any]]


def _as_json(world: World, number: int, change: Change, from_hour: int = 0) -> None:
    """Make the requests of a day JSON objects, each one changed from an hour on."""
    for info in world.monitor.store.objects(f"captures/toy/{world.window(number).start:%Y/%m/%d}/"):
        lines = [json.loads(line) for line in world.monitor.store.get(info.key).splitlines()]
        for line in lines:
            side = line["captureData"]["endpointInput"]
            values = dict(zip(FEATURES, side["data"].split(","), strict=True))
            changed = change(values) if int(info.key.split("/")[5]) >= from_hour else values
            side |= {"data": json.dumps(changed), "encoding": "JSON"}
        world.monitor.store.put(info.key, "\n".join(json.dumps(line) for line in lines).encode())


def _run(world: World, number: int) -> Verdict:
    return next(v for v in pipeline.run_window(world.monitor, world.window(number)) if v.window == world.window(number))


def _schema(verdict: Verdict) -> list[tuple[str, Code, Status]]:
    return [(f.subject, f.code, f.status) for f in verdict.findings if f.check == "schema"]


def _finding(verdict: Verdict, check: str, subject: str) -> Finding:
    [found] = [f for f in verdict.findings if (f.check, f.subject) == (check, subject)]
    return found


SOUND = [("", Code.WITHIN_LIMITS, Status.OK)]
BREAKS: list[tuple[Change, Code]] = [
    (lambda row: {name: value for name, value in row.items() if name != "age"}, Code.COLUMN_MISSING),
    (lambda row: row | {"age": f"{row['age']} years"}, Code.COLUMN_TYPE_CHANGED),
]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A day whose every object is a batch of its own."""
    world = make_world(capture={"batch_bytes": 1})
    world.train()
    world.play(0)
    return world


@pytest.mark.parametrize(
    ("features", "quarantined"), [(("?", "?", "at"), {}), ((12.5, 30), {"field_count": 1}), ((12.5, 30, "at"), {})]
)
def test_a_row_in_a_batch_of_its_own_breaks_no_column(
    world: World, features: tuple[Any, ...], quarantined: dict[str, int]
) -> None:
    one = replace(world.inferences(0)[-1], event_id="one", features=features)
    write_captures(world.monitor.store, "captures/toy", [one])
    assert pipeline.pin_inputs(world.monitor, world.window(0)) == 25
    verdict = _run(world, 0)
    assert _schema(verdict) == SOUND
    records = verdict.accounting["records"]
    assert (records["read"], records["quarantined"]) == (ROWS_A_DAY + 1, quarantined)
    assert records["profiled"] == ROWS_A_DAY + 1 - len(quarantined)
    for name in FEATURES:
        for check in ("nulls", "feature_drift"):
            measured = _finding(verdict, check, name).measurement
            assert measured is not None
            assert measured.rows == records["profiled"]


@pytest.mark.parametrize(("change", "code"), BREAKS)
def test_a_column_that_is_gone_from_all_batches_fails(world: World, change: Change, code: Code) -> None:
    _as_json(world, 0, change)
    verdict = _run(world, 0)
    assert _schema(verdict) == [("age", code, Status.FAIL)]
    assert verdict.numbers["rows"].value == ROWS_A_DAY


@pytest.mark.parametrize(("change", "code"), BREAKS)
@pytest.mark.parametrize(("hour", "broken"), [(10, True), (16, False)])
def test_a_column_that_goes_during_the_day(world: World, change: Change, code: Code, hour: int, broken: bool) -> None:
    _as_json(world, 0, change, from_hour=hour)
    verdict = _run(world, 0)
    assert _schema(verdict) == ([("age", code, Status.FAIL)] if broken else SOUND)
    if not broken:  # what is left of it is measured, and is too little
        assert _finding(verdict, "nulls", "age").code is Code.NULLS_INCREASED


def test_windows_of_before_a_feature_was_declared_can_be_looked_back_at(make_world: MakeWorld) -> None:
    before = make_world(columns={"features": {"country": None}}, report={"native": "never"})
    before.train()
    for number in range(3):
        items = [replace(item, features=item.features[:2]) for item in before.inferences(number)]
        write_captures(before.monitor.store, "captures/toy", items)
        _run(before, number)
    after = make_world(before.monitor.store, report={"native": "never"})
    create_baseline(after.monitor, version="v2", valid_from=after.window(0).start)
    after.play(3)
    verdict = _run(after, 3)
    assert verdict.trailing_windows == ("2024-01-12", "2024-01-13", "2024-01-14")
    assert _schema(verdict) == SOUND
    drift = _finding(verdict, "feature_drift", "country")
    assert drift.measurement is not None
    assert drift.measurement.rows == 3 * ROWS_A_DAY
    assert drift.code is Code.FEATURE_DRIFT  # two days of three have none
    assert after.monitor.store.exists(write_report(after.monitor, after.window(3), 1))
