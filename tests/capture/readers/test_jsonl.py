"""Plain JSON logs."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined, Reason
from monitoring.capture.readers.jsonl import knows, read
from monitoring.capture.records import Row, type_rows
from monitoring.config import ModelConfig

WRITTEN = datetime(2024, 1, 11, 12, tzinfo=UTC)
FIRST = {"event_id": "a", "timestamp": "2024-01-11T10:00:00Z", "amount": 1.5, "score": 0.25}
SECOND = {"event_id": "b", "timestamp": 1704967200, "amount": None, "score": 0.75}


def config(**columns: Any) -> ModelConfig:
    columns = {"features": {"amount": "numeric"}, **columns}
    capture = {"format": "jsonl", "uri": "logs"}
    return ModelConfig.model_validate({"name": "toy", "capture": capture, "columns": columns})


def found(data: bytes, **columns: Any) -> list[Row | Quarantined]:
    return list(read(CaptureObject.of("logs/a.jsonl", data, WRITTEN), config(**columns)))


def rows(data: bytes, **columns: Any) -> list[Row]:
    items = found(data, **columns)
    assert all(isinstance(item, Row) for item in items), items
    return [item for item in items if isinstance(item, Row)]


LINES = b"".join(json.dumps(row).encode() + b"\n" for row in (FIRST, SECOND))


def test_a_line_is_a_row() -> None:
    first, second = rows(LINES)
    assert (first.event_id, second.event_id) == ("a", "b")
    assert first.event_time == second.event_time == datetime(2024, 1, 11, 10, tzinfo=UTC)
    assert first.features == first.outputs == {"amount": 1.5, "score": 0.25}
    assert (second.origin.offset, second.origin.data) == (LINES.index(b"\n") + 1, json.dumps(SECOND).encode())


@pytest.mark.parametrize(
    "data",
    [
        LINES.rstrip(),
        b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n"),
        json.dumps([FIRST, SECOND]).encode(),
        json.dumps([FIRST, SECOND], indent=2).encode(),
        json.dumps(FIRST, indent=2).encode() + b"\n" + json.dumps(SECOND, indent=2).encode(),
        LINES.replace(b"\n", b""),
        LINES.replace(b"\n", b" ") + bytes(4),
    ],
    ids=["no end", "bom and blank lines", "list", "list over lines", "objects over lines", "no lines", "blanks"],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress])
def test_however_the_objects_are_laid_out(data: bytes, compress: Callable[[bytes], bytes]) -> None:
    assert [(row.event_id, row.features) for row in rows(compress(data))] == [
        ("a", {"amount": 1.5, "score": 0.25}),
        ("b", {"amount": None, "score": 0.75}),
    ]


def test_nested_fields_are_found_by_their_paths() -> None:
    line = json.dumps({"meta": {"id": "x", "at": "2024-01-11"}, "customer": {"age": [41]}, "out": {"p": 0.5}}).encode()
    (row,) = rows(
        line,
        event_id="meta.id",
        event_time="meta.at",
        features={"age": "numeric"},
        paths={"age": "customer.age[0]", "score": "out.p"},
    )
    assert (row.event_id, row.event_time) == ("x", datetime(2024, 1, 11, tzinfo=UTC))
    table = type_rows(
        [row], config(features={"age": "numeric"}, paths={"age": "customer.age[0]", "score": "out.p"}).columns
    )
    assert table.table.select(["feature:age", "score"]).to_pylist() == [{"feature:age": 41.0, "score": 0.5}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"event_id": "x"', Reason.NOT_JSON),
        (b"[1, 2]", Reason.NOT_A_CAPTURE),
        (b'"text"', Reason.NOT_A_CAPTURE),
        (b"\xff\xfe\x00", Reason.NOT_JSON),
        (b"{" * 100_000, Reason.NOT_JSON),
        (json.dumps({**FIRST, "timestamp": "soon"}).encode(), Reason.BAD_EVENT_TIME),
        (json.dumps({**FIRST, "timestamp": True}).encode(), Reason.BAD_EVENT_TIME),
    ],
)
def test_a_bad_line_costs_itself_only(line: bytes, reason: Reason) -> None:
    first, *bad, last = found(LINES.replace(b"\n", b"\n" + line + b"\n", 1))
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert {item.reason for item in bad if isinstance(item, Quarantined)} == {reason}


def test_a_bad_object_among_others_without_lines_costs_itself_only() -> None:
    data = b'{"event_id": "x"}{"event_id": }' + LINES.replace(b"\n", b"")
    one, bad, *rest = found(data)
    assert isinstance(one, Row)
    assert isinstance(bad, Quarantined)
    assert (bad.reason, bad.origin.offset, bad.origin.data) == (Reason.NOT_JSON, 17, b'{"event_id": }')
    assert [row.event_id for row in rest if isinstance(row, Row)] == ["a", "b"]
    assert all(data[row.origin.offset :].startswith(row.origin.data) for row in rest)


def test_an_object_without_an_end_behind_others_on_its_line() -> None:
    data = b'{"event_id": "x"}{"event_id": "y"}{"event_id'
    *_, bad = found(data + b"\n" + LINES)[:3]
    assert isinstance(bad, Quarantined)
    assert (bad.origin.offset, bad.origin.data) == (34, b'{"event_id')


def test_what_is_cut_off_says_so() -> None:
    _, last = found(LINES[:-10])
    assert isinstance(last, Quarantined)
    assert last.reason is Reason.CUT_OFF
    *_, damaged = found(gzip.compress(LINES * 100)[:-20])
    assert isinstance(damaged, Quarantined)
    assert damaged.reason is Reason.BAD_OBJECT


def test_rows_without_id_and_time() -> None:
    first, second = rows(b'{"score": 0.5}\n{"score": 0.5, "id": 17.0, "ts": null}\n')
    assert (first.event_id, first.event_time) == ("logs/a.jsonl#0", WRITTEN)
    assert (second.event_id, second.event_time) == ("17", WRITTEN)


def test_a_configured_id_or_time_is_needed() -> None:
    items = found(b'{"id": "x"}\n{"order": "y"}\n', event_id="order", event_time="when")
    assert [item.reason for item in items if isinstance(item, Quarantined)] == [
        Reason.NO_EVENT_ID,
        Reason.BAD_EVENT_TIME,
    ]


def test_a_feature_is_no_id_and_no_time() -> None:
    (row,) = rows(b'{"time": 3.5, "id": {"a": 1}, "score": 0.5}', features={"time": "numeric", "id.a": "numeric"})
    assert row.event_id == "logs/a.jsonl#0"
    assert row.features == {"time": 3.5, "id": {"a": 1}, "score": 0.5}


@given(st.binary(max_size=200))
def test_nothing_makes_the_reader_raise(data: bytes) -> None:
    for prefix in (b"", b"{", b"[{", LINES, b'{"a": "'):
        assert all(isinstance(item, Row | Quarantined) for item in found(prefix + data))


def test_what_is_known() -> None:
    assert knows("a", LINES)
    assert knows("a", b'\xef\xbb\xbf\n[{"a"')
    assert not knows("a/_delta_log/0.json", LINES)
    assert not knows("a.csv", b"a,b\n")
