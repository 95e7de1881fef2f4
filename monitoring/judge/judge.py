"""From evidence to a verdict: a pure function."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitoring.config.calendar import CalendarEntry, in_force
from monitoring.config.model import ModelConfig
from monitoring.judge import calendar, too_few
from monitoring.judge.context import Context
from monitoring.judge.evidence import Evidence, Reference
from monitoring.judge.family import Family, settle, share_of
from monitoring.judge.folding import fold
from monitoring.judge.performance_checks import performance_alone
from monitoring.judge.registry import run_checks
from monitoring.judge.segment_checks import beside_the_whole
from monitoring.judge.verdict import Code, Finding, Status, Verdict, worst
from monitoring.judge.volume_checks import empty_window
from monitoring.judge.why import Why, why
from monitoring.measure import Measurement
from monitoring.measure.performance import proportion
from monitoring.window import LENGTHS, Window

_ORDER = {Status.FAIL: 0, Status.UNKNOWN: 1, Status.WARN: 2, Status.INFO: 3, Status.OK: 4}


@dataclass(frozen=True)
class Look:
    """Which look at which window this is.

    Attributes:
        window: The window.
        revision: 1 for the first look.
        as_of: Labels collected before this moment count.
        final: Whether the labels' horizon has passed.
        trailing_windows: Labels of the trailing windows that have records, oldest first.
        accounting: What became of every record and label.
        inputs: Versions and fingerprints.
    """

    window: Window
    revision: int
    as_of: datetime
    final: bool
    trailing_windows: tuple[str, ...]
    accounting: dict[str, Any]
    inputs: dict[str, Any]


def judge(look: Look, evidence: Evidence, reference: Reference | None, config: ModelConfig) -> Verdict:
    """The verdict on a window.

    No records or no baseline is `unknown`, and so is a window in which a check that can fail could not be
    judged and nothing else failed.

    Args:
        look: Which look at which window.
        evidence: What was measured.
        reference: The baseline; None when there is none.
        config: The model.
    """
    own: list[Status] = []
    families: dict[str, Family] = {}
    entries, suppressed = in_force(config.calendar, look.window), ""
    if evidence.profile.rows == 0:
        context = Context(evidence, reference, config) if reference else None
        findings = [_no_data(evidence, look, context, entries)]
    elif reference is None:
        hint = f"Make one with `model-monitor baseline {config.name}`."
        findings = [
            Finding("baseline", "", Status.UNKNOWN, Code.NO_BASELINE, f"There is no baseline for these columns. {hint}")
        ]
    else:
        findings, families, suppressed = _answers(Context(evidence, reference, config), entries)
        counted = config.model_copy(update={"checks": calendar.without_suppressed(config.checks, entries)})
        if all(finding.code is not Code.FEED_BROKEN for finding in findings):
            own = performance_alone(Context(evidence, reference, counted))
    findings = calendar.annotate(findings, entries)
    findings = sorted((_dated(finding, evidence, look) for finding in findings), key=_leading)
    status = worst([finding.status for finding in findings])
    reason = why(findings, evidence)
    return Verdict(
        model=config.name,
        window=look.window,
        revision=look.revision,
        as_of=look.as_of,
        final=look.final,
        status=status,
        own_performance=worst(own),
        headline=_headline(status, findings, config, reason) + suppressed,
        findings=tuple(findings),
        numbers=_numbers(evidence, config),
        trailing=dict(evidence.trailing_realised) if config.labels else {},
        trailing_windows=look.trailing_windows,
        accounting=look.accounting,
        inputs=look.inputs,
        families={name: family.to_json() for name, family in families.items()},
        calendar=tuple(entry.name for entry in entries),
        why=reason.to_json() if reason else None,
    )


def _answers(context: Context, entries: tuple[CalendarEntry, ...]) -> tuple[list[Finding], dict[str, Family], str]:
    """The findings, their families, and what is said of those that the calendar suppresses."""
    budget = (context.config.alarms, context.evidence.hours, context.evidence.past.rejected)
    counted, suppressed = calendar.apart(run_checks(context), entries)
    findings, families = settle(fold(counted, context), *budget)
    # a family of their own: what is suppressed must neither spend alarms nor leave fewer to the others
    answered, _ = settle(suppressed, *budget)
    said = calendar.what_was_suppressed(answered, entries)
    told = beside_the_whole([*findings, *calendar.quiet(answered, entries)])
    return too_few.once(told, context), families, said


def _dated(finding: Finding, evidence: Evidence, look: Look) -> Finding:
    """A finding that says since when it has been made."""
    if finding.since or finding.status not in (Status.FAIL, Status.WARN):
        return finding
    return replace(finding, since=evidence.past.since(finding.name, look.window.label))


def _leading(finding: Finding) -> tuple[int, int, float]:
    """What is told first: what is worse; of that, what is the cause of the rest; of that, what is surer."""
    if finding.code is Code.FEED_BROKEN or (finding.status is Status.FAIL and not finding.about_performance):
        place = 0
    elif finding.about_performance or finding.code is Code.CONCEPT_DRIFT:
        place = 1
    else:
        place = 3 if finding.code in (Code.FEATURE_DRIFT, Code.PREDICTION_DRIFT) else 2
    return _ORDER[finding.status], place, finding.p_value or 0.0


def _no_data(evidence: Evidence, look: Look, context: Context | None, entries: tuple[CalendarEntry, ...]) -> Finding:
    """The finding of a window without a record that could be read.

    It has a p-value where the baseline tells how rare that is, and the calendar knows of no reason for it.
    """
    window = look.window
    said = f"There are no records for {window.label}"
    if evidence.quarantined:
        said = f"None of the {evidence.quarantined} records of {window.label} could be read"
    found = Finding("data", "", Status.UNKNOWN, Code.NO_DATA, f"{said}.{_last_records(evidence, window)}")
    if context is None:
        return found
    rows, chance = empty_window(context, window.start)
    if rows is None:
        return replace(found, message=f"{said}; the baseline has none at such hours either.")
    ordinary = f"{rows:,.0f}" if rows >= 10 else f"{rows:.2g}"
    message = f"{said}; such a window ordinarily has about {ordinary}.{_last_records(evidence, window)}"
    config = context.config
    fails = config.checks.feed.severity == "fail" and not calendar.expects_less(entries)
    return replace(
        found,
        message=message,
        measurement=Measurement("rows", 0, 0, "low", "records"),
        baseline=rows,
        p_value=chance if fails else None,
        level=share_of(config.alarms, Status.FAIL, "data", evidence.hours) if fails else None,
    )


def _last_records(evidence: Evidence, window: Window) -> str:
    """When the last records came, and in how many windows none have; empty where the trailing windows have none."""
    hours = [name for name in evidence.trailing.hours if _moment(name) < window.start]
    if not hours:
        return ""
    last = Window.containing(_moment(max(hours)), window.every)
    since = (window.start - last.start) // LENGTHS[window.every]
    return f" The last ones are of {last.label}" + (f": {since} windows in a row have none." if since > 1 else ".")


def _moment(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour.removesuffix('Z')}:00+00:00")


def _numbers(evidence: Evidence, config: ModelConfig) -> dict[str, Measurement]:
    rows = evidence.profile.rows
    numbers = {
        "rows": Measurement("rows", rows, rows, "both", "records, without duplicates"),
        "label_coverage": Measurement("label_coverage", evidence.coverage, rows, "low", "share of rows with a label"),
    }
    if rows:
        numbers["positive_rate"] = proportion(
            "positive_rate", evidence.profile.positives, rows, "both", "share of positive predictions"
        )
    latency = evidence.profile.latency.quantile(0.95)
    if latency is not None:
        timed = evidence.profile.latency.rows - evidence.profile.latency.nulls
        numbers["latency_p95"] = Measurement(
            "latency_p95", latency, timed, "high", "95th percentile, ms, to the next bin edge"
        )
    return numbers | (dict(evidence.realised) if config.labels else {})


def _headline(status: Status, findings: list[Finding], config: ModelConfig, reason: Why | None) -> str:
    if status in (Status.FAIL, Status.WARN, Status.UNKNOWN):
        first = findings[0]
        told = reason is not None and reason.kind not in ("none", "unknown") and first.about_performance
        cause = f" {reason.sentence}" if reason is not None and told else ""
        return f"{first.message}{cause}{_besides(findings)}"
    drifted = len({finding.subject for finding in findings if finding.code is Code.FEATURE_DRIFT})
    moved = f" {drifted} of {len(config.columns.stored)} features have moved, without harm." if drifted else ""
    moved += "".join(f" {finding.message}" for finding in findings if finding.code is Code.TOO_FEW_ROWS)
    if config.labels is None:
        return f"Data are within their limits; performance is not monitored (no labels configured).{moved}"
    return f"Performance and data are within their limits.{moved}"


def _besides(findings: list[Finding]) -> str:
    """How many others there are of what is told in a headline."""
    counts = Counter(finding.status for finding in findings[1:])
    words = {Status.FAIL: ("fails", "fail"), Status.WARN: ("warns", "warn"), Status.UNKNOWN: ("is", "are")}
    parts = [
        f"{counts[status]} {'more ' if not place else ''}{words[status][counts[status] > 1]}"
        + (" unknown" if status is Status.UNKNOWN else "")
        for place, status in enumerate(status for status in words if counts[status])
    ]
    return f" And {' and '.join(parts)}." if parts else ""
