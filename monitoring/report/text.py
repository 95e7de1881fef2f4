"""Words and numbers for people."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from datetime import datetime

from monitoring.config.capture import Task
from monitoring.decide.decision import Action, Veto
from monitoring.judge.verdict import Status
from monitoring.measure import Measurement

STATUS_WORDS: Mapping[str, str] = {
    Status.OK: "OK",
    Status.INFO: "EVIDENCE",
    Status.WARN: "WARNING",
    Status.FAIL: "FAIL",
    Status.UNKNOWN: "UNKNOWN",
}
# Beside the colour, for those who cannot tell colours apart
STATUS_MARKS: Mapping[str, str] = {Status.OK: "", Status.WARN: "!", Status.FAIL: "✕", Status.UNKNOWN: "?"}
ACTION_WORDS: Mapping[str, str] = {
    Action.NONE: "Neither a message nor retraining",
    Action.NOTIFY: "Notify: the model's state has changed",
    Action.RETRAIN: "Retraining was requested",
    Action.VETOED: "Retraining was not requested, although performance fails",
}
ACTION_SHORT: Mapping[str, str] = {
    Action.NONE: "–",
    Action.NOTIFY: "notify",
    Action.RETRAIN: "retrain",
    Action.VETOED: "vetoed",
}
VETO_WORDS: Mapping[str, str] = {
    Veto.NOT_CONFIGURED: "retraining is not configured",
    Veto.NOT_CONFIRMED: "not yet confirmed by enough windows",
    Veto.COOLDOWN: "within the cool-down after the last request",
    Veto.TOO_FEW_LABELS: "too few labelled rows to learn from",
    Veto.DATA_BROKEN: "the data are broken",
}
CHECK_WORDS: Mapping[str, str] = {
    "schema": "Schema",
    "nulls": "Nulls",
    "mismatch": "Values of another type",
    "nonfinite": "Values that are not finite",
    "out_of_range": "Values out of range",
    "constants": "Constant column",
    "staleness": "Stale column",
    "unseen": "Unseen categories",
    "quarantine": "Unreadable records",
    "event_ids": "Event ids",
    "duplicates": "Repeated records",
    "feed": "Feed",
    "volume": "Volume",
    "gaps": "Silent hours",
    "model_version": "Model version",
    "errors": "Server errors",
    "feature_drift": "Feature drift",
    "prediction_drift": "Prediction drift",
    "label_coverage": "Label coverage",
    "label_delay": "Delay of labels",
    "label_conflicts": "Conflicting labels",
    "unmatched_labels": "Labels without a record",
    "concept_drift": "Concept drift",
    "worse_than_average": "Skill against the average",
    "ranking": "Ranking",
    "calibration": "Calibration",
    "bias": "Bias",
    "scale": "Scale of values",
    "rows": "Too few rows",
    "labels": "Too few labels",
    "accuracy": "Accuracy",
    "error": "Size of errors",
    "loss": "Loss, window after window",
    "estimated_loss": "Expected loss, window after window",
    "segment_loss": "Loss of a segment",
    "segment_share": "Size of a segment",
    "segment_predictions": "Predictions for a segment",
    "fairness": "Fairness",
    "attribution_drift": "Drift of attributions",
    "data": "Records",
    "baseline": "Baseline",
}
# By task: what a table of performance has, in its order
NUMBER_WORDS: Mapping[Task, Mapping[str, str]] = {
    "binary": {
        "brier_skill": "Brier skill score",
        "roc_auc": "ROC AUC",
        "average_precision": "Average precision",
        "calibration": "Calibration (mean score minus rate)",
        "base_rate": "Rate of positive labels",
        "mean_score": "Mean score",
        "brier": "Brier score",
        "log_loss": "Log loss",
        "accuracy": "Accuracy",
        "precision": "Precision",
        "recall": "Recall",
        "f1": "F1",
        "expected_calibration_error": "Expected calibration error",
    },
    "multiclass": {
        "accuracy": "Accuracy",
        "precision_macro": "Precision, mean of classes",
        "recall_macro": "Recall, mean of classes",
        "f1_macro": "F1, mean of classes",
        "brier": "Brier score",
        "log_loss": "Log loss",
        "roc_auc_macro": "ROC AUC, mean of classes",
    },
    "regression": {
        "mae": "Mean absolute error",
        "rmse": "Root mean squared error",
        "r2": "R²",
        "bias": "Bias (prediction minus actual value)",
        "mape": "Mean absolute percentage error",
        "mean_prediction": "Mean prediction",
        "mean_actual": "Mean actual value",
    },
}
# By task: the numbers whose course is drawn, the main one first
MAIN_NUMBERS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "brier"),
    "multiclass": ("accuracy", "brier"),
    "regression": ("mae", "r2"),
}
# The checks that judge performance numbers, by task and number
CHECK_OF: Mapping[Task, Mapping[str, str]] = {
    "binary": {"brier_skill": "worse_than_average", "roc_auc": "ranking", "calibration": "calibration"},
    "multiclass": {"accuracy": "accuracy"},
    "regression": {"mae": "error", "bias": "bias"},
}
STAGE_WORDS: Mapping[str, str] = {
    "unknown": "Unknown",
    "estimated": "Estimated",
    "provisional": "Provisional",
    "final": "Final",
}
STAGE_MARKS: Mapping[str, str] = {"unknown": "?", "estimated": "○", "provisional": "◐", "final": "●"}
NOTHING = "–"


def esc(text: object) -> str:
    """Text for HTML, in elements and in quoted attributes."""
    return html.escape(str(text), quote=True)


def plotly_text(text: object) -> str:
    """Text for Plotly, which reads a subset of HTML in labels."""
    return html.escape(str(text), quote=False)


def number(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits, or a dash.

    >>> number(-0.13574), number(None)
    ('-0.136', '–')
    """
    return NOTHING if value is None else f"{value:.{digits}f}"


