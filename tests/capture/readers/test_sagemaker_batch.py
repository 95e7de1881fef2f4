from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import sagemaker_batch
from monitoring.capture.records import Row
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import (
    COLUMNS,
    DEEP,
    MOMENT,
    ROWS,
    SAMPLES,
    SCORES,
    UUID,
    WRITTEN,
    batch_line,
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

ONE = [(UUID, 12.5, "at", 0.25)]
TWO = [(f"{UUID}#0", 12.5, "at", 0.25), (f"{UUID}#1", None, "ch", 0.75)]
LINE = batch_line({"predicted_label": 0, "score": 0.25}, features=[12.5, "at"])
MANY = batch_line({"predictions": SCORES}, instances=[{"features": [12.5, "at"]}, {"features": [None, "ch"]}])
CSV = f"12.5,at,0.25, {UUID},2026-03-01T10:20:30Z\n".encode()


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (LINE, ONE),
        (MANY, TWO),
        (batch_line({"score": 0.25}, **ROWS[0]), ONE),
        (batch_line(0.25, **ROWS[0]), ONE),
        (batch_line([0.25], SageMakerInput=[12.5, "at"]), ONE),
        (batch_line([0.25, 0.75], SageMakerInput=[[12.5, "at"], [None, "ch"]]), TWO),
        (batch_line(..., **ROWS[0], score=0.25), ONE),
    ],
)
def test_the_input_is_joined_to_the_output(record: Any, expected: Any) -> None:
    batch = canonical(read("sagemaker-batch", lines(record)))
    assert values(batch) == expected
    assert set(batch.table["event_time"].to_pylist()) == {MOMENT}


def test_a_document_of_one_output() -> None:
    assert values(canonical(read("sagemaker-batch", json.dumps(MANY, indent=1).encode()))) == TWO


def test_outputs_alone_are_enough_when_only_they_are_watched() -> None:
    columns = Columns(outputs=["score"])
    data = lines(batch_line({"predictions": SCORES}), batch_line(..., score=0.5))
    found = read("sagemaker-batch", data, columns=columns)
    assert [row.event_id for row in found if isinstance(row, Row)] == [f"{UUID}#0", f"{UUID}#1", UUID]
    assert canonical(found, columns).table["score"].to_pylist() == [0.25, 0.75, 0.5]
    (row,) = read("sagemaker-batch", f"0.25, {UUID},2022-08-30T00:49:15Z".encode(), columns=columns)
    assert isinstance(row, Row)
    assert (row.event_id, row.outputs) == (UUID, {"score": "0.25"})


def test_without_the_input_there_are_no_features() -> None:
    (found,) = read("sagemaker-batch", lines(batch_line({"predictions": SCORES})))
    assert isinstance(found, Quarantined)
    assert (found.reason.value, found.rows) == ("no_input", 2)
    assert reasons(read("sagemaker-batch", CSV.split(b",", 2)[2])) == ["no_input"]


def test_csv() -> None:
    batch = canonical(read("sagemaker-batch", CSV + CSV.replace(b"12.5,at,0.25", b',"c,h",0.75')))
    assert values(batch) == [*ONE, (UUID, None, "c,h", 0.75)]


def test_csv_with_more_columns_than_the_model_has() -> None:
    data = b"o-1," + CSV
    assert reasons(read("sagemaker-batch", data)) == ["field_count"]
    names = ["order", "amount", "country", "score"]
    columns = Columns(features=COLUMNS.features, event_id="order")
    found = read("sagemaker-batch", data, columns=columns, csv={"header": False, "columns": names})
    assert values(canonical(found, columns)) == [("o-1", 12.5, "at", 0.25)]


def test_an_output_without_ids_needs_a_column_with_one() -> None:
    line = {name: value for name, value in LINE.items() if not name.startswith("SageMakerInference")}
    assert reasons(read("sagemaker-batch", lines(line))) == ["no_event_id"]
    columns = Columns(features=COLUMNS.features, event_id="order")
    line = {"SageMakerOutput": 0.25, "order": "o-1"} | ROWS[0]
    (row,) = read("sagemaker-batch", lines(line), columns=columns)
    assert isinstance(row, Row)
    assert (row.event_id, row.event_time) == ("o-1", WRITTEN)


def test_a_manifest_holds_no_rows() -> None:
    key, data = SAMPLES["sagemaker-batch"][-1]
    assert read("sagemaker-batch", data, key) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE | {"SageMakerInferenceId": None}, "no_event_id"),
        (LINE | {"SageMakerInferenceTime": "soon"}, "bad_event_time"),
        (LINE | {"features": [1]}, "field_count"),
        (batch_line({"predictions": [0.5]}, instances=ROWS), "row_count"),
        (batch_line([0.5, 0.5], **ROWS[0]), "row_count"),
        ({"amount": 1}, "not_a_capture"),
        ([1], "not_a_capture"),
        (DEEP, "not_json"),
    ],
)
def test_what_cannot_be_read_is_set_aside_and_nothing_else(line: Any, reason: str) -> None:
    found = read("sagemaker-batch", lines(LINE, line, MANY))
    assert reasons(found) == [reason]
    assert values(canonical(item for item in found if isinstance(item, Row))) == ONE + TWO


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,at,0.5,id,soon", "bad_event_time"),
        (b"1,at,0.5,,2026-03-01T10:20:30Z", "no_event_id"),
        (b"0.5", "no_event_id"),
        (b"\xff,at,0.5,id,2026-03-01T10:20:30Z", "bad_payload"),
        (b"1,at\r1,at", "bad_payload"),
    ],
)
def test_dirt_in_csv(line: bytes, reason: str) -> None:
    found = read("sagemaker-batch", CSV + line + b"\n" + CSV)
    assert reasons(found) == [reason]
    assert values(canonical(item for item in found if isinstance(item, Row))) == ONE * 2


def test_it_knows_its_own_and_no_other() -> None:
    assert all(sagemaker_batch.knows(key, head) for key, head in SAMPLES["sagemaker-batch"])
    assert not any(sagemaker_batch.knows(key, head) for key, head in foreign("sagemaker-batch"))


@given(st.data(), st.sampled_from([LINE, MANY]))
@settings(max_examples=60)
def test_no_line_is_lost_whatever_it_holds(data: st.DataObject, record: Any) -> None:
    line = lines(data.draw(damaged(record))).strip()
    content = lines(line, LINE, MANY)
    found = read("sagemaker-batch", content)
    assert places_of(found) == line_places(content)
    good = [item for item in found if not isinstance(item, Quarantined) and item.origin.offset > len(line)]
    assert values(canonical(good)) == ONE + TWO
    typed_anyway(found)


@given(st.one_of(st.binary(max_size=200), torn(lines(LINE, MANY)), torn(CSV * 3)))
@settings(max_examples=60)
def test_garbage_never_raises(data: bytes) -> None:
    sagemaker_batch.knows("k", data)
    found = read("sagemaker-batch", data)
    typed_anyway(found)
    assert places_of(found) >= line_places(data)
