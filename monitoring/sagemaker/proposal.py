"""From SageMaker's constraints and statistics to the blocks `columns` and `checks` of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from monitoring.capture.inspect.text import quoted
from monitoring.config import ModelConfig
from monitoring.sagemaker.distances import least_jensen_shannon
from monitoring.sagemaker.files import (
    NUMERIC_TYPES,
    Constraints,
    DistributionConstraints,
    FeatureConstraints,
    FeatureStatistics,
    MetricConstraint,
    Statistics,
)

_DIGITS = 9
_LESS, _GREATER = "LessThanThreshold", "GreaterThanThreshold"


def _same(threshold: float) -> float:
    return threshold


def _rest(threshold: float) -> float:
    return round(1 - threshold, _DIGITS)


# Which check holds a number of a model quality job, on which side it is bad, and what the threshold is there
_Held = tuple[str, str, Callable[[float], float]]
_BINARY: dict[str, _Held] = {
    "auc": ("ranking", _LESS, _same),
    "accuracy": ("binary_accuracy", _LESS, _same),
    "precision": ("precision", _LESS, _same),
    "recall": ("recall", _LESS, _same),
    "true_positive_rate": ("recall", _LESS, _same),
    "false_negative_rate": ("recall", _GREATER, _rest),
    "f0_5": ("f0_5", _LESS, _same),
    "f1": ("f1", _LESS, _same),
    "f2": ("f2", _LESS, _same),
}
_MULTICLASS: dict[str, _Held] = {
    "accuracy": ("accuracy", _LESS, _same),
    **{f"weighted_{name}": (f"{name}_weighted", _LESS, _same) for name in ("precision", "recall", "f0_5", "f1", "f2")},
}
_REGRESSION: dict[str, _Held] = {
    "mae": ("error", _GREATER, _same),
    "rmse": ("rmse", _GREATER, _same),
    "mse": ("rmse", _GREATER, math.sqrt),
    "r2": ("r2", _LESS, _same),
}
METRIC_CHECKS = {"binary": _BINARY, "multiclass": _MULTICLASS, "regression": _REGRESSION}
_DATA_CHECKS = ("schema", "nulls", "mismatch", "unseen", "feature_drift")


@dataclass
class Proposal:
    """What the files come to, as YAML.

    Attributes:
        task: The model's task; empty where the files do not tell.
        features: Type of each column that is a feature, or may be one.
        checks: Settings of each check that is not left as it is.
        remarks: What to know of a check or a feature, by its name.
        notes: What could not be carried over, and why.
    """

    task: str = ""
    features: dict[str, str] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The YAML of the two blocks, with comments."""
        return "\n".join([*self._columns(), *self._checks(), *self._left()]) + "\n"

    def _columns(self) -> Iterator[str]:
        if not self.task and not self.features:
            return
        yield "columns:"
        yield from [f"  task: {self.task}"] if self.task else []
        yield from ["  features:"] if self.features else []
        for name, kind in self.features.items():
            yield f"    {quoted(name)}: {kind}{self._remark(name)}"

    def _checks(self) -> Iterator[str]:
        yield "checks:" if self.checks else "checks: {}   # the files ask for nothing that is not a default"
        for name, settings in self.checks.items():
            yield f"  {name}:{self._remark(name)}"
            for key, value in settings.items():
                yield f"    {key}: {value}"

    def _remark(self, name: str) -> str:
        return f"   # {self.remarks[name]}" if name in self.remarks else ""

    def _left(self) -> Iterator[str]:
        if self.notes:
            yield "# Not carried over, or not as it was:"
            yield from (f"# - {note}" for note in self.notes)


def propose(
    constraints: Constraints | None, statistics: Statistics | None, config: ModelConfig, *, freezes: bool = False
) -> Proposal:
    """What SageMaker's files come to in a model's YAML.

    Args:
        constraints: `constraints.json`, if there is one.
        statistics: `statistics.json`, if there is one.
        config: The model as it is: which columns are its score and its label, and what type its features have.
        freezes: Whether the statistics become the baseline.
    """
    found = Proposal()
    columns: list[FeatureConstraints] | list[FeatureStatistics] = []
    if constraints and constraints.features:
        columns = constraints.features
    elif statistics:
        columns = statistics.features
    _features(found, columns, config)
    if constraints is not None and constraints.features:
        _data_quality(found, constraints, statistics)
    for task, metrics in (constraints.model_quality if constraints else {}).items():
        found.task = task
        for name, metric in metrics.items():
            _metric(found, name, metric, task)
        found.notes.append(
            "SageMaker suggests the baseline's own values as thresholds, without a margin: about half of all windows"
            " are beyond each although nothing has changed. Without their limits ranking, accuracy and error are held"
            " to the baseline, at a promised rate of false alarms."
        )
    if freezes and statistics is not None:
        _without_rows(found, statistics, config)
    return found


def outputs_of(config: ModelConfig) -> dict[str, str]:
    """Columns of a data set that are no features of a model, and what they are."""
    columns, baseline = config.columns, config.baseline
    found = dict.fromkeys(columns.answers, "an answer of the model")
    if baseline is not None:
        found |= {baseline.score: "the score", baseline.label: "the label", baseline.time: "the time"}
    return {name: what for name, what in found.items() if name not in columns.features}


