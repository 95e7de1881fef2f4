"""What checks have in common."""

from __future__ import annotations

from dataclasses import replace

from monitoring.config.model import CheckRule
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement


def fired(rule: CheckRule) -> Status:
    """What a check comes to that fires."""
    return Status(rule.severity)


def few(check: str, subject: str, rule: CheckRule, rows: int, code: Code, what: str, windows: int) -> Finding:
    """What a check comes to that has too few rows."""
    message = f"Only {rows} {what}; {rule.min_rows} are needed."
    # a check that can only inform must not make a window unknown
    status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
    return Finding(check, subject, status, code, message, windows=windows)


def too_many(check: str, rule: CheckRule, code: Code, hits: int, measured: Measurement, message: str) -> Finding:
    """What a check comes to that allows a share of rows, whatever is ordinary.

    Args:
        check: Its name.
        rule: How much it matters, and the share that is allowed.
        code: Why it fires.
        hits: How many rows there are of what is looked for.
        measured: The share, without its value.
        message: What is said of it.
    """
    share = hits / measured.rows if measured.rows else 0.0
    status, found = (fired(rule), code) if share > rule.tolerance else (Status.OK, Code.WITHIN_LIMITS)
    return Finding(check, "", status, found, message, replace(measured, value=share), 0.0, rule.tolerance)
