"""What a run has asked, how sure each answer had to be, and how many false alarms that gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.config import ModelConfig
from monitoring.judge.family import MONTH_HOURS, budget
from monitoring.judge.registry import rule_of
from monitoring.judge.verdict import Code, Status, Verdict
from monitoring.report.finding_words import WATCHES, hours_of
from monitoring.report.text import plural, short

_ORDER = (Status.FAIL, Status.WARN, Status.INFO)
_ABOUT = {
    "watch": "Loss, window after window",
    "performance": "Performance",
    "data": "Broken data",
    "drift": "Drift",
}
_ALARMS = {Status.FAIL: "fails", Status.WARN: "warnings", Status.INFO: "that inform"}


@dataclass(frozen=True)
class Asked:
    """Questions that were answered together.

    Attributes:
        severity: What they come to when they fire.
        kind: What they are about: `data`, `drift`, `performance`, or `watch` for the loss from window to window.
        questions: How many.
        level: With nothing changed, the probability that any of them fires in this window.
        fired: How many did.
        false_alarms: In a month of such windows with nothing changed, at most so many would fire.
    """

    severity: Status
    kind: str
    questions: int
    level: float
    fired: int
    false_alarms: float

    @property
    def title(self) -> str:
        """What they are about, for people."""
        return _ABOUT.get(self.kind, self.kind)


def asked(verdict: Verdict, config: ModelConfig) -> list[Asked]:
    """What was asked of a window, the worst first.

    Args:
        verdict: The window's verdict.
        config: The model.
    """
    found = []
    for name, family in verdict.families.items():
        severity, _, kind = name.partition(" ")
        numbers = (family["questions"], family["level"], len(family["fired"]), family["false_alarms"])
        found.append(Asked(Status(severity), kind, *numbers))
    for finding in verdict.findings:
        if finding.check in WATCHES and finding.level is not None:
            severity = rule_of(config.checks, finding.check).severity
            fired, month = finding.code is not Code.WITHIN_LIMITS, finding.level * MONTH_HOURS / hours_of(config.every)
            found.append(Asked(Status(severity), "watch", 1, finding.level, int(fired), month))
    return sorted(found, key=lambda item: (_ORDER.index(item.severity), [*_ABOUT].index(item.kind)))


def alarm_sentence(verdict: Verdict, config: ModelConfig) -> str:
    """How many questions were asked, and how many false alarms are to be expected.

    Args:
        verdict: The window's verdict.
        config: The model.
    """
    families = asked(verdict, config)
    if not families:
        return "No question could be asked of this window."
    count = sum(family.questions for family in families)
    promises = [_promise(severity, families, config) for severity in _ORDER if _of(severity, families)]
    return (
        f"In this run {plural(count, 'question')} could fail, warn or inform. With nothing changed, at most"
        f" {_listed(promises)} are to be expected in a month of such windows."
    )


def beside_sentence(verdict: Verdict) -> str:
    """How many checks state facts or hold limits that somebody has set: they promise nothing; empty for none."""
    said = (Status.OK, Status.WARN, Status.FAIL)
    count = sum(
        finding.status in said and finding.p_value is None and finding.check not in WATCHES
        for finding in verdict.findings
    )
    if not count:
        return ""
    states = "1 check states a plain fact or holds" if count == 1 else f"{count:,} checks state a plain fact or hold"
    return f"Beside these, {states} a limit that the configuration sets: chance has no part in it."


def _of(severity: Status, families: Sequence[Asked]) -> list[Asked]:
    return [family for family in families if family.severity is severity]


def _promise(severity: Status, families: Sequence[Asked], config: ModelConfig) -> str:
    expected = sum(family.false_alarms for family in _of(severity, families))
    allowed = budget(config.alarms, severity)
    return f"{float(f'{expected:.2g}'):g} {_ALARMS[severity]} (the configuration allows {short(allowed)})"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
