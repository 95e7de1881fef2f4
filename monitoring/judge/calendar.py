"""What the calendar makes of findings: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitoring.config.calendar import CalendarEntry
from monitoring.config.checks import Checks
from monitoring.judge.question import Question
from monitoring.judge.verdict import Finding, Status

_ALARMS = (Status.WARN, Status.FAIL)


def apart(
    items: Iterable[Finding | Question], entries: Sequence[CalendarEntry]
) -> tuple[list[Finding | Question], list[Finding | Question]]:
    """What counts, and what the calendar suppresses, which is to be answered by itself: it spends no alarms.

    Args:
        items: Questions, and findings that are plain facts.
        entries: Those in force.
    """
    counted: list[Finding | Question] = []
    suppressed: list[Finding | Question] = []
    for item in items:
        (suppressed if _names(entries, item.check, "suppress") else counted).append(item)
    return counted, suppressed


def quiet(findings: Iterable[Finding], entries: Sequence[CalendarEntry]) -> list[Finding]:
    """Findings of suppressed checks: what would warn or fail informs, and says why.

    Args:
        findings: The answers.
        entries: Those in force.
    """
    return [_quietened(finding, entries) if finding.status in _ALARMS else finding for finding in findings]


def annotate(findings: Iterable[Finding], entries: Sequence[CalendarEntry]) -> list[Finding]:
    """Findings that are not ok, with the names of what is in the calendar.

    Args:
        findings: The answers.
        entries: Those in force.
    """
    return [_named(finding, entries) if finding.status is not Status.OK else finding for finding in findings]


def what_was_suppressed(findings: Iterable[Finding], entries: Sequence[CalendarEntry]) -> str:
    """A sentence for the headline; empty where nothing was.

    Args:
        findings: The answers before they were made quiet.
        entries: Those in force.
    """
    checks = dict.fromkeys(finding.check for finding in findings if finding.status in _ALARMS)
    names = dict.fromkeys(name for check in checks for name in _names(entries, check, "suppress"))
    return f" Suppressed for {', '.join(names)}: {', '.join(checks)}." if checks else ""


def without_suppressed(checks: Checks, entries: Sequence[CalendarEntry]) -> Checks:
    """The checks of a model, those off that are suppressed.

    Args:
        checks: All of them.
        entries: Those in force.
    """
    off = {}
    for name, field in Checks.model_fields.items():
        if name != "added" and _names(entries, field.alias or name, "suppress"):
            off[name] = getattr(checks, name).model_copy(update={"severity": "off"})
    return checks.model_copy(update=off) if off else checks


def expects_less(entries: Sequence[CalendarEntry]) -> bool:
    """Whether it is known that fewer records come, so that none at all are no alarm.

    Args:
        entries: Those in force.
    """
    return any(_names(entries, check, "suppress") for check in ("volume", "feed"))


def _quietened(finding: Finding, entries: Sequence[CalendarEntry]) -> Finding:
    names = ", ".join(_names(entries, finding.check, "suppress"))
    message = f"{finding.message} This would {finding.status}, but for the calendar: {names}."
    return replace(finding, status=Status.INFO, message=message, suppressed=names)


def _named(finding: Finding, entries: Sequence[CalendarEntry]) -> Finding:
    names = ", ".join(_names(entries, finding.check, "annotate"))
    return replace(finding, message=f"{finding.message} Calendar: {names}.") if names else finding


def _names(entries: Sequence[CalendarEntry], check: str, effect: str) -> list[str]:
    return [entry.name for entry in entries if entry.effect == effect and entry.is_about(check)]
