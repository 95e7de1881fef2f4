from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.quarantine import UnreadableError
from monitoring.capture.readers.payload import is_error, parse_body, parse_json, request_rows, response_rows
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import COLUMNS, JUNK, ROWS, damaged

Row = dict[str, Any]
NAMES = ["amount", "country"]
AMOUNTS = st.one_of(st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
COUNTRIES = st.one_of(st.none(), st.text(max_size=4))
TABLES = st.lists(st.fixed_dictionaries({"amount": AMOUNTS, "country": COUNTRIES}), min_size=1, max_size=4)


def fields(rows: list[Row]) -> list[list[Any]]:
    return [[row[name] for name in NAMES] for row in rows]


def across(rows: list[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in NAMES}


def columns_of(rows: list[Row], shape: Callable[[int], list[int]]) -> list[Row]:
    return [{"name": n, "shape": shape(len(rows)), "datatype": "BYTES", "data": v} for n, v in across(rows).items()]


REQUESTS: dict[str, Callable[[list[Row]], Any]] = {
    "list of objects": lambda rows: rows,
    "list of lists": fields,
    "instances of objects": lambda rows: {"instances": rows},
    "instances of lists": lambda rows: {"signature_name": "serving_default", "instances": fields(rows)},
    "instances with features": lambda rows: {"instances": [{"features": row} for row in fields(rows)]},
    "instances of both": lambda rows: {"instances": [rows[0], *fields(rows)[1:]]},
    "dataframe_split": lambda rows: {"dataframe_split": {"columns": NAMES, "index": [0], "data": fields(rows)}},
    "split without names": lambda rows: {"dataframe_split": {"columns": [0, 1], "data": fields(rows)}},
    "split in another order": lambda rows: {"columns": NAMES[::-1], "data": [row[::-1] for row in fields(rows)]},
    "dataframe_records": lambda rows: {"dataframe_records": rows},
    "input_data of Azure": lambda rows: {"input_data": {"columns": NAMES, "index": [0], "data": fields(rows)}},
    "data of Azure": lambda rows: {"data": fields(rows)},
    "inputs of records": lambda rows: {"inputs": rows},
    "inputs by column": lambda rows: {"inputs": across(rows)},
    "columns as lists": across,
    "a tensor for each column": lambda rows: {"inputs": columns_of(rows, lambda n: [n])},
    "a narrow tensor for each column": lambda rows: {"inputs": columns_of(rows, lambda n: [n, 1])},
    "one matrix": lambda rows: {
        "inputs": [
            {
                "name": "input-0",
                "shape": [len(rows), 2],
                "datatype": "BYTES",
                "data": [value for row in fields(rows) for value in row],
            }
        ]
    },
    "one nested matrix": lambda rows: {
        "inputs": [{"name": "input-0", "shape": [len(rows), 2], "datatype": "BYTES", "data": fields(rows)}]
    },
    "ndarray of Seldon": lambda rows: {"data": {"names": NAMES, "ndarray": fields(rows)}},
    "ndarray without names": lambda rows: {"data": {"ndarray": fields(rows)}, "meta": {}},
    "tensor of Seldon": lambda rows: {
        "data": {"tensor": {"shape": [len(rows), 2], "values": [value for row in fields(rows) for value in row]}}
    },
    "frame without names": lambda rows: [dict(zip("01", row, strict=True)) for row in fields(rows)],
}


@pytest.mark.parametrize("name", REQUESTS)
@given(rows=TABLES)
@settings(max_examples=25)
def test_rows_are_the_same_in_every_encoding_of_a_request(name: str, rows: list[Row]) -> None:
    body = json.dumps(REQUESTS[name](rows))
    assert request_rows(parse_body(body, "application/json"), COLUMNS) == rows
    assert request_rows(parse_body(json.dumps(body), "application/json"), COLUMNS) == rows
    assert request_rows(parse_body(body.encode(), ""), COLUMNS) == rows


@given(TABLES)
@settings(max_examples=25)
def test_rows_are_the_same_in_lines_of_json(rows: list[Row]) -> None:
    for lines in (rows, fields(rows), [{"features": row} for row in fields(rows)]):
        body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        assert request_rows(parse_body("\ufeff" + body, "application/jsonlines"), COLUMNS) == rows


@given(TABLES, st.booleans())
@settings(max_examples=25)
def test_rows_are_the_same_in_csv(rows: list[Row], header: bool) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([*([NAMES] if header else []), *fields(rows)])
    expected = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert request_rows(parse_body(text.getvalue(), "text/csv; charset=utf-8"), COLUMNS) == expected


RESPONSES: dict[str, Callable[[list[float]], Any]] = {
    "predictions": lambda scores: {"predictions": scores},
    "predictions of lists": lambda scores: {"predictions": [[score] for score in scores]},
    "predictions of objects": lambda scores: {"predictions": [{"score": score, "label": 1} for score in scores]},
    "predictions by column": lambda scores: {"predictions": {"score": scores, "label": scores}},
    "list of values": lambda scores: scores,
    "list of lists": lambda scores: [[score] for score in scores],
    "list of objects": lambda scores: [{"score": score} for score in scores],
    "columns as lists": lambda scores: {"score": scores},
    "outputs": lambda scores: {"outputs": scores},
    "outputs by column": lambda scores: {"outputs": {"score": scores}},
    "a tensor with the name": lambda scores: {
        "model_name": "m",
        "model_version": "1",
        "outputs": [{"name": "score", "shape": [len(scores)], "datatype": "FP64", "data": scores}],
    },
    "a tensor with another name": lambda scores: {
        "outputs": [{"name": "predict", "shape": [len(scores), 1], "datatype": "FP64", "data": scores}]
    },
    "names that a server made up": lambda scores: {
        "data": {"names": ["t:0"], "ndarray": [[score] for score in scores]}
    },
    "frame without names": lambda scores: [{"0": score} for score in scores],
}


@pytest.mark.parametrize("name", RESPONSES)
@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=4))
@settings(max_examples=25)
def test_scores_are_the_same_in_every_encoding_of_a_response(name: str, scores: list[float]) -> None:
    body = parse_body(json.dumps(RESPONSES[name](scores)), "application/json")
    for count in (len(scores), None):
        assert [row["score"] for row in response_rows(body, COLUMNS, count)] == scores


