"""Numbers of classifiers of several classes from binned state, against scikit-learn on all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from monitoring.measure.performance import per_class, performance
from monitoring.profile import OutcomeProfile
from monitoring.profile.multiclass import MulticlassProfile

CLASSES = ("ant", "bee", "cat", "dog")
BINNED, EXACT = 1e-4, 1e-11


def _rows(random: np.random.Generator, rows: int) -> tuple[Any, Any, Any]:
    """Predictions, labels and probabilities of a fair model; the last class is less frequent."""
    logits = random.normal([0.5, 0.3, 0.0, -1.0], 1.2, (rows, 4))
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    noisy = logits + random.gumbel(size=(rows, 4))
    return probabilities.argmax(axis=1), noisy.argmax(axis=1), probabilities


@pytest.mark.parametrize("seed", range(2))
def test_against_scikit_learn(seed: int) -> None:
    predictions, labels, p = _rows(np.random.default_rng(seed), 50_000)
    found = performance(MulticlassProfile.of(CLASSES, predictions, labels, p))
    expected = {
        "accuracy": metrics.accuracy_score(labels, predictions),
        "brier": ((p - np.eye(4)[labels]) ** 2).sum(axis=1).mean(),
        "log_loss": metrics.log_loss(labels, p),
        "unknown_labels": 0.0,
    }
    for average in ("macro", "weighted", "micro"):
        for name, beta in (("f0_5", 0.5), ("f1", 1), ("f2", 2)):
            expected[f"{name}_{average}"] = metrics.fbeta_score(labels, predictions, beta=beta, average=average)
        expected[f"precision_{average}"] = metrics.precision_score(labels, predictions, average=average)
        expected[f"recall_{average}"] = metrics.recall_score(labels, predictions, average=average)
    for name, number in expected.items():
        assert found[name].value == pytest.approx(number, abs=EXACT), name
    one_hot = np.eye(4)[labels]
    for average in ("macro", "weighted"):
        area = metrics.roc_auc_score(labels, p, multi_class="ovr", average=average)
        assert found[f"roc_auc_{average}"].value == pytest.approx(area, abs=BINNED)
        precision = metrics.average_precision_score(one_hot, p, average=average)
        assert found[f"average_precision_{average}"].value == pytest.approx(precision, abs=BINNED)
    for place, name in enumerate(CLASSES):
        assert found[f"base_rate:{name}"].value == pytest.approx((labels == place).mean(), abs=EXACT)
        assert found[f"mean_score:{name}"].value == pytest.approx(p[:, place].mean(), abs=EXACT)
    for name, number in found.items():
        if name != "unknown_labels":
            assert number.low < number.value < number.high, name  # type: ignore[operator]
    assert found["unknown_labels"].low == 0


def test_calibration_errors_are_those_of_confidence_and_of_classes() -> None:
    predictions, labels, p = _rows(np.random.default_rng(3), 5000)
    profile = MulticlassProfile.of(CLASSES, predictions, labels, p)
    found = performance(profile)
    chosen, right = p[np.arange(5000), predictions], predictions == labels
    alone = performance(OutcomeProfile.of(chosen, right, right))["expected_calibration_error"]
    assert found["expected_calibration_error"].value == alone.value
    each = [numbers["expected_calibration_error"].value for numbers in per_class(profile).values()]
    assert found["classwise_calibration_error"].value == pytest.approx(np.mean(each))  # type: ignore[arg-type]


def test_each_class_against_the_rest_is_a_binary_problem() -> None:
    predictions, labels, p = _rows(np.random.default_rng(1), 5000)
    found = per_class(MulticlassProfile.of(CLASSES, predictions, labels, p))
    assert list(found) == list(CLASSES)
    for place, name in enumerate(CLASSES):
        alone = performance(OutcomeProfile.of(p[:, place], predictions == place, labels == place))
        assert found[name] == alone


def test_unknown_classes_count_as_errors_and_have_no_probability() -> None:
    predictions, labels = np.array([0, 1, 4, 0]), np.array([0, 4, 1, 4])
    p = np.full((4, 4), 0.25)
    found = performance(MulticlassProfile.of(CLASSES, predictions, labels, p))
    assert found["accuracy"].value == 0.25
    assert (found["brier"].rows, found["accuracy"].rows) == (2, 4)
    assert found["unknown_labels"].value == 0.5
    # of ant, 1 of 2 predictions is right; of bee, none of 1; nothing else was predicted
    assert found["precision_macro"].value == 0.25
    assert found["recall_macro"].value == 0.5
    assert found["precision_micro"].value == pytest.approx(1 / 3)


def test_averages_are_over_the_classes_that_define_them() -> None:
    predictions, labels = np.array([0, 0, 1]), np.array([0, 1, 2])
    found = performance(MulticlassProfile.of(CLASSES, predictions, labels))
    for average in ("macro", "weighted"):
        expected = metrics.precision_score(labels, predictions, average=average, labels=range(4), zero_division=np.nan)
        assert found[f"precision_{average}"].value == pytest.approx(expected)
        expected = metrics.recall_score(labels, predictions, average=average, labels=range(4), zero_division=np.nan)
        assert found[f"recall_{average}"].value == pytest.approx(expected)


def test_without_probabilities_there_are_no_numbers_of_them() -> None:
    predictions, labels, _ = _rows(np.random.default_rng(1), 500)
    found = performance(MulticlassProfile.of(CLASSES, predictions, labels))
    undefined = {name for name, number in found.items() if number.value is None}
    assert undefined == {
        "brier", "log_loss", "roc_auc_macro", "roc_auc_weighted", "average_precision_macro",
        "average_precision_weighted", "expected_calibration_error", "classwise_calibration_error",
        *(f"mean_score:{name}" for name in CLASSES),
    }  # fmt: skip


def test_nothing_defines_nothing() -> None:
    found = performance(MulticlassProfile.empty(CLASSES))
    assert {number.value for number in found.values()} == {None}


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    whole = performance(MulticlassProfile.of(CLASSES, *_rows(np.random.default_rng(10**6), 10**6)))
    held = dict.fromkeys(whole, 0)
    values: dict[str, list[Any]] = {name: [] for name in whole}
    errors: dict[str, list[Any]] = {name: [] for name in whole}
    for seed in range(150):
        rows = _rows(np.random.default_rng(seed), 600)
        for name, number in performance(MulticlassProfile.of(CLASSES, *rows)).items():
            held[name] += number.low <= whole[name].value <= number.high  # type: ignore[operator]
            values[name].append(number.value)
            errors[name].append(number.standard_error)
    for name, hits in held.items():
        # areas and calibration errors have intervals that are at least as wide as they should be
        assert hits / 150 >= 0.9, name
        if not name.startswith(("roc_auc", "average_precision", "expected", "classwise", "unknown")):
            assert np.mean(errors[name]) == pytest.approx(np.std(values[name]), rel=0.2), name
