"""Which changes of incidents people are told: less what they have acknowledged or snoozed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from monitoring.decide.incident import Incident, IncidentState
from monitoring.judge.verdict import Status
from monitoring.window import iso

KIND, SCHEMA_VERSION = "incident-action", 1


class ActionKind(StrEnum):
    """What somebody did about an incident."""

    ACKNOWLEDGE = "ack"
    SNOOZE = "snooze"


class ChangeKind(StrEnum):
    """What has become of an incident; `due` is one whose snooze or acknowledgement has run out."""

    OPENED = "opened"
    WORSE = "worse"
    DUE = "due"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class IncidentAction:
    """What somebody did about an incident. It never changes a verdict or a state, only who is told.

    Attributes:
        fingerprint: The incident's.
        kind: An acknowledgement: somebody is at it. A snooze: not before its end.
        by: Who.
        at: When.
        until: When it runs out; None: never.
        note: Why.
    """

    fingerprint: str
    kind: ActionKind
    by: str
    at: datetime
    until: datetime | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the body of a document."""
        return {
            "fingerprint": self.fingerprint,
            "action": self.kind,
            "by": self.by,
            "at": iso(self.at),
            "until": iso(self.until) if self.until else None,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        until = datetime.fromisoformat(data["until"]) if data["until"] else None
        at = datetime.fromisoformat(data["at"])
        return cls(data["fingerprint"], ActionKind(data["action"]), data["by"], at, until, data["note"])


@dataclass(frozen=True)
class Change:
    """One thing to tell.

    Attributes:
        kind: What has become of it.
        incident: The incident, as it stands now.
    """

    kind: ChangeKind
    incident: Incident

    @property
    def sentence(self) -> str:
        """For people.

        The finding's own sentence, what has become of it, and why when a later look did it.
        """
        incident = self.incident
        severity = "fails" if incident.severity is Status.FAIL else "warns"
        what = {
            ChangeKind.OPENED: f"New, {severity} since {incident.first_seen}",
            ChangeKind.WORSE: f"Worse, {severity} now",
            ChangeKind.DUE: f"Still there since {incident.first_seen}",
            ChangeKind.RESOLVED: f"Over since {incident.closed}",
            ChangeKind.WITHDRAWN: "Withdrawn",
        }[self.kind]
        return f"{what} ({incident.fingerprint}): {incident.message} {incident.note}".strip()


def action_at(actions: Iterable[IncidentAction], incident: Incident, moment: datetime) -> IncidentAction | None:
    """The action that holds at a moment: the newest one, unless it has run out.

    An acknowledgement is of one incident: when it has been resolved and opens again, it holds no longer.

    Args:
        actions: Everybody's actions on the incident.
        incident: The incident as it stands.
        moment: The moment.
    """
    newest = max((action for action in actions if action.at <= moment), key=lambda action: action.at, default=None)
    if newest is None or (newest.until is not None and newest.until <= moment):
        return None
    if newest.kind is ActionKind.ACKNOWLEDGE and newest.at < _start(incident):
        return None
    return newest


def changes_to_tell(
    before: Iterable[Incident],
    after: Iterable[Incident],
    actions: Mapping[str, Sequence[IncidentAction]],
    *,
    previous: datetime,
    due: datetime,
    now: datetime,
) -> tuple[Change, ...]:
    """What people are to be told after a run.

    A snooze silences everything about its incident. An acknowledgement does not silence that it has become worse, or
    that it is over. What was silent before the run and is active and not silent after it is told as due.

    Args:
        before: The incidents as they stood before the run.
        after: The incidents as they stand.
        actions: By fingerprint, everybody's actions.
        previous: The moment at which the run before was due.
        due: The moment at which this run was due.
        now: The moment at which people are told.
    """
    past = {incident.fingerprint: incident for incident in before}
    found = []
    for incident in after:
        mine = actions.get(incident.fingerprint, ())
        holding = [action_at(mine, incident, moment) for moment in (due, now)]
        kind = _change(past.get(incident.fingerprint), incident)
        if kind is None and incident.active and action_at(mine, incident, previous) and not any(holding):
            kind = ChangeKind.DUE
        if kind and not any(action and _silences(action, kind) for action in holding):
            found.append(Change(kind, incident))
    return tuple(found)


def _change(before: Incident | None, after: Incident) -> ChangeKind | None:
    if before and before.state is after.state and not after.active:
        return None
    if after.state is IncidentState.OPEN:
        return ChangeKind.OPENED
    if after.state is IncidentState.ONGOING:
        worse = before and before.severity is Status.WARN and after.severity is Status.FAIL
        return ChangeKind.WORSE if worse else None
    ends = {IncidentState.RESOLVED: ChangeKind.RESOLVED, IncidentState.WITHDRAWN: ChangeKind.WITHDRAWN}
    return ends.get(after.state)


def _silences(action: IncidentAction, kind: ChangeKind) -> bool:
    return action.kind is ActionKind.SNOOZE or kind in (ChangeKind.OPENED, ChangeKind.DUE)


def _start(incident: Incident) -> datetime:
    return datetime.fromisoformat(incident.first_seen).replace(tzinfo=UTC)
