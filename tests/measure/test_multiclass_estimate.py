"""What a classifier of several classes is worth before and while labels come."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from monitoring.measure.class_calibration import ClassCalibration, ClassRows
from monitoring.measure.multiclass_estimate import FEWEST_LABELS, UNLABELLED, combined, concept_gap, estimated
from monitoring.measure.performance import performance
from monitoring.profile.multiclass import MulticlassProfile
from tests.measure.class_samples import draw, names

WINDOWS = 100
ROWS = 500
LEFT_OUT = {"expected_calibration_error", "classwise_calibration_error", "unknown_labels"}


@cache
def calibrations(given: bool) -> list[ClassCalibration]:
    """Of several references, so that their chance counts, too."""
    found = []
    for seed in range(10):
        predictions, labels, p = draw(np.random.default_rng(1000 + seed), 2000, sure=1.3)
        fitted = ClassCalibration.fit(names(3), predictions, labels, p.max(axis=1), p if given else None)
        assert fitted is not None
        found.append(fitted)
    return found


def window(seed: int, given: bool = True, rows: int = ROWS, **changes: Any) -> tuple[ClassRows, Any, Any]:
    predictions, labels, p = draw(np.random.default_rng(seed), rows, sure=1.3, **changes)
    found = ClassRows.of(predictions, p.max(axis=1), p if given else None)
    return found, labels, performance(MulticlassProfile.of(names(3), predictions, labels, found.probabilities))


def shares_held(runs: list[tuple[Any, Any]]) -> dict[str, float]:
    """How often the interval of each number held what was realised."""
    names_ = [name for name, number in runs[0][0].items() if number.low is not None]
    return {
        name: float(np.mean([found[name].low <= real[name].value <= found[name].high for found, real in runs]))
        for name in names_
        if not name.startswith("mean_score")
    }


@pytest.mark.parametrize("given", [True, False])
def test_intervals_of_estimates_hold_what_is_realised(given: bool) -> None:
    runs = []
    for seed in range(WINDOWS):
        rows, _, realised = window(seed, given, shift=0.4)
        runs.append((estimated(rows, calibrations(given)[seed % 10]), realised))
    held = shares_held(runs)
    assert len(held) == (28 if given else 22)
    assert min(held.values()) >= 0.86, held
    assert 0.92 < np.mean(list(held.values())) < 0.99


@pytest.mark.parametrize("late", [False, True])
def test_intervals_of_combined_numbers_hold_though_the_relation_has_changed(late: bool) -> None:
    runs = []
    for seed in range(WINDOWS):
        rows, labels, realised = window(seed, concept=0.6)
        completeness = np.array([0.2 if late else 0.4, 0.4, 0.4, 0.4])
        known = np.random.default_rng(seed + 500).random(ROWS) < completeness[labels]
        given = np.where(known, labels, UNLABELLED)
        runs.append((combined(rows, given, calibrations(True)[seed % 10], completeness if late else None), realised))
    held = shares_held(runs)
    assert min(held.values()) >= 0.84, held
    assert 0.91 < np.mean(list(held.values())) < 0.99


def test_intervals_shrink_to_what_is_realised() -> None:
    rows, labels, realised = window(3)
    calibration = calibrations(True)[0]
    assert combined(rows, labels, calibration) == realised
    first = np.where(np.arange(ROWS) < FEWEST_LABELS - 1, labels, UNLABELLED)
    assert combined(rows, first, calibration) == estimated(rows, calibration)
    widths = []
    for share in (0.2, 0.5, 0.9, 0.99):
        given = np.where(np.arange(ROWS) < share * ROWS, labels, UNLABELLED)
        number = combined(rows, given, calibration)["accuracy"]
        assert f"{int(share * ROWS)} of 500 rows are labelled" in number.method
        widths.append(number.high - number.low)  # type: ignore[operator]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.03


def test_labels_that_all_come_as_late_tell_nothing_of_those_that_are_missing() -> None:
    rows, labels, _ = window(6)
    given = np.where(np.random.default_rng(6).random(ROWS) < 0.3, labels, UNLABELLED)
    calibration = calibrations(True)[0]
    same = np.array([0.98, 0.98, 0.98, 1.0])
    assert combined(rows, given, calibration, same) == combined(rows, given, calibration)


def test_estimates_are_named_as_what_is_realised() -> None:
    rows, _, realised = window(4)
    found = estimated(rows, calibrations(True)[0])
    assert set(realised) - set(found) == LEFT_OUT
    assert all(found[name].direction == realised[name].direction for name in found)
    assert "assumes that the relation of inputs and labels has not changed" in found["accuracy"].method
    # what needs no label is known
    assert found["mean_score:c1"].value == pytest.approx(realised["mean_score:c1"].value, abs=1e-9)
    assert found["mean_score:c1"].low == found["mean_score:c1"].high


def test_labels_of_unknown_classes_count_as_wrong() -> None:
    rows, labels, _ = window(5)
    labels[::10] = 3
    realised = performance(MulticlassProfile.of(names(3), rows.predictions, labels, rows.probabilities))
    given = np.where(np.random.default_rng(5).random(ROWS) < 0.7, labels, UNLABELLED)
    found = combined(rows, given, calibrations(True)[0])["accuracy"]
    assert found.low < realised["accuracy"].value < found.high  # type: ignore[operator]


def test_a_gap_is_silent_while_only_inputs_move_and_speaks_when_the_relation_changes() -> None:
    quiet, loud = [], []
    for seed in range(60):
        rows, labels, _ = window(seed, shift=0.4)
        quiet.append(concept_gap(rows, labels, calibrations(True)[seed % 10])["accuracy"].p_value < 0.05)  # type: ignore[operator]
        rows, labels, _ = window(seed, concept=0.5)
        gap = concept_gap(rows, labels, calibrations(True)[seed % 10])["accuracy"]
        loud.append(gap.p_value < 0.05 and gap.high < 0)  # type: ignore[operator]
    assert np.mean(quiet) <= 0.12
    assert np.mean(loud) > 0.9


def test_a_gap_does_not_take_late_labels_for_a_change() -> None:
    rows, labels, _ = window(9, rows=6000)
    completeness = np.array([0.2, 0.9, 0.9, 0.9])
    known = np.random.default_rng(9).random(6000) < completeness[labels]
    args = (rows.take(known), labels[known], calibrations(True)[1])
    assert concept_gap(*args)["base_rate:c0"].p_value < 1e-6  # type: ignore[operator]
    assert concept_gap(*args, completeness)["base_rate:c0"].p_value > 0.01  # type: ignore[operator]


def test_many_rows_are_as_sure_as_all_of_them() -> None:
    rows, _, _ = window(11, rows=60_000)
    calibration = calibrations(True)[0]
    found = estimated(rows, calibration)["f1_macro"]
    few = estimated(rows.take(np.arange(15_000)), calibration)["f1_macro"]
    # labels vary four times less, the maps as much
    assert found.standard_error < few.standard_error  # type: ignore[operator]
    q = calibration.distributions(rows)
    right = q[np.arange(60_000), rows.predictions]
    accuracy = estimated(rows, calibration)["accuracy"]
    assert accuracy.standard_error > np.sqrt((right * (1 - right)).sum()) / 60_000  # type: ignore[operator]


# NannyML 0.13.1, CBPE with its defaults, on the second half of the rows, the first half being its reference
NANNYML = {
    "softmax": {
        "accuracy": 0.662497,
        "f1_macro": 0.626495,
        "precision_macro": 0.644781,
        "recall_macro": 0.617395,
        "roc_auc_macro": 0.821333,
    },
    "moved": {
        "accuracy": 0.526317,
        "f1_macro": 0.415916,
        "precision_macro": 0.473595,
        "recall_macro": 0.403219,
        "roc_auc_macro": 0.781243,
    },
}


def _data(kind: str) -> tuple[Any, Any, Any]:
    if kind == "softmax":
        random = np.random.default_rng(1)
        logits = random.normal([0.6, -0.1, -0.5], 1.2, (20_000, 3))
        labels, p = (logits + random.gumbel(size=logits.shape)).argmax(axis=1), np.exp(1.3 * logits)
    else:
        random = np.random.default_rng(2)
        logits = random.normal(np.linspace(0.5, -1, 5), 1.0, (30_000, 5))
        logits[15_000:, 1] += 0.7
        labels, p = (logits + random.gumbel(size=logits.shape)).argmax(axis=1), np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    return p.argmax(axis=1), labels, p


@pytest.mark.parametrize("kind", NANNYML)
def test_against_nannyml(kind: str) -> None:
    predictions, labels, p = _data(kind)
    half = len(labels) // 2
    calibration = ClassCalibration.fit(names(p.shape[1]), predictions[:half], labels[:half], None, p[:half])
    assert calibration is not None
    found = estimated(ClassRows.of(predictions[half:], None, p[half:]), calibration)
    for name, number in NANNYML[kind].items():
        assert found[name].value == pytest.approx(number, abs=0.005), name
