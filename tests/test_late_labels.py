"""Labels that come weeks late, in part, or never: the state of the model, its messages and retraining."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitoring import history, pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.decide import Action, Decision, State, Veto
from monitoring.judge import Code, Status, Verdict
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY, World, make_day

MakeWorld = Callable[..., World]
RETRAIN = {"retrain": {"confirm": [3, 5], "cooldown": "14d", "min_labels": 100}}
DELAY = 10


@pytest.fixture
def make_world(make_world: MakeWorld) -> MakeWorld:
    """Worlds in which all that happens on a day happens at once: that is not to be looked at here."""
    quiet = {"gaps": {"severity": "off"}, "feed": {"severity": "off"}}
    return lambda *given, **changes: make_world(*given, **{**changes, "checks": {**quiet, **changes.get("checks", {})}})


def _inverted(item: CapturedInference) -> CapturedInference:
    """The score says the opposite."""
    return replace(item, score=1 - item.score)


def _play_labels(world: World, number: int, delay: int) -> None:
    """All labels of a day, at noon `delay` days later, or (0) at the end of the day itself."""
    day, moment = make_day(number), FIRST_DAY + timedelta(days=number + delay, hours=12 if delay else 24)
    labels = [(key, label, moment) for key, label in zip(day.ids, day.labels, strict=True)]
    write_labels(world.monitor.store, "labels/toy", labels)


def _play(
    world: World, numbers: Iterable[int], delay: int | None = 0, change: Callable[[Any], Any] = lambda item: item
) -> None:
    """Let days happen, each inference changed; without a delay no labels come."""
    for number in numbers:
        moment = world.window(number).start  # all at once: one object to read instead of one per hour
        items = [replace(change(item), event_time=moment) for item in world.inferences(number)]
        write_captures(world.monitor.store, "captures/toy", items)
        if delay is not None:
            _play_labels(world, number, delay)


def _decide(world: World, numbers: Iterable[int]) -> list[Decision]:
    """Run these days; the decision on each."""
    found = []
    for number in numbers:
        pipeline.run_window(world.monitor, world.window(number))
        decision = history.load_decision(world.monitor, world.window(number), 1)
        assert decision is not None
        found.append(decision)
    return found


def _newest(world: World, number: int) -> Verdict:
    verdict = history.latest_verdict(world.monitor, world.window(number))
    assert verdict is not None
    return verdict


def _first(world: World, number: int) -> Verdict:
    return history.load_verdict(world.monitor, world.window(number), 1)


def _told(decisions: list[Decision]) -> list[tuple[int, State]]:
    return [(number, decision.state) for number, decision in enumerate(decisions) if decision.notify]


# --- labels that come late


def test_labels_ten_days_late_make_the_model_failing_and_ask_for_retraining(make_world: MakeWorld) -> None:
    world = make_world(labels={"horizon": "30d"}, policy=RETRAIN)
    world.train()
    _play(world, range(17), DELAY, _inverted)
    decisions = _decide(world, range(17))
    # nothing is known until the labels of the first day come
    assert {d.state for d in decisions[:DELAY]} == {State.UNKNOWN}
    assert {_first(world, number).performance_status for number in range(17)} == {Status.UNKNOWN}
    assert _newest(world, 0).performance_status is Status.FAIL
    assert {d.state for d in decisions[DELAY:]} == {State.FAILING}
    # one message for each change of state, and one for the request
    assert _told(decisions) == [(0, State.UNKNOWN), (DELAY, State.FAILING), (DELAY + 2, State.FAILING)]
    assert [d.action for d in decisions[DELAY:]] == [
        *[Action.VETOED] * 2,
        Action.RETRAIN,
        *[Action.VETOED] * 4,
    ]
    assert [d.vetoes for d in decisions[DELAY:]] == [
        *[(Veto.NOT_CONFIRMED,)] * 2,
        (),
        *[(Veto.COOLDOWN,)] * 4,
    ]
    assert any("3 windows with known performance 3 fail on their own rows" in why for why in decisions[12].reasons)


@pytest.mark.parametrize("policy", [{}, RETRAIN])
def test_since_stays_the_first_failing_window(make_world: MakeWorld, policy: dict[str, Any]) -> None:
    delay, days = 4, range(14)
    world = make_world(policy=policy, labels={"horizon": "30d"})
    world.train()
    _play(world, days[:3], delay)
    _play(world, days[3:], delay, _inverted)
    decisions = _decide(world, days)
    first = next(n for n in days if _newest(world, n).performance_status is Status.FAIL)
    assert first in (3, 4)  # the third and the fourth day look back at good ones too
    failing = [d.since for d in decisions if d.state is State.FAILING]
    assert failing == [world.window(first).label] * (len(days) - first - delay)
    assert {d.since for d in decisions if d.state is not State.FAILING} == {""}


def test_late_labels_of_a_good_model_make_it_healthy(make_world: MakeWorld) -> None:
    world = make_world(labels={"horizon": "30d"})
    world.train()
    _play(world, range(13), DELAY)
    assert _told(_decide(world, range(13))) == [(0, State.UNKNOWN), (DELAY, State.HEALTHY)]


def test_labels_that_never_come_are_unknown_and_told_once(make_world: MakeWorld) -> None:
    world = make_world(policy=RETRAIN)
    world.train()
    _play(world, range(6), None)
    decisions = _decide(world, range(6))
    assert {d.state for d in decisions} == {State.UNKNOWN}
    assert _told(decisions) == [(0, State.UNKNOWN)]
    assert {d.action for d in decisions[1:]} == {Action.NONE}
    last = _newest(world, 3)
    assert (last.final, last.status) == (True, Status.UNKNOWN)
    assert Code.LABELS_MISSING in {finding.code for finding in last.of_status(Status.WARN)}


@pytest.mark.parametrize(("change", "state"), [(lambda item: item, State.HEALTHY), (_inverted, State.FAILING)])
def test_too_few_labels_leave_the_state_as_it_was(
    make_world: MakeWorld, change: Callable[[Any], Any], state: State
) -> None:
    world = make_world()  # horizon 2 days, and trailing 3: after 5 days there is no window that is known
    world.train()
    _play(world, range(3), 0, change)
    _play(world, range(3, 9), None, change)
    decisions = _decide(world, range(9))
    assert {d.state for d in decisions} == {state}
    assert _told(decisions) == ([] if state is State.HEALTHY else [(0, State.FAILING)])
    assert _first(world, 8).findings[0].code is Code.TOO_FEW_LABELS
    assert {d.since for d in decisions} == {"" if state is State.HEALTHY else world.window(0).label}


def test_too_few_rows_now_and_then_tell_nobody(make_world: MakeWorld) -> None:
    world = make_world(labels=None)
    world.train()
    for number in range(6):
        rows = world.inferences(number)
        write_captures(world.monitor.store, "captures/toy", rows[:: 10 if number % 2 else 1])
    decisions = _decide(world, range(6))
    few = [Code.TOO_FEW_ROWS in {finding.code for finding in _first(world, n).findings} for n in range(6)]
    assert few == [False, True] * 3
    assert _told(decisions) == []


def test_windows_without_data_are_unknown_and_told_once(make_world: MakeWorld) -> None:
    world = make_world()
    world.train()
    _play(world, (0, 1, 4, 5))
    decisions = _decide(world, range(6))
    assert [d.state for d in decisions] == [*[State.HEALTHY] * 2, *[State.UNKNOWN] * 2, *[State.HEALTHY] * 2]
    assert _told(decisions) == [(2, State.UNKNOWN), (4, State.HEALTHY)]
    assert decisions[4].reasons[-1] == "The model's state changed from unknown to healthy."


def test_a_missed_run_does_not_hide_a_change_of_state(make_world: MakeWorld) -> None:
    world = make_world(trailing=1)
    world.train()
    _play(world, (0,), 0, _inverted)
    _play(world, (1, 2))
    failing, healthy = _decide(world, (0, 2))
    assert (failing.state, failing.notify) == (State.FAILING, True)
    assert (healthy.previous_state, healthy.state, healthy.notify) == (State.FAILING, State.HEALTHY, True)


# --- one very bad day


def _catastrophe(item: CapturedInference, label: str) -> CapturedInference:
    return replace(item, score=0.01 if label == "1" else 0.99)


@pytest.mark.parametrize("delay", [0, 3])
def test_one_catastrophic_day_is_not_confirmed_by_the_windows_after_it(make_world: MakeWorld, delay: int) -> None:
    bad, days = 4, range(11)
    labels = dict(zip(make_day(bad).ids, make_day(bad).labels, strict=True))
    world = make_world(labels={"horizon": "5d"}, trailing=7, policy={"retrain": {"confirm": [3, 5], "min_labels": 1}})
    world.train()
    _play(world, [n for n in days if n != bad], delay)
    _play(world, [bad], delay, lambda item: _catastrophe(item, labels[item.event_id]))
    decisions = _decide(world, range(len(days) + delay))
    trailing = [n for n in days if _newest(world, n).performance_status is Status.FAIL]
    # as long as it is in the trailing week, and weighs more than its good days
    assert trailing == list(range(bad, bad + len(trailing)))
    assert 1 <= len(trailing) <= 7
    assert [n for n in days if _newest(world, n).own_performance is Status.FAIL] == [bad]
    assert {d.action for d in decisions} <= {Action.NONE, Action.NOTIFY, Action.VETOED}
    vetoed = [d for d in decisions if d.action is Action.VETOED]
    assert {d.vetoes for d in vetoed} <= {(Veto.NOT_CONFIRMED,)}


def test_windows_whose_labels_are_still_to_come_do_not_stand_in_the_way(make_world: MakeWorld) -> None:
    # the newest four windows are judged by the days before them, so that five judged ones hold two that can tell
    world = make_world(labels={"horizon": "5d"}, trailing=7, policy={"retrain": {"confirm": [3, 5], "min_labels": 1}})
    world.train()
    _play(world, range(6), 4)
    _play(world, range(6, 13), 4, _inverted)
    decisions = _decide(world, range(13))
    assert [_newest(world, n).own_performance for n in range(6, 13)] == [*[Status.FAIL] * 3, *[Status.UNKNOWN] * 4]
    assert Status.UNKNOWN not in {_first(world, n).performance_status for n in range(6, 13)}
    assert [n for n, d in enumerate(decisions) if d.action is Action.RETRAIN] == [12]


def test_windows_too_small_to_tell_are_confirmed_by_their_trailing_rows(make_world: MakeWorld) -> None:
    world = make_world(policy={"retrain": {"confirm": [3, 5], "min_labels": 1}}, checks={"volume": {"severity": "off"}})
    world.train()
    for number in range(6):
        rows = [_inverted(item) for item in world.inferences(number)][:80]
        write_captures(world.monitor.store, "captures/toy", rows)
        _play_labels(world, number, 0)
    decisions = _decide(world, range(6))
    assert {_newest(world, n).own_performance for n in range(6)} == {Status.UNKNOWN}
    assert [d.action for d in decisions].index(Action.RETRAIN) == 3  # the third window that knows two and more


# --- hours whose labels come between two runs


def test_a_backfill_of_hours_sees_what_the_hourly_runs_saw(make_world: MakeWorld, tmp_path: Any) -> None:
    found = []
    for live in (True, False):
        world = make_world(
            LocalStore(tmp_path / f"live-{live}"),
            schedule={"every": "hour", "settle": "20m"},
            labels={"horizon": "4h"},
            trailing=2,
        )
        world.train()
        store, monitor, rows = world.monitor.store, world.monitor, world.inferences(0)
        truth = zip(make_day(0).ids, make_day(0).labels, make_day(0).moments, strict=True)
        labels = [(key, label, moment + timedelta(minutes=50)) for key, label, moment in truth]
        write_captures(store, "captures/toy", rows)
        if not live:
            write_labels(store, "labels/toy", labels)
        hours, since = [Window(FIRST_DAY, "hour").shift(n) for n in range(6)], FIRST_DAY
        for hour in hours:
            now = monitor.as_of(hour)
            if live:
                write_labels(store, "labels/toy", [item for item in labels if since <= item[2] < now])
                since = now
            pipeline.run_window(monitor, hour)
        verdicts = [history.load_verdict(monitor, h, r) for h in hours for r in history.revisions(monitor, h)]
        found.append(
            {(v.window.label, v.revision): (v.as_of, v.final, v.numbers["label_coverage"].value) for v in verdicts}
        )
        first = [v.numbers["label_coverage"].value for v in verdicts if v.revision == 1]
        assert any(0 < (share or 0) < 0.5 for share in first)
    assert found[0] == found[1]
