"""Who is told what of incidents, and what people's actions do to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.decide.incident import Incident, IncidentState
from monitoring.decide.telling import ActionKind, Change, IncidentAction, action_at, changes_to_tell
from monitoring.judge import Status

DUE = datetime(2024, 1, 15, 6, tzinfo=UTC)
PREVIOUS, NOW = DUE - timedelta(days=1), DUE + timedelta(minutes=5)
OPEN = Incident(
    fingerprint="0123456789",
    check="ranking",
    subject="",
    reference="",
    severity=Status.WARN,
    state=IncidentState.OPEN,
    first_seen="2024-01-12",
    opened="2024-01-12",
    last_seen="2024-01-12",
    closed="",
    windows=1,
    hits=1,
    needed=1,
    among=1,
    message="The ranking is worse.",
)
ONGOING = replace(OPEN, state=IncidentState.ONGOING)
PENDING = replace(OPEN, state=IncidentState.PENDING)
RESOLVED = replace(OPEN, state=IncidentState.RESOLVED, closed="2024-01-14")
WITHDRAWN = replace(RESOLVED, state=IncidentState.WITHDRAWN, note="Withdrawn by the run of 2024-01-14.")
FAILS = replace(ONGOING, severity=Status.FAIL)


def _action(kind: str, at: datetime = PREVIOUS, until: datetime | None = None) -> IncidentAction:
    return IncidentAction(OPEN.fingerprint, ActionKind(kind), "Ada", at, until)


def _told(before: Incident | None, after: Incident | None, *actions: IncidentAction) -> list[str]:
    given = {OPEN.fingerprint: list(actions)} if actions else {}
    sides = ([item] if item else [] for item in (before, after))
    return [str(c.kind) for c in changes_to_tell(*sides, given, previous=PREVIOUS, due=DUE, now=NOW)]


CHANGES = [
    (None, PENDING, []),
    (None, OPEN, ["opened"]),
    (PENDING, OPEN, ["opened"]),
    (RESOLVED, OPEN, ["opened"]),
    (WITHDRAWN, OPEN, ["opened"]),
    (OPEN, ONGOING, []),
    (ONGOING, ONGOING, []),
    (ONGOING, FAILS, ["worse"]),
    (FAILS, FAILS, []),
    (ONGOING, RESOLVED, ["resolved"]),
    (None, RESOLVED, ["resolved"]),
    (RESOLVED, RESOLVED, []),
    (ONGOING, WITHDRAWN, ["withdrawn"]),
    (WITHDRAWN, WITHDRAWN, []),
    (RESOLVED, None, []),
    (RESOLVED, PENDING, []),
]


@pytest.mark.parametrize(("before", "after", "told"), CHANGES)
def test_changes_are_told(before: Incident | None, after: Incident | None, told: list[str]) -> None:
    assert _told(before, after) == told


@pytest.mark.parametrize(("before", "after", "told"), CHANGES)
def test_a_snooze_silences_everything(before: Incident | None, after: Incident | None, told: list[str]) -> None:
    assert _told(before, after, _action("snooze", until=NOW + timedelta(days=1))) == []


@pytest.mark.parametrize(("before", "after", "told"), CHANGES)
def test_an_acknowledgement_leaves_what_is_worse_or_over(
    before: Incident | None, after: Incident | None, told: list[str]
) -> None:
    assert _told(before, after, _action("ack")) == [kind for kind in told if kind != "opened"]


def test_what_happened_between_the_run_and_the_message_counts() -> None:
    """A run may be late by days, and people act today."""
    assert _told(None, OPEN, _action("ack", DUE + timedelta(minutes=1))) == []
    assert _told(None, OPEN, _action("ack", NOW + timedelta(minutes=1))) == ["opened"]


def test_what_is_still_there_when_a_snooze_ends_is_told_once() -> None:
    ended = _action("snooze", PREVIOUS - timedelta(hours=2), DUE - timedelta(hours=1))
    assert _told(ONGOING, ONGOING, ended) == ["due"]
    assert _told(ONGOING, RESOLVED, ended) == ["resolved"]
    assert _told(RESOLVED, RESOLVED, ended) == []
    long_ago = replace(ended, until=PREVIOUS)
    assert _told(ONGOING, ONGOING, long_ago) == []
    assert _told(ONGOING, ONGOING, ended, _action("ack", DUE - timedelta(minutes=1))) == []


def test_the_newest_action_holds_until_it_runs_out() -> None:
    first = _action("snooze", PREVIOUS, NOW + timedelta(days=9))
    second = _action("ack", PREVIOUS + timedelta(hours=1), PREVIOUS + timedelta(hours=2))
    assert action_at([first, second], ONGOING, PREVIOUS) == first
    assert action_at([second, first], ONGOING, second.at) == second
    assert action_at([first, second], ONGOING, second.at + timedelta(hours=1)) is None, "it replaced the first"
    assert action_at([first], ONGOING, first.at - timedelta(seconds=1)) is None
    assert action_at([], ONGOING, NOW) is None


def test_an_acknowledgement_is_of_one_incident_only() -> None:
    again = replace(OPEN, first_seen="2024-01-15", opened="2024-01-15")
    assert _told(RESOLVED, again, _action("ack")) == ["opened"]
    assert _told(RESOLVED, again, _action("snooze", until=NOW + timedelta(days=1))) == []
    hourly = replace(OPEN, first_seen="2024-01-14T06")
    assert action_at([_action("ack")], hourly, NOW) is not None
    assert action_at([_action("ack")], replace(hourly, first_seen="2024-01-14T07"), NOW) is None


def test_an_action_is_read_as_it_was_written() -> None:
    for action in (_action("ack"), _action("snooze", until=NOW)):
        assert IncidentAction.from_json(action.to_json()) == action


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (None, OPEN, "New, warns since 2024-01-12 (0123456789): The ranking is worse."),
        (ONGOING, FAILS, "Worse, fails now (0123456789): The ranking is worse."),
        (ONGOING, RESOLVED, "Over since 2024-01-14 (0123456789): The ranking is worse."),
        (
            ONGOING,
            WITHDRAWN,
            "Withdrawn (0123456789): The ranking is worse. Withdrawn by the run of 2024-01-14.",
        ),
    ],
)
def test_a_change_in_words(before: Incident | None, after: Incident, sentence: str) -> None:
    sides = ([item] if item else [] for item in (before, after))
    [change] = changes_to_tell(*sides, {}, previous=PREVIOUS, due=DUE, now=NOW)
    assert isinstance(change, Change)
    assert change.sentence == sentence
