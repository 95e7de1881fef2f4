"""The checks of performance and of labels: pure functions from evidence to findings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from monitoring.config.model import CheckRule, ModelConfig
from monitoring.judge.evidence import Evidence
from monitoring.judge.limits import Limits, Spread
from monitoring.judge.rules import few, fired, too_many
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure.performance import Z95, performance

_METRICS = {
    "worse_than_average": "brier_skill",
    "ranking": "roc_auc",
    "calibration": "calibration",
    "accuracy": "accuracy",
    "error": "mae",
}
_CODES = {"ranking": Code.RANKING_WORSE, "accuracy": Code.ACCURACY_WORSE, "error": Code.ERROR_LARGER}


def run_performance_checks(evidence: Evidence, limits: Limits, config: ModelConfig) -> Iterator[Finding]:
    """Every finding about labels and performance, of checks that are not off."""
    checks = config.checks
    yield from _coverage(evidence, checks.label_coverage)
    yield from _delay(evidence, checks.label_delay)
    yield from _conflicts(evidence, checks.label_conflicts)
    yield from _unmatched(evidence, checks.unmatched_labels)
    yield from _performance(evidence, limits, config)
    yield from _concept(evidence, limits, checks.concept_drift)


def performance_alone(evidence: Evidence, limits: Limits, config: ModelConfig) -> list[Status]:
    """How the performance checks turn out on the window's rows alone."""
    if config.labels is None:
        return []
    alone = replace(evidence, trailing_outcomes=evidence.outcomes, trailing_numbers=evidence.numbers, windows=1)
    return [finding.status for finding in _performance(alone, limits, config)]


