"""The tree of errors: what it learns, that it is the same anywhere, and that it takes any value."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure.error_model import LEAST_ROWS, MOST_LEAVES, ErrorModel, LeafPredictions
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

KINDS = {"size": "numeric", "town": "categorical", "note": "text"}
SPEC = ResidualSpec(10.0, 3, 1)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6)), max_size=30)


def _rows(seed: int, rows: int) -> tuple[dict[str, Any], Any, Any]:
    """Errors are large where size is above 1 or the town is d."""
    random = np.random.default_rng(seed)
    size, town = random.normal(0, 1, rows), random.choice(list("abcd"), rows)
    prediction = 20 + 3 * size
    actual = prediction + random.normal(0, 1, rows) * (1 + 4 * (size > 1) + 3 * (town == "d"))
    return {"size": size, "town": town}, prediction, actual


def _model(seed: int = 1, rows: int = 8000) -> ErrorModel:
    model = ErrorModel.fit(*_rows(seed, rows), KINDS)
    assert model is not None
    return model


def test_leaves_tell_small_errors_from_large_ones() -> None:
    model = _model()
    features = {"size": np.array([0.0, 0.0, 2.0, 2.0]), "town": ["a", "d", "b", "d"]}
    leaves = model.leaves(features, np.array([20.0, 20.0, 26.0, 26.0]))
    found = model.means[leaves, 1] * 2.0**model.spec.error_exponent
    expected = np.array([1.0, 4.0, 5.0, 8.0]) * math.sqrt(2 / math.pi)
    assert np.allclose(found, expected, rtol=0.25)
    assert model.count <= MOST_LEAVES


def test_numbers_of_leaves_are_those_of_rows_that_the_tree_has_not_seen() -> None:
    features, prediction, _ = _rows(1, 8000)
    model = _model()
    assert 3700 < model.rows.sum() < 4300
    # of all rows, half are behind the leaves, and every leaf has some of them
    counts = np.bincount(model.leaves(features, prediction), minlength=model.count)
    assert (model.rows < counts).all()
    noise = ErrorModel.fit(features, prediction, prediction + np.random.default_rng(2).normal(0, 1, 8000), KINDS)
    assert noise is not None
    # what a tree finds in noise is not in the other half
    spread = np.sqrt(noise.covariances[:, 1, 1] / noise.rows)
    size = math.sqrt(2 / math.pi) * 2.0**-noise.spec.error_exponent
    assert np.mean(np.abs(noise.means[:, 1] - size) < 2 * spread) > 0.8


def test_rerun_and_round_trip_give_the_same_bytes() -> None:
    features, prediction, _ = _rows(2, 500)
    text = json.dumps(_model().to_json())
    assert json.dumps(_model().to_json()) == text
    again = ErrorModel.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    assert again.leaves(features, prediction).tolist() == _model().leaves(features, prediction).tolist()


def test_a_table_is_as_good_as_arrays() -> None:
    features, prediction, actual = _rows(1, 8000)
    model = ErrorModel.fit(pa.table(features), prediction, actual, KINDS)
    assert model is not None
    assert model.to_json() == _model().to_json()
    table = pa.table(features)
    chunked = pa.concat_tables([table.slice(0, 100), table.slice(100)])
    assert model.leaves(chunked, prediction).tolist() == model.leaves(features, prediction).tolist()


def test_any_value_has_a_leaf() -> None:
    model = _model()
    values = {
        "size": pa.array([None, math.nan, math.inf, -math.inf, 1e308, 0.0]),
        "town": pa.array(["new", None, "a", "", "d", "a"]),
    }
    leaves = model.leaves(values, np.array([math.nan, 20, math.inf, -math.inf, 1e308, 20.0]))
    assert ((leaves >= 0) & (leaves < model.count)).all()
    everything = {"size": pa.array(["x", "1.5"]), "town": pa.array([[1], [2]])}
    assert len(model.leaves(everything, np.array([1.0, 2.0]))) == 2
    assert len(model.leaves({}, np.array([1.0, 2.0]))) == 2
    assert model.leaves(values, np.zeros(6)).dtype == np.int64
    assert len(model.leaves({"size": np.zeros(0), "town": pa.array([], pa.string())}, np.zeros(0))) == 0


def test_nulls_are_a_case_of_their_own() -> None:
    random = np.random.default_rng(3)
    size: Any = random.normal(0, 1, 4000)
    missing = random.uniform(size=4000) < 0.2
    prediction = np.full(4000, 5.0)
    actual = prediction + random.normal(0, 1, 4000) * np.where(missing, 10, 1)
    for values, kind in ((size, "numeric"), (np.where(size > 0, "a", "b"), "categorical")):
        column = pa.array(values, mask=missing)
        model = ErrorModel.fit({"x": column}, prediction, actual, {"x": kind})
        assert model is not None
        leaves = model.leaves({"x": column}, prediction)
        assert not set(leaves[missing]) & set(leaves[~missing])
        named = [model.conditions(int(leaf)) for leaf in set(leaves[missing])]
        assert any("null" in text and "not null" not in text for texts in named for text in texts)


def test_new_categories_go_where_rare_ones_do() -> None:
    random = np.random.default_rng(4)
    town = np.where(random.uniform(size=8000) < 0.7, "a", "b").astype(object)
    rare = random.uniform(size=8000) < 0.2
    town[rare] = [f"rare {i}" for i in random.integers(0, 400, rare.sum())]
    prediction = np.full(8000, 5.0)
    actual = prediction + random.normal(0, 1, 8000) * np.where(rare, 6, np.where(town == "a", 1, 2))
    model = ErrorModel.fit({"town": town}, prediction, actual, {"town": "categorical"})
    assert model is not None
    new = model.leaves({"town": ["never seen"]}, np.array([5.0]))
    assert model.means[new, 1] * 2.0**model.spec.error_exponent > 3.5


def test_conditions_are_words() -> None:
    model = _model()
    texts = {text for leaf in range(model.count) for text in model.conditions(leaf)}
    assert any(text.startswith("town is ") for text in texts)
    assert any(text.startswith("town is d") for text in texts)
    assert any(text.startswith(("size ≥ 1.0", "size ≥ 0.9", "prediction ≥ 23.", "prediction ≥ 22.")) for text in texts)


def test_few_rows_have_no_model() -> None:
    features, prediction, actual = _rows(5, LEAST_ROWS)
    assert ErrorModel.fit(features, prediction, actual, KINDS) is not None
    actual[0] = math.nan
    assert ErrorModel.fit(features, prediction, actual, KINDS) is None


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_any_scale(scale: float) -> None:
    features, prediction, actual = _rows(1, 2000)
    ordinary = ErrorModel.fit(features, prediction, actual, KINDS)
    model = ErrorModel.fit(features, prediction * scale, actual * scale, KINDS)
    assert model is not None
    assert ordinary is not None
    assert np.isfinite(model.covariances).all()
    assert model.count == ordinary.count


def test_perfect_predictions() -> None:
    features, prediction, _ = _rows(6, 1000)
    model = ErrorModel.fit(features, prediction, prediction, KINDS)
    assert model is not None
    assert not model.means.any()


def _predictions(rows: list[tuple[int, float]]) -> LeafPredictions:
    leaves, values = np.array([row[0] for row in rows], int), np.array([row[1] for row in rows], float)
    return LeafPredictions.of(leaves, values, 4, SPEC)


def _plain(found: LeafPredictions) -> Any:
    return found.rows.tolist(), found.sums, found.squares, found.unmeasured


@given(ROWS, ROWS)
def test_predictions_merge(first: list[tuple[int, float]], second: list[tuple[int, float]]) -> None:
    a, b, both = _predictions(first), _predictions(second), _predictions(first + second)
    assert _plain(a.merge(b)) == _plain(b.merge(a)) == _plain(both)
    assert _plain(both.subtract(b)) == _plain(a)
    assert _plain(a.merge(_predictions([]))) == _plain(a)
    assert _plain(LeafPredictions.from_arrays(both.arrays(), SPEC)) == _plain(both)


@given(ROWS)
def test_predictions_of_labelled_rows_are_the_same(rows: list[tuple[int, float]]) -> None:
    values = np.array([row[1] for row in rows], float)
    leaves = np.array([row[0] for row in rows], int)
    parts = [ResidualProfile.of(values[leaves == leaf], values[leaves == leaf], SPEC) for leaf in range(4)]
    assert _plain(LeafPredictions.of_residuals(parts)) == _plain(_predictions(rows))


def test_what_is_no_prediction_is_counted() -> None:
    found = _predictions([(0, math.nan), (1, math.inf), (2, 1e300), (3, 12.0)])
    assert (found.n, found.unmeasured, found.mean) == (1, 3, 0.25)
    with pytest.raises(ValueError, match="different"):
        found.merge(LeafPredictions.of(np.array([0]), np.array([1.0]), 2, SPEC))
