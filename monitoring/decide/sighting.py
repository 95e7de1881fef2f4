"""What one look says about incidents: which findings it has, and of which it can say nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from monitoring.documents import fingerprint
from monitoring.judge.verdict import Code, Finding, Status, Verdict

# What a window says of one finding, as a letter of its history
FAILED, WARNED, ABSENT = "f", "w", "."
_LETTERS = {Status.FAIL: FAILED, Status.WARN: WARNED}
# Of such a window nothing is known: it neither confirms nor ends anything
_BLIND = frozenset({Code.NO_DATA, Code.NO_BASELINE})
_DIGITS = 10


@dataclass(frozen=True)
class Sighting:
    """One finding that warns or fails, as one window has it.

    Attributes:
        check: The check's key in the configuration.
        subject: The column, segment or group of columns; empty for the whole window.
        reference: What the window was compared with; empty for the training baseline.
        severity: `fail` or `warn`.
        message: The finding's sentence.
        window: The window's label.
    """

    check: str
    subject: str
    reference: str
    severity: Status
    message: str
    window: str

    @property
    def letter(self) -> str:
        """What stands for it in a history."""
        return _LETTERS[self.severity]

    @property
    def names(self) -> tuple[str, str]:
        """How windows that can say nothing of it may call it: with any reference, and with this one."""
        name = question(self.check, self.subject)
        return name, f"{name}@{self.reference}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**{**data, "severity": Status(data["severity"])})


@dataclass(frozen=True)
class Marks:
    """What a window says of every finding.

    Attributes:
        hits: By fingerprint, the letter of what was found.
        unknown: The names of what could not be told; see `Sighting.names`.
        blind: Whether nothing at all could be told.
    """

    hits: dict[str, str]
    unknown: frozenset[str]
    blind: bool

    def letter(self, key: str, sighting: Sighting) -> str:
        """What it says of one finding: a letter; empty where it cannot tell.

        Args:
            key: The finding's fingerprint.
            sighting: The finding in any window.
        """
        if key in self.hits:
            return self.hits[key]
        return "" if self.blind or not self.unknown.isdisjoint(sighting.names) else ABSENT


@dataclass(frozen=True)
class Sightings:
    """What one look found.

    Attributes:
        revision: The look's number.
        hits: By fingerprint, what warns or fails.
        unknown: The names of what could not be told.
        blind: Whether nothing at all could be told.
    """

    revision: int
    hits: dict[str, Sighting]
    unknown: frozenset[str]
    blind: bool

    @property
    def marks(self) -> Marks:
        """What of it is remembered."""
        return Marks({key: hit.letter for key, hit in self.hits.items()}, self.unknown, self.blind)


def question(check: str, subject: str) -> str:
    """What a check asks of a subject.

    >>> question("nulls", "age"), question("volume", "")
    ('nulls:age', 'volume')
    """
    return f"{check}:{subject}" if subject else check


def incident_fingerprint(model: str, check: str, subject: str, reference: str) -> str:
    """What an incident is known by: ten hex digits, the same in every window, revision and configuration.

    >>> incident_fingerprint("churn", "nulls", "age", "")
    '9fa78e748a'
    """
    return fingerprint([model, check, subject, reference])[:_DIGITS]


def sightings(verdict: Verdict) -> Sightings:
    """What a look says about incidents.

    Columns of one group are one finding, as bad as the worst of them. Of a finding that another one explains (a
    column that is missing cannot drift), nothing is known. A window without any record tells of its feed alone.

    Args:
        verdict: The look's verdict.
    """
    hits: dict[str, Sighting] = {}
    unknown: set[str] = set()
    for finding in map(_as_of_feed, verdict.findings):
        subject, reference = finding.group or finding.subject, finding.reference
        unknown.update(name.rstrip(":") for name in finding.folded)
        if finding.status is Status.UNKNOWN or finding.suppressed:
            unknown.add(f"{question(finding.check, subject)}@{reference}")
        if finding.status not in _LETTERS:
            continue
        key = incident_fingerprint(verdict.model, finding.check, subject, reference)
        if key not in hits or (finding.status is Status.FAIL and hits[key].severity is Status.WARN):
            seen = (finding.check, subject, reference, finding.status, finding.message, verdict.window.label)
            hits[key] = Sighting(*seen)
    return Sightings(verdict.revision, hits, frozenset(unknown), _is_blind(verdict.findings))


def _as_of_feed(finding: Finding) -> Finding:
    """No record at all, where chance would not bring that about, is a broken feed like any other."""
    if finding.code is not Code.NO_DATA or finding.p_value is None or finding.level is None:
        return finding
    return replace(finding, check="feed", status=Status.FAIL) if finding.p_value <= finding.level else finding


def _is_blind(findings: Iterable[Finding]) -> bool:
    return any(finding.code in _BLIND for finding in findings)
