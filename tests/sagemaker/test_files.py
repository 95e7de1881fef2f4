from __future__ import annotations

import json

import pytest

from monitoring.errors import ConfigError
from monitoring.sagemaker.files import Constraints, Statistics
from tests.sagemaker.written import constraints_file, numeric_feature, statistics_file


def test_a_number_that_is_none_is_written_as_a_text() -> None:
    feature = numeric_feature("age", [20.0, 30.0, 40.0])
    feature["numerical_statistics"] |= {"std_dev": "NaN", "max": "Infinity"}
    found = Statistics.parse(statistics_file(3, feature), "statistics.json").features[0].numerical_statistics
    assert found is not None
    assert (found.mean, found.std_dev, found.max) == (30.0, None, None)


@pytest.mark.parametrize("spelling", ["monitoringConfigOverrides", "monitoring_config_overrides"])
def test_the_overrides_of_a_column_have_two_spellings(spelling: str) -> None:
    column = {"name": "age", "inferred_type": "Integral", spelling: {"evaluate_constraints": "Disabled"}}
    assert not Constraints.parse(constraints_file(column), "c").features[0].evaluated


def test_the_sdk_writes_the_overrides_among_the_constraints_of_texts() -> None:
    inner = {"monitoring_config_overrides": {"evaluate_constraints": "Disabled"}}
    column = {"name": "age", "inferred_type": "Integral", "string_constraints": inner}
    assert not Constraints.parse(constraints_file(column), "c").features[0].evaluated


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff", "no JSON"),
        (b"[]", "statistics.json"),
        (b'{"dataset": {"item_count": -1}, "features": []}', "item_count"),
        (statistics_file(1, numeric_feature("a", [1.0]), numeric_feature("a", [1.0])), "'a' stands twice"),
        (b'{"version": 1.0, "binary_classification_metrics": {}}', "dataset"),
    ],
)
def test_what_is_no_statistics_is_refused_by_name(data: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        Statistics.parse(data, "s3://bucket/statistics.json")
    assert raised.value.where == "s3://bucket/statistics.json"


def test_an_analysis_of_bias_is_no_constraints() -> None:
    with pytest.raises(ConfigError, match="no constraints of data or model quality"):
        Constraints.parse(json.dumps({"version": "1.0", "post_training_bias_metrics": {}}).encode(), "analysis.json")
