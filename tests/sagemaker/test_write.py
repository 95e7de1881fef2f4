from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.config import ModelConfig
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.measure import Measurement
from monitoring.profile import NumericProfile, ProfileSpec, WindowProfile
from monitoring.profile.distribution import FloatArray
from monitoring.sagemaker.columns import numeric_profile
from monitoring.sagemaker.distances import largest_difference, least_jensen_shannon
from monitoring.sagemaker.files import Constraints, FeatureStatistics, Statistics
from monitoring.sagemaker.proposal import propose
from monitoring.sagemaker.write import constraint_violations, constraints, model_quality_violations, statistics
from monitoring.window import Window

MakeConfig = Callable[..., ModelConfig]
KINDS: dict[str, Any] = {"amount": "numeric", "age": "numeric", "country": "categorical"}


def table(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    amount = [float(x) if x > 5 else None for x in random.lognormal(3, 1, rows)]
    country = [str(x) if x != "li" else None for x in random.choice(["at", "ch", "li"], rows)]
    return pa.table(
        {
            "feature:amount": pa.array(amount, pa.float64()),
            "feature:age": pa.array(random.integers(18, 90, rows).astype(float)),
            "feature:country": country,
        }
    )


@pytest.fixture(scope="module")
def spec() -> ProfileSpec:
    return ProfileSpec.learn(table(5000, 1), KINDS)


def numbers_of(data: pa.Table, name: str) -> FloatArray:
    column = data[f"feature:{name}"].to_numpy().astype(np.float64)
    return np.asarray(column[~np.isnan(column)])


def test_the_numbers_of_a_column_are_those_of_its_rows(spec: ProfileSpec) -> None:
    data = table(3000, 2)
    document = statistics(WindowProfile.of(data, spec))
    assert (document["version"], document["dataset"]) == (0.0, {"item_count": 3000})
    by_name = {feature["name"]: feature for feature in document["features"]}
    assert {name: feature["inferred_type"] for name, feature in by_name.items()} == {
        "amount": "Fractional",
        "age": "Integral",
        "country": "String",
    }
    for name in ("amount", "age"):
        values, found = numbers_of(data, name), by_name[name]["numerical_statistics"]
        assert found["common"] == {"num_present": len(values), "num_missing": 3000 - len(values)}
        assert [found["min"], found["max"]] == [values.min(), values.max()]
        expected = [values.mean(), values.sum(), values.std()]
        assert [found["mean"], found["sum"], found["std_dev"]] == pytest.approx(expected, rel=1e-6)
        buckets = found["distribution"]["kll"]["buckets"]
        borders = [*(bucket["lower_bound"] for bucket in buckets), buckets[-1]["upper_bound"]]
        assert borders == pytest.approx(np.linspace(values.min(), values.max(), 11))
        counts = np.array([bucket["count"] for bucket in buckets])
        assert counts.sum() == len(values)
        # a border falls into one bin
        assert np.abs(counts - np.histogram(values, borders)[0]).max() <= (0 if name == "age" else 20)


def test_the_sketch_has_the_weight_of_all_rows(spec: ProfileSpec) -> None:
    values = numbers_of(table(3000, 2), "amount")
    column = NumericProfile.of(pa.array(values), spec.features["amount"])  # type: ignore[arg-type]
    document = statistics(WindowProfile.of(table(3000, 2), spec))["features"][0]
    levels = document["numerical_statistics"]["distribution"]["kll"]["sketch"]["data"]
    assert sum(len(level) << height for height, level in enumerate(levels)) == column.finite
    points = np.sort(np.concatenate([np.repeat(level, 1 << height) for height, level in enumerate(levels)]))
    ranks = np.searchsorted(points, np.sort(values), side="right") / len(values)
    assert np.abs(ranks - np.arange(1, len(values) + 1) / len(values)).max() < 0.01


def test_categories_are_counted_by_name(spec: ProfileSpec) -> None:
    data = pa.table({"feature:country": ["at", "at", "xx", None]})
    found = statistics(WindowProfile.of(data, spec))["features"][2]["string_statistics"]
    assert found["common"] == {"num_present": 3, "num_missing": 1}
    assert found["distinct_count"] == 2.0
    assert found["distribution"]["categorical"]["buckets"] == [{"value": "at", "count": 2}, {"value": "xx", "count": 1}]


def test_a_column_without_values_has_counts_alone(spec: ProfileSpec) -> None:
    data = pa.table({"feature:amount": pa.nulls(2, pa.float64())})
    assert statistics(WindowProfile.of(data, spec))["features"][0] == {
        "name": "amount",
        "inferred_type": "Unknown",
        "numerical_statistics": {"common": {"num_present": 0, "num_missing": 2}},
    }


@given(st.lists(st.floats(-1e300, 1e300) | st.floats(-100, 100), min_size=1, max_size=50))
def test_what_is_written_can_be_read(values: list[float]) -> None:
    data = pa.table({"feature:x": values})
    profile = WindowProfile.of(data, ProfileSpec.learn(data, {"x": "numeric"}))
    own = profile.features["x"]
    assert isinstance(own, NumericProfile)
    document = json.loads(json.dumps(statistics(profile), allow_nan=False))
    column = FeatureStatistics.model_validate(document["features"][0])
    if column.numerical_statistics is None or column.numerical_statistics.mean is None:
        return  # its deviation is no float
    found = numeric_profile(column, len(values))
    assert (found.finite, found.low, found.high) == (own.finite, own.low, own.high)
    assert found.mean == pytest.approx(own.mean, rel=1e-6, abs=found.spec.unit + own.spec.unit)


def test_what_a_baseline_asks_for_is_what_is_read_from_it(spec: ProfileSpec, make_config: MakeConfig) -> None:
    config = make_config(checks={"feature_drift": {"tolerance": 0.085}, "unseen": {"tolerance": 0.05}})
    document = constraints(WindowProfile.of(table(3000, 2), spec), config)
    read = Constraints.parse(json.dumps(document).encode(), "constraints.json")
    assert [feature["name"] for feature in document["features"]] == list(KINDS)
    assert document["features"][1]["num_constraints"] == {"is_non_negative": True}
    assert document["features"][2]["string_constraints"] == {"domains": ["at", "ch"]}
    assert 0.6 < document["features"][2]["completeness"] < 0.7
    found = propose(read, None, config)
    assert found.features == config.columns.features
    assert found.checks["feature_drift"]["tolerance"] == pytest.approx(0.085)
    assert found.checks["unseen"] == {"limit": 0.05}


@given(st.floats(0, 1))
def test_the_two_distances_are_one_to_one(difference: float) -> None:
    assert largest_difference(least_jensen_shannon(difference)) == pytest.approx(difference, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=6))