def short(value: float | None) -> str:
    """A number with four significant digits, or a dash."""
    return NOTHING if value is None else f"{value:.4g}"


def percent(value: float | None) -> str:
    """A share as a percentage, or a dash."""
    return NOTHING if value is None else f"{100 * value:.1f}%"


def with_interval(measurement: Measurement | None) -> str:
    """A measurement with its 95 % interval, to two digits of the interval's length.

    >>> with_interval(Measurement("mae", 12.3456, 9, "high", "", 11.5, 13.25)), with_interval(None)
    ('12.3 [11.5, 13.2]', '–')
    """
    if measurement is None or measurement.value is None:
        return NOTHING
    value, low, high = measurement.value, measurement.low, measurement.high
    if low is None or high is None:
        return short(value)
    digits = digits_of(high - low)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def digits_of(size: float) -> int:
    """Digits after the point that show two digits of a size, at most 9.

    >>> digits_of(0.044), digits_of(44.0), digits_of(0.0)
    (3, 0, 3)
    """
    return min(max(1 - math.floor(math.log10(size)), 0), 9) if size > 0 else 3


def signed(value: float | None, digits: int = 3) -> str:
    """A number with its sign, or a dash.

    >>> signed(0.1256), signed(-0.00001), signed(None)
    ('+0.126', '0.000', '–')
    """
    if value is None:
        return NOTHING
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


def age_in_words(hours: float) -> str:
    """An age: hours of up to two days, then days.

    >>> age_in_words(1.0), age_in_words(30.2), age_in_words(84.0)
    ('1 hour', '30 hours', '3.5 days')
    """
    if hours < 48:
        return plural(round(hours), "hour")
    return f"{f'{hours / 24:.1f}'.removesuffix('.0')} days"


def moment(value: datetime) -> str:
    """A moment in UTC, to the minute."""
    return value.strftime("%Y-%m-%d %H:%M UTC")


_MONTH, _YEAR = 30 * 24, 365 * 24
_MOST_YEARS = 1_000_000


def how_often(probability: float, hours: int) -> str:
    """How often something happens that has a probability in each window.

    Args:
        probability: Above 0, in one window.
        hours: Hours in a window.

    >>> how_often(0.01, 1), how_often(0.05, 24), how_often(0.0042, 24), how_often(1e-5, 24), how_often(0.0, 24)
    ('once in 4 days', 'once in 20 days', 'once in 8 months', 'once in 270 years', 'less than once in a million years')
    """
    if probability >= 1:
        return "in every window"
    time = hours / probability if probability > 0 else math.inf
    if time >= _MOST_YEARS * _YEAR:
        return "less than once in a million years"
    units = ((48, 1, "hour"), (60 * 24, 24, "day"), (24 * _MONTH, _MONTH, "month"), (math.inf, _YEAR, "year"))
    size, unit = next((size, unit) for most, size, unit in units if time < most)
    return f"once in {plural(max(round(float(f'{time / size:.2g}')), 1), unit)}"


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
