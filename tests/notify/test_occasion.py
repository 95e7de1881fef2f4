"""Who is told, and who is not: acknowledged and snoozed really silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.airflow.stages import next_tasks
from monitoring.decide import Action, Decision, State
from monitoring.decide.telling import ActionKind, ChangeKind, IncidentAction
from monitoring.incidents import load_incidents, record_action, update_incidents
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.monitor import Monitor
from monitoring.notify import Message, deliver, occasion
from monitoring.store.local import LocalStore

NOW = timedelta(minutes=10)


class Told:
    """The model, its days, and who is told of them.

    Args:
        monitor: The model.
        verdict: Of the first day.
        decision: Of the first day: its state changes.
    """

    def __init__(self, monitor: Monitor, verdict: Verdict, decision: Decision) -> None:
        self.monitor, self.verdict, self.decision = monitor, verdict, decision
        self.received: list[Message] = []

    def day(self, number: int, *findings: Finding, **decided: Any) -> tuple[list[str], list[ChangeKind]]:
        """A day with these findings: the tasks that its decision leads to, and the changes."""
        window = self.verdict.window.shift(number)
        verdict = replace(self.verdict, window=window, findings=findings, as_of=self.monitor.as_of(window))
        update_incidents(self.monitor, verdict, window)
        decision = replace(self.decision, window=window.label, **decided)
        decision, changes = occasion(self.monitor, decision, window, verdict.as_of + NOW)
        deliver(self.monitor, decision, verdict, {"mail": self.received.append}, changes)
        return next_tasks(decision, changes), [change.kind for change in changes]

    def act(self, number: int, kind: ActionKind, check: str, days: int | None = None) -> None:
        """Somebody acts an hour after the run of a day."""
        ledger = load_incidents(self.monitor)
        assert ledger is not None
        [key] = [item.fingerprint for item in ledger.incidents if item.check == check]
        at = self.monitor.as_of(self.verdict.window.shift(number)) + timedelta(hours=1)
        record_action(self.monitor, IncidentAction(key, kind, "Ada", at, days and at + timedelta(days=days)))


@pytest.fixture
def told(tmp_path: Path, make_config: Any, verdict: Verdict, decision: Decision) -> Told:
    return Told(Monitor(LocalStore(tmp_path), make_config()), verdict, decision)


def bad(check: str, status: str = "fail") -> Finding:
    return Finding(check, "", Status(status), Code.NULLS_INCREASED, f"{check} is bad.")


QUIET = {"notify": False, "action": Action.NONE, "previous_state": State.FAILING}
SILENT = (["all_clear"], [])


def test_what_opens_is_told_once(told: Told) -> None:
    assert told.day(0, bad("nulls")) == (["notify"], [ChangeKind.OPENED])
    assert told.day(1, bad("nulls"), **QUIET) == SILENT
    assert [message.subject.split(":")[0] for message in told.received] == ["[toy] failing since 2024-01-20"]


def test_what_opens_beside_a_failure_is_told_though_the_state_is_the_same(told: Told) -> None:
    told.day(0, bad("nulls"))
    assert told.day(1, bad("nulls"), bad("error"), **QUIET) == (["notify"], [ChangeKind.OPENED])
    assert "error is bad." in told.received[-1].subject


@pytest.mark.parametrize("kind", ["ack", "snooze"])
def test_an_action_silences_a_state_that_comes_back(told: Told, kind: str) -> None:
    told.day(0, bad("nulls"))
    told.act(0, ActionKind(kind), "nulls", 9)
    # the feed was unknown for a day: the state changes to failing again, and somebody is at it already
    assert told.day(1, bad("nulls")) == SILENT
    assert len(told.received) == 1


def test_one_failure_that_nobody_is_at_is_told(told: Told) -> None:
    told.day(0, bad("nulls"), bad("error"))
    told.act(0, ActionKind.ACKNOWLEDGE, "nulls")
    assert told.day(1, bad("nulls"), bad("error"))[0] == ["notify"]
    told.act(1, ActionKind.ACKNOWLEDGE, "error")
    assert told.day(2, bad("nulls"), bad("error")) == SILENT


def test_a_warning_that_is_acknowledged_silences_no_failure(told: Told) -> None:
    for number in (0, 1):
        told.day(number, bad("nulls", "warn"), notify=False)
    told.act(1, ActionKind.ACKNOWLEDGE, "nulls")
    assert told.day(2, bad("nulls", "warn"), state=State.FAILING)[0] == ["notify"]


@pytest.mark.parametrize("decided", [{"action": Action.RETRAIN}, {"state": State.UNKNOWN}, {"state": State.HEALTHY}])
def test_retraining_and_other_states_are_always_told(told: Told, decided: dict[str, Any]) -> None:
    told.day(0, bad("nulls"))
    told.act(0, ActionKind.SNOOZE, "nulls", 9)
    assert "notify" in told.day(1, bad("nulls"), **decided)[0]
    assert len(told.received) == 2


def test_a_snooze_that_runs_out_is_told_again(told: Told) -> None:
    told.day(0, bad("nulls"))
    told.act(0, ActionKind.SNOOZE, "nulls", 2)
    assert [told.day(number, bad("nulls"), **QUIET) for number in (1, 2)] == [SILENT, SILENT]
    assert told.day(3, bad("nulls"), **QUIET) == (["notify"], [ChangeKind.DUE])
    assert told.received[-1].subject.startswith("[toy] Still there since 2024-01-20")


def test_a_snooze_silences_the_end_and_an_acknowledgement_does_not(told: Told) -> None:
    told.day(0, bad("nulls"), bad("error"))
    told.act(0, ActionKind.SNOOZE, "nulls", 9)
    told.act(0, ActionKind.ACKNOWLEDGE, "error")
    assert told.day(1, **QUIET) == SILENT
    assert told.day(2, **QUIET) == (["notify"], [ChangeKind.RESOLVED])
    assert "error is bad." in told.received[-1].subject


def test_without_a_ledger_the_decision_stands(told: Told) -> None:
    found = occasion(told.monitor, told.decision, told.verdict.window, told.verdict.as_of)
    assert found == (told.decision, ())


def test_tasks_of_a_decision(decision: Decision) -> None:
    assert next_tasks(replace(decision, action=Action.RETRAIN)) == ["request_retraining", "notify"]
    assert next_tasks(replace(decision, notify=False)) == ["all_clear"]
