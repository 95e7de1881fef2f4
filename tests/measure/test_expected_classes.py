"""Numbers of rows whose labels are distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitoring.measure.class_calibration import ClassRows
from monitoring.measure.expected_classes import ExpectedClasses
from monitoring.measure.performance import performance
from monitoring.profile.multiclass import MulticlassProfile
from tests.measure.class_samples import draw, names


def one_hot(labels: Any, classes: int) -> Any:
    return np.eye(classes + 1)[labels]


@pytest.mark.parametrize("given", [True, False])
def test_with_labels_they_are_the_realised_ones(given: bool) -> None:
    predictions, labels, p = draw(np.random.default_rng(1), 3000, 4)
    labels[:20], predictions[20:40] = 4, 4
    p[40:60] = np.nan
    p = p.round(2)  # with ties
    rows = ClassRows.of(predictions, None, p if given else None)
    found = ExpectedClasses(names(4), rows, one_hot(labels, 4), np.arange(0))
    realised = performance(MulticlassProfile.of(names(4), predictions, labels, rows.probabilities))
    left_out = {"expected_calibration_error", "classwise_calibration_error", "unknown_labels"}
    numbers = {number.name: number for number in found.numbers()}
    undefined = {name for name, number in realised.items() if number.value is None}
    assert set(realised) - set(numbers) == left_out | undefined
    for name, number in numbers.items():
        assert number.value == pytest.approx(realised[name].value, abs=1e-9), name
        assert (number.direction, number.rows) == (realised[name].direction, realised[name].rows), name


def test_areas_are_the_mean_over_labels() -> None:
    random = np.random.default_rng(2)
    predictions, _, p = draw(random, 150, 3)
    p = p.round(1)
    rows = ClassRows.of(predictions, None, p)
    q = np.column_stack([0.2 + 0.6 * p / p.sum(axis=1, keepdims=True), np.zeros(150)])
    q[:, :3] /= q[:, :3].sum(axis=1, keepdims=True)
    found = {n.name: n.value for n in ExpectedClasses(names(3), rows, q, np.arange(0)).numbers()}
    drawn: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(400):
        labels = (q[:, :3].cumsum(axis=1) < random.random((150, 1))).sum(axis=1)
        for n in ExpectedClasses(names(3), rows, one_hot(labels, 3), np.arange(0)).numbers():
            drawn[n.name].append(n.value if n.value is not None else np.nan)
    for name, value in found.items():
        assert value == pytest.approx(np.nanmean(drawn[name]), rel=0.01, abs=0.012), name


def test_gradients_are_what_a_label_moves() -> None:
    predictions, labels, p = draw(np.random.default_rng(3), 400, 3)
    rows = ClassRows.of(predictions, None, p)
    q = 0.5 * one_hot(labels, 3) + 0.5 * np.column_stack([p, np.zeros(400)])
    sample = np.array([7, 130, 399])
    gradients = {
        n.name: n.gradient() for n in ExpectedClasses(names(3), rows, q, sample).numbers() if n.kind != "known"
    }
    step = 1e-4
    for place, row in enumerate(sample):
        for to in (0, 2):
            moved = q.copy()
            moved[row, 1] -= step
            moved[row, to] += step
            after = {n.name: n.value for n in ExpectedClasses(names(3), rows, moved, sample).numbers()}
            before = {n.name: n.value for n in ExpectedClasses(names(3), rows, q, sample).numbers()}
            for name, gradient in gradients.items():
                change = (after[name] - before[name]) / step  # type: ignore[operator]
                # areas leave out what a row has to do with itself
                rel, absolute = (0.15, 4e-5) if "roc" in name or "average_precision" in name else (0.01, 1e-7)
                assert gradient[place, to] - gradient[place, 1] == pytest.approx(change, rel=rel, abs=absolute), name


def test_nothing_defines_nothing() -> None:
    rows = ClassRows.of(np.zeros(0, int), None, np.zeros((0, 2)))
    found = list(ExpectedClasses(names(2), rows, np.zeros((0, 3)), np.arange(0)).numbers())
    assert {number.value for number in found} == {None}
