"""What a classifier of several classes is worth before and while labels come.

`estimated` knows no labels, `combined` those of some rows. Both give the numbers that `performance` will give when
all labels are there, with an interval for what those will be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitoring.measure.class_calibration import ClassCalibration, ClassRows, Sensitivity
from monitoring.measure.expected_classes import Expected, ExpectedClasses
from monitoring.measure.intervals import Z95, area, estimate, undefined
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.multiclass import MulticlassProfile

# With fewer labels nothing is said about how they differ from what is expected
FEWEST_LABELS = 30
# The code of a row without a label
UNLABELLED = -1
# Strata have at least so many labelled rows; a predicted class is cut into at most so many by its confidence
STRATUM_ROWS = 30
MOST_STRATA = 4
# Variances are computed on at most so many rows, and so many numbers of them
_MOST_ROWS = 20_000
_MOST_NUMBERS = 400_000


def estimated(rows: ClassRows, calibration: ClassCalibration) -> dict[str, Measurement]:
    """Every number that does not need labels to be there: the expectation, and where the realised one will lie.

    Confidence-based performance estimation (Kivimäki et al., arXiv 2407.08649). It assumes that rows alike have the
    labels that they had in the reference, and tells nothing of a relation that has changed. The interval holds the
    number that the labels will give, in 95 % of windows: they are drawn from the distributions, and the maps were
    learned from a sample.

    Args:
        rows: The rows of a window.
        calibration: What the reference has shown.
    """
    sample, weights = _sample(rows, np.ones(len(rows), bool), calibration)
    sensitivity = calibration.sensitivity(rows.take(sample), weights)
    whole = ExpectedClasses(calibration.classes, rows, calibration.distributions(rows), sample)
    why = f"estimated from probabilities that {calibration.rows} labelled rows calibrate; assumes that the relation of inputs and labels has not changed"
    return {
        number.name: _measured(number, _variance(number, sensitivity), f"{number.method}; {why}")
        for number in whole.numbers()
    }


def _variance(number: Expected, sensitivity: Sensitivity) -> float:
    if number.value is None or number.kind == "known":
        return 0.0
    gradient = number.gradient()
    return sensitivity.of_labels(gradient) + sensitivity.of_reference(gradient)


def _measured(number: Expected, variance: float, method: str) -> Measurement:
    if number.value is None:
        return undefined(number.name, number.rows, number.direction, method)
    about = (variance, number.rows, number.direction, method)
    if number.kind == "mean":
        return estimate(number.name, max(number.value, 0.0), *about, lowest=0.0)
    value = min(max(number.value, 0.0), 1.0)
    if number.kind == "area" and 0 < value < 1:
        return area(number.name, value, *about)
    return estimate(number.name, value, *about, lowest=0.0, highest=1.0)


def _sample(rows: ClassRows, wanted: BoolArray, calibration: ClassCalibration) -> tuple[IntArray, FloatArray]:
    """Some of the wanted rows, of each predicted class evenly, and for how many each stands."""
    classes = len(calibration.classes)
    most = max(min(_MOST_ROWS, _MOST_NUMBERS // (classes + 1)) // (classes + 1), 1)
    places, weights = [], []
    at = np.flatnonzero(wanted)
    for code in range(classes + 1):
        mine = at[rows.predictions[at] == code]
        if len(mine):
            chosen = mine[np.linspace(0, len(mine) - 1, min(most, len(mine))).astype(np.int64)]
            places.append(chosen)
            weights.append(np.full(len(chosen), len(mine) / len(chosen)))
    if not places:
        return np.zeros(0, np.int64), np.zeros(0)
    return np.concatenate(places), np.concatenate(weights)
