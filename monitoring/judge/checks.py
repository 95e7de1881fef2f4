"""The checks: pure functions from evidence to findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from monitoring.config.model import CheckRule, ModelConfig
from monitoring.judge.limits import Limits, Spread
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure.performance import Z95, performance
from monitoring.profile import CategoricalSpec, OutcomeProfile, ProfileSpec, WindowProfile


@dataclass(frozen=True)
class Reference:
    """What a window is compared with.

    Attributes:
        version: The baseline's version.
        spec: The frozen edges.
        profile: The baseline's rows.
        limits: What is ordinary.
    """

    version: str
    spec: ProfileSpec
    profile: WindowProfile
    limits: Limits


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a window when it is judged.

    Attributes:
        profile: The window's records.
        outcomes: Its labelled records.
        trailing: The records of the trailing windows, this one included.
        trailing_outcomes: Their labelled records.
        windows: How many of the trailing windows have records.
        hours: Hours in a window.
        final: Whether the labels' horizon has passed.
        coverage: Share of the window's records with a label, None without records or labels.
        quarantined: Records that could not be read.
        read: Records that the window's own run read, of whichever window.
        conflicting: Records with the event id of another record that says something else.
        missing_columns: Features that the records do not have.
        changed_columns: Features whose values no longer parse.
        new_columns: Columns that no feature declares.
    """

    profile: WindowProfile
    outcomes: OutcomeProfile
    trailing: WindowProfile
    trailing_outcomes: OutcomeProfile
    windows: int
    hours: int
    final: bool
    coverage: float | None
    quarantined: int = 0
    read: int = 0
    conflicting: int = 0
    missing_columns: tuple[str, ...] = ()
    changed_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = field(default=())

    @property
    def unusable(self) -> frozenset[str]:
        """Features with nothing in them to compare."""
        empty = {name for name, column in self.profile.features.items() if 0 < column.rows == column.unusable}
        return frozenset(empty.union(self.missing_columns, self.changed_columns))


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
        yield from _coverage(evidence, checks.label_coverage)
        yield from _performance(evidence, reference, config)


def performance_alone(evidence: Evidence, reference: Reference, config: ModelConfig) -> list[Status]:
    """How the performance checks turn out on the window's rows alone."""
    if config.labels is None:
        return []
    alone = replace(evidence, trailing_outcomes=evidence.outcomes, windows=1)
    return [finding.status for finding in _performance(alone, reference, config)]


def _fired(rule: CheckRule) -> Status:
    return Status(rule.severity)


def _few(check: str, subject: str, rule: CheckRule, rows: int, code: Code, what: str, windows: int) -> Finding:
    message = f"Only {rows} {what}; {rule.min_rows} are needed."
    # a check that can only inform must not make a window unknown
    status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
    return Finding(check, subject, status, code, message, windows=windows)


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
            yield Finding("schema", name, _fired(rule), code, f"Column {name} {what}.")
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
    share = evidence.quarantined / read if read else 0.0
    measurement = Measurement("quarantined_share", share, read, "high", "share of records that could not be read")
    fired = share > rule.tolerance
    message = f"{evidence.quarantined} of {read} records could not be read ({share:.1%})."
    status, code = (_fired(rule), Code.RECORDS_QUARANTINED) if fired else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding("quarantine", "", status, code, message, measurement, 0.0, rule.tolerance)