def test_names_of_a_server_that_are_the_same() -> None:
    two = Columns(outputs=["label", "score"])
    (row,) = response_rows({"data": {"names": ["t", "t"], "ndarray": [[1, 0.5]]}}, two)
    assert (row["label"], row["score"]) == (1, 0.5)


def test_fields_of_one_row_or_values_of_many() -> None:
    two = Columns(outputs=["label", "score"])
    assert response_rows([1, 0.5], two) == response_rows([1, 0.5], two, 1) == [{"label": 1, "score": 0.5}]
    assert response_rows([0.25, 0.5], Columns(outputs=["score"])) == [{"score": 0.25}, {"score": 0.5}]
    assert response_rows(0.5, COLUMNS) == response_rows(0.5, COLUMNS, 1) == [{"score": 0.5}]
    one = Columns(features={"text": "text"})
    assert (
        request_rows({"instances": ["a", "b"]}, one) == request_rows(["a", "b"], one) == [{"text": "a"}, {"text": "b"}]
    )
    assert request_rows({"inputs": ["text"]}, one) == request_rows("text", one) == [{"text": "text"}]
    assert request_rows([12.5, "at"], COLUMNS) == ROWS[:1]


def test_more_fields_than_outputs_are_refused() -> None:
    # of two probabilities the first is that of the negative class
    for body in ([[0.75, 0.25]], {"predictions": [[0.75, 0.25]]}, [["0.75", "0.25"]]):
        with pytest.raises(UnreadableError, match="2 fields, outputs names 1"):
            response_rows(body, COLUMNS, 1)
    matrix = {"outputs": [{"name": "proba", "shape": [1, 2], "datatype": "FP32", "data": [0.75, 0.25]}]}
    assert response_rows(matrix, COLUMNS, 1) == [{"proba": [0.75, 0.25]}]
    assert response_rows(matrix, Columns(outputs=["no", "score"]), 1) == [{"no": 0.75, "score": 0.25}]


def test_several_tensors_keep_their_names() -> None:
    outputs = [
        {"name": "predict", "shape": [2], "datatype": "INT64", "data": [1, 0]},
        {"name": "proba", "shape": [2, 2], "datatype": "FP32", "data": [0.1, 0.9, 0.8, 0.2]},
    ]
    expected = [{"predict": 1, "proba": [0.1, 0.9]}, {"predict": 0, "proba": [0.8, 0.2]}]
    assert response_rows({"outputs": outputs}, COLUMNS) == expected
    outputs[0]["data"] = [1]
    outputs[0]["shape"] = [1]
    with pytest.raises(UnreadableError, match="different length"):
        response_rows({"outputs": outputs}, COLUMNS)


def test_a_tensor_with_a_path_into_it_keeps_its_name() -> None:
    columns = Columns(features={"first": "numeric", "second": "numeric"}, paths={"first": "x[0]", "second": "x[1]"})
    body = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
    assert request_rows(body, columns) == [{"x": [1, 2, 3]}]


@pytest.mark.parametrize("name", ["data", "rows", "instances", "inputs", "features"])
def test_a_feature_may_have_the_name_of_a_holder(name: str) -> None:
    columns = Columns(features={name: "numeric", "other": "numeric"})
    row = {name: 1, "other": 2}
    assert request_rows(row, columns) == request_rows([row], columns) == [row]


