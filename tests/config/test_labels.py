"""The block `labels`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring.config import ModelConfig
from monitoring.config.labels import Labels


def test_a_place_is_enough() -> None:
    labels = Labels(uri="labels/toy")
    assert labels.format == ["sagemaker"]
    assert (labels.folders, labels.horizon, labels.final_coverage) == ("%Y/%m/%d/%H", timedelta(days=30), None)
    assert (labels.event_id, labels.label, labels.weight, labels.label_time) == ("event_id", "label", "", "")


def test_one_format_or_several() -> None:
    assert Labels(uri="x", format="csv").format == ["csv"]
    assert Labels(uri="x", format=["csv", "jsonl"]).format == ["csv", "jsonl"]


def test_where_a_column_is() -> None:
    labels = Labels(uri="x", paths={"label": "outcome.class"})
    assert (labels.path("label"), labels.path("event_id")) == ("outcome.class", "event_id")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": []}, "at least 1"),
        ({"folders": "%Y/%d/%m"}, "each once and in this order"),
        ({"folders": "%y/%m/%d"}, "%y is not known"),
        ({"folders": "/%Y/%m/%d"}, "slash"),
        ({"final_coverage": 0}, "greater than 0"),
        ({"final_coverage": 1.1}, "less than or equal to 1"),
        ({"event_id": ""}, "at least 1"),
        ({"label": ""}, "at least 1"),
        ({"csv": {"header": False}}, "needs `columns`"),
        ({"weights": "w"}, "not permitted"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Labels.model_validate({"uri": "x", **settings})


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_models_of_all_tasks_may_have_labels(task: str) -> None:
    columns = {"task": task, "features": {"a": "numeric"}}
    model = {"name": "m", "capture": {"uri": "x"}, "columns": columns, "labels": {"uri": "y"}}
    assert ModelConfig.model_validate(model).labels == Labels(uri="y")
