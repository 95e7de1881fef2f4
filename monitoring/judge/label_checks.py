"""Whether labels come, and to which records: pure functions from what was measured to findings and questions."""

from __future__ import annotations

from monitoring.config.checks import CheckRule
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.question import Question
from monitoring.judge.rules import fired, too_many
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement


def _coverage(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    if not evidence.final or evidence.enough_labels or evidence.coverage is None:
        return
    measurement = Measurement(
        "label_coverage", evidence.coverage, evidence.profile.rows, "low", "share of rows with a label"
    )
    limit = 1 - rule.tolerance
    beyond = evidence.coverage < limit
    message = f"{evidence.coverage:.1%} of the rows have a label, and no more are waited for."
    status, code = (fired(rule), Code.LABELS_MISSING) if beyond else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding("label_coverage", "", status, code, message, measurement, 1.0, limit)


def _delay(context: Context, rule: CheckRule) -> Answers:
    """Whether labels come slower than usual, or have stopped."""
    evidence = context.evidence
    found = evidence.lateness
    if evidence.final or found is None or found.value is None or found.p_value is None:
        return
    if evidence.profile.rows < rule.min_rows:
        return  # the share of a few rows says nothing
    coverage = evidence.coverage or 0.0
    message = (
        f"{coverage:.1%} of the rows have a label; windows of this age ordinarily have {coverage - found.value:.1%}."
    )
    severity = Status(rule.severity)
    yield Question(
        check="label_delay",
        subject="",
        severity=severity,
        code=Code.LABELS_LATE,
        measurement=found,
        ordinary=0.0,
        windows=1,
        p_value=found.p_value if -found.value > rule.tolerance else 1.0,
        limit=lambda _: -rule.tolerance,
        ordinary_tail=lambda _: 1.0,
        detectable=lambda _: None,
        say=lambda _limit, _fired: message,
        family=severity,
        kind="data",
    )


def _conflicts(context: Context, rule: CheckRule) -> Answers:
    hits, rows = context.evidence.label_conflicts, context.evidence.labelled
    if not rows:
        return
    method = "share of labelled rows with different labels of one time"
    measured = Measurement("label_conflicts", None, rows, "high", method)
    message = f"{hits} of {rows} labelled rows were given different labels at once."
    yield too_many("label_conflicts", rule, Code.LABELS_CONFLICT, hits, measured, message)


def _unmatched(context: Context, rule: CheckRule) -> Answers:
    """Whether labels come for events that nobody has captured."""
    hits, rows = context.evidence.labels_expired, context.evidence.labels_read
    if not rows:
        return
    method = "share of labels that found no record and are no longer waited for"
    measured = Measurement("unmatched_labels", None, rows, "high", method)
    message = f"{hits} of {rows} labels belong to no record that was captured."
    yield too_many("unmatched_labels", rule, Code.LABELS_UNMATCHED, hits, measured, message)


CHECKS: tuple[Check, ...] = (
    built_in("label_coverage", _coverage),
    built_in("label_delay", _delay),
    built_in("label_conflicts", _conflicts),
    built_in("unmatched_labels", _unmatched),
)
