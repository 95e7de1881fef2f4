from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.readers import bentoml
from monitoring.capture.readers.calls import REACH
from monitoring.capture.records import Row
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import (
    BENTO_SCHEMA,
    COLUMNS,
    DEEP,
    MOMENT,
    ROWS,
    SAMPLES,
    SCORES,
    bento_line,
    canonical,
    damaged,
    foreign,
    line_places,
    lines,
    places_of,
    read,
    reasons,
    torn,
    typed_anyway,
    values,
)

TOGETHER = [row | score for row, score in zip(ROWS, SCORES, strict=True)]
FIRST, SECOND = (bento_line(row) for row in TOGETHER)
TWO = [("1289#0", 12.5, "at", 0.25), ("1289#1", None, "ch", 0.75)]


def ids(*records: Any) -> list[str]:
    return [item.event_id for item in read("bentoml", lines(*records)) if isinstance(item, Row)]


def test_a_line_for_each_row() -> None:
    found = read("bentoml", lines(FIRST, SECOND))
    batch = canonical(found)
    assert values(batch) == TWO
    assert batch.new_columns == []
    assert batch.table["event_time"].to_pylist() == [MOMENT] * 2
    assert isinstance(found[0], Row)
    assert found[0].attributes == {"request_id": "1289", "trace_id": "9a"}


def test_a_row_that_is_read_again_by_itself_keeps_its_id() -> None:
    for number, item in enumerate(read("bentoml", lines(FIRST, SECOND))):
        again = read("bentoml", item.origin.data if isinstance(item, Row) else b"")
        assert values(canonical(again)) == [TWO[number]]


def test_a_rotated_and_compressed_object() -> None:
    data = gzip.compress(lines(FIRST, SECOND))
    assert values(canonical(read("bentoml", data, "data/data.1.log.2026-03-01.gz"))) == TWO


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T10:20:30.123456", datetime(2026, 3, 1, 10, 20, 30, 123456, UTC)),
        ("2026-03-01T11:20:30+01:00", MOMENT),
    ],
)
def test_a_time_without_an_offset_is_in_utc(text: str, moment: datetime) -> None:
    (found,) = read("bentoml", lines(bento_line(TOGETHER[0], timestamp=text)))
    assert isinstance(found, Row)
    assert found.event_time == moment


def test_rows_of_a_request_are_numbered_if_there_are_several() -> None:
    one, other = bento_line(TOGETHER[0]), bento_line(TOGETHER[0], request_id="2")
    assert ids(one, other) == ["1289", "2"]
    assert ids(one, one, other) == ["1289#0", "1289#1", "2"]
    # two threads write at the same time
    assert ids(one, other, one, other, one) == ["2#0", "2#1", "1289#0", "1289#1", "1289#2"]


def test_rows_of_a_request_lie_close_together() -> None:
    one, other = bento_line(TOGETHER[0]), [bento_line(TOGETHER[0], request_id=f"r{i}") for i in range(REACH)]
    assert sorted(ids(one, *other[:-1], one)) == sorted(["1289#0", "1289#1", *(f"r{i}" for i in range(REACH - 1))])
    assert sorted(ids(one, *other, one)) == sorted(["1289", "1289", *(f"r{i}" for i in range(REACH))])


def test_a_column_may_hold_the_id() -> None:
    columns = Columns(features=COLUMNS.features, event_id="order")
    rows = [bento_line(TOGETHER[0], order="o1"), bento_line(TOGETHER[1], order="o2"), bento_line(TOGETHER[1])]
    found = read("bentoml", lines(*rows, bento_line(TOGETHER[1], order="o2")), columns=columns)
    assert [item.event_id for item in found if isinstance(item, Row)] == ["o1", "o2", "o2"]
    assert reasons(found) == ["no_event_id"]


def test_schemas_are_no_rows() -> None:
    assert read("bentoml", lines(BENTO_SCHEMA), "schema/schema.1.log") == []
    assert values(canonical(read("bentoml", lines(BENTO_SCHEMA, FIRST, SECOND)))) == TWO


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (bento_line(TOGETHER[0], request_id=...), "no_event_id"),
        (bento_line(TOGETHER[0], request_id="None"), "no_event_id"),
        (bento_line(TOGETHER[0], request_id="\ud800"), "no_event_id"),
        (bento_line(TOGETHER[0], request_id="3", timestamp="soon"), "bad_event_time"),
        (bento_line(TOGETHER[0], request_id="3", timestamp=None), "bad_event_time"),
        (TOGETHER[0], "not_a_capture"),
        (5, "not_a_capture"),
        (b"plain text", "not_json"),
        (DEEP, "not_json"),
    ],
)
def test_what_cannot_be_read_is_set_aside_and_nothing_else(record: Any, reason: str) -> None:
    found = read("bentoml", lines(FIRST, record, SECOND))
    assert reasons(found) == [reason]
    assert values(canonical(item for item in found if isinstance(item, Row))) == TWO


def test_a_row_without_an_answer_is_set_aside_in_its_place() -> None:
    batch = canonical(read("bentoml", lines(FIRST, bento_line(ROWS[0]), SECOND)))
    assert batch.table["event_id"].to_pylist() == ["1289#0", "1289#2"]
    assert reasons(batch.quarantined) == ["bad_score"]


def test_it_knows_its_own_and_no_other() -> None:
    assert all(bentoml.knows(key, head) for key, head in SAMPLES["bentoml"])
    assert not any(bentoml.knows(key, head) for key, head in foreign("bentoml"))


@given(st.data())
@settings(max_examples=60)
def test_no_line_is_lost_whatever_it_holds(data: st.DataObject) -> None:
    line = lines(data.draw(damaged(bento_line(TOGETHER[0], request_id="other")))).strip()
    content = lines(line, FIRST, SECOND)
    found = read("bentoml", content)
    assert places_of(found) == line_places(content)
    batch = typed_anyway(found)
    assert batch.table["score"].to_pylist()[-2:] == [0.25, 0.75]


@given(st.one_of(st.binary(max_size=200), torn(lines(FIRST, SECOND, FIRST))))
@settings(max_examples=60)
def test_garbage_never_raises(data: bytes) -> None:
    bentoml.knows("k", data)
    found = read("bentoml", data)
    typed_anyway(found)
    assert places_of(found) >= line_places(data)
