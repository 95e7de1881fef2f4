from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import azureml, reader
from monitoring.capture.records import Half, Row
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import (
    AZURE,
    AZURE_V1,
    COLUMNS,
    DEEP,
    MOMENT,
    ROWS,
    SAMPLES,
    SCORES,
    azure_event,
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

BOTH = lines(azure_event(ROWS), azure_event(SCORES, "model_outputs"))
TWO = [("c9_0", 12.5, "at", 0.25), ("c9_1", None, "ch", 0.75)]
OUTPUTS = AZURE.replace("inputs", "outputs")


def test_inputs_and_outputs_are_halves_of_the_same_rows() -> None:
    inputs, outputs = read("azureml", BOTH, AZURE)
    assert isinstance(inputs, Half)
    assert isinstance(outputs, Half)
    assert (inputs.key, inputs.side, outputs.key, outputs.side) == ("c9", "input", "c9", "output")
    assert list(inputs.ids) == list(outputs.ids) == ["c9_0", "c9_1"]
    found = canonical([inputs, outputs])
    assert values(found) == TWO
    assert found.table["model_version"].to_pylist() == ["7", "7"]
    assert found.table["event_time"].to_pylist() == [MOMENT, MOMENT]


def test_a_single_row_has_the_suffix_too() -> None:
    found = read("azureml", lines(azure_event(ROWS[:1]), azure_event(SCORES[:1], "model_outputs")))
    assert values(canonical(found)) == TWO[:1]


@pytest.mark.parametrize(
    ("collection", "key", "side"),
    [
        ("model_inputs", "x.jsonl", "input"),
        ("model_outputs", "x.jsonl", "output"),
        ("request", "x.jsonl", "input"),
        ("response", OUTPUTS, "output"),
        ("my-inputs", "x.jsonl", "input"),
        (None, AZURE, "input"),
        (None, OUTPUTS, "output"),
        (None, "p/predictions/2026/03/01/i.jsonl", "output"),
    ],
)
def test_the_side_is_that_of_the_collection(collection: str | None, key: str, side: str) -> None:
    event = azure_event(ROWS if side == "input" else SCORES, collection or "", type=... if collection is None else None)
    if collection is not None:
        event["type"] = f"azureml.inference.{collection}"
    (found,) = read("azureml", lines(event), key)
    assert isinstance(found, Half)
    assert found.side == side


@pytest.mark.parametrize("collection", ["model_inputs_outputs", "model_inputs", "everything"])
def test_a_collection_of_both_gives_rows(collection: str) -> None:
    together = [row | score for row, score in zip(ROWS, SCORES, strict=True)]
    found = read("azureml", lines(azure_event(together, collection)))
    assert all(isinstance(item, Row) for item in found)
    assert values(canonical(found)) == TWO


def test_a_collection_of_neither_is_no_capture() -> None:
    assert reasons(read("azureml", lines(azure_event(ROWS, "scaled")))) == ["not_a_capture"]
    assert reasons(read("azureml", lines(azure_event(ROWS, ""), {"a": 1}), "x.jsonl")) == ["not_a_capture"] * 2


def test_only_requests_or_only_responses_are_watched() -> None:
    requests = Columns(features=COLUMNS.features, outputs=[], score="")
    found = read("azureml", BOTH, columns=requests)
    assert [row.event_id for row in found if isinstance(row, Row)] == ["c9_0", "c9_1"]
    assert len(found) == 2
    found = read("azureml", BOTH, columns=Columns(outputs=["score"]))
    assert [row.outputs for row in found if isinstance(row, Row)] == SCORES
    assert len(found) == 2


def test_a_frame_without_names_is_read_by_position() -> None:
    inputs = azure_event([{"0": 12.5, "1": "at"}, {"0": None, "1": "ch"}])
    outputs = azure_event([{"0": 0.25}, {"0": 0.75}], "model_outputs")
    assert values(canonical(read("azureml", lines(inputs, outputs)))) == TWO


@pytest.mark.parametrize(
    ("request_body", "response_body"),
    [
        ({"data": [[12.5, "at"], [None, "ch"]]}, [0.25, 0.75]),
        ('{"data": [[12.5, "at"], [null, "ch"]]}', "[0.25, 0.75]"),
        (
            {"input_data": {"columns": ["amount", "country"], "index": [0, 1], "data": [[12.5, "at"], [None, "ch"]]}},
            [0.25, 0.75],
        ),
        ({"input_data": {"columns": [0, 1], "data": [[12.5, "at"], [None, "ch"]]}}, '"[0.25, 0.75]"'),
    ],
)
def test_payload_logging(request_body: Any, response_body: Any) -> None:
    request = azure_event(request_body, "request", path="/score", method="POST", modelversion=...)
    found = read("azureml", lines(request, azure_event(response_body, "response")))
    assert values(canonical(found)) == TWO
    assert isinstance(found[0], Half)
    assert found[0].attributes["path"] == "/score"


def test_payload_logging_of_csv() -> None:
    request = azure_event("12.5,at\n,ch\n", "request", datacontenttype="text/csv")
    assert values(canonical(read("azureml", lines(request, azure_event(SCORES, "response"))))) == TWO


def test_what_lies_in_a_blob_of_its_own_is_a_reference() -> None:
    columns = Columns(outputs=["score"], features={"uri": "categorical"}, references=["uri"])
    blob = azure_event(
        "https://s.blob.core.windows.net/b/1", "request", datainblob="true", datacontenttype="text/plain"
    )
    found = read("azureml", lines(blob, azure_event([0.5], "response")), columns=columns)
    assert canonical(found, columns).table["reference:uri"].to_pylist() == ["https://s.blob.core.windows.net/b/1"]


def test_an_answer_in_a_blob_of_its_own_makes_one_row_without_a_score() -> None:
    outputs = azure_event("https://s.blob.core.windows.net/b/2", "response", datainblob="true")
    found = canonical(read("azureml", lines(azure_event(ROWS[:1]), outputs)))
    assert reasons(found.quarantined) == ["bad_score"]


def test_the_id_is_the_first_that_an_event_has() -> None:
    def key(**changes: Any) -> str:
        (found,) = read("azureml", lines(azure_event(ROWS, **changes)))
        assert isinstance(found, Half)
        return found.key

    assert key() == "c9"
    assert key(correlationid=...) == "x9"
    assert key(correlationid="", xrequestid=None) == "b1"
    (found,) = read("azureml", lines(azure_event(ROWS, correlationid="\ud800")))
    assert reasons([found]) == ["no_event_id"]


def test_an_id_in_the_rows_comes_first() -> None:
    columns = Columns(features=COLUMNS.features, event_id="order")
    rows = [ROWS[0] | {"order": 17}, ROWS[1], ROWS[1] | {"order": "o-3"}]
    scores = [*SCORES, SCORES[1]]
    found = canonical(
        read("azureml", lines(azure_event(rows), azure_event(scores, "model_outputs")), columns=columns), columns
    )
    assert found.table["event_id"].to_pylist() == ["17", "o-3"]
    assert reasons(found.quarantined) == ["no_event_id"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (azure_event(ROWS, time=...), "bad_event_time"),
        (azure_event(ROWS, time="soon"), "bad_event_time"),
        (azure_event(...), "not_a_capture"),
        (azure_event([]), "row_count"),
        (azure_event([[1]]), "field_count"),
        (azure_event("{"), "bad_payload"),
        (azure_event(ROWS, correlationid=None, xrequestid=None, id=None), "no_event_id"),
        ([1], "not_a_capture"),
        (b"{", "not_json"),
        (DEEP, "not_json"),
        (b'{"data": 1' + b"1" * 5000 + b"}", "not_json"),
    ],
)
def test_what_cannot_be_read_is_set_aside_and_nothing_else(event: Any, reason: str) -> None:
    first, *aside, second, last = read("azureml", lines(azure_event(ROWS), event, *BOTH.splitlines()), AZURE)
    assert isinstance(first, Half)
    assert reasons(aside) == [reason]
    assert values(canonical([second, last])) == TWO


