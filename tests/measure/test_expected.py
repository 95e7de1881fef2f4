"""Expected numbers and their gradients against differences, simulation and the numbers of labelled rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.measure.estimate import labelled_counts
from monitoring.measure.expected import Cells, expectations, mean_scores
from monitoring.measure.performance import performance
from monitoring.profile import OutcomeProfile
from monitoring.profile.score_counts import ScoreProfile

DIGITS = (1, 2, 9)


def _sample(digits: int, rows: int = 60, unscored: int = 4) -> tuple[Any, Any, Any]:
    """Scores, predictions and true rates; some rows have no score."""
    random = np.random.default_rng(digits)
    scores = np.append(random.random(rows).round(digits), np.full(unscored, np.nan))
    predicted = np.append(scores[:rows] > 0.4, np.arange(unscored) % 2 == 0)
    return scores, predicted, np.append(scores[:rows] ** 1.5, np.full(unscored, 0.3))


def _rates(profile: ScoreProfile) -> Any:
    of_block = np.repeat(mean_scores(profile)[:, None] ** 1.5, 2, axis=1)
    return np.concatenate([of_block, [[0.3, 0.3]]])


@pytest.mark.parametrize("digits", DIGITS)
def test_gradients_are_those_of_differences(digits: int) -> None:
    scores, predicted, _ = _sample(digits)
    profile = ScoreProfile.of(scores, predicted)
    rates = _rates(profile)
    cells = Cells.unlabelled(profile, rates)
    some = [tuple(at) for at in np.argwhere(cells.rows > 0)[:: max(1, len(rates) // 12)]]
    for at in some:
        moved = [rates.copy(), rates.copy()]
        for place, by in zip(moved, (1e-6, -1e-6), strict=True):
            place[at] += by
        up, down = (expectations(Cells.unlabelled(profile, place)) for place in moved)
        for number, more, less in zip(expectations(cells), up, down, strict=True):
            assert more.value is not None
            assert less.value is not None
            slope = (more.value - less.value) / (2e-6 * cells.rows[at])
            assert number.gradient[at] == pytest.approx(slope, abs=1e-8), number.name


@pytest.mark.parametrize("digits", DIGITS)
def test_expectations_are_the_means_over_labels(digits: int) -> None:
    scores, predicted, rates = _sample(digits, 100)
    random = np.random.default_rng(0)
    drawn = [
        {name: number.value for name, number in performance(OutcomeProfile.of(scores, predicted, labels)).items()}
        for labels in random.random((200, len(scores))) < rates
    ]
    profile = ScoreProfile.of(scores, predicted)
    cells = Cells.unlabelled(profile, _rates(profile))
    noise = cells.waiting * cells.rates * (1 - cells.rates)
    for number in expectations(cells):
        values = np.array([numbers[number.name] for numbers in drawn])
        error = np.sqrt((noise * number.gradient**2).sum())
        assert error == pytest.approx(values.std(), rel=0.15, abs=1e-9), number.name
        # three standard errors of the mean, and what a ratio's expectation is off
        assert number.value == pytest.approx(values.mean(), abs=3 * error / np.sqrt(200) + 0.08 * error + 1e-9)


@pytest.mark.parametrize("digits", DIGITS)
def test_with_all_labels_they_are_the_numbers_of_labelled_rows(digits: int) -> None:
    scores, predicted, rates = _sample(digits, 1000, 9)
    labels = np.random.default_rng(1).random(len(scores)) < rates
    outcomes = OutcomeProfile.of(scores, predicted, labels)
    profile = ScoreProfile.of(scores, predicted)
    rows, positives = labelled_counts(outcomes, profile.bins)
    cells = Cells.unlabelled(profile, np.full(rows.shape, 0.5))
    assert np.array_equal(rows, cells.rows)
    known = replace(cells, positives=positives, waiting=np.zeros_like(rows))
    realised = performance(outcomes)
    for number in expectations(known):
        # a cell has the mean score of its bin, and no order within
        near = 2e-4 if digits == 9 else 1e-7
        assert number.value == pytest.approx(realised[number.name].value, abs=near), number.name
        assert (round(number.rows), number.direction) == (realised[number.name].rows, realised[number.name].direction)


def test_they_are_all_numbers_but_the_calibration_errors() -> None:
    names = [number.name for number in expectations(Cells.unlabelled(ScoreProfile.empty(), np.zeros((1, 2))))]
    assert names == [name for name in performance(OutcomeProfile.empty()) if "calibration_error" not in name]


def test_rows_that_do_not_define_a_number_give_none() -> None:
    def undefined(scores: Any, predicted: Any, rate: float) -> set[str]:
        profile = ScoreProfile.of(np.array(scores), np.array(predicted))
        cells = Cells.unlabelled(profile, np.full((len(profile.bins) + 1, 2), rate))
        return {number.name for number in expectations(cells) if number.value is None}

    areas = {"roc_auc", "brier_skill", "average_precision", "pr_auc"}
    assert undefined([], [], 0.5) == {
        number.name for number in expectations(Cells.unlabelled(ScoreProfile.empty(), np.zeros((1, 2))))
    }
    assert undefined([0.2, 0.4], [False, True], 0.5) == set()
    assert undefined([0.2, 0.4], [False, False], 0.5) == {"precision"}
    assert undefined([0.2, 0.4], [False, True], 0.0) == areas | {"recall"}
    assert undefined([np.nan, 7.0], [True, True], 0.5) == areas | {"mean_score", "calibration", "brier", "log_loss"}
