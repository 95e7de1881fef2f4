"""What came of a stretch under one configuration, and under Evidently's default tests: pure counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from monitoring.config import ModelConfig
from monitoring.decide import Action
from monitoring.decide.incident import Incident
from monitoring.judge.family import MONTH_HOURS
from monitoring.judge.registry import CHECKS
from monitoring.judge.verdict import Code, Finding, Status, Verdict
from monitoring.measure.evidently_defaults import PREDICTION, DefaultDrift
from monitoring.replay.fold import Replayed
from monitoring.window import LENGTHS, Window

SEVERITIES = (Status.FAIL, Status.WARN, Status.INFO)
# Checks that watch from window to window: they are in no family of a run
_WATCHES = frozenset({"loss", "estimated_loss"})
_SAYS_NOTHING = frozenset({Code.UNTESTABLE, Code.TOO_FEW_ROWS, Code.TOO_FEW_LABELS, Code.BARRED})
_ORDER = [check.name for check in CHECKS]


def in_order(checks: Iterable[str]) -> list[str]:
    """Checks in the order in which they are run; those of packages last."""
    return sorted(set(checks), key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def fires(finding: Finding) -> bool:
    """Whether a finding says that something is there."""
    return finding.status in SEVERITIES and finding.code not in _SAYS_NOTHING


@dataclass
class Tally:
    """What came of a stretch under one configuration.

    Attributes:
        config: The configuration.
        windows: The windows of the stretch.
        looks: How many looks were judged.
        statuses: How the newest look at each window turned out.
        alarms: By check and severity, the windows in which any look had it fire.
        actions: How often each action was decided.
        messages: How many messages would have gone out.
        retrained: The windows in which retraining was asked for.
        incidents: The incidents that were confirmed, as they stood last, by fingerprint and confirming window.
        stated: By severity, the false alarms a month that the newest look at each window states.
        unexplained: Looks that would have said what became of performance, which the run did not.
        other_trailing: Looks whose performance is of other trailing windows.
    """

    config: ModelConfig
    windows: frozenset[Window]
    looks: int = 0
    statuses: dict[Window, Status] = field(default_factory=dict)
    alarms: dict[str, dict[Status, set[Window]]] = field(default_factory=dict)
    actions: Counter[Action] = field(default_factory=Counter)
    messages: int = 0
    retrained: list[Window] = field(default_factory=list)
    incidents: dict[tuple[str, str], Incident] = field(default_factory=dict)
    stated: dict[Window, dict[Status, float]] = field(default_factory=dict)
    unexplained: int = 0
    other_trailing: int = 0

    def add(self, replayed: Replayed) -> None:
        """Count one look."""
        verdict, decision = replayed.verdict, replayed.decision
        self.looks += 1
        self.unexplained += replayed.unexplained
        self.other_trailing += replayed.other_trailing
        if verdict.window in self.windows:
            self.statuses[verdict.window] = verdict.status
            self.stated[verdict.window] = self._stated(verdict)
            for finding in filter(fires, verdict.findings):
                by_severity = self.alarms.setdefault(finding.check, {})
                by_severity.setdefault(finding.status, set()).add(verdict.window)
        if verdict.revision > 1:
            return
        self.actions[decision.action] += 1
        self.messages += decision.notify
        self.retrained += [verdict.window] if decision.action is Action.RETRAIN else []

    def _stated(self, verdict: Verdict) -> dict[Status, float]:
        """The false alarms a month of windows like this one, by severity."""
        found = dict.fromkeys(SEVERITIES, 0.0)
        for name, family in verdict.families.items():
            found[Status(name.split()[0])] += family["false_alarms"]
        for finding in verdict.findings:
            if finding.check in _WATCHES and finding.level is not None:
                severity = getattr(self.config.checks, finding.check).severity
                found[Status(severity)] += finding.level * MONTH_HOURS / self.hours
        return found

    def add_incidents(self, listed: Iterable[Incident]) -> None:
        """Keep the incidents of a run, as they stand after it."""
        for incident in listed:
            if incident.opened:
                self.incidents[incident.fingerprint, incident.opened] = incident

    @property
    def hours(self) -> int:
        """Hours in a window."""
        return LENGTHS[self.config.every] // LENGTHS["hour"]

    @property
    def months(self) -> float:
        """Months of 30 days that were looked at."""
        return len(self.statuses) * self.hours / MONTH_HOURS

    def expected(self, severity: Status) -> float:
        """The false alarms a month that the windows state, on average."""
        stated = [found[severity] for found in self.stated.values()]
        return sum(stated) / len(stated) if stated else 0.0

    def fired(self, *severities: Status) -> set[Window]:
        """The windows in which any check of a severity fired."""
        found = (item.get(severity, set()) for item in self.alarms.values() for severity in severities)
        return set().union(*found)

    def of_check(self, check: str, severity: Status) -> set[Window]:
        """The windows in which a check fired."""
        return self.alarms.get(check, {}).get(severity, set())

    def incidents_of(self, check: str) -> int:
        """How many incidents a check has."""
        return sum(incident.check == check for incident in self.incidents.values())

    def listed(self) -> list[Incident]:
        """The incidents, by the window that has each first."""
        return sorted(self.incidents.values(), key=lambda item: (item.first_seen, item.opened, item.fingerprint))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "config": self.config.fingerprint(),
            "looks": self.looks,
            "windows": {window.label: status for window, status in sorted(self.statuses.items())},
            "checks": {
                check: {
                    **{severity: _labels(self.of_check(check, severity)) for severity in SEVERITIES},
                    "incidents": self.incidents_of(check),
                }
                for check in in_order(self.alarms)
            },
            "incidents": [_incident_json(incident) for incident in self.listed()],
            "decisions": {action: self.actions[action] for action in Action},
            "messages": self.messages,
            "retrained": [window.label for window in self.retrained],
            "alarms_a_month": {
                severity: {
                    "expected": round(self.expected(severity), 6),
                    "fired": round(len(self.fired(severity)) / self.months, 6) if self.months else None,
                }
                for severity in SEVERITIES
            },
            "unexplained": self.unexplained,
            "other_trailing": self.other_trailing,
        }


@dataclass
class EvidentlyTally:
    """What Evidently's default tests say of the windows of a stretch.

    Attributes:
        windows: The windows that were compared.
        columns: By column, the windows in which it has drifted.
        dataset: The windows in which the data set has.
    """

    windows: set[Window] = field(default_factory=set)
    columns: dict[str, set[Window]] = field(default_factory=dict)
    dataset: set[Window] = field(default_factory=set)

    def add(self, window: Window, found: DefaultDrift) -> None:
        """Count one window."""
        self.windows.add(window)
        for name in found.drifted:
            self.columns.setdefault(name, set()).add(window)
        if found.dataset:
            self.dataset.add(window)

    def any_column(self) -> set[Window]:
        """The windows in which any column has drifted, the prediction included."""
        return set().union(*self.columns.values())

    def of_check(self, check: str) -> set[Window] | None:
        """The windows in which it finds what a check looks for; None where it looks for nothing of the kind."""
        if check == "prediction_drift":
            return self.columns.get(PREDICTION, set())
        if check == "feature_drift":
            return set().union(*(found for name, found in self.columns.items() if name != PREDICTION))
        return None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "windows": len(self.windows),
            "columns": {name: _labels(found) for name, found in sorted(self.columns.items())},
            "any_column": _labels(self.any_column()),
            "dataset": _labels(self.dataset),
        }


def _labels(windows: Iterable[Window]) -> list[str]:
    return [window.label for window in sorted(windows)]


def _incident_json(found: Incident) -> dict[str, Any]:
    return {
        "fingerprint": found.fingerprint,
        "check": found.check,
        "subject": found.subject,
        "reference": found.reference,
        "severity": found.severity,
        "state": found.state,
        "from": found.first_seen,
        "confirmed": found.opened,
        "to": found.last_seen,
        "windows": found.windows,
        "message": found.message,
    }