def test_a_line_without_an_end_is_cut_off() -> None:
    assert reasons(read("azureml", BOTH + b'{"specversion"')) == ["cut_off"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "c/modelDataCollector/ep/blue/model_outputs/2026/03/05/18/i.jsonl",
            "c/modelDataCollector/ep/blue/2026/03/05/18/i.jsonl",
        ),
        ("c/modelDataCollector/ep/blue/request/2026/03/i.jsonl", "c/modelDataCollector/ep/blue/2026/03/i.jsonl"),
        ("modeldata/ws/svc/m/7/predictions/2020/08/13/predictions.csv", "modeldata/ws/svc/m/7/2020/08/13/"),
        ("modeldata/ws/svc/m/7/inputs/2020/08/13/inputs.csv", "modeldata/ws/svc/m/7/2020/08/13/"),
        ("i.jsonl", "i.jsonl"),
    ],
)
def test_the_collections_of_an_instance_are_read_together(key: str, expected: str) -> None:
    assert azureml.group(key) == expected
    assert reader("azureml").group is azureml.group


def test_it_knows_its_own_and_no_other() -> None:
    assert all(azureml.knows(key, head) for key, head in SAMPLES["azureml"])
    assert not any(azureml.knows(key, head) for key, head in foreign("azureml"))


