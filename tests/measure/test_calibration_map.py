"""What scores have meant: isotonic steps, and whether they hold on other rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from monitoring.measure.calibration_map import FEWEST_OF_A_CLASS, FEWEST_ROWS, CalibrationMap
from monitoring.profile import OutcomeProfile


def _expit(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _rows(seed: int, rows: int, centre: float = -1.0, slope: float = 1.0) -> OutcomeProfile:
    random = np.random.default_rng(seed)
    z = random.normal(centre, 1.5, rows)
    scores = _expit(1.3 * z + 0.4)
    return OutcomeProfile.of(scores, scores > 0.5, random.random(rows) < _expit(slope * z))


def _fitted(outcomes: OutcomeProfile) -> CalibrationMap:
    found = CalibrationMap.fit(outcomes)
    assert found is not None
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_it_is_isotonic_regression(seed: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.random(300).round(digits)
    labels = random.random(300) < scores
    found = _fitted(OutcomeProfile.of(scores, scores > 0.5, labels))
    expected = IsotonicRegression().fit(scores, labels).predict(scores)
    assert found.rates(scores) == pytest.approx(expected, abs=1e-12)
    assert np.all(np.diff(found.step_rates) > 0)
    assert np.all(np.diff(found.starts) > 0)
    assert found.rows == 300
    assert found.step_rates @ found.step_rows == pytest.approx(labels.sum())


def test_scores_between_and_beyond_have_the_nearest_rate() -> None:
    scores, labels = np.repeat([0.2, 0.6], 100), np.arange(200) % 10 < np.repeat([1, 7], 100)
    found = _fitted(OutcomeProfile.of(scores, scores > 0.5, labels))
    assert found.rates(np.array([0.0, 0.39, 0.41, 1.0])).tolist() == pytest.approx([0.1, 0.1, 0.7, 0.7])


def test_too_few_rows_or_one_class_make_no_map() -> None:
    scores = np.linspace(0, 1, FEWEST_ROWS)
    enough = np.arange(FEWEST_ROWS) < FEWEST_OF_A_CLASS
    assert CalibrationMap.fit(OutcomeProfile.of(scores, scores > 0.5, enough)) is not None
    assert CalibrationMap.fit(OutcomeProfile.of(scores[1:], scores[1:] > 0.5, enough[:-1])) is None
    assert CalibrationMap.fit(OutcomeProfile.of(scores, scores > 0.5, np.roll(enough, 1) & enough)) is None
    assert CalibrationMap.fit(OutcomeProfile.of(scores, scores > 0.5, ~enough)) is not None
    assert CalibrationMap.fit(OutcomeProfile.empty()) is None


def test_it_survives_json() -> None:
    found = _fitted(_rows(0, 2000))
    again = CalibrationMap.from_json(json.loads(json.dumps(found.to_json())))
    assert again.to_json() == found.to_json()
    assert again.rates(np.linspace(0, 1, 99)).tolist() == found.rates(np.linspace(0, 1, 99)).tolist()


def test_rows_without_a_score_have_a_rate_by_prediction() -> None:
    scores = np.append(np.linspace(0, 1, 200), np.full(99, np.nan))
    labels = np.append(np.arange(200) % 2 == 0, np.arange(99) < 33)
    found = _fitted(OutcomeProfile.of(scores, np.full(299, True), labels))
    assert found.unscored_rows.tolist() == [0, 99]
    assert found.unscored_rates.tolist() == pytest.approx([0.5, (33 + 0.5) / 100])


def test_the_map_of_few_rows_knows_that_it_is_too_kind() -> None:
    few, many = (np.mean([_fitted(_rows(seed, n)).optimism["roc_auc"] for seed in range(10)]) for n in (500, 10_000))
    assert few > 3 * many > 0


@pytest.fixture(scope="module")
def maps() -> list[CalibrationMap]:
    return [_fitted(_rows(seed, 10_000)) for seed in range(20)]


def test_its_check_is_silent_on_other_inputs_and_loud_on_other_labels(maps: list[CalibrationMap]) -> None:
    fired = {"other inputs": 0, "other labels": 0}
    for seed in range(80):
        found = maps[seed % 20]
        same, other = found.check(_rows(1000 + seed, 3000, -0.5)), found.check(_rows(2000 + seed, 3000, slope=0.5))
        fired["other inputs"] += same.p_value < 0.05  # type: ignore[operator]
        fired["other labels"] += other.p_value < 0.05 and other.low > 0  # type: ignore[operator]
    assert fired["other inputs"] <= 11
    assert fired["other labels"] == 80


def test_its_check_says_what_chance_alone_would_give(maps: list[CalibrationMap]) -> None:
    checks = [maps[seed % 20].check(_rows(1000 + seed, 3000)) for seed in range(80)]
    assert np.mean([check.value for check in checks]) == pytest.approx(checks[0].noise, rel=0.15)  # type: ignore[arg-type]
    assert (checks[0].rows, checks[0].reference_rows, checks[0].direction) == (3000, 10_000, "high")
    assert maps[0].check(OutcomeProfile.empty()).value is None
