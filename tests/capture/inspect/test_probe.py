"""A look into single objects."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.inspect.probe import HEAD_BYTES, Probe, Seen, dialect
from monitoring.capture.objects import CaptureObject

WRITTEN = datetime(2024, 1, 11, tzinfo=UTC)


def look(data: bytes, key: str = "a", rows: int = 100) -> Seen:
    return Probe(rows).look(CaptureObject.of(key, data, WRITTEN))


def capture(request: Any, response: Any) -> bytes:
    def side(value: Any) -> dict[str, Any]:
        kind = "CSV" if isinstance(value, str) else "JSON"
        return {"data": value if isinstance(value, str) else json.dumps(value), "encoding": kind}

    record = {
        "captureData": {"endpointInput": side(request), "endpointOutput": side(response)},
        "eventMetadata": {"eventId": "e", "inferenceTime": "2024-01-11T10:00:00Z"},
    }
    return json.dumps(record).encode() + b"\n"


@pytest.mark.parametrize(
    ("request_body", "response_body", "asked", "answered"),
    [
        ("1,2,3", "0.5", {"x0", "x1", "x2"}, {"y0"}),
        ("1,2,3\n4,5,6", "0.5\n0.6", {"x0", "x1", "x2"}, {"y0"}),
        ("1,2", "a,0.5", {"x0", "x1"}, {"y0", "y1"}),
        ("7", "0.5", {"x0"}, {"y0"}),
        ({"instances": [[1, 2, 3, 4]]}, {"predictions": [[0.1, 0.9]]}, {"x0", "x1", "x2", "x3"}, {"y0", "y1"}),
        ({"instances": [1, 2]}, {"predictions": [0.1, 0.9]}, {"x0"}, {"y0"}),
        ({"age": 41, "in": {"a": 1}}, {"score": 0.5, "label": 1}, {"age", "in"}, {"score", "label"}),
        ({"features": [1, 2, 3]}, 0.5, {"x0", "x1", "x2"}, {"y0"}),
    ],
)
def test_fields_of_requests_and_responses(request_body: Any, response_body: Any, asked: Any, answered: Any) -> None:
    seen = look(capture(request_body, response_body) * 5)
    assert seen.format == "sagemaker"
    assert (set().union(*seen.request), set().union(*seen.response)) == (asked, answered)
    assert not seen.together
    assert set(seen.times) == {datetime(2024, 1, 11, 10, tzinfo=UTC)}


def test_rows_of_another_width_do_not_mislead() -> None:
    seen = look(capture("1,2,3", "0.5") * 9 + capture("1,2,3,4", "0.5") + b"{\n")
    assert set().union(*seen.request) == {"x0", "x1", "x2"}
    assert (len(seen.request), seen.unread) == (9, 2)


def test_a_bounded_number_of_rows() -> None:
    assert len(look(b'{"a": 1}\n' * 1000, rows=7).request) == 7
    assert len(look(b"a,b\n" + b"1,2\n" * 1000, "a.csv", rows=7).request) == 7


def test_what_is_no_log() -> None:
    assert look(b"", "a.csv").noise
    assert look(b"{}", "_delta_log/0.json").noise
    assert look(b"\x89PNG").format == ""
    assert look(b'{"groundTruthData": {}, "eventMetadata": {}}\n').labels
    broken = look(b"PAR1 broken")
    assert (broken.format, broken.request, broken.unread) == ("parquet", [], 1)


@pytest.mark.parametrize(
    ("text", "delimiter", "header"),
    [
        ("a,b\n1,2\n", ",", True),
        ("a;b\n1,5;2\n3,5;4\n", ";", True),
        ("a|b\nx|y\n", "|", True),
        ("1\t2\n3\t4\n", "\t", False),
        ("1 2 3\n4 5 6\n", " ", False),
        ("a,b\n", ",", True),
        ("x,1.5\ny,2\n", ",", False),
        ("ann;paris\nbob;paris\n", ";", False),
        ("name;town\nbob;paris\nname;town\n", ";", True),
        ("a\n1\n", ",", True),
        ('"a, b",c\n"x, y",1\n', ",", True),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_dialects(text: str, delimiter: str, header: bool, encoding: str) -> None:
    found = dialect(text.encode(encoding))
    assert (found.delimiter, found.header) == (delimiter, header)
    assert found.encoding == ("utf-16" if encoding == "utf-16" else "utf-8")
    width = len(next(csv.reader(text.split("\n"), delimiter=delimiter)))
    assert found.columns == ([] if header else [f"x{i}" for i in range(width)])


def test_text_in_another_encoding() -> None:
    assert dialect("name,ort\nä,1\n".encode("latin-1")).encoding == "latin-1"
    assert dialect(("a,b\n" + "ä,1\n" * HEAD_BYTES).encode()[: HEAD_BYTES + 1]).encoding == "utf-8"


@given(st.binary(max_size=300))
def test_nothing_makes_a_look_fail(data: bytes) -> None:
    for prefix in (b"", b"{", b"a,b\n1,", b"PAR1", capture("1,2", "1")):
        for key in ("a", "a.csv", "a-request.json"):
            look(prefix + data, key)


def test_csv_is_read_as_it_is_written() -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows([["a", "b"], ["x;y", "1\n2"]])
    assert look(text.getvalue().encode(), "a.csv").request == [{"a": "x;y", "b": "1\n2"}]


def test_a_joined_output_of_batch_transform() -> None:
    line = '12.5,"a, t",0.27, 94bcc22a-0462-4bd1-92c9-b46a5aaec1aa,2024-01-11T10:00:00Z\n'
    seen = look(line.encode() * 3, "a.csv.out")
    assert seen.request == [{"x0": "12.5", "x1": "a, t", "output": "0.27"}] * 3
    assert seen.csv is not None
    assert seen.csv.columns == ["x0", "x1", "output"]
    assert (seen.together, seen.roles) == (True, {"output": "prediction"})


def test_the_answer_of_a_frame_without_names_is_known_by_its_place_only() -> None:
    record = {
        "specversion": "1.0",
        "id": "i",
        "type": "azureml.inference.model_outputs",
        "time": "2024-01-11T10:00:00Z",
    }
    seen = look(json.dumps({**record, "data": [{"0": 0.25}, {"0": 0.5}]}).encode() + b"\n")
    assert seen.response == [{"y0": 0.25}, {"y0": 0.5}]
