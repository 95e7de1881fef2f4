"""What a response says: a score, a class, the probabilities of the classes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from monitoring.capture.quarantine import Origin, Reason
from monitoring.capture.records import Row, likeliest, type_rows, with_prediction
from monitoring.capture.schema import captured_schema
from monitoring.config.capture import Columns

COLUMNS = Columns.model_validate(
    {"task": "multiclass", "probabilities": {"ant": "p_ant", "bee": "p.bee", "cat": "p.cat"}}
)
GOOD = {"p_ant": 0.25, "p": {"bee": "0.5", "cat": [0.25]}}
ANSWERS = ["score", "prediction", "probability.ant", "probability.bee", "probability.cat"]


def typed(said: dict[str, Any], status: int = 200, **changes: Any) -> Any:
    origin = Origin("k", 0, b"")
    row = Row("a", datetime(2026, 3, 1, tzinfo=UTC), origin, {}, said, {"status": status})
    return type_rows([row], COLUMNS.model_copy(update=changes))


def answer(said: dict[str, Any], status: int = 200, **changes: Any) -> list[Any]:
    (row,) = typed(said, status, **changes).table.select(ANSWERS).to_pylist()
    return list(row.values())


def test_the_class_and_the_score_follow_from_the_probabilities() -> None:
    assert answer(GOOD) == [0.5, "bee", 0.25, 0.5, 0.25]
    assert answer({"p_ant": 0.0, "p": {"bee": 0.5, "cat": 0.5}}) == [0.5, "bee", 0.0, 0.5, 0.5]


def test_what_the_response_says_itself_counts() -> None:
    assert answer(GOOD | {"s": 0.125}, score="s") == [0.125, "bee", 0.25, 0.5, 0.25]
    assert answer(GOOD | {"class": "cat"}, prediction="class") == [0.5, "cat", 0.25, 0.5, 0.25]
    assert answer(GOOD, prediction="class") == [0.5, "bee", 0.25, 0.5, 0.25]


@pytest.mark.parametrize("bad", [1.5, -0.1, "x", None, float("nan"), [0.1, 0.2], ...])
def test_a_bad_probability_is_a_bad_score(bad: Any) -> None:
    outputs = {"p": GOOD["p"]} if bad is ... else GOOD | {"p_ant": bad}
    (item,) = typed(outputs).quarantined
    assert item.reason is Reason.BAD_SCORE
    assert item.detail.startswith("p_ant is ")
    # a call that failed needs no answer, and half of one is none
    assert answer(outputs | {"class": "cat"}, 503, prediction="class") == [None] * 5


def test_responses_that_are_not_captured_have_no_probabilities() -> None:
    assert answer(GOOD, outputs=[], features={"a": "numeric"}) == [None] * 5


def test_the_likeliest_class_of_rows() -> None:
    columns = [pa.array([0.25, 0.5, None, 0.0]), pa.array([0.75, 0.5, 1.0, 0.0])]
    names, probabilities = likeliest(columns, ["x", "y"])
    assert names.to_pylist() == ["y", "x", None, "x"]
    assert probabilities.to_pylist() == [0.75, 0.5, None, 0.0]
    assert [len(found) for found in likeliest([column[:0] for column in columns], ["x", "y"])] == [0, 0]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_predictions_of_a_table(task: str) -> None:
    columns = Columns.model_validate({"task": task})
    table = captured_schema(columns).empty_table()
    assert with_prediction(table, columns).schema == table.schema
