"""The distribution of a label that a reference leads to expect."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from monitoring.measure.class_calibration import ClassCalibration, ClassRows
from tests.measure.class_samples import draw, names


def fitted(rows: int, classes: int, *, given: bool, sure: float = 1.0) -> tuple[ClassCalibration, ClassRows, Any]:
    predictions, labels, p = draw(np.random.default_rng(5), rows, classes, sure=sure)
    found = ClassRows.of(predictions, p.max(axis=1), p if given else None)
    calibration = ClassCalibration.fit(names(classes), predictions, labels, found.confidence, found.probabilities)
    assert calibration is not None
    return calibration, found, labels


@pytest.mark.parametrize("given", [True, False])
def test_distributions_are_those_of_the_reference(given: bool) -> None:
    calibration, rows, labels = fitted(4000, 4, given=given, sure=1.5)
    q = calibration.distributions(rows)
    assert q.shape == (4000, 5)
    assert q.sum(axis=1) == pytest.approx(1.0)
    assert (q[:, -1] == 0).all()
    assert q.min() >= 0
    for place in range(4):
        mine = rows.predictions == place
        counts = np.bincount(labels[mine], minlength=5)
        assert q[mine].sum(axis=0) == pytest.approx(counts, abs=0.02 * mine.sum() + 4)


@pytest.mark.parametrize("given", [True, False])
def test_what_is_kept_says_the_same(given: bool) -> None:
    calibration, rows, _ = fitted(2000, 3, given=given)
    text = json.dumps(calibration.to_json())
    again = ClassCalibration.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    assert again.rows == calibration.rows == 2000
    assert np.array_equal(again.distributions(rows), calibration.distributions(rows))


def test_many_classes_do_not_make_it_too_sure() -> None:
    calibration, rows, labels = fitted(4000, 10, given=True, sure=1.8)
    right = calibration.distributions(rows)[np.arange(4000), rows.predictions].mean()
    # each map alone, normalised, says 0.02 more
    assert right == pytest.approx((rows.predictions == labels).mean(), abs=0.004)


def test_too_few_rows() -> None:
    predictions, labels, p = draw(np.random.default_rng(1), 99)
    assert ClassCalibration.fit(names(3), predictions, labels, None, p) is None
    assert ClassCalibration.fit(names(3), np.zeros(500, int), np.full(500, 3)) is None


def test_a_class_with_few_rows_has_the_map_of_all_such_and_its_own_odds() -> None:
    random = np.random.default_rng(2)
    predictions = np.repeat([0, 1, 2], [2000, 60, 0])
    confidence = random.random(2060)
    rate = np.where(predictions == 0, confidence, confidence**3)
    labels = np.where(random.random(2060) < rate, predictions, 2)
    calibration = ClassCalibration.fit(names(3), predictions, labels, confidence)
    assert calibration is not None
    assert len(calibration.maps) == 2
    assert calibration.odds[0] == 1.0
    assert calibration.odds[1] < 0.6
    q = calibration.distributions(ClassRows.of(np.array([0, 1, 2]), np.full(3, 0.5)))
    assert q[0, 0] == pytest.approx(0.5, abs=0.1)
    assert 0.05 < q[1, 1] < q[0, 0] - 0.1
    assert q[0, 2] > 0.3
    assert calibration.odds_variance[2] > calibration.odds_variance[1] > 0


def test_without_any_score_the_rate_of_each_predicted_class_counts() -> None:
    predictions = np.repeat([0, 1], 500)
    labels = np.where(np.arange(1000) % 10 < np.where(predictions == 0, 9, 5), predictions, 1 - predictions)
    calibration = ClassCalibration.fit(names(2), predictions, labels)
    assert calibration is not None
    q = calibration.distributions(ClassRows.of(np.array([0, 1, 2])))
    assert q[:2] == pytest.approx(np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0]]), abs=0.01)
    # what is predicted is no known class: the labels of all rows
    assert q[2].sum() == pytest.approx(1.0)


def test_rows_without_probabilities_have_the_labels_of_their_predicted_class() -> None:
    calibration, rows, _ = fitted(4000, 3, given=True)
    p = np.array([[np.nan, 0.5, 0.5], [2.0, 0.0, 0.0]])
    q = calibration.distributions(ClassRows.of(np.array([1, 3]), None, p))
    assert q[0, :3] == pytest.approx(calibration.confusion[1] / calibration.confusion[1].sum(), abs=0.01)
    assert q[1, :3] == pytest.approx(calibration.confusion.sum(axis=0) / 4000)
    assert rows.valid().all()


def test_how_much_a_reference_tells() -> None:
    """The spread of an expectation over references is what the sensitivity says."""
    predictions, _, p = draw(np.random.default_rng(0), 800, shift=0.4)
    rows = ClassRows.of(predictions, None, p)
    values, said = [], []
    for seed in range(25):
        reference = draw(np.random.default_rng(100 + seed), 1500)
        calibration = ClassCalibration.fit(names(3), reference[0], reference[1], None, reference[2])
        assert calibration is not None
        q = calibration.distributions(rows)
        values.append(q[np.arange(800), predictions].mean())
        gradient = np.zeros((800, 4))
        gradient[np.arange(800), predictions] = 1 / 800
        said.append(calibration.sensitivity(rows, np.ones(800)).of_reference(gradient))
    assert np.sqrt(np.mean(said)) == pytest.approx(np.std(values), rel=0.45)
