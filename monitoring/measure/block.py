"""Every measurement of a block of windows, by the key of the check that judges it.

The same functions measure production windows and, to learn the ordinary spread, blocks of the baseline.
"""

from __future__ import annotations

from monitoring.measure.drift import jensen_shannon
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance, proportion
from monitoring.profile import CategoricalProfile, OutcomeProfile, ProfileSpec, WindowProfile
from monitoring.profile.window import SCORE

SERVER_ERROR = 500


def key(check: str, subject: str = "") -> str:
    """The key of a measurement: the check's, and the column's if it is about one.

    >>> key("feature_drift", "temp")
    'feature_drift:temp'
    """
    return f"{check}:{subject}" if subject else check


def drift(
    current: WindowProfile, reference: WindowProfile, spec: ProfileSpec, *, contained: WindowProfile | None = None
) -> dict[str, Measurement]:
    """How far each feature and the score are from the reference.

    Args:
        current: The rows in question.
        reference: What they are compared with.
        spec: The edges of both.
        contained: Rows to leave out of the reference: a block of the baseline is compared with the others.
    """
    found = {}
    for name, column in spec.features.items():
        cells = reference.features[name].cells(column)
        if contained is not None:
            cells = _without(cells, contained.features[name].cells(column))
        found[key("feature_drift", name)] = jensen_shannon(cells, current.features[name].cells(column))
    cells = reference.score.cells(SCORE)
    if contained is not None:
        cells = _without(cells, contained.score.cells(SCORE))
    found["prediction_drift"] = jensen_shannon(cells, current.score.cells(SCORE))
    return found


def _without(cells: dict[str, int], part: dict[str, int]) -> dict[str, int]:
    return {name: count - part[name] for name, count in cells.items()}


def quality(current: WindowProfile, ordinary_rows: float, hours: int) -> dict[str, Measurement]:
    """Completeness, domain, volume, gaps and errors of one window.

    Args:
        current: The window.
        ordinary_rows: Rows of an ordinary window.
        hours: Hours in the window.
    """
    found = {}
    for name, column in current.features.items():
        found[key("nulls", name)] = proportion("null_share", column.nulls, column.rows, "high", "share of nulls")
        if isinstance(column, CategoricalProfile):
            found[key("unseen", name)] = proportion(
                "unseen_share", column.unseen, column.rows, "high", "share of categories that the baseline has not"
            )
    volume = current.rows / ordinary_rows if ordinary_rows else None
    found["volume"] = Measurement("volume", volume, current.rows, "both", "rows / rows of an ordinary window")
    silent = hours - len(current.hours)
    found["gaps"] = Measurement("silent_hours", silent / hours, current.rows, "high", "share of hours without a record")
    answered = sum(current.statuses.values())
    if answered:
        errors = sum(n for status, n in current.statuses.items() if int(status) >= SERVER_ERROR)
        found["errors"] = proportion("error_share", errors, answered, "high", "share of responses with status 500+")
    return found


def outcome(outcomes: OutcomeProfile, threshold: float) -> dict[str, Measurement]:
    """The performance measurements that checks judge, by check."""
    numbers = performance(outcomes, threshold)
    return {
        "worse_than_average": numbers["brier_skill"],
        "ranking": numbers["roc_auc"],
        "calibration": numbers["calibration"],
    }
