"""Incidents in the store: whatever order looks come in, and wherever a run is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from monitoring import history, incidents, pipeline
from monitoring.capture import write_captures
from monitoring.capture.writer import write_labels
from monitoring.config import ModelConfig
from monitoring.decide.incident import IncidentState
from monitoring.decide.sighting import incident_fingerprint
from monitoring.decide.telling import ActionKind, ChangeKind, IncidentAction
from monitoring.errors import ConfigError, ConflictError
from monitoring.incidents import (
    changes_of,
    find_incident,
    incident_history,
    load_actions,
    load_incidents,
    record_action,
    update_incidents,
)
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.monitor import Monitor
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import World

MakeConfig = Callable[..., ModelConfig]
MakeWorld = Callable[..., World]
DAY = Window(datetime(2024, 1, 30, tzinfo=UTC), "day")
KEY = incident_fingerprint("toy", "ranking", "", "")


@pytest.fixture
def monitor(make_config: MakeConfig, tmp_path: Path) -> Monitor:
    return Monitor(LocalStore(tmp_path / "store"), make_config())


def _look(status: str, number: int, revision: int = 1) -> Verdict:
    """A look at day `number`."""
    window = DAY.shift(number)
    finding = Finding("ranking", "", Status(status), Code.RANKING_WORSE, f"Ranking at {window.label}.")
    return Verdict(
        model="toy",
        window=window,
        revision=revision,
        as_of=window.end + timedelta(hours=6, days=revision - 1),
        final=False,
        status=Status(status),
        own_performance=Status(status),
        headline="",
        findings=(finding,),
        numbers={},
        trailing={},
        trailing_windows=(),
        accounting={},
        inputs={},
    )


def _update(monitor: Monitor, *looks: Verdict) -> None:
    """The look of revision r is taken by the run r - 1 days later."""
    for look in looks:
        update_incidents(monitor, look, look.window.shift(look.revision - 1))


def _content(monitor: Monitor) -> dict[str, bytes]:
    return {key: monitor.store.get(key) for key in monitor.store.keys("toy/incidents/")}


def _states(monitor: Monitor) -> list[str]:
    """The state after each run."""
    found = []
    for number in range(10):
        ledger = load_incidents(monitor, DAY.shift(number))
        if ledger is not None:
            found += [str(incident.state) for incident in ledger.incidents] or [""]
    return found


# in their order: a failing day, a look that takes it back, and a day that fails when its labels have come
LOOKS = (
    _look("fail", 0),
    _look("ok", 0, 2),
    _look("unknown", 1),
    _look("fail", 1, 3),
    _look("unknown", 3),
)


def test_looks_make_incidents(monitor: Monitor) -> None:
    _update(monitor, *LOOKS)
    assert _states(monitor) == ["open", "withdrawn", "open"]
    ledger = load_incidents(monitor)
    assert ledger is not None
    assert ledger.run == DAY.shift(3)
    [found] = ledger.incidents
    assert (found.fingerprint, found.opened) == (KEY, DAY.shift(1).label)
    assert [(run.label, str(i.state)) for run, i in incident_history(monitor, KEY)] == [
        ("2024-01-30", "open"),
        ("2024-01-31", "withdrawn"),
        ("2024-02-02", "open"),
    ]


def test_the_order_of_looks_does_not_matter(make_config: MakeConfig, tmp_path: Path) -> None:
    contents = []
    for number, order in enumerate(list(permutations(LOOKS))[::7]):
        monitor = Monitor(LocalStore(tmp_path / f"{number}"), make_config())
        _update(monitor, *order)
        contents.append(_content(monitor))
    assert len(contents[0]) == 3
    assert all(content == contents[0] for content in contents[1:])


def test_a_rerun_writes_the_same(monitor: Monitor) -> None:
    _update(monitor, *LOOKS)
    before = _content(monitor)
    _update(monitor, *LOOKS)
    assert _content(monitor) == before
    _update(monitor, *LOOKS[1:3])
    assert _content(monitor) == before


def test_a_changed_verdict_changes_what_came_after(monitor: Monitor, make_config: MakeConfig, tmp_path: Path) -> None:
    looks = [_look("fail", number) for number in range(5)]
    _update(monitor, *looks)
    assert _states(monitor) == ["open", *["ongoing"] * 4]
    _update(monitor, *(_look("ok", number) for number in range(3)))
    assert _states(monitor) == ["", "", "", "open", "ongoing"]
    fresh = Monitor(LocalStore(tmp_path / "fresh"), make_config())
    _update(fresh, *(_look("ok", number) for number in range(3)), *looks[3:])
    # the newest finding's sentence is the same, and nothing else of the first verdicts is left
    assert _content(monitor) == _content(fresh)


class _StoppedError(Exception):
    """The process was killed."""


@pytest.mark.parametrize("allowed", range(5))
def test_a_run_may_be_stopped_between_any_two_writes(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    _update(monitor, *(_look("fail", number) for number in range(5)))
    swap, left = LocalStore.replace, [allowed]

    def dying(self: LocalStore, key: str, data: bytes, expected: bytes | None) -> None:
        if not left[0]:
            raise _StoppedError
        left[0] -= 1
        swap(self, key, data, expected)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "replace", dying)
        with pytest.raises(_StoppedError):
            _update(monitor, _look("ok", 0))
    _update(monitor, _look("ok", 0))
    assert _states(monitor) == ["", "open", "ongoing", "ongoing", "ongoing"]


def test_two_runs_at_once_lose_nothing(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    _update(monitor, _look("ok", 0))
    swap = LocalStore.replace

    def late(self: LocalStore, key: str, data: bytes, expected: bytes | None) -> None:
        monkeypatch.setattr(LocalStore, "replace", swap)
        _update(monitor, _look("fail", 0))
        swap(self, key, data, expected)

    monkeypatch.setattr(LocalStore, "replace", late)
    with pytest.raises(ConflictError):
        _update(monitor, _look("ok", -1, 2))
    _update(monitor, _look("ok", -1, 2))
    ledger = load_incidents(monitor)
    assert ledger is not None
    assert [window.label for window in ledger.looks] == ["2024-01-29", "2024-01-30"]
    assert _states(monitor) == ["open"]


def test_windows_of_another_length_do_not_disturb(monitor: Monitor, make_config: MakeConfig) -> None:
    hourly = make_config(schedule={"every": "hour", "settle": "10m"})
    _update(monitor, _look("fail", 0))
    assert load_incidents(Monitor(monitor.store, hourly)) is None
    monitor.store.put("toy/incidents/runs/2024-01/notes.txt.json", b"")
    _update(monitor, _look("fail", 1))
    assert _states(monitor) == ["open", "ongoing"]


def test_a_warning_takes_two_of_three(monitor: Monitor) -> None:
    _update(monitor, _look("warn", 0), _look("ok", 1), _look("ok", 2), _look("warn", 3), _look("warn", 4))
    assert _states(monitor) == ["pending", "pending", "pending", "pending", "open"]


def test_incidents_of_real_looks(make_world: MakeWorld) -> None:
    """What fails by the newest looks is an incident; whatever the looks withdrew is none."""
    world = make_world(trailing=1, labels={"horizon": "2d"})
    world.train()
    world.play(0, 2)
    write_captures(world.monitor.store, "captures/toy", [replace(i, score=1 - i.score) for i in world.inferences(1)])
    write_labels(world.monitor.store, "labels/toy", world.labels(1))
    for number in range(3):
        pipeline.run_window(world.monitor, world.window(number))
    ledger = load_incidents(world.monitor)
    assert ledger is not None
    newest = [history.latest_verdict(world.monitor, world.window(number)) for number in range(3)]
    failed = {
        incident_fingerprint("toy", f.check, f.group or f.subject, f.reference)
        for verdict in newest
        if verdict is not None
        for f in verdict.of_status(Status.FAIL)
    }
    assert failed
    told = {
        i.fingerprint for i in ledger.incidents if i.severity is Status.FAIL and i.state is not IncidentState.PENDING
    }
    assert failed <= told
    before = _content(world.monitor)
    for number in range(3):
        pipeline.run_window(world.monitor, world.window(number))
    assert _content(world.monitor) == before


# --- people


def _action(kind: str = "ack", **changes: Any) -> IncidentAction:
    at = datetime(2024, 1, 31, 7, tzinfo=UTC)
    return replace(IncidentAction(KEY, ActionKind(kind), "Ada", at, None, "on it"), **changes)


def test_actions_change_no_ledger(monitor: Monitor) -> None:
    _update(monitor, _look("fail", 0))
    before = _content(monitor)
    first = _action()
    second = _action("snooze", at=first.at + timedelta(hours=1), until=first.at + timedelta(days=2))
    record_action(monitor, second)
    record_action(monitor, first)
    assert load_actions(monitor) == {KEY: [first, second]}
    _update(monitor, _look("fail", 0))
    assert {key: data for key, data in _content(monitor).items() if "/actions/" not in key} == before
    with pytest.raises(ConflictError, match="at this very moment"):
        record_action(monitor, replace(first, by="Bob"))
    assert load_actions(monitor) == {KEY: [first, second]}


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        (_action(by=" "), "say who does it"),
        (_action("snooze"), "a snooze needs an end"),
        (_action(until=datetime(2024, 1, 31, 7, tzinfo=UTC)), "lies in the past"),
    ],
)
def test_actions_that_make_no_sense(monitor: Monitor, action: IncidentAction, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        record_action(monitor, action)
    assert not load_actions(monitor)


def test_what_is_told_after_a_run(monitor: Monitor) -> None:
    _update(monitor, _look("fail", 0), _look("fail", 1), _look("ok", 2), _look("ok", 3))
    told = [
        [change.kind for change in changes_of(monitor, DAY.shift(number), DAY.shift(number).end + timedelta(hours=6))]
        for number in range(4)
    ]
    assert told == [[ChangeKind.OPENED], [], [], [ChangeKind.RESOLVED]]
    assert changes_of(monitor, DAY.shift(9), DAY.shift(10).end) == ()
    until = DAY.shift(1).end + timedelta(hours=7)
    record_action(monitor, _action("snooze", until=until))
    assert [c.kind for c in changes_of(monitor, DAY.shift(1), DAY.shift(1).end + timedelta(hours=6))] == []
    [change] = changes_of(monitor, DAY.shift(2), DAY.shift(2).end + timedelta(hours=6))
    assert (change.kind, change.incident.fingerprint) == (ChangeKind.DUE, KEY)


def test_an_incident_is_found_by_the_beginning_of_its_name(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no incident"):
        find_incident(monitor, KEY)
    _update(monitor, _look("fail", 0))
    assert find_incident(monitor, KEY[:4]) == find_incident(monitor, KEY)
    for text in ("", KEY[:3], "ffffffffff"):
        with pytest.raises(ConfigError, match=f"no incident; allowed: {KEY}"):
            find_incident(monitor, text)
    monkeypatch.setattr(incidents, "_SHORTEST", 0)
    other = replace(_look("fail", 0).findings[0], subject="age")
    _update(monitor, replace(_look("fail", 0), findings=(*_look("fail", 0).findings, other)))
    with pytest.raises(ConfigError, match="more than one incident"):
        find_incident(monitor, "")


def test_an_incident_that_is_listed_no_longer_is_found_by_its_whole_name(monitor: Monitor) -> None:
    _update(monitor, _look("fail", 0), *(_look("ok", number) for number in range(1, 40)))
    ledger = load_incidents(monitor)
    assert ledger is not None
    assert ledger.incidents == ()
    assert find_incident(monitor, KEY).state is IncidentState.RESOLVED
    with pytest.raises(ConfigError, match="no incident"):
        find_incident(monitor, KEY[:9])
