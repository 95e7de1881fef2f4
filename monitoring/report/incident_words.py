"""Incidents in words: what lasts, since when, how sure, and who is at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.decide.incident import Incident, IncidentState
from monitoring.decide.telling import ActionKind, IncidentAction, action_at
from monitoring.incidents import load_actions, load_incidents
from monitoring.monitor import Monitor
from monitoring.report.finding_words import check_name
from monitoring.report.text import moment, plural
from monitoring.window import Every, Window

OVER = frozenset({IncidentState.RESOLVED, IncidentState.WITHDRAWN})
STATE_WORDS = {
    IncidentState.PENDING: "Not confirmed",
    IncidentState.OPEN: "New",
    IncidentState.ONGOING: "Ongoing",
    IncidentState.RESOLVED: "Over",
    IncidentState.WITHDRAWN: "Withdrawn",
}


@dataclass(frozen=True)
class KnownIncident:
    """An incident, and what somebody does about it.

    Attributes:
        incident: As it stands after a run.
        action: What holds; None where nobody has acted.
    """

    incident: Incident
    action: IncidentAction | None = None


def known_incidents(monitor: Monitor, run: Window, as_of: datetime) -> tuple[KnownIncident, ...] | None:
    """What was known of incidents after a run, with what people have done until now; None where there is no ledger.

    Args:
        monitor: The model.
        run: The run's window.
        as_of: The moment at which the run was due. An action that came later counts as well, and one has run out when
            its end lies before the newest of both: no clock is read, so that a report written again is the same.
    """
    ledger = load_incidents(monitor, run)
    if ledger is None:
        return None
    actions = load_actions(monitor)
    newest = max((action.at for done in actions.values() for action in done), default=as_of)
    now = max(as_of, newest)
    held = ((item, action_at(actions.get(item.fingerprint, ()), item, now)) for item in ledger.incidents)
    return tuple(KnownIncident(item, action) for item, action in held)


def incident_name(incident: Incident) -> str:
    """What an incident is about, in a few words."""
    of = f" of {incident.subject}" if incident.subject else ""
    return f"{check_name(incident.check)}{of}{f' against {incident.reference}' if incident.reference else ''}"


def span(incident: Incident, every: Every) -> str:
    """Since when, and how many windows confirm it."""
    since = f"{incident.first_seen} ({plural(incident.windows, every)})"
    return f"{since} to {incident.last_seen}" if incident.state in OVER else since


def confirmation(incident: Incident) -> str:
    """How many windows have it, of those that are looked at.

    >>> from monitoring.judge import Status
    >>> seen = ("81ab", "nulls", "age", "", Status.WARN, IncidentState.PENDING, "d", "", "d", "", 1, 1, 2, 3, "")
    >>> confirmation(Incident(*seen))
    '1 of 3; 2 would confirm it'
    """
    counted = f"{incident.hits} of {incident.among}"
    return f"{counted}; {incident.needed} would confirm it" if incident.state is IncidentState.PENDING else counted


def action_words(action: IncidentAction | None) -> str:
    """Who is at it; empty where nobody is."""
    if action is None:
        return ""
    what = "acknowledged" if action.kind is ActionKind.ACKNOWLEDGE else "snoozed"
    until = f" until {moment(action.until)}" if action.until else ""
    return f"{what} by {action.by}{until}{f': {action.note}' if action.note else ''}"


def active_count(known: Sequence[KnownIncident] | None) -> int | None:
    """How many are confirmed and not over; None where nothing is known of that."""
    return None if known is None else sum(item.incident.active for item in known)