def _coverage(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity == "off" or not evidence.final or evidence.enough_labels or evidence.coverage is None:
        return
    measurement = Measurement(
        "label_coverage", evidence.coverage, evidence.profile.rows, "low", "share of rows with a label"
    )
    limit = 1 - rule.tolerance
    beyond = evidence.coverage < limit
    message = f"{evidence.coverage:.1%} of the rows have a label, and no more are waited for."
    status, code = (fired(rule), Code.LABELS_MISSING) if beyond else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding("label_coverage", "", status, code, message, measurement, 1.0, limit)


def _delay(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    """Whether labels come slower than usual, or have stopped."""
    found = evidence.lateness
    if rule.severity == "off" or evidence.final or found is None or found.value is None or found.p_value is None:
        return
    if evidence.profile.rows < rule.min_rows:
        return  # the share of a few rows says nothing
    beyond = -found.value > rule.tolerance and found.p_value < tail(rule.sigmas)
    coverage = evidence.coverage or 0.0
    message = (
        f"{coverage:.1%} of the rows have a label; windows of this age ordinarily have {coverage - found.value:.1%}."
    )
    status, code = (fired(rule), Code.LABELS_LATE) if beyond else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding("label_delay", "", status, code, message, found, 0.0, -rule.tolerance)


def _conflicts(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    hits, rows = evidence.label_conflicts, evidence.labelled
    if rule.severity == "off" or not rows:
        return
    method = "share of labelled rows with different labels of one time"
    measured = Measurement("label_conflicts", None, rows, "high", method)
    message = f"{hits} of {rows} labelled rows were given different labels at once."
    yield too_many("label_conflicts", rule, Code.LABELS_CONFLICT, hits, measured, message)


def _unmatched(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    """Whether labels come for events that nobody has captured."""
    hits, rows = evidence.labels_expired, evidence.labels_read
    if rule.severity == "off" or not rows:
        return
    method = "share of labels that found no record and are no longer waited for"
    measured = Measurement("unmatched_labels", None, rows, "high", method)
    message = f"{hits} of {rows} labels belong to no record that was captured."
    yield too_many("unmatched_labels", rule, Code.LABELS_UNMATCHED, hits, measured, message)


def _concept(evidence: Evidence, limits: Limits, rule: CheckRule) -> Iterator[Finding]:
    """Whether the relation of inputs and labels has changed, in the whole or in a segment."""
    if rule.severity == "off" or evidence.ordinary_loss is None:
        return
    margin = rule.tolerance * evidence.ordinary_loss
    ordinary = limits.spread("concept_drift", evidence.windows)
    gaps = {"": evidence.concept_gap, **evidence.segment_gaps}
    for subject, found in gaps.items():
        if found is None or found.value is None or found.standard_error is None:
            continue
        if found.rows < rule.min_rows:
            if not subject:
                yield few("concept_drift", "", rule, found.rows, Code.TOO_FEW_LABELS, "labelled rows", evidence.windows)
            continue
        gap = among_windows(found, ordinary)
        level = tail(rule.sigmas) / (max(len(evidence.segment_gaps), 1) if subject else 1)
        beyond = found.value > margin and (gap.p_value or 0.0) < level
        if subject and not beyond:
            continue
        status, code = (fired(rule), Code.CONCEPT_DRIFT) if beyond else (Status.OK, Code.WITHIN_LIMITS)
        message = _concept_message(subject, gap, evidence, beyond=beyond)
        yield Finding("concept_drift", subject, status, code, message, gap, 0.0, margin, evidence.windows)


def among_windows(gap: Measurement, ordinary: Spread | None) -> Measurement:
    """A gap as uncertain as those of ordinary windows are: rows of one day have more in common than chance knows."""
    assert gap.value is not None
    assert gap.standard_error is not None
    error = max(gap.standard_error, ordinary.deviation if ordinary else 0.0)
    if not error:
        return gap
    p_value = max(math.erfc(abs(gap.value) / error / math.sqrt(2)), gap.p_value or 0.0)
    low, high = gap.value - Z95 * error, gap.value + Z95 * error
    return replace(gap, standard_error=error, p_value=p_value, low=low, high=high)


def _concept_message(subject: str, gap: Measurement, evidence: Evidence, *, beyond: bool) -> str:
    interval = f" [{gap.low:.3g}, {gap.high:.3g}]" if gap.low is not None and gap.high is not None else ""
    about, over = f"{subject}: " if subject else "", _period(evidence.windows, evidence.hours)
    if not beyond:
        return f"{about}{over[0].upper()}{over[1:]} the {evidence.loss} is {gap.value:+.3g}{interval} off its estimate."
    if evidence.diagnosis and not subject:
        return evidence.diagnosis
    return (
        f"{about}{over[0].upper()}{over[1:]} the {evidence.loss} is {gap.value:.3g}{interval} higher than the same"
        " inputs would give: their relation to the labels has changed."
    )


def tail(sigmas: float) -> float:
    """The probability that a normal number is so many deviations off, on either side.

    >>> round(tail(1.96), 3)
    0.05
    """
    return math.erfc(sigmas / math.sqrt(2))


def _performance(evidence: Evidence, limits: Limits, config: ModelConfig) -> Iterator[Finding]:
    """Each number that is judged, over the trailing windows.

    While labels are missing, rows that have none count with what is expected of them: those of one class may be
    slower, and the others alone would say something else of every window.
    """
    numbers = dict(evidence.trailing_numbers or performance(evidence.trailing_outcomes))
    rows, windows = evidence.trailing_outcomes.rows, evidence.windows
    for check, realised in block.outcome(evidence.trailing_outcomes).items():
        measurement = evidence.trailing_numbers.get(_METRICS[check], realised)
        rule: CheckRule = getattr(config.checks, check)
        if rule.severity == "off":
            continue
        if rows < rule.min_rows:
            yield few(check, "", rule, rows, Code.TOO_FEW_LABELS, "labelled rows", windows)
            continue
        if measurement.value is None:
            status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
            message = f"{_why_undefined(numbers, rows)}, so that this is not defined."
            yield Finding(check, "", status, Code.UNTESTABLE, message, windows=windows)
            continue
        spread = limits.spread(check, windows)
        limit, beyond, code = _performance_limit(check, measurement, rule, spread)
        status, code = (fired(rule), code) if beyond else (Status.OK, Code.WITHIN_LIMITS)
        message = _performance_message(check, measurement, numbers, spread, _period(windows, evidence.hours))
        ordinary = spread.mean if spread else None
        yield Finding(check, "", status, code, message, measurement, ordinary, limit, windows)


def _why_undefined(numbers: dict[str, Measurement], rows: int) -> str:
    if "base_rate" not in numbers:
        return f"Some of {rows} labelled rows are too far off to be measured"
    one_class = numbers["base_rate"].value in (0.0, 1.0)
    return f"All {rows} labelled rows {'are of one class' if one_class else 'have scores that are too close together'}"


def _performance_limit(
    check: str, measurement: Measurement, rule: CheckRule, spread: Spread | None
) -> tuple[float | None, bool, Code]:
    """The limit, whether it is passed, and the code if it is."""
    value = measurement.value
    assert value is not None
    if check == "worse_than_average":
        high = measurement.high if measurement.high is not None else value
        error = (high - value) / Z95
        return -rule.tolerance, value + rule.sigmas * error < -rule.tolerance, Code.WORSE_THAN_AVERAGE
    if spread is None:
        return None, False, Code.WITHIN_LIMITS
    if check in ("ranking", "accuracy"):
        least = rule.tolerance * (spread.mean - 0.5) if check == "ranking" else rule.tolerance
        margin = max(least, rule.sigmas * spread.deviation)
        return spread.mean - margin, value < spread.mean - margin, _CODES[check]
    if check == "error":
        margin = max(rule.tolerance * spread.mean, rule.sigmas * spread.deviation)
        return spread.mean + margin, value > spread.mean + margin, _CODES[check]
    margin = max(rule.tolerance, rule.sigmas * spread.deviation)
    limit = spread.mean + (margin if value > spread.mean else -margin)
    return limit, abs(value - spread.mean) > margin, Code.CALIBRATION_OFF


def _period(windows: int, hours: int) -> str:
    unit = {1: "hour", 24: "day"}.get(hours, "week")
    return f"over {windows} {unit}s" if windows > 1 else f"{'on' if hours == 24 else 'in'} this {unit}"


def _performance_message(
    check: str, measurement: Measurement, numbers: dict[str, Measurement], spread: Spread | None, over: str
) -> str:
    if check in ("accuracy", "error"):
        ordinary = f", ordinarily {spread.mean:.4g}" if spread else ""
        what = "Accuracy" if check == "accuracy" else "The mean absolute error"
        return f"{what} {over} is {measurement.value:.4g}{ordinary}."
    ordinary = f", ordinarily {spread.mean:.3f}" if spread else ""
    value = {name: number.value if number.value is not None else float("nan") for name, number in numbers.items()}
    rates = f"it predicted {value['mean_score']:.0%} and {value['base_rate']:.0%} came true"
    if check == "worse_than_average":
        number = numbers["brier_skill"]
        interval = f" [{number.low:.3f}, {number.high:.3f}]" if number.low is not None else ""
        worse = "worse" if value["brier_skill"] < 0 else "better"
        return (
            f"{over[0].upper()}{over[1:]} the model does {worse} than always predicting the average: Brier skill"
            f" {value['brier_skill']:.3f}{interval}{ordinary}; {rates}."
        )
    if check == "ranking":
        return f"ROC AUC {over} is {value['roc_auc']:.3f}{ordinary}."
    return f"{over[0].upper()}{over[1:]} {rates}: calibration {value['calibration']:+.3f}{ordinary}."
