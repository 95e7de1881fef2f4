"""Every measurement of a block of windows, by the key of the check that judges it.

The same functions measure production windows and, to learn the ordinary spread, blocks of the baseline.
"""

from __future__ import annotations

from monitoring.measure import quality as data
from monitoring.measure.binary import brier_skill, calibration
from monitoring.measure.drift import drift as distance
from monitoring.measure.measurement import Measurement
from monitoring.measure.multiclass import accuracy, calibrations
from monitoring.measure.ranking import roc_auc
from monitoring.measure.regression import bias, mae, r2
from monitoring.profile import CategoricalProfile, NumericProfile, OutcomeProfile, WindowProfile
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.residuals import ResidualProfile

# Between 0 and 1 whatever the unit, defined for both kinds of columns, nulls and new categories included
DRIFT_STATISTIC = "jensen_shannon"
# No more of them can be off by ten points, up or down, at once
_MOST_CLASSES = 20


def key(check: str, subject: str = "") -> str:
    """The key of a measurement: the check's, and the column's if it is about one.

    >>> key("feature_drift", "temp")
    'feature_drift:temp'
    """
    return f"{check}:{subject}" if subject else check


def drift(
    current: WindowProfile, reference: WindowProfile, *, contained: WindowProfile | None = None
) -> dict[str, Measurement]:
    """How far each feature and the score are from the reference.

    Args:
        current: The rows in question.
        reference: What they are compared with, on the same bins.
        contained: Rows to leave out of the reference: a block of the baseline is compared with the others.
    """
    found = {}
    for name in reference.features:
        ordinary = reference.distribution(name)
        if contained is not None:
            ordinary = ordinary.subtract(contained.distribution(name))  # type: ignore[arg-type]  # both of one kind
        found[key("feature_drift", name)] = distance(DRIFT_STATISTIC, ordinary, current.distribution(name))
    found["prediction_drift"] = prediction_drift(current, reference, contained=contained)
    return found


def prediction_drift(
    current: WindowProfile, reference: WindowProfile, *, contained: WindowProfile | None = None
) -> Measurement:
    """How far the score is from the reference; see `drift`."""
    scores = reference.score_distribution()
    if contained is not None:
        scores = scores.subtract(contained.score_distribution())
    return distance(DRIFT_STATISTIC, scores, current.score_distribution())


def quality(current: WindowProfile, ordinary_rows: float, hours: int) -> dict[str, Measurement]:
    """Completeness, domain, volume, gaps and errors of one window.

    Args:
        current: The window.
        ordinary_rows: Rows of an ordinary window.
        hours: Hours in the window.
    """
    found = {}
    for name, column in current.features.items():
        found[key("nulls", name)] = data.completeness(column)
        if isinstance(column, CategoricalProfile):
            found[key("unseen", name)] = data.unseen(column)
    found["volume"] = data.volume(current.rows, ordinary_rows)
    found["gaps"] = data.silent_hours(current, hours)
    errors = data.server_errors(current)
    if errors.value is not None:
        found["errors"] = errors
    return found


def faults(current: WindowProfile) -> dict[str, Measurement]:
    """What a window should have none of: values of another type, NaN and infinities."""
    found = {}
    for name, column in current.features.items():
        found[key("mismatch", name)] = data.mismatch(column)
        if isinstance(column, NumericProfile):
            found[key("nonfinite", name)] = data.nonfinite(column)
    return found


def outcome(outcomes: OutcomeProfile | MulticlassProfile | ResidualProfile) -> dict[str, Measurement]:
    """The performance measurements that checks judge, by check."""
    if isinstance(outcomes, MulticlassProfile):
        by_class = calibrations(outcomes, _MOST_CLASSES)
        return {"accuracy": accuracy(outcomes)} | {key("calibration", name): item for name, item in by_class.items()}
    if isinstance(outcomes, ResidualProfile):
        return {"error": mae(outcomes), "bias": bias(outcomes), "r2": r2(outcomes)}
    return {
        "worse_than_average": brier_skill(outcomes),
        "ranking": roc_auc(outcomes),
        "calibration": calibration(outcomes),
    }
