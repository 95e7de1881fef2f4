from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import cloudevents
from monitoring.capture.records import Half, Row
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import (
    COLUMNS,
    DEEP,
    MOMENT,
    ROWS,
    SAMPLES,
    SCORES,
    WRITTEN,
    azure_event,
    canonical,
    cloud_event,
    damaged,
    foreign,
    line_places,
    lines,
    mlserver_payload,
    places_of,
    read,
    reasons,
    tensors,
    torn,
    typed_anyway,
    values,
)

REQUEST = cloud_event({"instances": ROWS})
RESPONSE = cloud_event({"predictions": [0.25, 0.75]}, "response")
TWO = [("e58f#0", 12.5, "at", 0.25), ("e58f#1", None, "ch", 0.75)]
PAIR = {
    "request_id": "e58f",
    "timestamp": 1772360430000,
    "tenant": "a",
    "status": 200,
    "request": {"instances": ROWS},
    "response": {"predictions": SCORES},
}


@pytest.mark.parametrize(
    "data",
    [
        lines(REQUEST, RESPONSE),
        json.dumps([REQUEST, RESPONSE]).encode(),
        json.dumps(REQUEST, indent=2).encode() + json.dumps(RESPONSE, indent=2).encode(),
        lines(RESPONSE, REQUEST),
    ],
)
def test_events_with_one_id_are_halves_of_the_same_rows(data: bytes) -> None:
    found = read("cloudevents", data)
    assert all(isinstance(item, Half) for item in found)
    batch = canonical(found)
    assert values(batch) == TWO
    assert batch.table["event_time"].to_pylist() == [MOMENT] * 2


def test_a_single_row_has_the_plain_id() -> None:
    one = [cloud_event({"instances": ROWS[:1]}), cloud_event({"predictions": [0.25]}, "response")]
    assert values(canonical(read("cloudevents", lines(*one)))) == [("e58f", 12.5, "at", 0.25)]


def encoded(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    ("request_event", "response_event"),
    [
        (cloud_event(json.dumps({"instances": ROWS})), RESPONSE),
        (cloud_event(..., data_base64=encoded({"instances": ROWS})), RESPONSE),
        (cloud_event(..., data_base64=encoded(b"12.5,at\n,ch\n"), datacontenttype="text/csv"), RESPONSE),
        (cloud_event("12.5,at\n,ch\n", datacontenttype="text/csv; charset=utf-8"), RESPONSE),
        (
            cloud_event(tensors(["amount", "country"], ROWS)),
            cloud_event(tensors(["score"], SCORES, "outputs"), "response"),
        ),
        (
            cloud_event({"data": {"names": ["amount", "country"], "ndarray": [[12.5, "at"], [None, "ch"]]}}),
            cloud_event({"data": {"names": ["t:0"], "tensor": {"shape": [2, 1], "values": [0.25, 0.75]}}}, "response"),
        ),
        (
            cloud_event({"instances": ROWS}, id="m1", requestid="e58f", type="io.seldon.serving.inference.request"),
            cloud_event([[0.25], [0.75]], id="m2", requestid="e58f", type="io.seldon.serving.inference.response"),
        ),
        (
            {
                "headers": {"ce_id": "e58f", "ce_type": "a.inference.request", "ce_time": MOMENT.isoformat()},
                "value": {"instances": ROWS},
            },
            {"headers": {"ce_id": "e58f", "ce_type": "a.inference.response"}, "value": '{"predictions": [0.25, 0.75]}'},
        ),
        (
            {"ce-id": "e58f", "ce-type": "inference_request", "body": {"instances": ROWS}},
            {"Ce-Id": "e58f", "Ce-Type": "inference_response", "payload": {"predictions": [0.25, 0.75]}},
        ),
    ],
)
def test_ways_to_keep_an_event(request_event: Any, response_event: Any) -> None:
    assert values(canonical(read("cloudevents", lines(request_event, response_event)))) == TWO


def test_payloads_of_mlserver() -> None:
    found = read("cloudevents", lines(mlserver_payload(), mlserver_payload("response")))
    batch = canonical(found)
    assert values(batch) == [("r1#0", *TWO[0][1:]), ("r1#1", *TWO[1][1:])]
    assert batch.table["model_version"].to_pylist() == ["3", "3"]
    assert batch.table["event_time"].to_pylist() == [WRITTEN, WRITTEN]
    (without,) = read("cloudevents", lines(mlserver_payload(request_id="")))
    assert isinstance(without, Half)
    assert without.key == "m-request"


def test_an_event_without_a_time_has_that_of_the_object() -> None:
    (found,) = read("cloudevents", lines(cloud_event({"instances": ROWS}, time=...)))
    assert isinstance(found, Half)
    assert found.event_time == WRITTEN


