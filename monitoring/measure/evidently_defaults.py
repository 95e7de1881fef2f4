"""What Evidently 0.7.23 says of drift if nothing is configured: its test for each column, and its data set drift.

The test and its threshold follow from the kind of column, the rows of the reference and the distinct values: see
`monitoring.measure.evidently.default_method`. The data set has drifted where half of its columns have.
https://docs.evidentlyai.com/metrics/explainer_drift
"""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.measure.drift import STATISTICS, drift
from monitoring.measure.evidently import default_method
from monitoring.profile import WindowProfile
from monitoring.profile.distribution import Distribution

# What the score is called among the columns
PREDICTION = "(prediction)"
_DATASET_SHARE = 0.5


@dataclass(frozen=True)
class DefaultDrift:
    """What Evidently's default tests say of some rows.

    Attributes:
        columns: How many columns are compared, the prediction included.
        drifted: Those that have drifted, by name.
    """

    columns: int
    drifted: tuple[str, ...]

    @property
    def dataset(self) -> bool:
        """Whether the data set has drifted."""
        return dataset_drifts(len(self.drifted), self.columns)


def dataset_drifts(drifted: int, columns: int) -> bool:
    """Whether so many drifted columns are a drifted data set.

    >>> dataset_drifts(1, 2), dataset_drifts(9, 20)
    (True, False)
    """
    return columns > 0 and drifted >= _DATASET_SHARE * columns


def column_drifts(reference: Distribution, current: Distribution) -> bool:
    """Whether a column has drifted; one whose score is not defined has not.

    Args:
        reference: What it is compared with.
        current: The rows in question.
    """
    method = default_method(reference, current)
    formula = STATISTICS[method].evidently
    value = drift(method, reference, current, "evidently").value
    return formula is not None and value is not None and formula.says_drift(value)


def default_drift(reference: WindowProfile, current: WindowProfile) -> DefaultDrift:
    """What Evidently's default tests say of a window.

    A feature or a score without any value on one side is left out: Evidently stops there with an error.

    Args:
        reference: The baseline.
        current: The window, on the same bins.
    """
    sides = {name: (reference.distribution(name), current.distribution(name)) for name in reference.features}
    sides[PREDICTION] = (reference.score_distribution(), current.score_distribution())
    there = {name: pair for name, pair in sides.items() if all(side.n for side in pair)}
    return DefaultDrift(len(there), tuple(name for name, pair in there.items() if column_drifts(*pair)))