def test_no_two_distributions_are_closer_than_said(counts: list[tuple[int, int]]) -> None:
    p, q = np.array(counts, np.float64).T
    if not p.sum() or not q.sum():
        return
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    parts = [np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(m > 0, m, 1)), 0).sum() for x in (p, q)]
    distance = np.sqrt(max(sum(parts) / 2, 0))
    for difference in (np.abs(np.cumsum(p - q)).max(), np.abs(p - q).max()):
        assert distance >= least_jensen_shannon(float(difference)) - 1e-6


def verdict(*findings: Finding) -> Verdict:
    moment = datetime(2024, 1, 11, tzinfo=UTC)
    return Verdict(
        model="toy",
        window=Window(moment, "day"),
        revision=1,
        as_of=moment,
        final=False,
        status=Status.FAIL,
        own_performance=Status.OK,
        headline="",
        findings=findings,
        numbers={},
        trailing={},
        trailing_windows=(),
        accounting={},
        inputs={},
    )


def measured(name: str, value: float, **more: Any) -> Measurement:
    return Measurement(name, value, 100, "high", "", **more)


def test_each_kind_of_violation(spec: ProfileSpec) -> None:
    broken = pa.table({"feature:amount": ["x"] * 9 + ["1"], "feature:age": [1.0] * 9 + [None]})
    profile = WindowProfile.of(broken, spec)
    share, distance = measured("null_share", 0.9), measured("jensen_shannon", 0.27)
    found = constraint_violations(
        verdict(
            Finding("schema", "gone", Status.FAIL, Code.COLUMN_MISSING, "Column gone is missing."),
            Finding("nulls", "amount", Status.FAIL, Code.NULLS_INCREASED, "", share, 0.0, 0.0),
            Finding("nulls", "age", Status.WARN, Code.NULLS_INCREASED, "", share, 0.0, 0.05),
            Finding("unseen", "country", Status.WARN, Code.UNSEEN_CATEGORIES, "New ones.", share, 0.0, 0.05),
            Finding("feature_drift", "age", Status.WARN, Code.FEATURE_DRIFT, "", distance, 0.0, 0.1),
            Finding("prediction_drift", "", Status.WARN, Code.PREDICTION_DRIFT, "", distance, 0.0, 0.1),
            Finding("feature_drift", "amount", Status.INFO, Code.FEATURE_DRIFT, "", distance, 0.0, 0.1),
            Finding("schema", "more", Status.INFO, Code.COLUMN_NEW, "Column more is new."),
            Finding("volume", "", Status.WARN, Code.VOLUME_LOW, "", share),
            Finding("nulls", "country", Status.UNKNOWN, Code.TOO_FEW_ROWS, ""),
        ),
        profile,
    )
    assert set(found) == {"violations"}
    assert all(list(v) == ["feature_name", "constraint_check_type", "description"] for v in found["violations"])
    counted = "Number of columns in current dataset: 3, in baseline: 3."
    match = "Data type match requirement is not met. Expected data type: Fractional, Expected match: 100.0%."
    complete = "Data completeness requirement is not met. Expected completeness: 95.0%."
    assert [tuple(violation.values()) for violation in found["violations"]] == [
        ("gone", "missing_column_check", f"Column gone is missing. {counted}"),
        ("amount", "data_type_check", f"{match} Observed: Only {100 * (1 - 0.9)}% of data is Fractional."),
        ("age", "completeness_check", f"{complete} Observed: Only 90.0% of data is complete."),
        ("country", "categorical_values_check", "New ones."),
        ("age", "baseline_drift_check", "Jensen-Shannon distance: 0.27 exceeds threshold: 0.1"),
        ("prediction", "baseline_drift_check", "Jensen-Shannon distance: 0.27 exceeds threshold: 0.1"),
        ("more", "extra_column_check", f"Column more is new. {counted}"),
    ]


