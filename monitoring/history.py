"""What the store holds of earlier runs: verdicts and decisions, as they stood at a given time."""

from __future__ import annotations

from datetime import datetime

from monitoring import documents
from monitoring.decide import Decision
from monitoring.decide import decision as decisions
from monitoring.decide.recall import recalled
from monitoring.judge import Verdict
from monitoring.judge import verdict as verdicts
from monitoring.monitor import Monitor
from monitoring.window import Window


def revisions(monitor: Monitor, window: Window) -> list[int]:
    """The window's revisions that have a verdict, ascending."""
    names = monitor.store.folders(monitor.layout.window(window))
    found = sorted(int(name[1:]) for name in names if name[0] == "r" and name[1:].isdecimal())
    # looks are taken one after the other, and only the last one can have been stopped before its verdict
    if found and not monitor.store.exists(monitor.layout.verdict(window, found[-1])):
        found.pop()
    return found


def load_verdict(monitor: Monitor, window: Window, revision: int) -> Verdict:
    """One verdict."""
    key = monitor.layout.verdict(window, revision)
    return Verdict.from_json(documents.decode(monitor.store.get(key), verdicts.KIND, verdicts.SCHEMA_VERSION, key))


def latest_verdict(monitor: Monitor, window: Window, as_of: datetime | None = None) -> Verdict | None:
    """The newest verdict on a window that was known at `as_of`; None when there is none."""
    for revision in reversed(revisions(monitor, window)):
        verdict = load_verdict(monitor, window, revision)
        if as_of is None or verdict.as_of <= as_of:
            return verdict
    return None


def decisions_before(monitor: Monitor, window: Window) -> list[Decision]:
    """The decisions on first looks at windows before `window`, oldest first: those of the cool-down, or the last."""
    prefix = monitor.layout.decisions
    names = [key.removeprefix(prefix).removesuffix("-r1.json") for key in monitor.store.keys(prefix) if "-r1." in key]
    decided = [past for name in names if (past := monitor.window_or_none(name))]
    found = [load_decision(monitor, past, 1) for past in recalled(decided, window, monitor.config.policy)]
    return [decision for decision in found if decision is not None]


def load_decision(monitor: Monitor, window: Window, revision: int) -> Decision | None:
    """One decision; None when there is none."""
    key = monitor.layout.decision(window, revision)
    if not monitor.store.exists(key):
        return None
    body = documents.decode(monitor.store.get(key), decisions.KIND, decisions.SCHEMA_VERSION, key)
    return Decision.from_json(body)
