from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.quarantine import Origin, UnreadableError
from monitoring.capture.readers.calls import (
    REACH,
    Call,
    event_id_of,
    event_time_of,
    gathered,
    holds_answer,
    numbered,
)
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import COLUMNS, MOMENT, ROWS, SCORES, WRITTEN


def call(moment: datetime | None = MOMENT, **attributes: Any) -> Call:
    return Call("e", moment, WRITTEN, Origin("k", 0, b""), attributes)


def test_ids_of_rows() -> None:
    assert numbered("e", 0) == []
    assert [row.event_id for row in call().both(ROWS, SCORES, COLUMNS)] == ["e#0", "e#1"]
    assert [row.event_id for row in call().both(ROWS[:1], SCORES[:1], COLUMNS)] == ["e"]


@pytest.mark.parametrize(("value", "expected"), [("a", "a"), (7, "7"), (" a", " a")])
def test_event_ids(value: Any, expected: str) -> None:
    assert event_id_of(value) == expected


@pytest.mark.parametrize("value", ["", "  ", None, True, [], {}, "\ud800"])
def test_what_is_no_event_id(value: Any) -> None:
    with pytest.raises(UnreadableError, match="no id"):
        event_id_of(value)


@pytest.mark.parametrize("value", [None, "", "soon", True, [], {}, float("nan"), 1e400, 10**400, "9" * 5000, -1])
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(UnreadableError, match="neither ISO 8601"):
        event_time_of(value)


def test_times() -> None:
    assert event_time_of("2026-03-01T10:20:30") == event_time_of(1772360430) == MOMENT
    assert event_time_of("2026-03-01T12:20:30.5+02:00") == datetime(2026, 3, 1, 10, 20, 30, 500_000, UTC)


def test_the_answer_may_be_in_the_request() -> None:
    together = [ROWS[0] | SCORES[0], ROWS[1]]
    assert holds_answer(together, COLUMNS)
    assert not holds_answer(ROWS, COLUMNS)
    # a feature that has the name of the score is a feature
    same = Columns(features={"score": "numeric"})
    assert not holds_answer(SCORES, same)
    assert holds_answer([{"out": {"p": 1}}], Columns(features={"a": "numeric"}, paths={"score": "out.p"}))
    assert holds_answer([{"label": 1}], Columns(features={"a": "numeric"}, score="", prediction="label"))
    assert not holds_answer(together, Columns(features=COLUMNS.features, outputs=[], score=""))


def test_what_the_record_says_counts_before_what_the_answer_says() -> None:
    answer = {"model_version": "3", "error": "no"}
    (failed,) = call().both(ROWS[:1], answer, COLUMNS)
    assert failed.attributes == {"model_version": "3", "status": 500}
    (failed,) = call(status=503, model_version="4").both(ROWS[:1], answer, COLUMNS)
    assert failed.attributes == {"status": 503, "model_version": "4"}


def test_a_time_in_the_rows_counts_when_the_record_has_none() -> None:
    columns = Columns(features=COLUMNS.features, event_time="at")
    rows = [ROWS[0] | {"at": MOMENT.isoformat()}]
    assert call(None).both(rows, SCORES[:1], columns)[0].event_time == MOMENT
    assert call(None).both(ROWS[:1], SCORES[:1], columns)[0].event_time == WRITTEN
    assert call(WRITTEN).both(rows, SCORES[:1], columns)[0].event_time == WRITTEN


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_nothing_that_is_gathered_is_lost(items: list[tuple[str, int]]) -> None:
    groups = dict(gathered(items))
    assert groups == {key: [value for name, value in items if name == key] for key in {name for name, _ in items}}


def test_what_is_far_apart_is_not_gathered() -> None:
    near = [("a", 0), *((f"b{i}", i) for i in range(REACH - 1)), ("a", 1)]
    assert dict(gathered(near))["a"] == [0, 1]
    far = [("a", 0), *((f"b{i}", i) for i in range(REACH)), ("a", 1)]
    assert [group for key, group in gathered(far) if key == "a"] == [[0], [1]]
