"""Lines of JSON that Arrow reads give what Python reads of each of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.capture.objects import Piece
from monitoring.labels.readers import json_lines, jsonl, sagemaker
from monitoring.labels.readers.values import Meaning, tables
from tests.labels.readers.labelled import TIMED, collected, make_config, mutated, read

SCHEMA = pa.schema({"a": pa.string()})
_weights = st.sampled_from([1, 0.5, None, 0, 2.0, -1, "3", True, "", [1]])
_times = st.sampled_from(["2026-03-01T10:20:30Z", "2026-03-01", 1772356830, 1772356830.5, None, "", "soon", [1], True])
_numbers = st.sampled_from([0, 1, 1.0, -0.0, 2**53 + 1, 1e16, 0.1, 5e-324, 1e300, 10**400, float("nan"), float("inf")])
_texts = st.sampled_from(["0", "1", "1.0", "late", "", " ", "nan", "null", "é", "\ud800", "\0", "1,0", "0\n1", "[1]"])
_labels = _numbers | _texts | st.sampled_from([True, None, [1], [[1]], {"label": 1}, {"label": [0]}, {}])


def _columns(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Values mostly of one type, as in real files."""
    return values.flatmap(lambda one: st.lists(st.just(one) | st.sampled_from([0, 1, 0.5, "1"]) | values, max_size=6))


def _plain(labels: list[Any], data: st.DataObject) -> list[bytes]:
    rows = [{"event_id": f"e{i}", "label": label} for i, label in enumerate(labels)]
    for row in rows:
        if data.draw(st.booleans()):
            row |= {"weight": data.draw(_weights), "label_time": data.draw(_times), "x": [{"y": 1}]}
    return [json.dumps(row, ensure_ascii=data.draw(st.booleans())).encode(errors="surrogatepass") for row in rows]


def _truths(labels: list[Any], data: st.DataObject) -> list[bytes]:
    rows = [
        {
            "groundTruthData": {
                "data": label if isinstance(label, str) else json.dumps(label),
                "encoding": data.draw(st.sampled_from(["CSV", "CSV", "JSON", "BASE64"])),
            },
            "eventMetadata": {"eventId": f"e{i}"} | data.draw(st.sampled_from([{}, {"inferenceId": f"i{i}"}])),
        }
        for i, label in enumerate(labels)
    ]
    return [json.dumps(row).encode() for row in rows]


def _changed(lines: list[bytes], data: st.DataObject) -> bytes:
    return data.draw(mutated(st.just(lines)))


@settings(max_examples=300, deadline=None)
@given(_columns(_labels), st.sampled_from(["binary", "regression"]), st.sampled_from([{}, TIMED]), st.data())
def test_plain_lines(labels: list[Any], task: str, more: dict[str, str], data: st.DataObject) -> None:
    content = _changed(_plain(labels, data), data)
    config = make_config(task, format="jsonl", **more)
    meaning = Meaning.of(config)
    piece = Piece("k", 0, content.removeprefix(b"\xef\xbb\xbf"), last=True)
    found = jsonl._of_part(piece, meaning)
    alone = collected(tables(jsonl.labels_on_lines(piece, meaning), meaning.schema), config)
    assert repr(collected(found, config)) == repr(alone)
    assert alone.count >= sum(bool(line.strip()) for line in piece.data.split(b"\n"))


