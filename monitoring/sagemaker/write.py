"""What a look says, in the shapes of SageMaker's files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from monitoring.config import ModelConfig
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.profile import CategoricalProfile, ColumnProfile, NumericProfile, WindowProfile
from monitoring.sagemaker.checks import NUMBER_CHECKS
from monitoring.sagemaker.distances import largest_difference
from monitoring.sagemaker.files import Type

VERSION = 0.0
BUCKETS = 10
# The parameters that SageMaker's containers have
_PARAMETERS = {"c": 0.64, "k": 2048.0}
# What a model quality job calls the numbers that our checks judge
_METRIC_NAMES = {
    "roc_auc": "auc",
    "precision_weighted": "weightedPrecision",
    "recall_weighted": "weightedRecall",
    "f0_5_weighted": "weightedF0_5",
    "f1_weighted": "weightedF1",
    "f2_weighted": "weightedF2",
}


def statistics(profile: WindowProfile, score: str = "") -> dict[str, Any]:
    """`statistics.json` of a data quality job.

    Counts, mean, sum, standard deviation (ddof 0), minimum and maximum are those of the rows. Counts of the ten
    buckets are exact where a border is a bin edge, and else interpolated in one bin. The sketch holds bin means, so
    that its ranks are right to one bin. Categories without a name of their own are in no bucket.

    Args:
        profile: The records.
        score: What the score is called; empty to leave it out.
    """
    columns: dict[str, ColumnProfile] = dict(profile.features)
    if score and profile.scores:
        columns[score] = profile.score
    features = [_feature(name, column) for name, column in columns.items()]
    return {"version": VERSION, "dataset": {"item_count": profile.rows}, "features": features}


def inferred_type(column: ColumnProfile) -> Type:
    """The type that SageMaker would infer.

    Numbers are whole if the sums of all bins are: with many bins and a unit below 1 no other numbers would do that.
    """
    if isinstance(column, CategoricalProfile):
        return "String" if column.present else "Unknown"
    if not column.finite:
        return "Unknown"
    return "Integral" if column.spec.integer or _is_whole(column) else "Fractional"


def _is_whole(column: NumericProfile) -> bool:
    spec = column.spec
    if spec.exponent < 1 or column.far or not (float(column.low).is_integer() and float(column.high).is_integer()):
        return False
    unit = 1 << spec.exponent
    centre = round(math.ldexp(spec.centre, spec.exponent))
    sums = zip(column.units.tolist(), column.counts.tolist(), strict=True)
    return all((units + centre * n) % unit == 0 for units, n in sums)


def _feature(name: str, column: ColumnProfile) -> dict[str, Any]:
    kind = inferred_type(column)
    body = _numerical(column) if isinstance(column, NumericProfile) else _string(column)
    key = "numerical_statistics" if isinstance(column, NumericProfile) else "string_statistics"
    return {"name": name, "inferred_type": kind, key: body}


def _common(column: ColumnProfile) -> dict[str, Any]:
    missing = column.nulls + (column.nans if isinstance(column, NumericProfile) else 0)
    return {"common": {"num_present": column.rows - missing, "num_missing": missing}}


def _numerical(column: NumericProfile) -> dict[str, Any]:
    mean, deviation = column.mean, column.deviation
    if mean is None or deviation is None or not math.isfinite(mean) or not math.isfinite(deviation):
        return _common(column)
    return {
        **_common(column),
        "mean": mean,
        "sum": mean * column.finite,
        "std_dev": deviation,
        "min": column.low,
        "max": column.high,
        "distribution": {"kll": {"buckets": _buckets(column), "sketch": _sketch(column)}},
    }


def _buckets(column: NumericProfile) -> list[dict[str, Any]]:
    """Ten buckets of equal width between the lowest and the highest value."""
    low, high = column.low, column.high
    borders = [low + (high - low) * i / BUCKETS for i in range(1, BUCKETS)]
    if not math.isfinite(BUCKETS * (high - low)):
        borders = [low * (1 - i / BUCKETS) + high * (i / BUCKETS) for i in range(1, BUCKETS)]
    below = [0, *(_below(column, border) for border in borders), column.finite]
    ends = [low, *borders, high]
    return [
        {"lower_bound": ends[i], "upper_bound": ends[i + 1], "count": below[i + 1] - below[i]} for i in range(BUCKETS)
    ]


def _below(column: NumericProfile, border: float) -> int:
    """Finite values below a border, interpolated within the bin that it falls into."""
    edges = column.spec.edges
    place = int(np.searchsorted(edges, border, side="right"))
    before = int(column.counts[:place].sum())
    start = max(float(edges[place - 1]), column.low) if place else column.low
    stop = min(float(edges[place]), column.high) if place < len(edges) else column.high
    inside = int(column.counts[place])
    # halves, because the width itself may be infinite
    width = stop / 2 - start / 2
    share = (border / 2 - start / 2) / width if width > 0 else 0.0
    return before + round(inside * min(max(share, 0.0), 1.0))


def _sketch(column: NumericProfile) -> dict[str, Any]:
    """The bins as a sketch: a bin's mean stands on every level whose weight is in the count of its rows.

    >>> import pyarrow as pa
    >>> from monitoring.profile import NumericSpec
    >>> values = pa.array([1.0, 1.0, 1.0, 2.0])
    >>> _sketch(NumericProfile.of(values, NumericSpec.learn(values)))["data"]
    [[1.0, 2.0], [1.0]]
    """
    found = column.histogram()
    used = np.flatnonzero(found.counts)
    counts = found.counts[used]
    starts = np.concatenate([[column.low], found.edges])[used]
    stops = np.concatenate([np.nextafter(found.edges, -np.inf), [column.high]])[used]
    # a mean counts to half a unit; within its bin, and it is exact where the bin holds one value only
    means = np.clip(found.sums[used] / counts, np.maximum(starts, column.low), np.minimum(stops, column.high)).tolist()
    levels = int(counts.max()).bit_length()
    pairs = list(zip(means, counts.tolist(), strict=True))
    data = [[mean for mean, n in pairs if n >> level & 1] for level in range(levels)]
    return {"parameters": _PARAMETERS, "data": data}


def _string(column: CategoricalProfile) -> dict[str, Any]:
    body = {**_common(column), "distinct_count": float(round(column.distinct))}
    if column.spec.is_text:
        return body
    found = column.categories()
    rows = {**found.counts, **found.new}
    ordered = sorted(((name, n) for name, n in rows.items() if n), key=lambda item: (-item[1], item[0]))
    buckets = [{"value": name, "count": n} for name, n in ordered]
    return {**body, "distribution": {"categorical": {"buckets": buckets}}}


def constraints(profile: WindowProfile, config: ModelConfig, score: str = "") -> dict[str, Any]:
    """`constraints.json` of a data quality job.

    Args:
        profile: The baseline's rows.
        config: The model, whose checks give the thresholds.
        score: What the score is called; empty to leave it out.
    """
    columns: dict[str, ColumnProfile] = dict(profile.features)
    if score and profile.scores:
        columns[score] = profile.score
    checks = config.checks
    unseen = checks.unseen.tolerance if checks.unseen.limit == "baseline" else checks.unseen.limit
    drift = checks.feature_drift
    moved = round(largest_difference(drift.tolerance if drift.limit == "baseline" else drift.limit), 9)
    return {
        "version": VERSION,
        "features": [_constraint(name, column) for name, column in columns.items()],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": round(1 - unseen, 9),
            "distribution_constraints": {
                "perform_comparison": "Disabled" if drift.severity == "off" else "Enabled",
                "comparison_threshold": moved,
                "comparison_method": "Robust",
                "categorical_comparison_threshold": moved,
                "categorical_drift_method": "LInfinity",
            },
        },
    }


def _constraint(name: str, column: ColumnProfile) -> dict[str, Any]:
    common = _common(column)["common"]
    complete = common["num_present"] / column.rows if column.rows else 0.0
    body = {"name": name, "inferred_type": inferred_type(column), "completeness": complete}
    if isinstance(column, NumericProfile):
        return {**body, "num_constraints": {"is_non_negative": column.finite > 0 and column.negatives == 0}}
    if column.spec.is_open:
        return body
    return {**body, "string_constraints": {"domains": list(column.spec.names)}}


def constraint_violations(verdict: Verdict, profile: WindowProfile, score: str = "prediction") -> dict[str, Any]:
    """`constraint_violations.json` of a data quality job.

    A finding about data that warns or fails is a violation, and so is every new column. What only informs is not.

    Args:
        verdict: What the checks said.
        profile: The window's records.
        score: What the score is called.
    """
    codes = [finding.code for finding in verdict.findings]
    declared = len(profile.features)
    there = declared - codes.count(Code.COLUMN_MISSING) + codes.count(Code.COLUMN_NEW)
    counted = f"Number of columns in current dataset: {there}, in baseline: {declared}."
    found: list[dict[str, Any]] = []
    for finding in verdict.findings:
        found += _of_feed(finding)
        check = _check_type(finding, profile)
        if check is not None:
            name = finding.subject or score
            text = _description(check, finding, profile, counted)
            found.append({"feature_name": name, "constraint_check_type": check, "description": text})
    return {"violations": found}


_CHECK_TYPES: Mapping[Code, str] = {
    Code.COLUMN_MISSING: "missing_column_check",
    Code.COLUMN_NEW: "extra_column_check",
    Code.COLUMN_ALL_NULL: "completeness_check",
    Code.NULLS_INCREASED: "completeness_check",
    Code.NONFINITE_INCREASED: "completeness_check",
    Code.COLUMN_TYPE_CHANGED: "data_type_check",
    Code.VALUES_OF_OTHER_TYPE: "data_type_check",
    Code.UNSEEN_CATEGORIES: "categorical_values_check",
    Code.FEATURE_DRIFT: "baseline_drift_check",
    Code.PREDICTION_DRIFT: "baseline_drift_check",
}
# What a broken feed explains, by the check that would have said so
_FOLDED_TYPES = {
    "schema": "completeness_check",
    "nulls": "completeness_check",
    "nonfinite": "completeness_check",
    "mismatch": "data_type_check",
    "unseen": "categorical_values_check",
}


def _of_feed(finding: Finding) -> Iterator[dict[str, Any]]:
    """A violation of each column that a broken feed explains."""
    if finding.code is not Code.FEED_BROKEN or finding.status not in (Status.FAIL, Status.WARN):
        return
    for name in finding.folded:
        check, _, column = name.partition(":")
        if column and check in _FOLDED_TYPES:
            kind = _FOLDED_TYPES[check]
            yield {"feature_name": column, "constraint_check_type": kind, "description": finding.message}


def _check_type(finding: Finding, profile: WindowProfile) -> str | None:
    check = _CHECK_TYPES.get(finding.code)
    if finding.status not in (Status.FAIL, Status.WARN) and finding.code is not Code.COLUMN_NEW:
        return None
    column = profile.features.get(finding.subject)
    if check == "completeness_check" and column is not None and 2 * column.mismatched > column.unusable:
        return "data_type_check"
    return check


def _description(check: str, finding: Finding, profile: WindowProfile, counted: str) -> str:
    column, limit = profile.features.get(finding.subject), finding.limit
    if check in ("missing_column_check", "extra_column_check"):
        return f"{finding.message} {counted}"
    if check == "baseline_drift_check" and finding.measurement and limit is not None:
        return f"Jensen-Shannon distance: {finding.measurement.value} exceeds threshold: {limit}"
    if column is None or not column.rows:
        return finding.message
    expected = 100 * (1 - (limit or 0.0))
    if check == "completeness_check":
        share = 100 * (1 - column.unusable / column.rows)
        what = f"Expected completeness: {expected}%. Observed: Only {share}% of data is complete."
        return f"Data completeness requirement is not met. {what}"
    if check == "data_type_check":
        kind = "Fractional" if isinstance(column, NumericProfile) else "String"
        share = 100 * (1 - column.mismatched / column.rows)
        what = f"Expected data type: {kind}, Expected match: {expected}%. Observed: Only {share}% of data is {kind}."
        return f"Data type match requirement is not met. {what}"
    return finding.message


def model_quality_violations(verdict: Verdict) -> dict[str, Any]:
    """`constraint_violations.json` of a model quality job: what labelled rows say, where it warns or fails."""
    return {"violations": list(_quality(verdict))}


def _about_quality(finding: Finding) -> bool:
    return finding.about_performance or finding.check in NUMBER_CHECKS


def _quality(verdict: Verdict) -> Iterator[dict[str, Any]]:
    for finding in verdict.of_status(Status.FAIL, Status.WARN):
        measured, limit = finding.measurement, finding.limit
        if not _about_quality(finding) or measured is None or measured.value is None or limit is None:
            continue
        operator = "LessThanThreshold" if measured.value < limit else "GreaterThanThreshold"
        name = _METRIC_NAMES.get(measured.name, measured.name)
        error = measured.standard_error
        if error is None and measured.low is not None and measured.high is not None:
            error = (measured.high - measured.low) / (2 * 1.96)
        spread = "NaN" if error is None else error
        text = f"Metric {name} with {measured.value} +/- {spread} was {operator} '{limit}'"
        yield {"constraint_check_type": operator, "description": text, "metric_name": name}