def _event_ids(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity == "off" or not evidence.profile.rows:
        return
    share = evidence.conflicting / evidence.profile.rows
    method = "share of records with the event id of another one that says something else"
    measurement = Measurement("conflicting_share", share, evidence.profile.rows, "high", method)
    fired = share > rule.tolerance
    message = f"{evidence.conflicting} records have the event id of another record that says something else."
    status, code = (_fired(rule), Code.EVENT_ID_REUSED) if fired else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding("event_ids", "", status, code, message, measurement, 0.0, rule.tolerance)


def _volume(measurement: Measurement, reference: Reference, rule: CheckRule) -> Iterator[Finding]:
    spread = reference.limits.spread("volume", 1)
    if rule.severity == "off" or spread is None or measurement.value is None:
        return
    margin = max(rule.tolerance, rule.sigmas * spread.deviation)
    ordinary = round(reference.limits.rows)
    if measurement.value < spread.mean - margin:
        status, code, limit = _fired(rule), Code.VOLUME_LOW, spread.mean - margin
    elif measurement.value > spread.mean + margin:
        status, code, limit = _fired(rule), Code.VOLUME_HIGH, spread.mean + margin
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
        yield _few(check, subject, rule, measurement.rows, Code.TOO_FEW_ROWS, "rows", windows)
        return
    spread = reference.limits.spread(block.key(check, subject), windows) or Spread(0.0, 0.0, 0)
    # a share or a distance ends at 1: where ordinary windows come near it, only what is new can reach it
    limit = min(spread.mean + max(rule.tolerance, rule.sigmas * spread.deviation), _CEILING)
    fired = measurement.value > limit
    about = f"{subject}: " if subject else ""
    message = f"{about}{measurement.method} is {measurement.value:.3g} (ordinary {spread.mean:.3g}, limit {limit:.3g})."
    status, code = (_fired(rule), code) if fired else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding(check, subject, status, code, message, measurement, spread.mean, limit, windows)


_CEILING = 0.98


def _coverage(evidence: Evidence, rule: CheckRule) -> Iterator[Finding]:
    if rule.severity == "off" or not evidence.final or evidence.coverage is None:
        return
    measurement = Measurement(
        "label_coverage", evidence.coverage, evidence.profile.rows, "low", "share of rows with a label"
    )
    limit = 1 - rule.tolerance
    fired = evidence.coverage < limit
    message = f"{evidence.coverage:.1%} of the rows have a label, and the horizon has passed."
    status, code = (_fired(rule), Code.LABELS_MISSING) if fired else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding("label_coverage", "", status, code, message, measurement, 1.0, limit)


def _performance(evidence: Evidence, reference: Reference, config: ModelConfig) -> Iterator[Finding]:
    """Ranking, calibration, and whether the average would have done better."""
    numbers = performance(evidence.trailing_outcomes)
    rows, windows = evidence.trailing_outcomes.rows, evidence.windows
    judged = block.outcome(evidence.trailing_outcomes)
    rules = {
        "worse_than_average": config.checks.worse_than_average,
        "ranking": config.checks.ranking,
        "calibration": config.checks.calibration,
    }
    for check, rule in rules.items():
        if rule.severity == "off":
            continue
        measurement = judged[check]
        if rows < rule.min_rows:
            yield _few(check, "", rule, rows, Code.TOO_FEW_LABELS, "labelled rows", windows)
            continue
        if measurement.value is None:
            status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
            one_class = numbers["base_rate"].value in (0.0, 1.0)
            why = "are of one class" if one_class else "have scores that are too close together"
            message = f"All {rows} labelled rows {why}, so that this is not defined."
            yield Finding(check, "", status, Code.UNTESTABLE, message, windows=windows)
            continue
        spread = reference.limits.spread(check, windows)
        limit, fired, code = _performance_limit(check, measurement, rule, spread)
        status, code = (_fired(rule), code) if fired else (Status.OK, Code.WITHIN_LIMITS)
        message = _performance_message(check, numbers, spread, _period(windows, evidence.hours))
        ordinary = spread.mean if spread else None
        yield Finding(check, "", status, code, message, measurement, ordinary, limit, windows)


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
    if check == "ranking":
        margin = max(rule.tolerance * (spread.mean - 0.5), rule.sigmas * spread.deviation)
        return spread.mean - margin, value < spread.mean - margin, Code.RANKING_WORSE
    margin = max(rule.tolerance, rule.sigmas * spread.deviation)
    limit = spread.mean + (margin if value > spread.mean else -margin)
    return limit, abs(value - spread.mean) > margin, Code.CALIBRATION_OFF


def _period(windows: int, hours: int) -> str:
    unit = {1: "hour", 24: "day"}.get(hours, "week")
    return f"over {windows} {unit}s" if windows > 1 else f"in this {unit}"


def _performance_message(check: str, numbers: dict[str, Measurement], spread: Spread | None, over: str) -> str:
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
