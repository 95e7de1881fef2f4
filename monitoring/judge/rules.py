"""What checks have in common."""

from __future__ import annotations

from monitoring.config.model import CheckRule
from monitoring.judge.verdict import Code, Finding, Status


def fired(rule: CheckRule) -> Status:
    """What a check comes to that fires."""
    return Status(rule.severity)


def few(check: str, subject: str, rule: CheckRule, rows: int, code: Code, what: str, windows: int) -> Finding:
    """What a check comes to that has too few rows."""
    message = f"Only {rows} {what}; {rule.min_rows} are needed."
    # a check that can only inform must not make a window unknown
    status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
    return Finding(check, subject, status, code, message, windows=windows)
