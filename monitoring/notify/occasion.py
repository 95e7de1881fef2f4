"""Whether there is anything to tell: the state has changed, or incidents have, and nobody has silenced them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from monitoring.decide import Action, Decision, State
from monitoring.decide.incident import Incident
from monitoring.decide.telling import Change, IncidentAction, action_at
from monitoring.incidents import changes_of, load_actions, load_incidents
from monitoring.judge import Status
from monitoring.monitor import Monitor
from monitoring.window import Window


def occasion(monitor: Monitor, decision: Decision, run: Window, now: datetime) -> tuple[Decision, tuple[Change, ...]]:
    """What people are to be told after a run.

    Args:
        monitor: The model.
        decision: What the run has decided.
        run: The run's window.
        now: The moment at which they are told.

    Returns:
        The decision, which asks for no message where all that fails is acknowledged or snoozed; and what has become
        of incidents.
    """
    changes = changes_of(monitor, run, now)
    if decision.notify and decision.state is State.FAILING and decision.action is not Action.RETRAIN:
        ledger = load_incidents(monitor, run)
        if ledger is not None and is_silenced(ledger.incidents, load_actions(monitor), now):
            return replace(decision, notify=False), changes
    return decision, changes


def is_silenced(incidents: Iterable[Incident], actions: Mapping[str, Sequence[IncidentAction]], now: datetime) -> bool:
    """Whether something fails, and all of it is acknowledged or snoozed.

    Args:
        incidents: As they stand.
        actions: By fingerprint, everybody's actions.
        now: The moment at which people are told.
    """
    failing = [incident for incident in incidents if incident.active and incident.severity is Status.FAIL]
    return bool(failing) and all(action_at(actions.get(item.fingerprint, ()), item, now) for item in failing)
