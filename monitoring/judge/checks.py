"""The checks: pure functions from evidence to findings."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.config.model import CheckRule, ModelConfig
from monitoring.judge.evidence import Evidence, Reference
from monitoring.judge.limits import Spread
from monitoring.judge.performance_checks import run_performance_checks
from monitoring.judge.rules import few, fired, too_many
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.profile import CategoricalSpec


def run_checks(evidence: Evidence, reference: Reference, config: ModelConfig) -> Iterator[Finding]:
    """Every finding of every check that is not off, in the order of the checks."""
    checks = config.checks
    measured = block.quality(evidence.profile, reference.limits.rows, evidence.hours)
    moved = block.drift(evidence.trailing, reference.profile)
    yield from _schema(evidence, reference, checks.schema_)
    yield from _quarantine(evidence, checks.quarantine)
    yield from _event_ids(evidence, checks.event_ids)
    yield from _volume(measured["volume"], reference, checks.volume)
    yield from _high(measured["gaps"], "gaps", "", Code.HOURS_MISSING, checks.gaps, reference, 1)
    if "errors" in measured:
        yield from _high(measured["errors"], "errors", "", Code.ERRORS_INCREASED, checks.errors, reference, 1)
    for name in config.columns.stored:
        if name in evidence.unusable:
            continue
        nulls = measured[block.key("nulls", name)]
        yield from _high(nulls, "nulls", name, Code.NULLS_INCREASED, checks.nulls, reference, 1)
        spec = reference.spec.features[name]
        if isinstance(spec, CategoricalSpec) and not spec.is_open:
            unseen = measured[block.key("unseen", name)]
            yield from _high(unseen, "unseen", name, Code.UNSEEN_CATEGORIES, checks.unseen, reference, 1)
    for name in config.columns.stored:
        if name in evidence.unusable:
            yield from _untestable(name, checks.feature_drift)
            continue
        distance = moved[block.key("feature_drift", name)]
        rule, windows = checks.feature_drift, evidence.windows
        yield from _high(distance, "feature_drift", name, Code.FEATURE_DRIFT, rule, reference, windows)
    score, rule = moved["prediction_drift"], checks.prediction_drift
    yield from _high(score, "prediction_drift", "", Code.PREDICTION_DRIFT, rule, reference, evidence.windows)
    if config.labels is not None:
        yield from run_performance_checks(evidence, reference.limits, config)


def _schema(evidence: Evidence, reference: Reference, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity == "off":
        return
    broken = False
    for name, column in evidence.profile.features.items():
        of_baseline = reference.profile.features[name]
        code = None
        if name in evidence.missing_columns:
            code, what = Code.COLUMN_MISSING, "is missing from the records"
        elif name in evidence.changed_columns:
            code, what = Code.COLUMN_TYPE_CHANGED, f"is no longer {reference.spec.features[name].kind}"
        elif 0 < column.rows == column.unusable and of_baseline.unusable < of_baseline.rows:
            what = "is null" if column.nulls == column.rows else "has no usable value"
            code, what = Code.COLUMN_ALL_NULL, f"{what} in all {column.rows} rows"
        if code is not None:
            broken = True
            yield Finding("schema", name, fired(rule), code, f"Column {name} {what}.")
    for name in evidence.new_columns:
        yield Finding("schema", name, Status.INFO, Code.COLUMN_NEW, f"Column {name} is new and not monitored.")
    if not broken:
        yield Finding("schema", "", Status.OK, Code.WITHIN_LIMITS, "All columns are there, with their types.")


def _untestable(name: str, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity != "off":
        message = f"Column {name} holds nothing to compare."
        yield Finding("feature_drift", name, Status.INFO, Code.UNTESTABLE, message)


def _quarantine(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity == "off":
        return
    read = max(evidence.read, evidence.quarantined)
    measured = Measurement("quarantined_share", None, read, "high", "share of records that could not be read")
    share = evidence.quarantined / read if read else 0.0
    message = f"{evidence.quarantined} of {read} records could not be read ({share:.1%})."
    yield too_many("quarantine", rule, Code.RECORDS_QUARANTINED, evidence.quarantined, measured, message)


def _event_ids(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity == "off" or not evidence.profile.rows:
        return
    method = "share of records with the event id of another one that says something else"
    measured = Measurement("conflicting_share", None, evidence.profile.rows, "high", method)
    message = f"{evidence.conflicting} records have the event id of another record that says something else."
    yield too_many("event_ids", rule, Code.EVENT_ID_REUSED, evidence.conflicting, measured, message)


def _volume(measurement: Measurement, reference: Reference, rule: CheckRule) -> Iterator[Finding]:
    spread = reference.limits.spread("volume", 1)
    if rule.severity == "off" or spread is None or measurement.value is None:
        return
    margin = max(rule.tolerance, rule.sigmas * spread.deviation)
    ordinary = round(reference.limits.rows)
    if measurement.value < spread.mean - margin:
        status, code, limit = fired(rule), Code.VOLUME_LOW, spread.mean - margin
    elif measurement.value > spread.mean + margin:
        status, code, limit = fired(rule), Code.VOLUME_HIGH, spread.mean + margin
    else:
        status, code, limit = Status.OK, Code.WITHIN_LIMITS, spread.mean - margin
    message = f"{measurement.rows} rows; an ordinary window has {ordinary}."
    yield Finding("volume", "", status, code, message, measurement, spread.mean, limit)


def _high(
    measurement: Measurement, check: str, subject: str, code: Code, rule: CheckRule, reference: Reference, windows: int
) -> Iterator[Finding]:
    """A check that fires when a measurement is higher than ordinary."""
    if rule.severity == "off":
        return
    if measurement.rows < rule.min_rows or measurement.value is None:
        yield few(check, subject, rule, measurement.rows, Code.TOO_FEW_ROWS, "rows", windows)
        return
    spread = reference.limits.spread(block.key(check, subject), windows) or Spread(0.0, 0.0, 0)
    # a share or a distance ends at 1: where ordinary windows come near it, only what is new can reach it
    limit = min(spread.mean + max(rule.tolerance, rule.sigmas * spread.deviation), _CEILING)
    beyond = measurement.value > limit
    about = f"{subject}: " if subject else ""
    message = f"{about}{measurement.method} is {measurement.value:.3g} (ordinary {spread.mean:.3g}, limit {limit:.3g})."
    status, code = (fired(rule), code) if beyond else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding(check, subject, status, code, message, measurement, spread.mean, limit, windows)


_CEILING = 0.98
