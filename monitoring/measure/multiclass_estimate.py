"""What a classifier of several classes is worth before and while labels come.

`estimated` knows no labels, `combined` those of some rows. Both give the numbers that `performance` will give when
all labels are there, with an interval for what those will be.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from monitoring.measure.class_calibration import ClassCalibration, ClassRows, Sensitivity
from monitoring.measure.expected_classes import Expected, ExpectedClasses
from monitoring.measure.intervals import Z95, area, estimate, undefined
from monitoring.measure.label_strata import LabelStrata
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.multiclass import MulticlassProfile

# With fewer labels nothing is said about how they differ from what is expected
FEWEST_LABELS = 30
# The code of a row without a label
UNLABELLED = -1
# Variances are computed on at most so many rows, and so many numbers of them
_MOST_ROWS = 20_000
_MOST_NUMBERS = 400_000


def estimated(rows: ClassRows, calibration: ClassCalibration) -> dict[str, Measurement]:
    """Every number that needs no labels: its expectation, and where the realised one will lie.

    Confidence-based performance estimation (Kivimäki et al., arXiv 2407.08649). It assumes that rows alike have the
    labels that they had in the reference, and tells nothing of a relation that has changed. The interval holds the
    number that the labels will give in 95 % of windows: they are drawn from the distributions, and the maps were
    learned from a sample. Expected calibration errors and the share of unknown labels are left out: see
    `ExpectedClasses`.

    Args:
        rows: The rows of a window.
        calibration: What the reference has shown.
    """
    sample, weights = _sample(rows, np.ones(len(rows), bool), calibration)
    sensitivity = calibration.sensitivity(rows.take(sample), weights)
    whole = ExpectedClasses(calibration.classes, rows, calibration.distributions(rows), sample)
    return {
        number.name: _measured(number, _variance(number, sensitivity), f"{number.method}; {_assumes(calibration)}")
        for number in whole.numbers()
    }


def combined(
    rows: ClassRows, labels: IntArray, calibration: ClassCalibration, completeness: FloatArray | None = None
) -> dict[str, Measurement]:
    """Every number when some rows have labels: those count as they are, the others as the labels correct them.

    An unlabelled row counts with the distribution that is expected of it, plus what labels differ from the
    expectation on average in its stratum (prediction-powered inference, Angelopoulos et al., arXiv 2301.09633; by
    strata as in arXiv 2602.02229). Strata are predicted classes, cut by confidence where there are many labels. So
    the numbers are right whether or not the relation has changed, if labels of one class are missing at random in a
    stratum.

    Args:
        rows: The rows of a window, n of them, of c classes.
        labels: Shape (n,), places among the classes, c for an unknown one, `UNLABELLED` for none.
        calibration: What the reference has shown.
        completeness: The share of the labels of each class that is expected to be known by now, the last for unknown
            classes; shape (c + 1,). The same for all classes says no more than None.

    Returns:
        What `performance` gives if all rows have labels, what `estimated` gives with fewer than `FEWEST_LABELS`.
    """
    known = np.asarray(labels) != UNLABELLED
    count = int(known.sum())
    if count == len(rows):
        return performance(
            MulticlassProfile.of(calibration.classes, rows.predictions, np.asarray(labels), rows.probabilities)
        )
    if count < FEWEST_LABELS:
        return estimated(rows, calibration)
    strata = LabelStrata.of(rows, np.asarray(labels), calibration.distributions(rows), completeness)
    both = [_sample(rows, wanted, calibration) for wanted in (known, ~known)]
    sample, weights = (np.concatenate(parts) for parts in zip(*both, strict=True))
    whole = ExpectedClasses(calibration.classes, rows, strata.labels, sample)
    method = f"{count} of {len(rows)} rows are labelled; the others are estimated, corrected by these labels"
    found = {}
    for number in whole.numbers():
        more, variance = strata.settle(number.gradient(), sample, weights) if _varies(number) else (0.0, 0.0)
        settled = number if number.value is None else replace(number, value=number.value + more)
        found[number.name] = _measured(settled, variance, f"{number.method}; {method}")
    return found


def concept_gap(
    rows: ClassRows, labels: IntArray, calibration: ClassCalibration, completeness: FloatArray | None = None
) -> dict[str, Measurement]:
    """Realised minus estimated numbers of the same labelled rows: what inputs that have moved cannot explain.

    The interval and the p-value take the labels as drawn from the distributions, and the maps as learned from a
    sample. So a gap beyond them says that the relation of inputs and labels is not that of the reference.

    Args:
        rows: Labelled rows.
        labels: Shape (n,), places among the classes, c for an unknown one.
        calibration: What the reference has shown.
        completeness: As in `combined`. Among labelled rows, classes whose labels come late are rarer than in all.
    """
    labels = np.asarray(labels)
    profile = MulticlassProfile.of(calibration.classes, rows.predictions, labels, rows.probabilities)
    realised = performance(profile)
    expected = calibration.distributions(rows)
    if completeness is not None:
        expected *= completeness
        expected /= expected.sum(axis=1, keepdims=True)
    sample, weights = _sample(rows, np.ones(len(rows), bool), calibration)
    sensitivity = calibration.sensitivity(rows.take(sample), weights)
    whole = ExpectedClasses(calibration.classes, rows, expected, sample)
    return {
        number.name: _gap(number, realised[number.name], _variance(number, sensitivity), calibration)
        for number in whole.numbers()
        if number.kind != "known"
    }


def _gap(number: Expected, realised: Measurement, variance: float, calibration: ClassCalibration) -> Measurement:
    method = f"{number.method}: realised minus {_assumes(calibration)}"
    if number.value is None or realised.value is None or variance <= 0:
        return undefined(number.name, realised.rows, number.direction, method)
    gap, error = realised.value - number.value, math.sqrt(variance)
    p_value = math.erfc(abs(gap) / error / math.sqrt(2))
    low, high = gap - Z95 * error, gap + Z95 * error
    return Measurement(
        number.name, gap, realised.rows, number.direction, method, low, high,
        reference_rows=calibration.rows, standard_error=error, p_value=p_value,
    )  # fmt: skip


def _assumes(calibration: ClassCalibration) -> str:
    source = "probabilities" if calibration.by_class else "confidences"
    return (
        f"estimated from {source} that {calibration.rows} labelled rows calibrate;"
        " assumes that the relation of inputs and labels has not changed"
    )


def _varies(number: Expected) -> bool:
    return number.value is not None and number.kind != "known"


def _variance(number: Expected, sensitivity: Sensitivity) -> float:
    if not _varies(number):
        return 0.0
    gradient = number.gradient()
    return sensitivity.of_labels(gradient) + sensitivity.of_reference(gradient)


def _measured(number: Expected, variance: float, method: str) -> Measurement:
    if number.value is None:
        return undefined(number.name, number.rows, number.direction, method)
    about = (variance, number.rows, number.direction, method)
    if number.kind == "mean":
        return estimate(number.name, max(number.value, 0.0), *about, lowest=0.0)
    if number.kind == "difference":
        return estimate(number.name, number.value, *about, lowest=-1.0, highest=1.0)
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
