"""Every performance number of a profile of labelled rows. To add one, add its function to a tuple below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

from monitoring.measure import binary, multiclass, ranking, regression
from monitoring.measure.intervals import Z95, proportion
from monitoring.measure.measurement import Measurement
from monitoring.measure.ranking import roc_auc
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.residuals import ResidualProfile

__all__ = ["BINARY", "MULTICLASS", "REGRESSION", "Z95", "per_class", "performance", "proportion", "roc_auc"]

BINARY: tuple[Callable[[OutcomeProfile], Measurement], ...] = (
    binary.base_rate,
    binary.mean_score,
    binary.calibration,
    binary.brier,
    binary.brier_skill,
    binary.log_loss,
    ranking.roc_auc,
    ranking.average_precision,
    ranking.pr_auc,
    binary.accuracy,
    binary.precision,
    binary.recall,
    partial(binary.f_beta, beta=0.5),
    partial(binary.f_beta, beta=1.0),
    partial(binary.f_beta, beta=2.0),
    binary.expected_calibration_error,
    binary.adaptive_calibration_error,
)
# Each gives one number, or several
MULTICLASS: tuple[Callable[[MulticlassProfile], Measurement | Iterator[Measurement]], ...] = (
    multiclass.accuracy,
    multiclass.averages,
    multiclass.brier,
    multiclass.log_loss,
    multiclass.areas,
    multiclass.calibration_errors,
    multiclass.priors,
)
REGRESSION: tuple[Callable[[ResidualProfile], Measurement], ...] = (
    regression.mean_actual,
    regression.mean_prediction,
    regression.bias,
    regression.mae,
    regression.rmse,
    regression.r2,
    regression.mape,
    *(partial(regression.error_quantile, share=share) for share in regression.QUANTILES),
    *(partial(regression.error_quantile, share=share, absolute=True) for share in regression.ABSOLUTE_QUANTILES),
)


def performance(outcomes: OutcomeProfile | MulticlassProfile | ResidualProfile) -> dict[str, Measurement]:
    """Every performance number, by name. One that these rows do not define has value None.

    Args:
        outcomes: Labelled rows of a binary classifier, a classifier of several classes, or a regression.

    >>> import numpy as np
    >>> scores, labels = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    >>> numbers = performance(OutcomeProfile.of(scores, scores >= 0.5, labels))
    >>> numbers["roc_auc"].value, round(numbers["brier"].value, 6)
    (0.75, 0.158125)
    """
    return dict(_by_name(outcomes))


# One look asks for the numbers of the same rows several times: to tell them, to judge them, to compare them
@lru_cache(maxsize=16)
def _by_name(outcomes: OutcomeProfile | MulticlassProfile | ResidualProfile) -> dict[str, Measurement]:
    return {number.name: number for number in _numbers(outcomes)}


def _numbers(outcomes: OutcomeProfile | MulticlassProfile | ResidualProfile) -> Iterator[Measurement]:
    if isinstance(outcomes, OutcomeProfile):
        yield from (measure(outcomes) for measure in BINARY)
    elif isinstance(outcomes, ResidualProfile):
        yield from (measure(outcomes) for measure in REGRESSION)
    else:
        for measure in MULTICLASS:
            found = measure(outcomes)
            yield from (found,) if isinstance(found, Measurement) else found


def per_class(outcomes: MulticlassProfile) -> dict[str, dict[str, Measurement]]:
    """For each class, every number of the class against the rest."""
    parts = zip(outcomes.classes, outcomes.one_vs_rest, strict=True)
    return {name: performance(part) for name, part in parts}
