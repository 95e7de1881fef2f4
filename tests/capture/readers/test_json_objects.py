from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture import objects
from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined
from monitoring.capture.readers import json_objects as module
from monitoring.capture.readers.json_objects import begins_json, first_object, json_objects
from tests.capture.readers.recorded import lines

ONE, TWO, THREE = ({"id": number, "data": [{"id": "inner"}]} for number in (1, 2, 3))


def is_record(record: dict[str, Any]) -> bool:
    return "data" in record


def found(data: bytes) -> list[Any]:
    """The records, and the reasons of what is none; every place holds what it says."""
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    result: list[Any] = []
    for item in json_objects(CaptureObject.of("k", data), is_record):
        origin = item.origin if isinstance(item, Quarantined) else item[0]
        assert plain[origin.offset :].startswith(origin.data)
        result.append(item.reason.value if isinstance(item, Quarantined) else item[1])
    return result


@pytest.mark.parametrize(
    "data",
    [
        lines(ONE, b"", TWO, b"\t ", THREE),
        lines(ONE, TWO, THREE).replace(b"\n", b"\r\n")[:-2],
        json.dumps([ONE, TWO, THREE]).encode(),
        json.dumps([ONE, TWO, THREE], indent=1).encode() + b"\n\0\0",
        b"".join(json.dumps(item, indent=1).encode() for item in (ONE, TWO, THREE)),
        lines([ONE, TWO], [THREE]),
        b"[\n" + b",\n".join(json.dumps(item).encode() for item in (ONE, TWO, THREE)) + b"\n]",
        gzip.compress(lines(ONE, TWO, THREE)),
    ],
)
def test_lines_and_documents(data: bytes) -> None:
    assert found(data) == [ONE, TWO, THREE]
    if data[:2] != b"\x1f\x8b":
        assert found(b"\xef\xbb\xbf" + data) == [ONE, TWO, THREE]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (lines(ONE, b"{", TWO), [ONE, "not_json", TWO]),
        (lines(b"{", ONE, TWO), ["not_json", ONE, TWO]),
        (lines(ONE, 5, "x", [1], None, TWO), [ONE, *["not_a_capture"] * 4, TWO]),
        (lines(ONE) + b'{"id"', [ONE, "cut_off"]),
        (json.dumps([ONE, 5, TWO]).encode(), [ONE, "not_a_capture", TWO]),
        (json.dumps([ONE, TWO]).encode()[:-1], [ONE, TWO, "cut_off"]),
        (json.dumps([ONE, TWO]).encode()[:-5], [ONE, "cut_off"]),
        (b"[" + json.dumps(ONE).encode() + b',{"data": x},' + json.dumps(TWO).encode() + b"]", [ONE, "not_json", TWO]),
        (
            b"[" + json.dumps(ONE).encode() + b',{"data": [{"id": \xff}], ' + json.dumps(TWO).encode() + b"]",
            [ONE, "not_json", TWO],
        ),
        (b"[", ["cut_off"]),
        (b"[]", []),
        (b"[[[]]]", []),
        (b"[" * 5000, ["cut_off"]),
        (b'[{"a":' * 5000, ["cut_off"]),
        (b"\xff\xfe\xfd", ["cut_off"]),
    ],
)
def test_what_is_no_object_is_set_aside_and_nothing_else(data: bytes, expected: Any) -> None:
    assert found(data) == expected


def test_faults_of_a_document_are_looked_beyond_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TRIES", 5)
    result = found(json.dumps([*range(10), ONE]).encode())
    assert result == ["not_a_capture"] * 5
    assert found(json.dumps([*range(3), ONE]).encode()) == ["not_a_capture"] * 3 + [ONE]


def test_a_document_that_is_too_large_is_read_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    monkeypatch.setattr(objects, "PIECE_BYTES", 50)
    data = b"[\n" + lines(ONE, *[TWO] * 5) + b"]\n"
    assert found(data) == ["not_json", ONE, *[TWO] * 5, "not_json"]


def test_a_document_with_a_line_that_is_too_long_is_read_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LONGEST_LINE", 1000)
    monkeypatch.setattr(CaptureObject.pieces, "__defaults__", (50,))
    data = b"[\n" + lines(ONE) + b"x" * 2000 + b"\n" + lines(TWO) + b"]\n"
    result = list(json_objects(CaptureObject.of("k", data), is_record))
    aside = {item.reason.value: item.origin.offset for item in result if isinstance(item, Quarantined)}
    assert aside == {"too_long": data.index(b"xx"), "not_json": len(data) - 2}
    assert [item for item in result if isinstance(item, tuple)] == [
        (Origin("k", data.index(json.dumps(item).encode()), json.dumps(item).encode()), item) for item in (ONE, TWO)
    ]


def test_the_first_object_of_a_head() -> None:
    data = json.dumps([ONE]).encode()
    assert first_object(data) == first_object(b"\xef\xbb\xbf\n" + lines(ONE, TWO)) == ONE
    assert first_object(data[:10]) == first_object(b"5") == first_object(b"[" * 5000) == first_object(b"") == {}
    assert begins_json(data)
    assert begins_json(b"\xef\xbb\xbf {")
    assert not begins_json(b"a,b")


@given(st.lists(st.sampled_from([ONE, TWO, 5, "x", None, [], {}]), max_size=6), st.sampled_from([None, 0, 2]))
@settings(max_examples=60)
def test_every_item_of_a_list_is_found(items: list[Any], indent: int | None) -> None:
    result = found(json.dumps(items, indent=indent).encode())
    assert [item for item in result if isinstance(item, dict)] == [item for item in items if isinstance(item, dict)]
    # a list in the list has no items of its own
    assert result.count("not_a_capture") == sum(not isinstance(item, dict | list) for item in items)
