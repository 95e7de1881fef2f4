from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.quarantine import UnreadableError
from monitoring.capture.readers.tensors import BINARY_MARK, is_tensor, parse_tensor, with_binary
from tests.capture.readers.recorded import torn

CODES = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


def raw(datatype: str, data: bytes, shape: list[int], text: str = "x") -> bytes:
    tensor = {"name": text, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
    return json.dumps({"id": "1", "outputs": [tensor]}, ensure_ascii=False).encode() + data


@pytest.mark.parametrize("datatype", CODES)
def test_every_datatype_in_json_and_raw(datatype: str) -> None:
    values = np.array([[0, 1], [1, 0], [1, 1]], CODES[datatype])
    body = with_binary(b" \n" + raw(datatype, values.tobytes(), [3, 2], "naïve"))
    inline = {"name": "naïve", "datatype": datatype, "shape": [3, 2], "data": values.ravel().astype(int).tolist()}
    assert parse_tensor(body["outputs"][0]) == parse_tensor(inline) == ("naïve", values.tolist())
    assert {type(value) for row in parse_tensor(inline)[1] for value in row} == {bool if datatype == "BOOL" else int}


def test_half_precision_of_the_other_kind() -> None:
    data = (np.array([1.5, -2.0], "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    assert parse_tensor(with_binary(raw("BF16", data, [2]))["outputs"][0]) == ("x", [[1.5], [-2.0]])


def test_texts() -> None:
    data = b"".join(len(text).to_bytes(4, "little") + text for text in ("ä".encode(), b"", b"\xff"))
    assert parse_tensor(with_binary(raw("BYTES", data, [3]))["outputs"][0])[1] == [["ä"], [""], ["\ufffd"]]
    encoded = [base64.b64encode("ä".encode()).decode(), "no base64", 7]
    tensor = {"name": "x", "datatype": "BYTES", "shape": [3], "data": encoded, "parameters": {"content_type": "base64"}}
    assert parse_tensor(tensor)[1] == [["ä"], ["no base64"], [7]]


@pytest.mark.parametrize(
    ("shape", "data", "rows"),
    [
        ([], [7], [[7]]),
        ([0], [], []),
        ([2, 0], [], []),
        ([2], [1, 2], [[1], [2]]),
        ([1, 2, 2], [[[1, 2], [3, 4]]], [[1, 2, 3, 4]]),
    ],
)
def test_shapes(shape: list[int], data: Any, rows: Any) -> None:
    assert parse_tensor({"name": "x", "shape": shape, "data": data}) == ("x", rows)


def test_what_is_a_tensor() -> None:
    assert is_tensor({"shape": [1], "data": [1]})
    assert is_tensor({"shape": [1], "parameters": {"binary_data_size": 4}})
    assert not is_tensor({"shape": [1], "data": "x"})
    assert not is_tensor({"data": [1]})
    assert not is_tensor([1])


@pytest.mark.parametrize(
    "body",
    [
        raw("FP32", b"\0" * 3, [1]),
        raw("FP32", b"\0" * 8, [2])[:-1],
        raw("FP32", b"\0" * 4, [1]) + b"more",
        raw("FP12", b"\0" * 4, [1]),
        raw("BYTES", b"\x05\0\0\0ab", [1]),
        raw("BYTES", b"\x05\0", [1]),
        raw("FP32", b"", [1]).replace(b"0}", b"-1}"),
        b"[",
    ],
)
def test_raw_tensors_that_are_refused(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        with_binary(body)


@given(torn(raw("FP32", np.arange(4, dtype="<f4").tobytes(), [4]) + b"\n"))
@settings(max_examples=100)
def test_garbage_gives_values_or_a_reason(body: bytes) -> None:
    assert BINARY_MARK in raw("FP32", b"", [0])
    try:
        found = with_binary(body)
        for tensor in found["outputs"] if isinstance(found, dict) and isinstance(found.get("outputs"), list) else []:
            if is_tensor(tensor):
                parse_tensor(tensor)
    except UnreadableError:
        pass


@given(st.lists(st.lists(st.integers(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_rows_are_the_first_dimension(rows: list[list[int]]) -> None:
    flat = [value for row in rows for value in row]
    for data in (flat, rows):
        assert parse_tensor({"name": "x", "shape": [len(rows), 3], "data": data})[1] == rows
