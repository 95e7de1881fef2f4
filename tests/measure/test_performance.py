"""Performance numbers against scikit-learn, published formulas and the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from monitoring.measure.performance import performance, proportion, roc_auc
from monitoring.profile import OutcomeProfile

Arrays = tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.bool_]]]
EXACT = 1e-12


def _sample(seed: int, rows: int = 400, digits: int = 17) -> Arrays:
    random = np.random.default_rng(seed)
    scores = random.beta(2, 3, rows).round(digits)
    return scores, random.random(rows) < scores**1.5


@pytest.mark.parametrize("digits", [1, 2, 17])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_against_scikit_learn(seed: int, digits: int, threshold: float) -> None:
    scores, labels = _sample(seed, digits=digits)
    found = performance(OutcomeProfile.of(scores, labels), threshold)
    predicted = scores >= threshold
    expected = {
        "base_rate": labels.mean(),
        "mean_score": scores.mean(),
        "calibration": scores.mean() - labels.mean(),
        "brier": metrics.brier_score_loss(labels, scores),
        "brier_skill": 1 - metrics.brier_score_loss(labels, scores) / labels.var(),
        "log_loss": metrics.log_loss(labels, np.clip(scores, 1e-15, 1 - 1e-15)),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted),
        "recall": metrics.recall_score(labels, predicted),
        "f1": metrics.f1_score(labels, predicted),
    }
    assert {name: number.value for name, number in found.items()} == pytest.approx(expected, abs=EXACT, rel=EXACT)
    assert {number.rows for name, number in found.items() if name not in ("precision", "recall")} == {400}
    assert (found["precision"].rows, found["recall"].rows) == (predicted.sum(), labels.sum())


def test_every_value_lies_in_its_interval() -> None:
    for name, number in performance(OutcomeProfile.of(*_sample(1)), 0.5).items():
        if name == "f1":
            assert number.low is None
        else:
            assert number.low < number.value < number.high  # type: ignore[operator]


def _bootstrap(statistic: Callable[[Any, Any], float], scores: Any, labels: Any) -> float:
    """Standard error over resampled rows."""
    random = np.random.default_rng(0)
    picks = (random.integers(0, len(scores), len(scores)) for _ in range(800))
    return float(np.std([statistic(labels[pick], scores[pick]) for pick in picks], ddof=1))


def _skill(labels: Any, scores: Any) -> float:
    return float(1 - ((scores - labels) ** 2).mean() / labels.var())


def _area(labels: Any, scores: Any) -> float:
    return roc_auc(OutcomeProfile.of(scores, labels)).value or math.nan


def _calibration(labels: Any, scores: Any) -> float:
    return float((scores - labels).mean())


@pytest.mark.parametrize(
    ("name", "statistic"), [("roc_auc", _area), ("brier_skill", _skill), ("calibration", _calibration)]
)
@pytest.mark.parametrize("digits", [1, 17])
def test_intervals_against_the_bootstrap(name: str, statistic: Callable[[Any, Any], float], digits: int) -> None:
    scores, labels = _sample(5, rows=600, digits=digits)
    number = performance(OutcomeProfile.of(scores, labels), 0.5)[name]
    assert number.low is not None
    assert number.high is not None
    half = 1.959964 * _bootstrap(statistic, scores, labels)
    assert (number.high - number.low) / 2 == pytest.approx(half, rel=0.1)
    assert (number.high + number.low) / 2 == pytest.approx(number.value, abs=EXACT)


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17, 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_numbers(hits: int, rows: int, low: float, high: float) -> None:
    share = proportion("share", hits, rows, "high", "")
    assert (share.value, share.low, share.high) == pytest.approx((hits / rows, low, high), abs=5e-5)


NOTHING = OutcomeProfile.empty()
ALL_POSITIVE = OutcomeProfile.of(np.array([0.2, 0.9]), np.array([True, True]))
ONE_EACH = OutcomeProfile.of(np.array([0.2, 0.4]), np.array([False, True]))


@pytest.mark.parametrize(
    ("outcomes", "undefined"),
    [
        (NOTHING, set(performance(NOTHING, 0.5))),
        (ALL_POSITIVE, {"roc_auc", "brier_skill"}),
        (ONE_EACH, {"precision"}),
    ],
)
def test_undefined_numbers_are_none(outcomes: OutcomeProfile, undefined: set[str]) -> None:
    found = performance(outcomes, 0.5)
    assert {name for name, number in found.items() if number.value is None} == undefined
    assert len(found) == 11


def test_an_interval_needs_two_rows_of_each_class() -> None:
    area = roc_auc(ONE_EACH)
    assert (area.value, area.low, area.high) == (1.0, None, None)


def test_certain_and_wrong_is_finite() -> None:
    wrong = OutcomeProfile.of(np.array([0.0, 1.0]), np.array([True, False]))
    assert performance(wrong, 0.5)["log_loss"].value == pytest.approx(-math.log(1e-15), rel=1e-2)
    assert performance(wrong, 0.5)["roc_auc"].value == 0.0


def test_a_score_at_the_threshold_is_positive() -> None:
    assert performance(OutcomeProfile.of(np.array([0.5]), np.array([True])), 0.5)["recall"].value == 1.0
