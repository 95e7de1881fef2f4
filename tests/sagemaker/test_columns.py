from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import ConfigError
from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, NumericSpec
from monitoring.sagemaker.columns import categorical_profile, numeric_profile
from monitoring.sagemaker.files import FeatureStatistics
from tests.sagemaker.written import numeric_feature, text_feature

FINITE = st.floats(-1e9, 1e9).map(lambda x: round(x, 3))


def feature(data: dict[str, Any]) -> FeatureStatistics:
    return FeatureStatistics.model_validate(data)


def counted(data: dict[str, Any]) -> dict[str, int]:
    buckets = data["string_statistics"]["distribution"]["categorical"]["buckets"]
    return {bucket["value"]: bucket["count"] for bucket in buckets}


def state(profile: NumericProfile | CategoricalProfile) -> tuple[Any, ...]:
    arrays = {name: array.tolist() for name, array in profile.arrays().items()}
    return profile.spec.to_json() | {"integer": None}, profile.head(), arrays


@given(st.lists(st.none() | FINITE, min_size=1, max_size=60).filter(lambda v: any(x is not None for x in v)))
def test_a_sketch_that_holds_all_values_gives_the_profile_of_the_rows(values: list[float | None]) -> None:
    column = pa.array(values, pa.float64())
    own = NumericProfile.of(column, NumericSpec.learn(column))
    assert state(numeric_profile(feature(numeric_feature("x", values)), len(values))) == state(own)


@pytest.mark.parametrize("sketch", [True, False])
def test_mean_deviation_and_range_are_those_of_the_file(sketch: bool) -> None:
    values = np.random.default_rng(1).lognormal(3, 1, 30_000)
    data = numeric_feature("x", [*values.tolist(), None, None], sketch=sketch)
    found = numeric_profile(feature(data), len(values) + 2)
    assert (found.finite, found.nulls, found.mismatched, found.negatives) == (30_000, 2, 0, 0)
    assert (found.low, found.high) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean(), abs=2 * found.spec.unit)
    assert found.deviation == pytest.approx(values.std(), rel=1e-6)
    means = found.histogram().sums[found.counts > 0] / found.counts[found.counts > 0]
    bounds = np.concatenate([[found.low], found.spec.edges, [found.high]])
    inside = np.clip(bounds, found.low, found.high)
    used = np.flatnonzero(found.counts)
    assert (means >= inside[used] - found.spec.unit).all()
    assert (means <= inside[used + 1] + found.spec.unit).all()


def test_a_sketch_knows_ranks_to_a_percent() -> None:
    values = np.random.default_rng(2).normal(size=30_000)
    found = numeric_profile(feature(numeric_feature("x", values.tolist(), size=512)), len(values))
    below = np.cumsum(found.counts)[:-1] / len(values)
    true = np.searchsorted(np.sort(values), found.spec.edges) / len(values)
    assert np.abs(below - true).max() < 0.01
    assert len(found.spec.cells) == 19


def test_without_a_sketch_the_buckets_are_the_bins() -> None:
    data = numeric_feature("x", [float(i) for i in range(101)], sketch=False)
    found = numeric_profile(feature(data), 101)
    assert found.spec.edges[:-1].tolist() == [10.0 * i for i in range(10)]
    assert found.counts.tolist() == [0, *[10] * 9, 11, 0]
    assert list(found.spec.cells) == list(range(11))


def test_a_constant_without_a_sketch_is_one_bin() -> None:
    found = numeric_profile(feature(numeric_feature("x", [7.0] * 5, sketch=False)), 5)
    assert (found.counts.tolist(), found.mean, found.deviation) == ([0, 5, 0], 7.0, 0.0)


def test_a_value_that_is_no_number_is_present_and_in_no_bin() -> None:
    data = numeric_feature("x", [1.0, 2.0, 3.0])
    data["numerical_statistics"]["common"]["num_present"] = 4
    found = numeric_profile(feature(data), 4)
    assert (found.finite, found.mismatched, found.rows) == (3, 1, 4)