@pytest.mark.parametrize(
    "record",
    [
        PAIR,
        PAIR | {"request": json.dumps(PAIR["request"]), "response": json.dumps(PAIR["response"])},
        {"specversion": "1.0", "type": "a.inference", "id": "e58f", "time": MOMENT.isoformat(), "data": PAIR},
        {
            "key": "e58f",
            "timestamp": MOMENT.isoformat(),
            "value": {"request": PAIR["request"], "response": PAIR["response"]},
            "headers": {"ce_type": "x"},
        },
        {name: value for name, value in PAIR.items() if name != "request_id"}
        | {"request": {"id": "e58f", "instances": ROWS}},
    ],
)
def test_a_record_may_hold_both_sides(record: Any) -> None:
    found = read("cloudevents", lines(record))
    assert all(isinstance(item, Row) for item in found)
    batch = canonical(found)
    assert values(batch) == TWO
    assert batch.table["event_time"].to_pylist() == [MOMENT] * 2


def test_what_is_beside_a_pair_are_attributes() -> None:
    columns = Columns(features=COLUMNS.features, segments=["tenant"], event_id="order")
    single = {
        "request": ROWS[0],
        "response": SCORES[0],
        "order": 17,
        "tenant": "a",
        "status": 200,
        "time": MOMENT.isoformat(),
    }
    table = canonical(read("cloudevents", lines(single), columns=columns), columns).table
    assert table["event_id"].to_pylist() == ["17"]
    assert table["segment:tenant"].to_pylist() == ["a"]
    assert table["status"].to_pylist() == [200]


def test_an_answer_that_is_an_error_is_a_call_that_failed() -> None:
    batch = canonical(read("cloudevents", lines(PAIR | {"response": {"error": "no"}, "status": 503})))
    assert batch.table["score"].to_pylist() == [None, None]
    assert batch.table["status"].to_pylist() == [503, 503]
    batch = canonical(read("cloudevents", lines({**PAIR, "response": {"error": "no"}, "status": None})))
    assert batch.table["status"].to_pylist() == [500, 500]


def test_only_requests_or_only_responses_are_watched() -> None:
    requests = Columns(features=COLUMNS.features, outputs=[], score="")
    found = read("cloudevents", lines(REQUEST, RESPONSE, PAIR), columns=requests)
    assert [row.features for row in found if isinstance(row, Row)] == ROWS * 2
    found = read("cloudevents", lines(REQUEST, RESPONSE, PAIR), columns=Columns(outputs=["score"]))
    assert [row.outputs for row in found if isinstance(row, Row)] == SCORES * 2


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (cloud_event({"instances": ROWS}, id=...), "no_event_id"),
        (cloud_event({"instances": ROWS}, id="\udc00"), "no_event_id"),
        (cloud_event({"instances": ROWS}, time="soon"), "bad_event_time"),
        (cloud_event(None), "bad_payload"),
        (cloud_event(...), "bad_payload"),
        (cloud_event("{"), "bad_payload"),
        (cloud_event(..., data_base64="%"), "bad_payload"),
        (cloud_event(..., data_base64=7), "bad_payload"),
        (cloud_event("[" * 100_000), "bad_payload"),
        (cloud_event({"instances": ROWS}, type="org.example.feedback"), "not_a_capture"),
        (cloud_event({"instances": ROWS}, type=7), "not_a_capture"),
        (azure_event(ROWS, "request"), "not_a_capture"),
        (PAIR | {"response": {"predictions": [0.5]}}, "row_count"),
        (PAIR | {"timestamp": 1e400}, "bad_event_time"),
        ({"amount": 1}, "not_a_capture"),
        (DEEP, "not_json"),
    ],
)
def test_what_cannot_be_read_is_set_aside_and_nothing_else(event: Any, reason: str) -> None:
    found = read("cloudevents", lines(REQUEST, event, RESPONSE))
    assert reasons(found) == [reason]
    assert values(canonical(item for item in found if isinstance(item, Half))) == TWO


def test_it_knows_its_own_and_no_other() -> None:
    assert all(cloudevents.knows(key, head) for key, head in SAMPLES["cloudevents"])
    assert not any(cloudevents.knows(key, head) for key, head in foreign("cloudevents"))


@given(st.data(), st.sampled_from([REQUEST, RESPONSE, PAIR, mlserver_payload(), SAMPLES["cloudevents"][5][1]]))
@settings(max_examples=80)
def test_no_line_is_lost_whatever_it_holds(data: st.DataObject, record: Any) -> None:
    record = json.loads(record) if isinstance(record, bytes) else record
    line = lines(data.draw(damaged(record))).strip()
    content = lines(line, REQUEST, RESPONSE)
    found = read("cloudevents", content)
    assert places_of(found) == line_places(content)
    good = [item for item in found if not isinstance(item, Quarantined) and item.origin.offset > len(line)]
    assert values(canonical(good)) == TWO
    typed_anyway(found)


@given(
    st.one_of(st.binary(max_size=200), torn(lines(REQUEST, RESPONSE, PAIR)), torn(json.dumps([REQUEST, PAIR]).encode()))
)
@settings(max_examples=60)
def test_garbage_never_raises(data: bytes) -> None:
    cloudevents.knows("k", data)
    found = read("cloudevents", data)
    typed_anyway(found)
    assert places_of(found) >= line_places(data)
    assert found or not data.strip(b" \t\r\n\0[],")