def _features(
    found: Proposal, columns: list[FeatureConstraints] | list[FeatureStatistics], config: ModelConfig
) -> None:
    declared, outputs = config.columns.features, outputs_of(config)
    for column in columns:
        name = column.name
        if name in outputs:
            found.notes.append(f"{name} is {outputs[name]} of {config.name}, and no feature.")
            continue
        likely = "numeric" if column.inferred_type in NUMERIC_TYPES else "categorical"
        kind = declared.get(name, likely)
        found.features[name] = kind
        if name not in declared:
            found.remarks[name] = f"no feature of {config.name} as it is"
        elif kind != likely and column.inferred_type != "Unknown":
            found.remarks[name] = f"{column.inferred_type} there"
    absent = [name for name in declared if found.features and name not in found.features]
    if absent:
        found.notes.append(f"Features of {config.name} that are not in the files: {', '.join(absent)}.")


def _data_quality(found: Proposal, constraints: Constraints, statistics: Statistics | None) -> None:
    settings = constraints.monitoring_config
    if settings.evaluate_constraints == "Disabled":
        found.checks |= {name: {"severity": "off"} for name in _DATA_CHECKS}
        found.remarks["schema"] = "evaluate_constraints is Disabled: this check and the next four"
        return
    _completeness(found, constraints, statistics)
    _types(found, settings.datatype_check_threshold)
    within = settings.domain_content_threshold
    if within is not None and any(column.string_constraints.domains for column in constraints.features):
        found.checks["unseen"] = {"limit": round(1 - within, _DIGITS)}
        found.remarks["unseen"] = f"domain_content_threshold {within}"
    if settings.distribution_constraints is not None:
        _distributions(found, settings.distribution_constraints)
    off = [column.name for column in constraints.features if not column.evaluated]
    if off:
        hint = "a column that is not to be watched may stand under columns.ignored, or be dropped under columns.privacy"
        found.notes.append(f"evaluate_constraints is Disabled for {', '.join(off)}: {hint}.")
    signs = sum(column.num_constraints.is_non_negative is True for column in constraints.features)
    if signs:
        what = "no check of ours, and no violation of SageMaker's, looks at it"
        found.notes.append(f"is_non_negative of {signs} columns: {what}; a drift check sees values that are new.")


def _completeness(found: Proposal, constraints: Constraints, statistics: Statistics | None) -> None:
    asked = {c.name: c.completeness for c in constraints.features if c.completeness is not None}
    if not asked:
        return
    if len(set(asked.values())) == 1:
        share = next(iter(asked.values()))
        found.checks["nulls"] = {"limit": round(1 - share, _DIGITS)}
        found.remarks["nulls"] = f"completeness {share}; `limit: baseline` asks for more than noise"
        return
    found.checks["nulls"] = {"limit": "baseline", "tolerance": 0.0}
    found.remarks["nulls"] = "each column has its own completeness: that of the baseline"
    for name, share in asked.items():
        column = statistics.column(name) if statistics else None
        common = column.common if column else None
        if statistics is None:
            continue
        rows = statistics.dataset.item_count
        if common is not None and rows and abs(common.num_present / rows - share) > 1e-6:
            seen = f"the statistics have {common.num_present / rows:.6g}, which counts"
            found.notes.append(f"completeness {share} of {name}: {seen}, as `nulls` has one limit for all columns.")


def _types(found: Proposal, threshold: float | None) -> None:
    if threshold is not None:
        found.checks["mismatch"] = {"limit": round(1 - threshold, _DIGITS)}
        found.remarks["mismatch"] = f"datatype_check_threshold {threshold}"


def _distributions(found: Proposal, asked: DistributionConstraints) -> None:
    if asked.perform_comparison == "Disabled":
        found.checks["feature_drift"] = {"severity": "off"}
        found.remarks["feature_drift"] = "perform_comparison is Disabled"
        return
    numeric, categorical = asked.comparison_threshold, asked.categorical_comparison_threshold
    squared = asked.categorical_drift_method == "ChiSquared"
    if squared:
        found.notes.append("categorical_drift_method ChiSquared: its threshold is a p-value, and no distance.")
    distances = [value for value in (numeric, None if squared else categorical) if value is not None]
    if not distances:
        return
    least = min(distances)
    found.checks["feature_drift"] = {"tolerance": round(least_jensen_shannon(least), 4)}
    found.remarks["feature_drift"] = f"no change of {least} in SageMaker's distance is closer in ours"
    if len(set(distances)) > 1:
        found.notes.append(f"There is one tolerance of drift for all columns: {least} counts, not {max(distances)}.")


def _metric(found: Proposal, name: str, metric: MetricConstraint, task: str) -> None:
    check, operator, limit_of = METRIC_CHECKS[task].get(name, ("", "", _same))
    if not check:
        found.notes.append(f"{name} {_spelled(metric)}: it is not measured.")
        return
    if metric.threshold is None or (metric.threshold < 0 and name != "r2") or metric.comparison_operator != operator:
        found.notes.append(f"{name} {_spelled(metric)}: the check {check} has no such limit.")
        return
    limit, known = limit_of(metric.threshold), found.checks.get(check, {}).get("limit")
    strictest = min if task == "regression" and check != "r2" else max
    found.checks[check] = {"limit": limit if known is None else strictest(limit, known)}
    if name != check:
        found.remarks[check] = f"{found.remarks[check]}, {name}" if check in found.remarks else name


def _spelled(metric: MetricConstraint) -> str:
    return f"{metric.comparison_operator} {metric.threshold}"


def _without_rows(found: Proposal, statistics: Statistics, config: ModelConfig) -> None:
    """What a baseline cannot know that is made of a file of statistics."""
    found.notes.append(
        "The baseline has no rows: no labels, no performance, no sample for Evidently, and no spread between windows,"
        " so that limits come from tolerances alone."
    )
    found.notes.append("It has no time either: volume and gaps are not judged.")
    score = config.baseline.score if config.baseline else config.columns.score
    if score and statistics.column(score) is None:
        found.checks["prediction_drift"] = {"severity": "off"}
        found.remarks["prediction_drift"] = f"the statistics have no column {score}"