def test_a_broken_feed_names_the_columns_that_it_explains(spec: ProfileSpec) -> None:
    folded = ("nulls:age", "mismatch:amount", "feature_drift:age", "volume")
    feed = Finding("feed", "", Status.FAIL, Code.FEED_BROKEN, "The feed is broken.", folded=folded)
    assert constraint_violations(verdict(feed), WindowProfile.empty(spec))["violations"] == [
        {"feature_name": "age", "constraint_check_type": "completeness_check", "description": "The feed is broken."},
        {"feature_name": "amount", "constraint_check_type": "data_type_check", "description": "The feed is broken."},
    ]


def test_violations_of_model_quality() -> None:
    auc = measured("roc_auc", 0.5153, standard_error=0.0128)
    error = measured("mae", 3.0, low=2.0, high=4.0)
    found = model_quality_violations(
        verdict(
            Finding("ranking", "", Status.WARN, Code.RANKING_WORSE, "", auc, 0.94, 0.9395),
            Finding("error", "", Status.FAIL, Code.ERROR_LARGER, "", error, 1.0, 2.0),
            Finding("recall", "", Status.WARN, Code.ACCURACY_WORSE, "", measured("recall", 0.1), None, 0.5),
            Finding("calibration", "", Status.OK, Code.WITHIN_LIMITS, "", auc, 0.0, 0.1),
            Finding("nulls", "age", Status.FAIL, Code.NULLS_INCREASED, "", error, 0.0, 0.0),
        )
    )["violations"]
    assert found[0] == {
        "constraint_check_type": "LessThanThreshold",
        "description": "Metric auc with 0.5153 +/- 0.0128 was LessThanThreshold '0.9395'",
        "metric_name": "auc",
    }
    assert [(v["metric_name"], v["constraint_check_type"]) for v in found[1:]] == [
        ("mae", "GreaterThanThreshold"),
        ("recall", "LessThanThreshold"),
    ]
    assert "+/- NaN was" in found[2]["description"]


def test_the_documents_parse_as_statistics(spec: ProfileSpec) -> None:
    document = statistics(WindowProfile.of(table(100, 3), spec))
    assert len(Statistics.parse(json.dumps(document).encode(), "statistics.json").features) == 3