V1_OUTPUTS = (
    b"score,$aml_dc_correlation_id,$aml_dc_scoring_timestamp,$aml_request_id\n"
    b"0.25,d2,2026-03-01T10:20:30.000000,r1\n"
    b"0.5,d3,2026-03-01T10:20:31.000000,r2\n"
    b"0.75,d3,2026-03-01T10:20:31.000000,r2\n"
)
V1 = "modeldata/ws/svc/m/7/inputs/2020/08/13/inputs.csv"


def test_the_old_collector() -> None:
    inputs = AZURE_V1 + b"7,de,d3,2026-03-01T10:20:31.000000,7,r2\n,ch,d3,2026-03-01T10:20:31.000000,7,r2\n"
    found = [*read("azureml", inputs, V1), *read("azureml", V1_OUTPUTS, V1.replace("inputs", "predictions"))]
    batch = canonical(found)
    assert values(batch) == [("r1", 12.5, "at", 0.25), ("r2#0", 7.0, "de", 0.5), ("r2#1", None, "ch", 0.75)]
    assert batch.table["model_version"].to_pylist() == ["7", "7", "7"]
    assert batch.table["event_time"].to_pylist()[1] == datetime(2026, 3, 1, 10, 20, 31, tzinfo=UTC)


def test_dirt_in_the_old_collector() -> None:
    dirt = b"1,2\nx,at,d,2026-03-01,7,\n1,at,d,soon,7,r3\n\xff,at,d,2026-03-01,7,r4\n"
    found = read("azureml", AZURE_V1 + dirt + AZURE_V1.splitlines()[1].replace(b"r1", b"r5"), V1)
    assert sorted(reasons(found)) == ["bad_event_time", "bad_payload", "field_count"]
    assert [half.key for half in found if isinstance(half, Half)] == ["r1", "d", "r5"]
    assert reasons(read("azureml", AZURE_V1, V1.replace("inputs", "labels"))) == ["not_a_capture"]


@given(st.data())
@settings(max_examples=60)
def test_no_line_is_lost_whatever_it_holds(data: st.DataObject) -> None:
    line = lines(data.draw(damaged(azure_event(ROWS)))).strip()
    found = read("azureml", lines(line, *BOTH.splitlines()), AZURE)
    assert places_of(found) == line_places(lines(line, *BOTH.splitlines()))
    good = [item for item in found if not isinstance(item, Quarantined) and item.origin.offset > len(line)]
    assert values(canonical(good)) == TWO
    typed_anyway(found)


@given(st.one_of(st.binary(max_size=200), torn(BOTH), torn(AZURE_V1)), st.sampled_from([AZURE, V1, "x"]))
@settings(max_examples=60)
def test_garbage_never_raises(data: bytes, key: str) -> None:
    azureml.knows(key, data)
    found = read("azureml", data, key)
    typed_anyway(found)
    if b"$aml_" not in data:
        assert places_of(found) >= line_places(data)
