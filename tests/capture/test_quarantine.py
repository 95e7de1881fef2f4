"""A bad record goes to quarantine with a reason and its bytes; it never stops the others."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitoring.capture.objects import Piece
from monitoring.capture.quarantine import Reason, parse_quarantine, quarantine_lines
from monitoring.capture.records import Sorted
from monitoring.capture.schema import FEATURE_PREFIX

MakeRecord = Callable[..., dict[str, Any]]
Payload = Callable[..., dict[str, str]]
Read = Callable[..., Sorted]
BASE64_NOISE = {"data": "/w==", "encoding": "BASE64"}

# reason, what is wrong, the arguments of a record
RECORDS: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.NO_INPUT, {"request": None}),
    (Reason.NO_OUTPUT, {"response": 1}),
    (Reason.NO_EVENT_ID, {"eventId": ...}),
    (Reason.NO_EVENT_ID, {"eventId": 7}),
    (Reason.NO_EVENT_ID, {"eventId": ""}),
    (Reason.NO_EVENT_ID, {"eventId": "half a pair: \ud800"}),
    (Reason.BAD_EVENT_TIME, {"inferenceTime": ...}),
    (Reason.BAD_EVENT_TIME, {"inferenceTime": 1704967200}),
    (Reason.BAD_EVENT_TIME, {"inferenceTime": "yesterday"}),
    (Reason.BAD_EVENT_TIME, {"inferenceTime": "0001-01-01T00:00:00+10:00"}),
    (Reason.BAD_PAYLOAD, {"request": {"data": ["a"], "encoding": "CSV"}}),
    (Reason.BAD_PAYLOAD, {"request": {"data": "1,at", "encoding": "XML"}}),
    (Reason.BAD_PAYLOAD, {"request": {"data": "1,at"}}),
    (Reason.BAD_PAYLOAD, {"request": {"data": "{", "encoding": "JSON"}}),
    (Reason.BAD_PAYLOAD, {"request": {"data": "[" * 100_000, "encoding": "JSON"}}),
    (Reason.BAD_PAYLOAD, {"request": {"data": "5", "encoding": "JSON"}}),
    (Reason.BAD_PAYLOAD, {"request": BASE64_NOISE}),
    (Reason.BAD_PAYLOAD, {"response": {"data": "no base64", "encoding": "BASE64"}}),
    (Reason.ROW_COUNT, {"response": "0.1\n0.2"}),
    (Reason.ROW_COUNT, {"request": "", "response": ""}),
    (Reason.FIELD_COUNT, {"request": "1,at,more"}),
    (Reason.FIELD_COUNT, {"request": "1"}),
    (Reason.BAD_SCORE, {"response": "high"}),
    (Reason.BAD_SCORE, {"response": "nan"}),
    (Reason.BAD_SCORE, {"response": "1.01"}),
    (Reason.BAD_SCORE, {"response": "-0.01"}),
    (Reason.BAD_SCORE, {"response": {"data": '{"other": 1}', "encoding": "JSON"}}),
    (Reason.BAD_SCORE, {"response": {"data": f'{{"score": 1{"0" * 400}}}', "encoding": "JSON"}}),
    (Reason.MISSING_FIELD, {"request": {"data": '{"amount": 1}', "encoding": "JSON"}}),
    (Reason.UNPARSABLE_FIELD, {"request": "twelve,at"}),
    (Reason.UNPARSABLE_FIELD, {"request": {"data": f'{{"amount": 1{"0" * 400}, "country": 1}}', "encoding": "JSON"}}),
    (Reason.UNPARSABLE_FIELD, {"request": {"data": '{"amount": 1, "country": ["at"]}', "encoding": "JSON"}}),
    (Reason.UNPARSABLE_FIELD, {"request": {"data": '{"amount": 1, "country": "\\ud800"}', "encoding": "JSON"}}),
]
LINES: list[tuple[Reason, bytes]] = [
    (Reason.NOT_JSON, b"no json\n"),
    (Reason.NOT_JSON, b"\xff\xfe\n"),
    (Reason.NOT_JSON, b"[" * 100_000 + b"\n"),
    (Reason.NOT_A_CAPTURE, b"[1]\n"),
    (Reason.NOT_A_CAPTURE, b"{}\n"),
    (Reason.NOT_A_CAPTURE, b'{"captureData": 1}\n'),
    (Reason.CUT_OFF, b'{"captureData": {"endpointInput": {"observedCon'),
]


def _with_good(record: MakeRecord, read: Read, bad: Any) -> Sorted:
    """The bad one after three good ones, so that it cannot be taken for a change of the columns."""
    found = read(record(eventId="a"), record(eventId="b"), record(eventId="c"), bad)
    assert found.table["event_id"].to_pylist() == ["a", "b", "c"]
    assert (found.read, found.missing_columns, found.changed_columns) == (4, {}, {})
    return found


@pytest.mark.parametrize(("reason", "arguments"), RECORDS)
def test_records(record: MakeRecord, read: Read, reason: Reason, arguments: dict[str, Any]) -> None:
    found = _with_good(record, read, record(**{"eventId": "bad", **arguments}))
    assert [item.reason for item in found.quarantined] == [reason]


@pytest.mark.parametrize(("reason", "line"), LINES)
def test_lines(record: MakeRecord, read: Read, reason: Reason, line: bytes) -> None:
    found = _with_good(record, read, line)
    assert [item.reason for item in found.quarantined] == [reason]
    assert found.quarantined[0].origin.data == line.rstrip(b"\n")


# those of objects, of other formats, of labels, and of windows
ELSEWHERE = {
    Reason.MISSING_OBJECT,
    Reason.CHANGED_OBJECT,
    Reason.BAD_OBJECT,
    Reason.UNKNOWN_FORMAT,
    Reason.TOO_LONG,
    Reason.BAD_LABEL,
    Reason.TOO_LATE,
    Reason.IN_THE_FUTURE,
}


def test_every_reason_is_produced_above() -> None:
    assert {reason for reason, _ in (*RECORDS, *LINES)} == set(Reason) - ELSEWHERE


def test_a_whole_last_line_needs_no_end(record: MakeRecord, read: Read) -> None:
    found = read(record(eventId="a"), json.dumps(record(eventId="b")).encode())
    assert found.table["event_id"].to_pylist() == ["a", "b"]


def test_a_bad_record_of_many_rows_counts_all_of_them(record: MakeRecord, read: Read) -> None:
    found = read(record("1,at\n2,at\n3,at", "0.1\n0.2"), record("1,at\n2\n3,at", "0.1\n0.2\n0.3"))
    assert [(item.reason, item.rows) for item in found.quarantined] == [
        (Reason.ROW_COUNT, 3),
        (Reason.FIELD_COUNT, 3),
    ]
    assert found.read == 6


def test_one_bad_row_of_a_record_leaves_the_others(record: MakeRecord, read: Read) -> None:
    found = read(record("1,at\nx,at\n3,at", "0.1\n0.2\n0.3"))
    assert found.table["event_id"].to_pylist() == ["e1#0", "e1#2"]
    assert [item.detail for item in found.quarantined] == ["amount: not numeric"]


@pytest.mark.parametrize(("bad", "column_at_fault"), [(1, False), (2, True), (3, True)])
def test_a_column_that_fails_in_half_of_the_rows_is_at_fault(
    record: MakeRecord, read: Read, bad: int, column_at_fault: bool
) -> None:
    records = [record("12 EUR,at" if i < bad else "12,at", eventId=f"{i}") for i in range(4)]
    found = read(*records)
    assert list(found.changed_columns) == (["amount"] if column_at_fault else [])
    assert len(found.quarantined) == (0 if column_at_fault else bad)
    amounts = found.table[f"{FEATURE_PREFIX}amount"]
    assert amounts.to_pylist() == ([None] * bad if column_at_fault else []) + [12.0] * (4 - bad)


def test_missing_and_new_columns(record: MakeRecord, payload: Payload, read: Read) -> None:
    renamed = [record(payload({"betrag": 1, "country": "at", "\ud800": 1}), eventId=f"{i}") for i in range(3)]
    found = read(*renamed)
    assert (list(found.missing_columns), list(found.changed_columns), found.new_columns) == (
        ["amount"],
        [],
        ["?", "betrag"],
    )
    assert found.table.num_rows == 3


def test_a_column_absent_from_most_rows_only_has_changed(record: MakeRecord, payload: Payload, read: Read) -> None:
    some = [record(payload({"country": "at"}), eventId=f"{i}") for i in range(3)]
    found = read(*some, record())
    assert (list(found.missing_columns), list(found.changed_columns)) == ([], ["amount"])


def test_lines_know_their_place() -> None:
    data = b"one\n\n  \ntwo\nthree"
    places = [(origin.offset, origin.data, unfinished) for origin, unfinished in Piece("k", 0, data, True).lines()]
    assert places == [(0, b"one", False), (8, b"two", False), (12, b"three", True)]
    assert all(data[offset : offset + len(line)] == line for offset, line, _ in places)


def test_the_quarantine_keeps_place_and_bytes(record: MakeRecord, read: Read) -> None:
    found = read(record(), b"\xff\n")
    [line] = quarantine_lines(found.quarantined).splitlines()
    kept = json.loads(line)
    assert (kept["reason"], kept["key"], kept["length"]) == ("not_json", "k", 1)
    assert kept["offset"] == len(json.dumps(record())) + 1
    assert base64.b64decode(kept["data"]) == b"\xff"
    assert parse_quarantine(line) == [replace(found.quarantined[0], length=1)]
    assert parse_quarantine(quarantine_lines(found.quarantined, quotes=False))[0].origin.data == b""