def test_a_sketch_of_other_rows_than_the_buckets_is_not_used() -> None:
    data = numeric_feature("x", [float(i) for i in range(100)])
    data["numerical_statistics"]["distribution"]["kll"]["sketch"]["data"] = [[1.0]]
    assert len(numeric_profile(feature(data), 100).spec.edges) == 11


def test_sums_of_large_distances_have_no_bounds() -> None:
    values = [*([1.0, 2.0] * 3000), 1e150]
    found = numeric_profile(feature(numeric_feature("x", values, size=64)), len(values))
    assert found.far
    assert found.mean == pytest.approx(float(np.mean(values)))
    assert found.deviation == pytest.approx(float(np.std(values)))


@given(st.lists(st.none() | st.sampled_from(["a", "b", "", "ç", "long" * 100]), min_size=1).filter(any))
def test_categories_give_the_profile_of_the_rows(values: list[str | None]) -> None:
    column, data = pa.array(values, pa.string()), text_feature("x", values)
    own = CategoricalProfile.of(column, CategoricalSpec.learn(column))
    assert state(categorical_profile(feature(data), len(values), counts=counted(data))) == state(own)


def test_many_categories_are_known_by_their_hashes() -> None:
    values: list[str | None] = [f"c{i % 300}" for i in range(1000)]
    column, data = pa.array(values, pa.string()), text_feature("x", values)
    own = CategoricalProfile.of(column, CategoricalSpec.learn(column))
    assert state(categorical_profile(feature(data), 1000, counts=counted(data))) == state(own)


def test_a_domain_may_have_categories_that_no_row_has() -> None:
    data = text_feature("x", ["a", "b"])
    spec = categorical_profile(feature(data), 2, counts=counted(data), domain=["b", "z"]).spec
    assert CategoricalProfile.of(pa.array(["z", "y"]), spec).unseen == 1


def test_where_not_all_categories_are_named_none_is_unseen() -> None:
    data = text_feature("x", ["a", "b", "c"])
    found = categorical_profile(feature(data), 3, counts={"a": 1})
    assert (found.spec.is_open, found.counts.tolist()) == (True, [1, 2])


def test_texts_without_a_distribution_have_no_names() -> None:
    found = categorical_profile(feature(text_feature("x", ["a", "b", None])), 3, counts=None)
    assert (found.spec.is_text, found.present, found.nulls) == (True, 2, 1)


def test_a_column_without_values_fits_any_type() -> None:
    data = {"name": "x", "inferred_type": "Unknown"}
    assert numeric_profile(feature(data), 9).nulls == 9
    assert categorical_profile(feature(data), 9, counts=None).nulls == 9


@pytest.mark.parametrize("rows", [2, 4])
def test_rows_that_do_not_add_up_are_refused(rows: int) -> None:
    with pytest.raises(ConfigError, match="3 values and 0 missing ones are not the"):
        numeric_profile(feature(numeric_feature("x", [1.0, 2.0, 3.0])), rows)
    with pytest.raises(ConfigError, match="x: 3 values"):
        categorical_profile(feature(text_feature("x", ["a", "b", "b"])), rows, counts=None)


def test_a_column_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="x is numeric in the model, and String in the statistics"):
        numeric_profile(feature(text_feature("x", ["a"])), 1)
    with pytest.raises(ConfigError, match="x is categorical in the model, and Integral"):
        categorical_profile(feature(numeric_feature("x", [1.0])), 1, counts=None)


def test_a_distribution_of_more_rows_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="more values in its distribution"):
        categorical_profile(feature(text_feature("x", ["a"])), 1, counts={"a": 2})
    data = numeric_feature("x", [1.0, 2.0])
    data["numerical_statistics"]["common"] = {"num_present": 1, "num_missing": 1}
    with pytest.raises(ConfigError, match="more values in its distribution"):
        numeric_profile(feature(data), 2)