def test_other_fields_of_a_row_hold_no_rows() -> None:
    row = {"amount": 1, "country": "at", "data": [[1, 2]], "outputs": {"score": 0.5}}
    assert request_rows(row, COLUMNS) == [row]
    assert (
        request_rows({"parameters": {"x": 1}, "inputs": "text"}, Columns(features={"inputs": "text"}))[0]["inputs"]
        == "text"
    )


def test_only_responses_may_be_watched() -> None:
    assert request_rows([[1, 2], [3, 4]], Columns(outputs=["score"])) == [{}, {}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([[1]], "field_count"),
        ([[1, 2, 3]], "field_count"),
        ({"instances": ["a"]}, "bad_payload"),
        (5, "bad_payload"),
        ({"dataframe_split": {"columns": NAMES, "data": [[1]]}}, "field_count"),
        ([NAMES, [1]], "field_count"),
        ({"inputs": [{"name": "x", "shape": [2, 2], "data": [1, 2, 3]}]}, "bad_payload"),
        ({"inputs": [{"name": "x", "shape": [-1], "data": [1]}]}, "bad_payload"),
        ({"inputs": [{"name": "x", "shape": [True], "data": [1]}]}, "bad_payload"),
        ({"inputs": [{"name": "x", "shape": [10**18], "data": []}]}, "bad_payload"),
        ({"inputs": [{"name": "x", "shape": [1]}]}, "bad_payload"),
    ],
)
def test_requests_that_are_refused(body: Any, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        request_rows(body, COLUMNS)
    assert caught.value.reason.value == reason


def test_a_response_of_another_length_is_refused() -> None:
    with pytest.raises(UnreadableError) as caught:
        response_rows({"predictions": [0.5]}, COLUMNS, 3)
    assert (caught.value.reason.value, caught.value.rows) == ("row_count", 3)


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"\xff", "json"),
        (b"\xff", "text/csv"),
        ("", "json"),
        ("{", "json"),
        ('{"a": 1}\n{', "json"),
        ("[" * 100_000, "json"),
        ('{"a":' * 100_000, "json"),
        ("[1]\n" + "[" * 100_000, "json"),
        (json.dumps("[" * 100_000), "json"),
        ("1" * 5000, "json"),
        (b'{"inputs":[{"name":"x","shape":[1],"parameters":{"binary_data_size":4}}]}', "json"),
        (b'{"inputs":[{"name":"x","parameters":{"binary_data_size":"4"}}]}', "json"),
        (b'x"binary_data_size"', "json"),
    ],
)
def test_bodies_that_are_refused(data: Any, content_type: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        parse_body(data, content_type)
    assert caught.value.reason.value == "bad_payload"


def test_what_is_wrong_is_said_without_values() -> None:
    for body in ('{"secret": 12345', "secret", '{"a": "secret'):
        with pytest.raises(UnreadableError) as caught:
            parse_json(body)
        assert "secret" not in caught.value.detail
        assert "12345" not in caught.value.detail


def test_an_error_is_no_answer() -> None:
    assert is_error({"error": "model not ready"}, COLUMNS)
    assert not is_error({"error": "", "predictions": [0.5]}, COLUMNS)
    assert not is_error({"error": 0.1, "score": 0.5}, COLUMNS)
    assert not is_error([0.5], COLUMNS)


@given(st.one_of(JUNK, *(damaged(encode(ROWS)) for encode in REQUESTS.values())))
@settings(max_examples=200)
def test_any_json_gives_rows_or_a_reason(value: Any) -> None:
    for side in (
        lambda: request_rows(value, COLUMNS),
        lambda: response_rows(value, COLUMNS),
        lambda: response_rows(value, COLUMNS, 2),
    ):
        with contextlib.suppress(UnreadableError):
            assert all(isinstance(row, dict) for row in side())


@given(
    st.one_of(*(damaged(encode([0.25, 0.75])) for encode in RESPONSES.values() if not isinstance(encode([0.5]), float)))
)
@settings(max_examples=100)
def test_any_response_gives_rows_or_a_reason(value: Any) -> None:
    with contextlib.suppress(UnreadableError):
        assert len(response_rows(value, COLUMNS, 2)) == 2


def test_raw_tensors() -> None:
    header = {
        "inputs": [
            {"name": "amount", "datatype": "FP32", "shape": [2, 1], "parameters": {"binary_data_size": 8}},
            {"name": "country", "datatype": "BYTES", "shape": [2], "data": ["at", "ch"]},
        ]
    }
    body = json.dumps(header).encode() + np.array([12.5, 7], "<f4").tobytes()
    assert request_rows(parse_body(body, "application/octet-stream"), COLUMNS) == [
        {"amount": 12.5, "country": "at"},
        {"amount": 7.0, "country": "ch"},
    ]
