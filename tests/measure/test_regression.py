"""Numbers of regressions from sums and binned errors, against scikit-learn and NumPy on all rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from monitoring.measure.performance import performance
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

NUMBERS = {
    "mean_actual", "mean_prediction", "bias", "mae", "rmse", "r2", "mape",
    "error_p5", "error_p50", "error_p95", "absolute_error_p50", "absolute_error_p95",
}  # fmt: skip


def _rows(random: np.random.Generator, rows: int) -> tuple[Any, Any]:
    actual = 20 + random.gamma(2, 5, rows)
    return actual * 0.9 + 3 + random.standard_t(9, rows) * (0.5 + actual / 40), actual


def _kinds() -> dict[str, tuple[Any, Any]]:
    random = np.random.default_rng(5)
    predictions, actual = _rows(random, 50_000)
    heavy = np.exp(random.normal(3, 1.5, 50_000))
    return {
        "ordinary": (predictions, actual),
        "far from zero": (predictions + 1e6, actual + 1e6),
        "tiny": (predictions * 1e-9, actual * 1e-9),
        "huge": (predictions * 1e200, actual * 1e200),
        "heavy tails": (heavy * random.lognormal(0, 0.4, 50_000), heavy),
        "whole numbers": (predictions.round(), actual.round()),
        "negative": (-predictions, -actual),
    }


KINDS = _kinds()


@pytest.mark.parametrize("kind", KINDS)
def test_against_scikit_learn(kind: str) -> None:
    predictions, actual = KINDS[kind]
    spec = ResidualSpec.learn(predictions[:1000], actual[:1000])
    found = performance(ResidualProfile.of(predictions, actual, spec))
    assert set(found) == NUMBERS
    with np.errstate(over="ignore"):
        expected = {
            "mean_actual": actual.mean(),
            "mean_prediction": predictions.mean(),
            "bias": (predictions - actual).mean(),
            "mae": metrics.mean_absolute_error(actual, predictions),
            "rmse": math.sqrt(np.mean(((predictions - actual) / 2.0**600) ** 2)) * 2.0**600
            if kind == "huge"
            else metrics.root_mean_squared_error(actual, predictions),
            "mape": metrics.mean_absolute_percentage_error(actual, predictions),
        }
    if kind != "huge":
        expected["r2"] = metrics.r2_score(actual, predictions)
    for name, number in expected.items():
        least = {"r2": 1e-9, "mape": 1e-12}.get(name, 0)
        assert found[name].value == pytest.approx(number, rel=1e-9, abs=least), name
    error = predictions - actual
    for share in (0.05, 0.5, 0.95):
        _within(found[f"error_p{share * 100:g}"].value, error, share)
    for share in (0.5, 0.95):
        _within(found[f"absolute_error_p{share * 100:g}"].value, np.abs(error), share)


def _within(found: float | None, error: Any, share: float) -> None:
    """Within a bin's width of the quantile, and of the ranks next to it where errors have gaps."""
    low, high = (np.quantile(error, min(max(share + step, 0), 1)) for step in (-1e-3, 1e-3))
    assert found is not None
    assert low - 0.004 * abs(low) <= found <= high + 0.004 * abs(high)


def test_every_value_lies_in_its_interval() -> None:
    rows = _rows(np.random.default_rng(1), 500)
    for name, number in performance(ResidualProfile.of(*rows, ResidualSpec.learn(*rows))).items():
        assert number.low < number.value < number.high, name  # type: ignore[operator]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    spec = ResidualSpec.learn(*_rows(np.random.default_rng(0), 1000))
    whole = performance(ResidualProfile.of(*_rows(np.random.default_rng(10**6), 2 * 10**6), spec))
    held = dict.fromkeys(whole, 0)
    for seed in range(300):
        for name, number in performance(ResidualProfile.of(*_rows(np.random.default_rng(seed), 500), spec)).items():
            held[name] += number.low <= whole[name].value <= number.high  # type: ignore[operator]
    for name, hits in held.items():
        assert 0.905 <= hits / 300 <= 0.985, name


def test_standard_errors_do_not_depend_on_where_the_scales_came_from() -> None:
    rows = _rows(np.random.default_rng(1), 500)
    near = performance(ResidualProfile.of(*rows, ResidualSpec.learn(*rows)))
    far = performance(ResidualProfile.of(*rows, ResidualSpec(0.0, 2, 1)))
    for name in ("bias", "mae", "rmse", "r2", "mape", "mean_actual"):
        assert near[name].standard_error == pytest.approx(far[name].standard_error, rel=1e-3), name


SPEC = ResidualSpec(0.0, 0, 0)


@pytest.mark.parametrize(
    ("predictions", "actual", "undefined"),
    [
        ([], [], NUMBERS),
        ([math.nan], [1.0], NUMBERS),
        ([1.0, 2.0], [1.0, 1.0], {"r2"}),
        ([1.0, 2.0], [0.0, 1.0], {"mape"}),
        ([1e300, 2.0], [0.5, 1.0], {"mean_actual", "mean_prediction", "bias", "mae", "rmse", "r2", "mape"}),
        ([1.0], [1.0], {"r2"}),
    ],
)
def test_undefined_numbers_are_none(predictions: list[float], actual: list[float], undefined: set[str]) -> None:
    found = performance(ResidualProfile.of(np.array(predictions), np.array(actual), SPEC))
    assert {name for name, number in found.items() if number.value is None} == undefined


def test_an_outlier_takes_the_interval_and_not_the_value() -> None:
    predictions, actual = np.array([1.0, 2.0, 3000.0]), np.array([1.5, 1.0, 2.0])
    found = performance(ResidualProfile.of(predictions, actual, SPEC))
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(actual, predictions))
    assert found["r2"].value == pytest.approx(metrics.r2_score(actual, predictions))
    assert (found["rmse"].low, found["r2"].low) == (None, None)


def test_perfect_predictions() -> None:
    values = np.arange(1.0, 50.0)
    found = performance(ResidualProfile.of(values, values, SPEC))
    assert [found[name].value for name in ("bias", "mae", "rmse", "r2", "mape", "error_p95")] == [0, 0, 0, 1, 0, 0]
