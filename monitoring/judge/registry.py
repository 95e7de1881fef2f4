"""All checks, in their order: what may be broken comes before what may have drifted."""

from __future__ import annotations

from monitoring.config.added_checks import added_checks
from monitoring.config.checks import CheckRule, Checks
from monitoring.judge import (
    data_checks,
    drift_checks,
    label_checks,
    loss_checks,
    performance_checks,
    segment_checks,
    volume_checks,
)
from monitoring.judge.context import Answers, Check, Context

_PARTS = (data_checks, volume_checks, drift_checks, label_checks, performance_checks, loss_checks, segment_checks)
CHECKS: tuple[Check, ...] = tuple(check for part in _PARTS for check in part.CHECKS)


def rule_of(checks: Checks, name: str) -> CheckRule:
    """The settings of a check."""
    found = checks.added.get(name)
    rule: CheckRule = getattr(checks, "schema_" if name == "schema" else name) if found is None else found
    return rule


def run_checks(context: Context) -> Answers:
    """What every check that is not off says of a window."""
    checks = context.config.checks
    added = [added_checks()[name] for name in checks.added]
    for check in (*CHECKS, *added):
        rule = rule_of(checks, check.name)
        if rule.severity != "off":
            yield from check.evaluate(context, rule)
