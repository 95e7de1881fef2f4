"""Words and numbers for people."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime

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
    Action.NONE: "Nothing to do",
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
    "unseen": "Unseen categories",
    "quarantine": "Unreadable records",
    "event_ids": "Event ids",
    "volume": "Volume",
    "gaps": "Silent hours",
    "errors": "Server errors",
    "feature_drift": "Feature drift",
    "prediction_drift": "Prediction drift",
    "label_coverage": "Label coverage",
    "worse_than_average": "Skill against the average",
    "ranking": "Ranking",
    "calibration": "Calibration",
    "data": "Records",
    "baseline": "Baseline",
}
NUMBER_WORDS: Mapping[str, str] = {
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
}
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
    """A measurement with its 95 % interval."""
    if measurement is None or measurement.value is None:
        return NOTHING
    if measurement.low is None or measurement.high is None:
        return number(measurement.value)
    return f"{number(measurement.value)} [{number(measurement.low)}, {number(measurement.high)}]"


def moment(value: datetime) -> str:
    """A moment in UTC, to the minute."""
    return value.strftime("%Y-%m-%d %H:%M UTC")


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
