"""Labels that correct what is expected of rows without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitoring.measure.class_calibration import ClassRows
from monitoring.measure.label_strata import LabelStrata


def rows_of(random: np.random.Generator, rows: int, rate: Any) -> tuple[ClassRows, Any, Any]:
    """Predictions of two classes, and labels that are right with a rate; half was expected to be."""
    predictions = random.integers(0, 2, rows)
    confidence = random.random(rows)
    labels = np.where(random.random(rows) < rate(predictions, confidence), predictions, 1 - predictions)
    expected = np.tile([0.5, 0.5, 0.0], (rows, 1))
    return ClassRows.of(predictions, confidence), labels, expected


def test_rows_with_a_label_are_certain_and_others_are_corrected_by_stratum() -> None:
    random = np.random.default_rng(1)
    rows, labels, expected = rows_of(random, 4000, lambda p, s: np.where(p == 0, 0.9, 0.2 + 0.6 * s))
    given = np.where(random.random(4000) < 0.5, labels, -1)
    strata = LabelStrata.of(rows, given, expected)
    known = given >= 0
    assert np.array_equal(strata.labels[known], np.eye(3)[labels[known]])
    assert strata.labels.sum(axis=1) == pytest.approx(1.0)
    assert len(np.unique(strata.stratum)) == 8
    first = ~known & (rows.predictions == 0)
    assert strata.labels[first, 0].mean() == pytest.approx(0.9, abs=0.03)
    sure = ~known & (rows.predictions == 1) & (rows.confidence > 0.75)
    assert strata.labels[sure, 1].mean() == pytest.approx(0.2 + 0.6 * 0.875, abs=0.07)


def test_few_labels_are_taken_together_as_how_often_predictions_are_right() -> None:
    random = np.random.default_rng(2)
    rows, labels, expected = rows_of(random, 2000, lambda p, s: 0.8)
    given = np.full(2000, -1)
    given[:50] = labels[:50]
    strata = LabelStrata.of(rows, given, expected)
    assert set(strata.stratum) == {0}
    more = (labels[:50] == rows.predictions[:50]).mean() - 0.5
    right = strata.labels[np.arange(2000), rows.predictions][50:]
    assert right == pytest.approx(0.5 + more)
    assert strata.labels.sum(axis=1) == pytest.approx(1.0)
    assert (strata.labels[:, 2] == 0).all()


def test_a_class_whose_labels_come_late_is_more_frequent_among_rows_without_one() -> None:
    random = np.random.default_rng(3)
    rows, labels, expected = rows_of(random, 20_000, lambda p, s: np.where(p == 0, 0.7, 0.6))
    completeness = np.array([0.2, 0.8, 1.0])
    given = np.where(random.random(20_000) < completeness[labels], labels, -1)
    strata = LabelStrata.of(rows, given, expected, completeness)
    assert strata.labels[:, 0].mean() == pytest.approx((labels == 0).mean(), abs=0.01)
    alike = LabelStrata.of(rows, given, expected, np.full(3, 0.5))
    assert alike.labels[:, 0].mean() < (labels == 0).mean() - 0.1


def test_what_is_weighed_otherwise_within_a_stratum_is_settled() -> None:
    """A number that counts rows by their confidence is right, though the correction of a stratum knows of none."""
    random = np.random.default_rng(4)
    found, errors = [], []
    for _ in range(200):
        rows, labels, expected = rows_of(random, 400, lambda p, s: s)
        given = np.where(random.random(400) < 0.15, labels, -1)
        strata = LabelStrata.of(rows, given, expected)
        gradient = np.zeros((400, 3))
        gradient[np.arange(400), rows.predictions] = rows.confidence / 400
        more, variance = strata.settle(gradient, np.arange(400), np.ones(400))
        value = (strata.labels * gradient).sum() + more
        found.append(value - (rows.confidence * (labels == rows.predictions)).mean())
        errors.append(np.sqrt(variance))
    assert np.mean(found) == pytest.approx(0.0, abs=3 * np.std(found) / np.sqrt(200))
    assert np.mean(np.abs(found) < 1.96 * np.array(errors)) > 0.9
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.25)


@pytest.mark.parametrize("same", [0.3, np.nan])
def test_confidences_that_tell_nothing_make_one_stratum(same: float) -> None:
    rows = ClassRows.of(np.zeros(300, int), np.full(300, same))
    given = np.where(np.arange(300) < 200, 0, -1)
    strata = LabelStrata.of(rows, given, np.tile([0.5, 0.5, 0.0], (300, 1)))
    assert len(set(strata.stratum)) == 1
    assert strata.labels[200:, 0] == pytest.approx(1.0)
