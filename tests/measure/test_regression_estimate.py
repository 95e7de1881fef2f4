"""Regressions before, while and after labels come, against what the labels say in the end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from monitoring.measure.concept import diagnose
from monitoring.measure.decomposition import decompose
from monitoring.measure.error_model import ErrorModel, LeafPredictions
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.measure.regression_estimate import combined, concept_gap, estimated
from monitoring.profile.losses import LossByBin
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

KINDS = {"x": "numeric", "town": "categorical"}
RUNS = 60
NAMES = {"mean_actual", "mean_prediction", "bias", "mae", "rmse", "r2", "mape"}


def _window(
    random: np.random.Generator, rows: int, *, moved: float = 0.0, changed: float = 0.0
) -> tuple[dict[str, Any], Any, Any]:
    """Errors are larger away from x = 0 and in town d; `changed` adds a bias that is twice as large in town a."""
    x, town = random.normal(moved, 1, rows), random.choice(list("abcd"), rows, p=[0.4, 0.3, 0.2, 0.1])
    mean = 100 + 10 * x + 5 * (town == "b")
    deviation = 2 + 1.5 * np.abs(x) + 3 * (town == "d")
    actual = mean + deviation * random.normal(0, 1, rows) + changed * (1 + (town == "a"))
    return {"x": x, "town": town}, mean + 0.5 * np.sin(3 * x), actual


def _model(random: np.random.Generator, rows: int = 3000) -> ErrorModel:
    model = ErrorModel.fit(*_window(random, rows), KINDS)
    assert model is not None
    return model


def _split(
    model: ErrorModel, window: tuple[dict[str, Any], Any, Any], known: Any
) -> tuple[list[ResidualProfile], LeafPredictions]:
    features, prediction, actual = window
    leaves = model.leaves(features, prediction)
    labelled = model.residuals(leaves[known], prediction[known], actual[known])
    return labelled, model.predictions(leaves[~known], prediction[~known])


def _realised(model: ErrorModel, window: tuple[dict[str, Any], Any, Any]) -> dict[str, Measurement]:
    return performance(ResidualProfile.of(window[1], window[2], model.spec))


def _hit(found: Measurement, truth: Measurement) -> bool:
    assert found.low is not None
    assert found.high is not None
    assert truth.value is not None
    return found.low - 1e-9 <= truth.value <= found.high + 1e-9


@pytest.mark.parametrize(("rows", "moved"), [(200, 0.0), (1000, 0.5)])
def test_estimates_cover_what_comes_out(rows: int, moved: float) -> None:
    random = np.random.default_rng(1)
    hits: dict[str, list[bool]] = {name: [] for name in NAMES - {"mean_prediction"}}
    for run in range(RUNS):
        if run % 2 == 0:
            model = _model(random)
        window = _window(random, rows, moved=moved)
        found = estimated(_split(model, window, np.zeros(rows, bool))[1], model)
        truth = _realised(model, window)
        assert set(found) == NAMES
        for name, hit in hits.items():
            hit.append(_hit(found[name], truth[name]))
    shares = {name: float(np.mean(hit)) for name, hit in hits.items()}
    assert min(shares.values()) >= 0.85, shares
    assert np.mean(list(shares.values())) <= 0.985, shares


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_some_labels_correct_what_has_changed(share: float) -> None:
    random = np.random.default_rng(2)
    hits: dict[str, list[bool]] = {name: [] for name in NAMES - {"mean_prediction"}}
    for run in range(RUNS):
        if run % 5 == 0:
            model = _model(random)
        window = _window(random, 1000, moved=0.5, changed=3.0)
        # labels of some inputs come sooner
        known = random.uniform(size=1000) < share * np.where(window[0]["x"] > 0, 1.0, 0.8)
        found, truth = combined(*_split(model, window, known), model), _realised(model, window)
        for name, hit in hits.items():
            hit.append(_hit(found[name], truth[name]))
    shares = {name: float(np.mean(hit)) for name, hit in hits.items()}
    assert min(shares.values()) >= 0.85, shares
    assert np.mean(list(shares.values())) <= 0.985, shares


def test_intervals_shrink_as_labels_come() -> None:
    random = np.random.default_rng(3)
    model, window = _model(random), _window(random, 2000)
    order = random.permutation(2000)
    widths = []
    for rows in (100, 500, 1900):
        mae = combined(*_split(model, window, order < rows), model)["mae"]
        assert mae.low is not None
        assert mae.high is not None
        widths.append(mae.high - mae.low)
    assert widths[0] > widths[1] > widths[2]


def test_the_ends_are_exact() -> None:
    random = np.random.default_rng(4)
    model, window = _model(random), _window(random, 500)
    labelled, nothing = _split(model, window, np.ones(500, bool))
    assert combined(labelled, nothing, model) == _realised(model, window)
    few = np.arange(500) < 29
    unlabelled = _split(model, window, np.zeros(500, bool))[1]
    assert combined(*_split(model, window, few), model) == estimated(unlabelled, model)
    assert combined(*_split(model, window, np.arange(500) < 30), model) != estimated(unlabelled, model)


def test_predictions_are_known() -> None:
    random = np.random.default_rng(5)
    model, window = _model(random), _window(random, 500)
    for known in (np.zeros(500, bool), np.arange(500) < 250):
        found = combined(*_split(model, window, known), model)["mean_prediction"]
        assert found.value == pytest.approx(window[1].mean())
        assert found.low == found.high == found.value


def test_the_gap_is_silent_until_errors_change() -> None:
    random = np.random.default_rng(6)
    silent, fired = [], []
    for run in range(RUNS):
        if run % 2 == 0:
            model = _model(random)
        for changed, found in ((0.0, silent), (2.0, fired)):
            labelled, _ = _split(model, _window(random, 300, moved=0.5, changed=changed), np.ones(300, bool))
            gap = concept_gap(labelled, model)
            assert set(gap) == NAMES - {"mean_prediction"}
            found.append([(gap[name].p_value or 0.0) < 0.05 for name in ("bias", "mae", "rmse", "r2", "mape")])
    assert (np.mean(silent, axis=0) <= 0.14).all()
    assert np.mean(fired, axis=0)[0] == 1
    assert (np.mean(fired, axis=0)[1:3] > 0.6).all()


def test_the_gap_is_the_difference() -> None:
    random = np.random.default_rng(7)
    model, window = _model(random), _window(random, 400, changed=2.0)
    labelled, _ = _split(model, window, np.ones(400, bool))
    gap, truth = concept_gap(labelled, model), _realised(model, window)
    expected = estimated(LeafPredictions.of_residuals(labelled), model)
    for name, number in gap.items():
        realised, ordinary = truth[name].value, expected[name].value
        assert realised is not None
        assert ordinary is not None
        assert number.value == pytest.approx(realised - ordinary, abs=1e-9)
        assert number.rows == 400
    few = concept_gap(_split(model, window, np.arange(400) < 29)[0], model)
    assert {number.value for number in few.values()} == {None}


def test_growth_is_named_concept_drift() -> None:
    """As when demand grows by the half: hours are the same, and errors are not."""
    random = np.random.default_rng(8)

    def demand(rows: int, growth: float) -> tuple[dict[str, Any], Any, Any]:
        hour = random.integers(0, 24, rows)
        usual = 100 + 80 * np.sin(hour / 24 * 2 * math.pi)
        return {"hour": hour}, usual, usual * growth + random.normal(0, 5 + usual / 10, rows)

    def losses(window: tuple[dict[str, Any], Any, Any]) -> LossByBin:
        return LossByBin.of({"hour": window[0]["hour"]}, {"hour": 24}, np.abs(window[1] - window[2]), 1024.0)

    baseline = demand(3000, 1.0)
    model = ErrorModel.fit(*baseline, {"hour": "numeric"})
    assert model is not None
    for growth, kinds in ((1.0, {"none", "unknown"}), (1.5, {"concept drift"})):
        week = demand(500, growth)
        labelled, _ = _split(model, week, np.ones(500, bool))
        gap = concept_gap(labelled, model)["mae"]
        found = diagnose(decompose(losses(baseline), losses(week)), gap, loss="mean absolute error", level=0.001)
        assert found.kind in kinds, found.sentence
    assert found.feature == "hour"
    assert "the mean absolute error is" in found.sentence


def test_what_is_not_defined_has_no_value() -> None:
    random = np.random.default_rng(9)
    model = _model(random)
    nothing = model.predictions(np.zeros(0, np.int64), np.zeros(0))
    assert {number.value for number in estimated(nothing, model).values()} == {None}
    window = _window(random, 200)
    window[2][0] = 0.0
    labelled, unlabelled = _split(model, window, np.arange(200) < 100)
    # one actual value of zero, and the relative error is not defined
    assert combined(labelled, unlabelled, model)["mape"].value is None
    assert concept_gap(labelled, model)["mape"].value is None
    window[2][1] = 1e9
    labelled, unlabelled = _split(model, window, np.arange(200) < 100)
    assert {number.value for number in combined(labelled, unlabelled, model).values()} == {None}
    assert {number.value for number in concept_gap(labelled, model).values()} == {None}


def test_a_far_error_takes_no_interval_from_what_does_not_need_it() -> None:
    random = np.random.default_rng(10)
    model, window = _model(random), _window(random, 200)
    window[2][0] = 100.0 + 2.0 ** (model.spec.error_exponent + 12)
    found = combined(*_split(model, window, np.arange(200) < 100), model)
    assert found["rmse"].value is not None
    assert found["rmse"].low is None
    assert found["bias"].low is not None


def test_other_leaves_are_refused() -> None:
    random = np.random.default_rng(11)
    model = _model(random)
    with pytest.raises(ValueError, match="another model"):
        estimated(LeafPredictions.of(np.array([0]), np.array([1.0]), model.count + 1, model.spec), model)
    with pytest.raises(ValueError, match="another model"):
        concept_gap([ResidualProfile.empty(ResidualSpec())] * model.count, model)