@settings(max_examples=300, deadline=None)
@given(_columns(_labels), st.sampled_from(["binary", "regression"]), st.data())
def test_ground_truth(labels: list[Any], task: str, data: st.DataObject) -> None:
    content = _changed(_truths(labels, data), data)
    config = make_config(task)
    meaning = Meaning.of(config)
    piece = Piece("k", 0, content.removeprefix(b"\xef\xbb\xbf"), last=True)
    found = sagemaker._of_part(piece, meaning)
    alone = collected(tables(sagemaker.labels_on_lines(piece, meaning), meaning.schema), config)
    assert repr(collected(found, config)) == repr(alone)
    assert alone.count >= sum(bool(line.strip(b" \t\r\n")) for line in piece.data.split(b"\n"))


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from("0123456789.eE+-_ xX"), max_size=12) | st.floats().map(repr),
    st.sampled_from(["CSV", "JSON"]),
)
@example("-0", "JSON")
@example("01", "JSON")
@example("1_0", "CSV")
def test_numbers_of_ground_truth(text: str, encoding: str) -> None:
    line = json.dumps({"groundTruthData": {"data": text, "encoding": encoding}, "eventMetadata": {"eventId": "a"}})
    for config in (make_config("regression"), make_config("multiclass")):
        meaning, piece = Meaning.of(config), Piece("k", 0, f"{line}\n".encode(), last=True)
        alone = collected(tables(sagemaker.labels_on_lines(piece, meaning), meaning.schema), config)
        assert repr(collected(sagemaker._of_part(piece, meaning), config)) == repr(alone)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b'{"a": "x"}\n\n{"a": "y"}\n',
        b'{"a": "x"} {"a": "y"}\n{"a":\n"z"}\n',
        b'{"a": "x"}{"a": "y"}\n{"a": "z"}\0\n{}\n',
        b'{"a": "x"} null {"a": "y"}\n{"a": "z"}\n{"a": "z"}\n',
        b"{}null{}\n",
        b'{"b": Inf}\n',
        b'{"b": -NaN}\n',
        b'{"b": "\xff"}\n',
        b'{"b": "\\ud800"}\n',
        b'{"b": ' + b"[" * 2000 + b"]" * 2000 + b"}\n",
        b'{"a": "x", "a": "y"}\n',
        b'{"a": 1}\n',
        b'[{"a": "x"}]\n',
    ],
)
def test_what_is_left_to_python(data: bytes) -> None:
    assert json_lines.parsed(data, SCHEMA) is None


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_what_is_not(end: bytes) -> None:
    data = b'{"a": "Information", "b": NaN}\n{"b": -Infinity}\r\n{"a": "\\u00e9\xc3\xa9\\\\"}' + end
    batch = json_lines.parsed(data, SCHEMA)
    assert batch is not None
    assert batch.to_pydict() == {"a": ["Information", None, "éé\\"]}
    origin = json_lines.line(Piece("k", 7, data, last=True))
    assert [(origin(i).offset, origin(i).data[-1:]) for i in range(3)] == [
        (7, b"}"),
        (38, b"\r"),
        (56, end.strip(b"\n")[-1:] or b"}"),
    ]


def test_usual_lines_are_read_by_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("read by Python")

    monkeypatch.setattr(sagemaker, "_of_line", refuse)
    monkeypatch.setattr(jsonl, "on_lines", refuse)
    truths = [
        {"groundTruthData": {"data": "0.50", "encoding": e}, "eventMetadata": {"eventId": "a"}, "eventVersion": "0"}
        for e in ("CSV", "JSON")
    ]
    data = b"".join(json.dumps(row).encode() + b"\n" for row in truths)
    assert read(data).pairs == [("a", "0.50"), ("a", "0.5")]
    assert read(data, "regression").pairs == [("a", 0.5), ("a", 0.5)]
    row = {"id": 7, "truth": {"class": 1.0}, "weight": 1, "label_time": 1772356830}
    data = json.dumps(row).encode() + b"\n" + json.dumps(row | {"weight": 0.5}).encode()
    names = {"event_id": "id", "paths": {"label": "truth.class"}, **TIMED}
    assert [row[:3] for row in read(data, format="jsonl", **names).rows] == [("7", "1", 1.0), ("7", "1", 0.5)]


def test_large_objects_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "PIECE_BYTES", 1000)
    order = np.random.default_rng(3).permutation(90_000)
    lines = [b'{"event_id": "%d", "label": %d}\n' % (i, i % 3) for i in order]
    lines[50_000] = b'{"event_id": "%d", "label": []}\n' % order[50_000]
    found = read(b"".join(lines) * 4, "multiclass", format="jsonl")
    assert found.reasons == ["bad_label"] * 4
    assert [int(name) for name, _ in found.pairs] == [i for i in order if i != order[50_000]] * 4
