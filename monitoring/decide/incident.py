"""From the findings of windows to incidents: a pure function of what was known when a run had looked.

A run looks at its own window, and again at older ones that got labels or records. What the newest look at each window
says of a finding is one mark; the marks in the order of the windows make the state. So a late look changes one mark,
and the state follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from monitoring.config.incidents import Incidents
from monitoring.decide.sighting import ABSENT, FAILED, Marks, Sighting, Sightings
from monitoring.judge.verdict import Status
from monitoring.window import LENGTHS, Window

# How many windows an incident is listed that is over
KEPT = 30


class IncidentState(StrEnum):
    """How an incident stands."""

    PENDING = "pending"
    OPEN = "open"
    ONGOING = "ongoing"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


ACTIVE = frozenset({IncidentState.OPEN, IncidentState.ONGOING})


@dataclass(frozen=True)
class Incident:
    """A finding that lasts, or may.

    Attributes:
        fingerprint: What it is known by.
        check: The check's key in the configuration.
        subject: The column, segment or group of columns; empty for the whole window.
        reference: What windows were compared with; empty for the training baseline.
        severity: The worst that was confirmed; of a pending one, that of its newest finding.
        state: `pending` was seen and is not confirmed; `open` is new with this run; `ongoing` was open before;
            `resolved` is over; `withdrawn` was opened by a look that a later one has corrected.
        first_seen: The first window that has it.
        opened: The window that confirmed it; empty while it is pending.
        last_seen: The newest window that has it.
        closed: The window in which it was over, or whose run withdrew it; empty before.
        windows: How many windows have it.
        hits: How many of the last `among` windows that could tell have it.
        needed: How many of them confirm it.
        among: How many are looked at.
        message: The newest finding's sentence.
        note: One sentence, when a later look has opened or withdrawn it.
    """

    fingerprint: str
    check: str
    subject: str
    reference: str
    severity: Status
    state: IncidentState
    first_seen: str
    opened: str
    last_seen: str
    closed: str
    windows: int
    hits: int
    needed: int
    among: int
    message: str
    note: str = ""

    @property
    def active(self) -> bool:
        """Whether it is confirmed and not over."""
        return self.state in ACTIVE

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**{**data, "severity": Status(data["severity"]), "state": IncidentState(data["state"])})


@dataclass(frozen=True)
class Track:
    """One finding's way through the windows up to some window.

    Attributes:
        recent: The letters of the newest windows that could tell, oldest first.
        active: Whether it is confirmed and not over.
        severity: The worst that was confirmed since it was opened, else that of the newest finding.
        first_seen: The first window of these findings.
        opened: The window that confirmed it.
        last_seen: The newest window that has it.
        closed: The window in which it was over.
        windows: How many windows have it, since `first_seen`.
    """

    recent: str = ""
    active: bool = False
    severity: Status = Status.WARN
    first_seen: str = ""
    opened: str = ""
    last_seen: str = ""
    closed: str = ""
    windows: int = 0

    def pending(self, policy: Incidents) -> bool:
        """Whether it was seen, and may still be confirmed."""
        among = max(policy.confirm.fail[1], policy.confirm.warn[1])
        return not self.active and self.last_seen > self.closed and self.recent[-among:].strip(ABSENT) != ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**{**data, "severity": Status(data["severity"])})


@dataclass(frozen=True)
class Ledger:
    """What is known of incidents after a run's looks; `monitoring.decide.ledger` writes it down.

    Attributes:
        run: The run's window.
        looks: What the looks of this run found, by the window looked at.
        marks: What the newest look at each recent window says; a later look can still change it.
        settled: By fingerprint, the way up to the windows in `marks`; nothing changes it any more.
        known: By fingerprint, the newest finding.
        incidents: The incidents, by severity and age.
    """

    run: Window
    looks: dict[Window, Sightings]
    marks: dict[Window, Marks] = field(default_factory=dict)
    settled: dict[str, Track] = field(default_factory=dict)
    known: dict[str, Sighting] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()


def step(track: Track, window: str, letter: str, policy: Incidents) -> Track:
    """The way one window further.

    Args:
        track: The way so far.
        window: The next window's label.
        letter: What it says; empty where it cannot tell, and then nothing changes.
        policy: What confirms, and what ends.

    >>> step(Track(), "2024-01-11", "f", Incidents()).opened
    '2024-01-11'
    >>> step(Track(), "2024-01-11", "w", Incidents()).opened
    ''
    """
    if not letter:
        return track
    recent = (track.recent + letter)[-policy.memory :]
    if letter == ABSENT:
        over = track.active and recent.endswith(ABSENT * policy.resolve)
        closed = window if over else track.closed
        return replace(track, recent=recent, active=track.active and not over, closed=closed)
    severity = Status.FAIL if letter == FAILED else Status.WARN
    goes_on = track.active or track.pending(policy)
    seen = replace(
        track,
        recent=recent,
        severity=track.severity if track.active else severity,
        first_seen=track.first_seen if goes_on else window,
        last_seen=window,
        windows=track.windows + 1 if goes_on else 1,
    )
    confirmed = _confirmed(recent, policy)
    if confirmed is None:
        return seen
    if not track.active:
        return replace(seen, active=True, severity=confirmed, opened=window, closed="")
    return replace(seen, severity=Status.FAIL if confirmed is Status.FAIL else track.severity)


def advance(
    before: Ledger | None, run: Window, looks: Mapping[Window, Sightings], policy: Incidents, depth: int
) -> Ledger:
    """What is known of incidents after a run's looks.

    Args:
        before: What was known after the run before; None when there was none.
        run: The window of this run.
        looks: What its looks found, by the window looked at: each replaces what was known of that window.
        policy: What confirms, and what ends.
        depth: How many windows back a look can still change something. A look at an older one changes nothing.
    """
    before = before or Ledger(run, {})
    edge = run.shift(-depth)
    known = _newest(before.known, looks)
    marks = before.marks | {window: look.marks for window, look in looks.items() if window > edge}
    settled = {key: _along(before.settled, key, known[key], _part(marks, edge, old=True), policy) for key in known}
    settled = {key: track for key, track in settled.items() if _matters(track, run, policy)}
    marks = _part(marks, edge, old=False)
    past = {incident.fingerprint: incident for incident in before.incidents}
    incidents = []
    for key, sighting in known.items():
        track = _along(settled, key, sighting, marks, policy)
        corrected = [w.label for w in sorted(looks) if _took_back(before.marks.get(w), marks.get(w), key)]
        found = _incident(key, sighting, track, past.get(key), run, corrected, policy)
        incidents += [found] if found else []
    there = {key for m in marks.values() for key in m.hits} | settled.keys() | {i.fingerprint for i in incidents}
    return Ledger(
        run=run,
        looks=dict(sorted(looks.items())),
        marks=dict(sorted(marks.items())),
        settled=settled,
        known={key: known[key] for key in sorted(known) if key in there},
        incidents=tuple(sorted(incidents, key=_order)),
    )


def _order(incident: Incident) -> tuple[bool, bool, str, str]:
    return (not incident.active, incident.severity is not Status.FAIL, incident.first_seen, incident.fingerprint)


def _confirmed(recent: str, policy: Incidents) -> Status | None:
    """What the newest windows confirm."""
    (fails, of), (warns, among) = policy.confirm.fail, policy.confirm.warn
    if recent[-of:].count(FAILED) >= fails:
        return Status.FAIL
    return Status.WARN if _hits(recent, among) >= warns else None


def _hits(recent: str, among: int) -> int:
    return sum(letter != ABSENT for letter in recent[-among:])


def _newest(known: Mapping[str, Sighting], looks: Mapping[Window, Sightings]) -> dict[str, Sighting]:
    found = dict(known)
    for _, look in sorted(looks.items()):
        for key, hit in look.hits.items():
            if key not in found or hit.window >= found[key].window:
                found[key] = hit
    return found


def _part(marks: Mapping[Window, Marks], edge: Window, *, old: bool) -> dict[Window, Marks]:
    return {window: mark for window, mark in sorted(marks.items()) if (window <= edge) is old}


def _along(
    settled: Mapping[str, Track], key: str, sighting: Sighting, marks: Mapping[Window, Marks], policy: Incidents
) -> Track:
    track = settled.get(key, Track())
    for window, mark in sorted(marks.items()):
        track = step(track, window.label, mark.letter(key, sighting), policy)
    return track


def _is_recent(closed: str, run: Window) -> bool:
    return closed != "" and (run.start - Window.parse(closed, run.every).start) // LENGTHS[run.every] <= KEPT


def _matters(track: Track, run: Window, policy: Incidents) -> bool:
    return track.active or track.pending(policy) or _is_recent(track.closed, run)


def _took_back(before: Marks | None, now: Marks | None, key: str) -> bool:
    """Whether a look no longer has what an earlier look at its window had."""
    return before is not None and now is not None and key in before.hits and key not in now.hits


def _incident(
    key: str,
    sighting: Sighting,
    track: Track,
    before: Incident | None,
    run: Window,
    corrected: list[str],
    policy: Incidents,
) -> Incident | None:
    """The incident of one finding; None when there is nothing to list."""
    if before and before.closed and not _is_recent(before.closed, run):
        before = None
    needed, among = policy.confirm.fail if track.severity is Status.FAIL else policy.confirm.warn
    state, gone = _state(track, before, run, policy), before and _is_gone(before, track)
    if before and gone and before.state is not IncidentState.WITHDRAWN:
        return _withdrawn(before, track, run, corrected)
    if before and gone and not (state is IncidentState.PENDING and track.last_seen > before.closed):
        return before
    if state is None:
        return None
    confirmed = state is not IncidentState.PENDING
    return Incident(
        fingerprint=key,
        check=sighting.check,
        subject=sighting.subject,
        reference=sighting.reference,
        severity=track.severity,
        state=state,
        first_seen=track.first_seen,
        opened=track.opened if confirmed else "",
        last_seen=track.last_seen,
        closed=track.closed if confirmed else "",
        windows=track.windows,
        hits=_hits(track.recent, among),
        needed=needed,
        among=among,
        message=sighting.message,
        note=_note(track, state, before, run),
    )


def _state(track: Track, before: Incident | None, run: Window, policy: Incidents) -> IncidentState | None:
    if track.active:
        return IncidentState.ONGOING if before and before.active else IncidentState.OPEN
    if track.pending(policy):
        return IncidentState.PENDING
    return IncidentState.RESOLVED if _is_recent(track.closed, run) else None


def _is_gone(before: Incident, track: Track) -> bool:
    """Whether what was opened has no windows any more that confirm it; an earlier incident may have had them."""
    return before.opened != "" and not track.active and track.closed < before.opened


def _withdrawn(before: Incident, track: Track, run: Window, corrected: list[str]) -> Incident:
    hits = _hits(track.recent, before.among)
    why = f"a later look at {', '.join(corrected)} does not find it" if corrected else "the rule has changed"
    have = f"{hits} of the last {before.among} windows that could tell" if before.among > 1 else "no window that counts"
    note = f"Withdrawn by the run of {run.label}: {why}, so that {have} has it, and {before.needed} would confirm it."
    return replace(before, state=IncidentState.WITHDRAWN, closed=run.label, hits=hits, note=note)


def _note(track: Track, state: IncidentState, before: Incident | None, run: Window) -> str:
    if before and (before.state is state or (before.active and state in ACTIVE)):
        return before.note
    if state is IncidentState.OPEN and track.opened < run.label:
        return f"It was found afterwards, by a later look at {track.opened}."
    if state is IncidentState.RESOLVED and not (before and before.active):
        return "It was found afterwards, by a later look, when it was over."
    return ""
