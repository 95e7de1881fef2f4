"""What checks have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import Every
from monitoring.judge.question import Kind, Question
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement


def fired(rule: CheckRule) -> Status:
    """What a check comes to that fires."""
    return Status(rule.severity)


def few(check: str, subject: str, rule: CheckRule, rows: int, code: Code, what: str, windows: int) -> Finding:
    """What a check comes to that has too few rows: see `monitoring.judge.too_few` for what becomes of it."""
    message = f"Only {rows:,} {what}; {rule.min_rows:,} are needed."
    # a check that can only inform must not make a window unknown
    status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
    counted = Measurement("rows", rows, rows, "low", what)
    return Finding(check, subject, status, code, message, counted, limit=rule.min_rows, windows=windows)


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


@dataclass(frozen=True)
class Topic:
    """What a question is about.

    Attributes:
        check: The check's key.
        subject: The column; empty for the whole window.
        code: Why it fires.
        windows: How many windows it looks back over.
        group: Columns that drift together.
        reference: What the window is compared with.
        impact: How much mean loss it could explain.
        kind: Which questions it is answered with.
    """

    check: str
    subject: str
    code: Code
    windows: int = 1
    group: str = ""
    reference: str = ""
    impact: float | None = None
    kind: Kind = "data"


def beyond_limit(
    topic: Topic, rule: CheckRule, found: Measurement, limit: float, ordinary: float | None, message: str, *, low: bool
) -> Finding:
    """The finding of a limit of one's own: nothing is asked but whether it is passed.

    Args:
        topic: What it is about.
        rule: How much it matters.
        found: What was measured, with a value.
        limit: What is too much.
        ordinary: The ordinary value.
        message: What is said of it.
        low: Whether below the limit is bad.
    """
    assert found.value is not None
    beyond = found.value < limit if low else found.value > limit
    status, code = (fired(rule), topic.code) if beyond else (Status.OK, Code.WITHIN_LIMITS)
    place = (topic.check, topic.subject)
    about = Finding(*place, status, code, message, found, ordinary, limit, topic.windows)
    return replace(about, group=topic.group, reference=topic.reference, impact=topic.impact)


def ask(
    topic: Topic,
    rule: CheckRule,
    found: Measurement,
    test: Every,
    ordinary: float | None,
    say: str,
    *,
    low: bool = False,
    severity: Status | None = None,
) -> Question:
    """A question about a measurement.

    Args:
        topic: What it is about.
        rule: How much it matters.
        found: What was measured, with a value.
        test: The test, of which high is bad.
        ordinary: The ordinary value.
        say: What is said of it; `{limit}` stands for the limit.
        low: Whether low values are bad: the test is then one of the value with the other sign.
        severity: What it comes to when it fires, where that is not what the rule says.
    """
    assert found.value is not None
    sign = -1.0 if low else 1.0
    family = Status(rule.severity)
    return Question(
        check=topic.check,
        subject=topic.subject,
        severity=severity or family,
        code=topic.code,
        measurement=found,
        ordinary=ordinary,
        windows=topic.windows,
        p_value=test.p_value(sign * found.value),
        limit=lambda level: sign * test.limit(level),
        ordinary_tail=lambda limit: test.ordinary_tail(sign * limit),
        detectable=lambda level: sign * test.detectable(level),
        say=lambda limit, _: say.format(limit="none" if limit is None else f"{limit:.3g}"),
        family=family,
        kind=topic.kind,
        group=topic.group,
        reference=topic.reference,
        impact=topic.impact,
    )


def period(windows: int, hours: int) -> str:
    """How long so many windows are, for a sentence."""
    unit = {1: "hour", 24: "day"}.get(hours, "week")
    return f"over {windows} {unit}s" if windows > 1 else f"{'on' if hours == 24 else 'in'} this {unit}"
