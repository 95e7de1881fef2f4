"""What the blocks `capture` and `columns` allow, and what follows from them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from monitoring.config import ModelConfig
from monitoring.config.capture import Capture, Columns, Csv


@pytest.mark.parametrize("folders", ["%Y/%m/%d/%H", "dt=%Y-%m-%d/hour=%H", "%Y%m%d", "*/year=%Y/month=%m/day=%d", ""])
def test_folders_that_name_a_time(folders: str) -> None:
    capture = Capture(uri="x", folders=folders)
    assert capture.hourly == ("%H" in folders)
    assert capture.dates == ("inference" if folders else "nothing")


@pytest.mark.parametrize(
    ("folders", "complaint"),
    [
        ("%Y/%m", "name the year, the month, the day"),
        ("%d/%m/%Y", "in this order"),
        ("%Y/%m/%d/%M", "%M is not known"),
        ("%Y/%Y/%m/%d", "each once"),
        ("/%Y/%m/%d", "slash"),
        ("logs", "name the year"),
    ],
)
def test_folders_that_do_not(folders: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Capture(uri="x", folders=folders)


def test_what_objects_are_dated_by() -> None:
    assert Capture(uri="x", folders="", dated_by="delivery").dates == "delivery"
    assert Capture(uri="x", dated_by="nothing").dates == "nothing"
    with pytest.raises(ValidationError, match="needs folders"):
        Capture(uri="x", folders="", dated_by="inference")
    hourly = {"every": "hour", "settle": "30m"}
    model = {"name": "m", "schedule": hourly, "columns": {"features": {"a": "numeric"}}}
    with pytest.raises(ValidationError, match="must name the hour"):
        ModelConfig.model_validate(model | {"capture": {"uri": "x", "folders": "%Y/%m/%d"}})
    assert ModelConfig.model_validate(model | {"capture": {"uri": "x", "folders": ""}})


def test_one_format_or_several() -> None:
    assert Capture.model_validate({"uri": "x", "format": "kserve"}).format == ["kserve"]
    assert Capture.model_validate({"uri": "x", "format": ["kserve", "csv"]}).format == ["kserve", "csv"]
    with pytest.raises(ValidationError):
        Capture.model_validate({"uri": "x", "format": []})
    with pytest.raises(ValidationError, match="names of its fields"):
        Csv(header=False)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"outputs": []}, "nothing to watch"),
        ({"features": {"a": "numeric"}, "outputs": ["s", "s"]}, "'s' stands twice"),
        ({"features": {"a": "numeric"}, "privacy": {"columns": {"b": "drop"}}}, "'b' is neither"),
        ({"features": {"a": "categorical"}, "privacy": {"columns": {"a": [1, 2]}}}, "not numeric"),
        ({"features": {"a": "numeric"}, "privacy": {"columns": {"a": [2, 1]}}}, "ascend"),
        ({"features": {"a": "numeric"}, "privacy": {"columns": {"a": []}}}, "ascend"),
        ({"features": {"a": "text"}, "privacy": {"columns": {"a": "hash"}}}, "only its length"),
        ({"probabilities": {"a": "pa", "b": "pb"}}, "for task multiclass; a binary model"),
        ({"task": "multiclass", "probabilities": {"a": "pa"}}, "two classes or more"),
        ({"task": "multiclass", "probabilities": {"a": "p", "b": "p"}}, "'p' stands twice"),
        ({"task": "multiclass", "probabilities": {"a": "", "b": "p"}}, "has no name"),
        (
            {"task": "multiclass", "features": {"x": "numeric"}, "probabilities": {"a": "p", "b": "q"}, "outputs": []},
            "without outputs responses are not captured",
        ),
    ],
)
def test_columns_that_make_no_sense(columns: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Columns.model_validate(columns)


def test_probabilities_say_what_else_a_response_holds() -> None:
    columns = Columns.model_validate({"task": "multiclass", "probabilities": {1: "p_one", "two": "p_two"}})
    assert columns.probabilities == {"1": "p_one", "two": "p_two"}
    assert (columns.score, columns.outputs, columns.answers) == ("", ["p_one", "p_two"], ("p_one", "p_two"))
    assert Columns.model_validate(columns.model_dump()) == columns
    given = columns.model_copy(update={"score": "s", "outputs": ["s"], "prediction": "class"})
    assert Columns.model_validate(given.model_dump()) == given
    assert given.answers == ("s", "class", "p_one", "p_two")


def test_what_is_stored_of_columns() -> None:
    columns = Columns.model_validate(
        {
            "features": {"a": "numeric", "b": "numeric", "c": "categorical", "d": "text", "f": "numeric"},
            "segments": ["tenant", "user"],
            "privacy": {"columns": {"a": "drop", "b": [1.0], "c": "hash", "f": "keep", "user": "drop"}},
        }
    )
    assert columns.stored == {
        "b": "categorical",
        "c": "categorical",
        "d": "numeric",
        "f": "numeric",
    }
    assert columns.stored_segments == ["tenant"]
    assert columns.privacy.hides
    assert not Columns(features={"a": "numeric"}).privacy.hides


def test_attributions_belong_to_features_that_are_kept() -> None:
    given = {"features": {"a": "numeric", "b": "numeric", "c": "categorical"}, "attributions": {"a": "s_a", "b": "s_b"}}
    assert Columns.model_validate(given).stored_attributions == ["a", "b"]
    hidden = {**given, "privacy": {"columns": {"a": [1.0], "b": "keep"}}}
    assert Columns.model_validate(hidden).stored_attributions == ["b"]
    with pytest.raises(ValueError, match="attributions: 'z' is no feature"):
        Columns.model_validate({**given, "attributions": {"z": "s_z"}})
    with pytest.raises(ValueError, match="attributions: 's' stands twice"):
        Columns.model_validate({**given, "attributions": {"a": "s", "b": "s"}})
