"""Incidents in the store: what each run knew of them, and what people did about them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from monitoring import documents
from monitoring.config.incidents import Incidents
from monitoring.decide import ledger as ledgers
from monitoring.decide import telling
from monitoring.decide.incident import Incident, Ledger, advance
from monitoring.decide.sighting import sightings
from monitoring.decide.telling import ActionKind, Change, IncidentAction, changes_to_tell
from monitoring.errors import ConfigError, ConflictError
from monitoring.judge import Verdict
from monitoring.monitor import Monitor
from monitoring.window import LENGTHS, Window, iso

# Shorter beginnings of a fingerprint may become ambiguous while somebody types
_SHORTEST = 4


@dataclass(frozen=True)
class _Write:
    """A document to be swapped in."""

    key: str
    data: bytes
    expected: bytes | None


def update_incidents(monitor: Monitor, verdict: Verdict, run: Window) -> None:
    """Take a look into account: in the ledger of its run, and in those of later runs that are there already.

    The same looks give the same bytes, in whichever order they come. Later ledgers are written first, so that a run
    that is stopped in between finds the difference again.

    Args:
        monitor: The model.
        verdict: The look's verdict.
        run: The window whose run takes this look.

    Raises:
        ConflictError: Another run of this model has written in between; a retry helps.
    """
    policy, depth = _policy(monitor), looks_change(monitor, run)
    _, later = _neighbours(monitor, run)
    before = incidents_before(monitor, run)
    writes: list[_Write] = []
    for window in (run, *later):
        key = monitor.layout.incident_ledger(window)
        there = monitor.store.get(key) if monitor.store.exists(key) else None
        looks = _parsed(there, window, key).looks if there is not None else {}
        if window == run:
            looks = {**looks, verdict.window: sightings(verdict)}
        before = advance(before, window, looks, policy, depth)
        data = documents.encode(ledgers.KIND, ledgers.SCHEMA_VERSION, ledgers.ledger_to_json(before))
        if data == there:
            break
        writes.append(_Write(key, data, there))
    for write in reversed(writes):
        monitor.store.replace(write.key, write.data, write.expected)


def load_incidents(monitor: Monitor, run: Window | None = None) -> Ledger | None:
    """What was known of incidents after a run; None when there was none.

    Args:
        monitor: The model.
        run: The run's window; without it, the newest.
    """
    if run is None:
        months = monitor.store.folders(monitor.layout.incident_ledgers)
        run = next((found[-1] for month in reversed(months) if (found := _of_month(monitor, month))), None)
    return _load(monitor, run) if run else None


def incidents_before(monitor: Monitor, run: Window) -> Ledger | None:
    """What was known of incidents before a run; None when nothing was.

    Args:
        monitor: The model.
        run: The run's window.
    """
    previous, _ = _neighbours(monitor, run)
    return _require(monitor, previous) if previous else None


def incident_history(monitor: Monitor, fingerprint: str) -> list[tuple[Window, Incident]]:
    """How one incident stood after each run that changed its state, its severity or its note, oldest first.

    Args:
        monitor: The model.
        fingerprint: The incident's.
    """
    found: list[tuple[Window, Incident]] = []
    for run in _runs(monitor):
        here = next((i for i in _require(monitor, run).incidents if i.fingerprint == fingerprint), None)
        if here is not None and (not found or _told(here) != _told(found[-1][1])):
            found.append((run, here))
    return found


def find_incident(monitor: Monitor, text: str) -> Incident:
    """The newest state of an incident: of those that are listed, or of any that ever was.

    Args:
        monitor: The model.
        text: How its fingerprint begins; of one that is listed no longer, all of it.

    Raises:
        ConfigError: There is none, or more than one, or the text is too short.
    """
    newest = load_incidents(monitor)
    there = {incident.fingerprint: incident for incident in newest.incidents} if newest else {}
    found = [incident for key, incident in there.items() if key.startswith(text) and len(text) >= _SHORTEST]
    if not found:
        found = [incident for _, incident in incident_history(monitor, text)[-1:]]
    if len(found) != 1:
        raise ConfigError(
            f"{text!r} begins the fingerprint of {'more than one incident' if found else 'no incident'}",
            where=monitor.config.name,
            allowed=sorted(there),
            hint=f"write at least {_SHORTEST} characters of one; model-monitor incidents {monitor.config.name} --all",
        )
    return found[0]


def record_action(monitor: Monitor, action: IncidentAction) -> None:
    """Write down what somebody did about an incident.

    Raises:
        ConfigError: It runs out before it begins, nobody has done it, or a snooze has no end.
        ConflictError: Something was done at this very moment.
    """
    if not action.by.strip():
        raise ConfigError("say who does it", where=monitor.config.name, hint="--by NAME")
    if action.until is None and action.kind is ActionKind.SNOOZE:
        raise ConfigError("a snooze needs an end", where=monitor.config.name, hint="--until DATE")
    if action.until is not None and action.until <= action.at:
        raise ConfigError(f"{iso(action.until)} lies in the past", where=monitor.config.name, hint="--until DATE")
    moment = f"{action.at.astimezone(UTC):%Y-%m-%dT%H%M%S.%fZ}"
    key = monitor.layout.incident_action(action.fingerprint, moment, action.kind)
    body = documents.encode(telling.KIND, telling.SCHEMA_VERSION, action.to_json())
    if not monitor.store.put_if_absent(key, body):
        raise ConflictError("something was done at this very moment", where=key, hint="try again")


def load_actions(monitor: Monitor) -> dict[str, list[IncidentAction]]:
    """What people did about incidents, by fingerprint, oldest first."""
    found: dict[str, list[IncidentAction]] = defaultdict(list)
    for key in monitor.store.keys(monitor.layout.incident_actions):
        data = documents.decode(monitor.store.get(key), telling.KIND, telling.SCHEMA_VERSION, key)
        action = IncidentAction.from_json(data)
        found[action.fingerprint].append(action)
    return dict(found)


def changes_of(monitor: Monitor, run: Window, now: datetime) -> tuple[Change, ...]:
    """What people are to be told of incidents after a run.

    Args:
        monitor: The model.
        run: The run's window.
        now: The moment at which they are told.
    """
    after = load_incidents(monitor, run)
    if after is None:
        return ()
    previous, _ = _neighbours(monitor, run)
    before = _require(monitor, previous).incidents if previous else ()
    return changes_to_tell(
        before,
        after.incidents,
        load_actions(monitor),
        previous=monitor.as_of(previous or run),
        due=monitor.as_of(run),
        now=now,
    )


def _policy(monitor: Monitor) -> Incidents:
    return monitor.config.incidents


def looks_change(monitor: Monitor, run: Window) -> int:
    """How many windows back a look can still change something."""
    return (monitor.final_epoch(run).start - run.start) // LENGTHS[run.every] + _policy(monitor).memory


def _told(incident: Incident) -> tuple[str, str, str]:
    return incident.state, incident.severity, incident.note


def _load(monitor: Monitor, run: Window) -> Ledger | None:
    return _require(monitor, run) if monitor.store.exists(monitor.layout.incident_ledger(run)) else None


def _require(monitor: Monitor, run: Window) -> Ledger:
    key = monitor.layout.incident_ledger(run)
    return _parsed(monitor.store.get(key), run, key)


def _parsed(data: bytes, run: Window, key: str) -> Ledger:
    return ledgers.ledger_from_json(documents.decode(data, ledgers.KIND, ledgers.SCHEMA_VERSION, key), run.every)


def _neighbours(monitor: Monitor, run: Window) -> tuple[Window | None, list[Window]]:
    """The run before this one that has a ledger, and those after it; only the months next to it are listed."""
    months = monitor.store.folders(monitor.layout.incident_ledgers)
    own = run.label[:7]
    previous = None
    for month in sorted((month for month in months if month <= own), reverse=True):
        earlier = [window for window in _of_month(monitor, month) if window < run]
        if earlier:
            previous = earlier[-1]
            break
    later = [window for month in months if month >= own for window in _of_month(monitor, month) if window > run]
    return previous, later


def _runs(monitor: Monitor) -> list[Window]:
    months = monitor.store.folders(monitor.layout.incident_ledgers)
    return [window for month in months for window in _of_month(monitor, month)]


def _of_month(monitor: Monitor, month: str) -> list[Window]:
    """The windows of a month whose runs have a ledger; those of windows of another length have none that fits."""
    prefix = f"{monitor.layout.incident_ledgers}{month}/"
    names = [key.removeprefix(prefix).removesuffix(".json") for key in monitor.store.keys(prefix)]
    found = [window for name in names if (window := monitor.window_or_none(name)) and window.label == name]
    return sorted(found)
