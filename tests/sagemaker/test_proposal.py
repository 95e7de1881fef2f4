from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from monitoring.config import ModelConfig
from monitoring.config.checks import Checks
from monitoring.sagemaker.checks import NUMBER_CHECKS
from monitoring.sagemaker.files import Constraints, Statistics
from monitoring.sagemaker.proposal import METRIC_CHECKS, Proposal, propose
from tests.sagemaker.written import constraints_file, numeric_feature, statistics_file, text_feature

MakeConfig = Callable[..., ModelConfig]
AMOUNT = {"name": "amount", "inferred_type": "Fractional", "completeness": 1.0}
AGE = {"name": "age", "inferred_type": "Integral", "completeness": 1.0, "num_constraints": {"is_non_negative": True}}
COUNTRY = {
    "name": "country",
    "inferred_type": "String",
    "completeness": 1.0,
    "string_constraints": {"domains": ["at", "ch"]},
}


def proposed(config: ModelConfig, *columns: dict[str, Any], **settings: Any) -> Proposal:
    return propose(Constraints.parse(constraints_file(*columns, **settings), "c"), None, config)


def quality(config: ModelConfig, kind: str, **thresholds: tuple[float, str]) -> Proposal:
    metrics = {name: {"threshold": t, "comparison_operator": f"{op}Threshold"} for name, (t, op) in thresholds.items()}
    return propose(Constraints.parse(json.dumps({f"{kind}_constraints": metrics}).encode(), "c"), None, config)


def test_what_the_containers_suggest(make_config: MakeConfig) -> None:
    config = make_config()
    found = proposed(config, AMOUNT, AGE, COUNTRY)
    blocks = yaml.safe_load(found.text)
    assert blocks["columns"]["features"] == config.columns.features
    assert blocks["checks"] == {
        "nulls": {"limit": 0.0},
        "mismatch": {"limit": 0.0},
        "unseen": {"limit": 0.0},
        "feature_drift": {"tolerance": 0.085},
    }
    checks = Checks.model_validate(blocks["checks"])
    assert (checks.nulls.severity, checks.nulls.limit, checks.feature_drift.limit) == ("fail", 0.0, "baseline")
    assert [note.split()[0] for note in found.notes] == ["is_non_negative"]


def test_columns_that_the_model_does_not_know_are_marked(make_config: MakeConfig) -> None:
    odd = {"name": "St: x", "inferred_type": "Unknown"}
    label = {"name": "label", "inferred_type": "Integral"}
    found = proposed(make_config(columns={"features": {"age": "categorical"}}), label, AMOUNT, AGE, odd)
    assert yaml.safe_load(found.text)["columns"]["features"] == {
        "amount": "numeric",
        "age": "categorical",
        "St: x": "categorical",
    }
    assert "age: categorical   # Integral there" in found.text
    assert '"St: x": categorical   # no feature of toy as it is' in found.text
    assert "label is the label of toy, and no feature." in found.notes
    assert "Features of toy that are not in the files: country." in found.notes


def test_columns_of_different_completeness_are_held_to_the_baseline(make_config: MakeConfig) -> None:
    constraints = Constraints.parse(constraints_file(AMOUNT | {"completeness": 0.5}, AGE), "c")
    rows = [1.5, None, None, None]
    there = statistics_file(4, numeric_feature("amount", rows), numeric_feature("age", [1.0] * 4))
    found = propose(constraints, Statistics.parse(there, "s"), make_config())
    assert found.checks["nulls"] == {"limit": "baseline", "tolerance": 0.0}
    assert [note for note in found.notes if note.startswith("completeness 0.5 of amount: the statistics have 0.25")]
    assert not [note for note in found.notes if note.startswith("completeness 1.0")]


@pytest.mark.parametrize(
    ("asked", "checks"),
    [
        ({"perform_comparison": "Disabled"}, {"severity": "off"}),
        ({"comparison_threshold": 0.2}, {"tolerance": 0.085}),
        ({"comparison_threshold": 0.2, "categorical_drift_method": "ChiSquared"}, {"tolerance": 0.1704}),
    ],
)
def test_the_distance(make_config: MakeConfig, asked: dict[str, Any], checks: dict[str, Any]) -> None:
    drift = {"comparison_threshold": 0.1, "categorical_comparison_threshold": 0.1} | asked
    found = proposed(make_config(), AMOUNT, distribution_constraints=drift)
    assert found.checks["feature_drift"] == checks
    Checks.model_validate(yaml.safe_load(found.text)["checks"])


def test_what_is_switched_off(make_config: MakeConfig) -> None:
    found = proposed(make_config(), AMOUNT, evaluate_constraints="Disabled")
    checks = Checks.model_validate(yaml.safe_load(found.text)["checks"])
    rules = (checks.schema_, checks.nulls, checks.mismatch, checks.unseen, checks.feature_drift)
    assert {rule.severity for rule in rules} == {"off"}
    one = AMOUNT | {"monitoringConfigOverrides": {"evaluate_constraints": "Disabled"}}
    assert any("Disabled for amount" in note for note in proposed(make_config(), one, AGE).notes)


def test_thresholds_of_model_quality_are_limits(make_config: MakeConfig) -> None:
    found = quality(
        make_config(),
        "binary_classification",
        auc=(0.94, "LessThan"),
        recall=(0.5, "LessThan"),
        false_negative_rate=(0.4, "GreaterThan"),
        true_negative_rate=(0.9, "LessThan"),
        precision=(0.9, "GreaterThan"),
    )
    assert (found.task, found.checks) == ("binary", {"ranking": {"limit": 0.94}, "recall": {"limit": 0.6}})
    assert "true_negative_rate LessThanThreshold 0.9: it is not measured." in found.notes
    assert "precision GreaterThanThreshold 0.9: the check precision has no such limit." in found.notes


def test_thresholds_of_errors_take_the_smallest(make_config: MakeConfig) -> None:
    found = quality(make_config(), "regression", mse=(9.0, "GreaterThan"), rmse=(4.0, "GreaterThan"))
    assert found.checks == {"rmse": {"limit": 3.0}}
    assert quality(make_config(), "regression", mse=(-1.0, "GreaterThan")).checks == {}
    assert quality(make_config(), "regression", r2=(-0.5, "LessThan")).checks == {"r2": {"limit": -0.5}}


@pytest.mark.parametrize("task", list(METRIC_CHECKS))
def test_every_check_that_is_proposed_exists(task: str) -> None:
    known = {field.alias or name for name, field in Checks.model_fields.items()} | NUMBER_CHECKS.keys()
    assert {check for check, *_ in METRIC_CHECKS[task].values()} <= known


def test_statistics_alone_propose_columns(make_config: MakeConfig) -> None:
    there = statistics_file(1, numeric_feature("amount", [1.0]), text_feature("country", ["at"]))
    found = propose(None, Statistics.parse(there, "s"), make_config(), freezes=True)
    blocks = yaml.safe_load(found.text)
    assert blocks["columns"]["features"] == {"amount": "numeric", "country": "categorical"}
    assert blocks["checks"] == {"prediction_drift": {"severity": False}}
    assert Checks.model_validate(blocks["checks"]).prediction_drift.severity == "off"
    assert found.notes[-2].startswith("The baseline has no rows: no labels")
