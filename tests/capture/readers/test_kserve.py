from __future__ import annotations

import base64
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import kserve, reader
from monitoring.capture.records import Half, Row
from monitoring.config.capture import Columns
from tests.capture.readers.recorded import (
    COLUMNS,
    KSERVE,
    MOMENT,
    ROWS,
    SAMPLES,
    SCORES,
    WRITTEN,
    canonical,
    damaged,
    foreign,
    kserve_record,
    lines,
    read,
    reasons,
    tensors,
    torn,
    typed_anyway,
    values,
)

REQUEST = kserve_record({"instances": [[12.5, "at"], [None, "ch"]]})
RESPONSE = kserve_record({"predictions": [0.25, 0.75]}, "response")
TWO = [("e58f#0", 12.5, "at", 0.25), ("e58f#1", None, "ch", 0.75)]
ANSWER = KSERVE.replace("request", "response")


def whole(record: Any, **options: Any) -> bytes:
    return json.dumps(record, **options).encode()


def test_an_object_for_each_side() -> None:
    (request,), (response,) = read("kserve", whole(REQUEST), KSERVE), read("kserve", whole(RESPONSE), ANSWER)
    assert isinstance(request, Half)
    assert isinstance(response, Half)
    assert (request.key, request.side, response.key, response.side) == ("e58f", "input", "e58f", "output")
    assert values(canonical([request, response])) == TWO
    assert request.attributes == {"inference_service": "iris", "namespace": "default", "component": "predictor"}


@pytest.mark.parametrize(
    "data",
    [
        whole([REQUEST, RESPONSE]),
        whole([REQUEST, RESPONSE], indent=1),
        b"\xef\xbb\xbf" + whole([REQUEST, RESPONSE]),
        whole(REQUEST, indent=2) + whole(RESPONSE, indent=2),
        lines(REQUEST, RESPONSE),
    ],
)
def test_a_batch_file_holds_both_sides(data: bytes) -> None:
    found = read("kserve", data)
    assert values(canonical(found)) == TWO
    for item in found:
        assert isinstance(item, Half)
        assert data[item.origin.offset :].startswith(item.origin.data)
        assert json.loads(item.origin.data) in (REQUEST, RESPONSE)


def test_an_empty_batch_holds_nothing() -> None:
    assert read("kserve", b"[]\n") == []
    assert read("kserve", b"") == []


def test_a_single_row_has_the_plain_id() -> None:
    one = [kserve_record({"instances": [{"amount": 12.5, "country": "at"}]}), kserve_record([[0.25]], "response")]
    assert values(canonical(read("kserve", whole(one)))) == [("e58f", 12.5, "at", 0.25)]


RAW = b'{"inputs":[{"name":"amount","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}},'
RAW += b'{"name":"country","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":12}}]}'
RAW += np.array([12.5, np.nan], "<f4").tobytes() + b"".join(len(t).to_bytes(4, "little") + t for t in (b"at", b"ch"))


@pytest.mark.parametrize(
    ("request_body", "response_body"),
    [
        ({"instances": ROWS}, {"predictions": SCORES}),
        ({"instances": ROWS}, {"predictions": [[0.25], [0.75]]}),
        (tensors(["amount", "country"], ROWS), tensors(["score"], SCORES, "outputs", model_version="3")),
        (RAW, tensors(["predict"], [{"predict": 0.25}, {"predict": 0.75}], "outputs")),
        (b"amount,country\n12.5,at\n,ch\n", {"predictions": [0.25, 0.75]}),
        (b"12.5,at\n,ch\n", b"0.25\n0.75\n"),
    ],
)
def test_bodies(request_body: Any, response_body: Any) -> None:
    # a response is logged with the content type of its request
    kind = "text/csv" if isinstance(request_body, bytes) and request_body[:1] != b"{" else "application/json"
    records = [
        kserve_record(request_body, ContentType=kind),
        kserve_record(response_body, "response", ContentType=kind),
    ]
    found = canonical(read("kserve", whole(records)))
    amounts = [None if row[1] is None or np.isnan(row[1]) else row[1] for row in values(found)]
    assert [(row[0], amount, *row[2:]) for row, amount in zip(values(found), amounts, strict=True)] == TWO


@pytest.mark.parametrize(
    ("metadata", "moment"),
    [
        (None, WRITTEN),
        ({"Content-Type": ["application/json"]}, WRITTEN),
        ({"Ce-Time": ["2026-03-01T10:20:30Z"], "Date": ["Mon, 02 Mar 2026 10:00:00 GMT"]}, MOMENT),
        ({"Date": ["Mon, 02 Mar 2026 10:00:00 GMT"]}, datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ({"ce-time": "2026-03-01T11:20:30+01:00"}, MOMENT),
        ({"Ce-Time": ["soon"], "Date": ["later"]}, WRITTEN),
        ({"Ce-Time": [], "Date": None}, WRITTEN),
        ({"Date": ["Mon, 02 Mar 2026 10:00:00 +99999999999999999999"]}, WRITTEN),
        ({"Date": ["Mon, 02 Mar 99999999999999999999 10:00:00 GMT"]}, WRITTEN),
        ("no headers", WRITTEN),
    ],
)
def test_the_time_is_that_of_a_header_else_of_the_object(metadata: Any, moment: datetime) -> None:
    (found,) = read("kserve", whole(REQUEST | {"Metadata": metadata}))
    assert isinstance(found, Half)
    assert found.event_time == moment


def test_the_time_may_be_in_the_request() -> None:
    columns = Columns(features=COLUMNS.features, event_time="at")
    body = {"instances": [ROWS[0] | {"at": 1772360430}]}
    (found,) = read("kserve", whole(kserve_record(body)), columns=columns)
    assert isinstance(found, Half)
    assert found.event_time == MOMENT
    (found,) = read("kserve", whole(kserve_record({"instances": [ROWS[0] | {"at": "soon"}]})), columns=columns)
    assert reasons([found]) == ["bad_event_time"]


def test_headers_and_annotations_are_attributes() -> None:
    changes = {"Metadata": {"X-Tenant": ["a", "b"]}, "Annotations": {"team": "risk"}, "Endpoint": "canary"}
    (found,) = read("kserve", whole(REQUEST | changes))
    assert isinstance(found, Half)
    assert found.attributes["x-tenant"] == "a"
    assert found.attributes["team"] == "risk"
    assert found.attributes["endpoint"] == "canary"


def test_an_answer_that_is_an_error_is_a_call_that_failed() -> None:
    (found,) = read("kserve", whole(kserve_record({"error": "model not ready"}, "response")))
    assert isinstance(found, Half)
    assert (list(found.rows), list(found.ids), found.attributes["status"]) == ([], [], 500)
    alone = Columns(outputs=["score"])
    (row,) = read("kserve", whole(kserve_record({"error": "model not ready"}, "response")), columns=alone)
    assert isinstance(row, Row)
    table = canonical([row], alone).table
    assert (table["status"].to_pylist(), table["score"].to_pylist()) == ([500], [None])


def test_only_requests_or_only_responses_are_watched() -> None:
    data = whole([REQUEST, RESPONSE])
    found = read("kserve", data, columns=Columns(features=COLUMNS.features, outputs=[], score=""))
    assert [row.features for row in found if isinstance(row, Row)] == ROWS
    found = read("kserve", data, columns=Columns(outputs=["score"]))
    assert [row.outputs for row in found if isinstance(row, Row)] == SCORES


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (REQUEST | {"Id": ""}, "no_event_id"),
        (REQUEST | {"Bytes": None}, "bad_payload"),
        (REQUEST | {"Bytes": "é"}, "bad_payload"),
        (REQUEST | {"Bytes": base64.b64encode(b"\xff\xfe").decode()}, "bad_payload"),
        (REQUEST | {"Bytes": base64.b64encode(RAW[:-3]).decode()}, "bad_payload"),
        (REQUEST | {"Bytes": base64.b64encode(RAW + b"more").decode()}, "bad_payload"),
        (REQUEST | {"Bytes": base64.b64encode(b"[" * 100_000).decode()}, "bad_payload"),
        (REQUEST | {"ReqType": "feedback"}, "not_a_capture"),
        ({"a": 1}, "not_a_capture"),
        (5, "not_a_capture"),
        (None, "not_a_capture"),
        (kserve_record({"instances": [[1]]}), "field_count"),
        (kserve_record({"instances": []}), "row_count"),
        (kserve_record({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2]}]}), "bad_payload"),
    ],
)
def test_what_cannot_be_read_is_set_aside_and_nothing_else(record: Any, reason: str) -> None:
    for data in (whole([REQUEST, record, RESPONSE]), lines(REQUEST, record, RESPONSE)):
        found = read("kserve", data)
        assert reasons(found) == [reason]
        assert values(canonical(item for item in found if isinstance(item, Half))) == TWO


@pytest.mark.parametrize(
    ("cut", "reason"),
    [(-1, "cut_off"), (-20, "cut_off"), (len(whole(REQUEST)) + 1, "cut_off"), (len(whole(REQUEST)) + 3, "cut_off")],
)
def test_a_list_that_breaks_off_gives_what_came_before(cut: int, reason: str) -> None:
    first, *others = read("kserve", whole([REQUEST, RESPONSE])[:cut])
    assert isinstance(first, Half)
    assert reasons(others) == [reason]


def test_a_list_goes_on_behind_a_fault() -> None:
    data = whole([REQUEST, kserve_record({}, Id="bad"), RESPONSE]).replace(b'"bad"', b'"ba\nd"')
    found = read("kserve", data)
    assert reasons(found) == ["not_json"]
    assert values(canonical(item for item in found if isinstance(item, Half))) == TWO
    broken = next(item for item in found if isinstance(item, Quarantined))
    assert data[broken.origin.offset :].startswith(broken.origin.data)


def test_a_document_of_faults_is_set_aside_in_bounds() -> None:
    found = read("kserve", b"[" + b"x," * 5000 + b"]")
    assert set(reasons(found)) == {"not_json"}
    assert len(found) == 1
    assert len(read("kserve", b"[" + b"1," * 5000 + b"]")) < 1100


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record as the tables of today have it."""
    plain = {name[0].lower() + name[1:]: value for name, value in record.items()}
    plain |= {"url": "s3://logs", "sourceUri": "http://localhost:9081/"}
    plain |= {name: "" if plain[name] is None else json.dumps(plain[name]) for name in ("metadata", "annotations")}
    return plain


def as_csv(*records: dict[str, Any]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def as_parquet(*records: dict[str, Any], schema: pa.Schema | None = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records), schema), sink)
    return sink.getvalue()


def test_csv_of_today() -> None:
    metadata = {"Ce-Time": ["2026-03-01T10:20:30Z"]}
    found = read("kserve", as_csv(flat(REQUEST | {"Metadata": metadata}), flat(RESPONSE)))
    batch = canonical(found)
    assert values(batch) == TWO
    assert batch.table["event_time"].to_pylist() == [MOMENT] * 2


def test_csv_of_yesterday() -> None:
    def old(record: dict[str, Any]) -> dict[str, Any]:
        names = ("Bytes", "ContentType", "ReqType", "Id", "InferenceService", "Namespace", "Metadata")
        return {"Url.Scheme": "s3", "Url.Host": "logs", **{name: record[name] for name in names}}

    quoted = RESPONSE | {"Bytes": f'"{RESPONSE["Bytes"]}"'}
    assert values(canonical(read("kserve", as_csv(old(REQUEST), old(quoted))))) == TWO


def test_a_body_of_any_length_is_a_field_of_csv() -> None:
    body = {"instances": [{"amount": 12.5, "country": "x" * 200_000}]}
    (found,) = read("kserve", as_csv(flat(kserve_record(body))))
    assert isinstance(found, Half)
    assert len(found.rows[0]["country"]) == 200_000


def test_dirt_in_csv() -> None:
    data = as_csv(flat(REQUEST), flat(REQUEST | {"Id": ""}), flat(RESPONSE))
    head, first, *rest = data.splitlines(keepends=True)
    found = read("kserve", head + first + b"a,b\n\xff\n" + b"".join(rest))
    assert reasons(found) == ["field_count", "bad_payload", "no_event_id"]
    assert values(canonical(item for item in found if isinstance(item, Half))) == TWO


def test_parquet_of_today_and_of_yesterday() -> None:
    assert values(canonical(read("kserve", as_parquet(flat(REQUEST), flat(RESPONSE)), "x-request.parquet"))) == TWO
    schema = pa.schema(
        [
            ("bytes", pa.binary()),
            ("content_type", pa.string()),
            ("req_type", pa.string()),
            ("id", pa.string()),
            ("metadata", pa.map_(pa.string(), pa.list_(pa.string()))),
            ("annotations", pa.map_(pa.string(), pa.string())),
        ]
    )
    old = [
        {
            "bytes": base64.b64decode(record["Bytes"]),
            "content_type": "application/json",
            "req_type": record["ReqType"],
            "id": "e58f",
            "metadata": [("Ce-Time", ["2026-03-01T10:20:30Z"]), ("X-Tenant", None)],
            "annotations": [("team", "risk")],
        }
        for record in (REQUEST, RESPONSE)
    ]
    found = read("kserve", as_parquet(*old, schema=schema), "x-request.parquet")
    batch = canonical(found)
    assert values(batch) == TWO
    assert batch.table["event_time"].to_pylist() == [MOMENT] * 2
    assert isinstance(found[0], Half)
    assert found[0].attributes == {"team": "risk", "ce-time": "2026-03-01T10:20:30Z"}
    (again,) = read("kserve", found[0].origin.data)
    assert isinstance(again, Half)
    assert (again.rows, again.event_time, again.attributes) == (found[0].rows, MOMENT, found[0].attributes)


@pytest.mark.parametrize("table", [as_csv(flat(REQUEST), flat(RESPONSE)), as_parquet(flat(REQUEST), flat(RESPONSE))])
def test_a_record_of_a_table_can_be_read_again_by_itself(table: bytes) -> None:
    found = read("kserve", table, "x-request.parquet")
    again = [item for half in found if isinstance(half, Half) for item in read("kserve", half.origin.data)]
    assert values(canonical(again)) == TWO
    together = b"\n".join(half.origin.data for half in found if isinstance(half, Half))
    assert values(canonical(read("kserve", together))) == TWO


def test_dirt_in_parquet() -> None:
    data = as_parquet(flat(REQUEST), flat(REQUEST | {"Id": ""}), flat(RESPONSE))
    found = read("kserve", data, "x-request.parquet")
    assert reasons(found) == ["no_event_id"]
    assert [item.origin.offset for item in found if isinstance(item, Quarantined)] == [1]
    assert values(canonical(item for item in found if isinstance(item, Half))) == TWO
    assert reasons(read("kserve", data[: len(data) // 2], "x-request.parquet")) == ["bad_object"]
    assert reasons(read("kserve", as_parquet({"a": 1}), "x-request.parquet")) == ["not_a_capture"]


@pytest.mark.parametrize("ending", ["json", "csv", "parquet", "json.gz"])
def test_the_sides_of_a_call_are_read_together(ending: str) -> None:
    assert kserve.group(f"ns/iris/e58f-request.{ending}") == kserve.group(f"ns/iris/e58f-response.{ending}")
    assert kserve.group(f"ns/iris/e58f-request.{ending}") != kserve.group(f"ns/iris/e58e-response.{ending}")
    assert reader("kserve").group is kserve.group


def test_it_knows_its_own_and_no_other() -> None:
    assert all(kserve.knows(key, head) for key, head in SAMPLES["kserve"])
    assert not any(kserve.knows(key, head) for key, head in foreign("kserve"))


@given(st.data())
@settings(max_examples=60)
def test_no_record_is_lost_whatever_is_beside_it(data: st.DataObject) -> None:
    record = data.draw(damaged(REQUEST))
    for content in (whole([record, REQUEST, RESPONSE]), lines(record, REQUEST, RESPONSE)):
        found = read("kserve", content)
        good = [
            item for item in found if isinstance(item, Half) and json.loads(item.origin.data) in (REQUEST, RESPONSE)
        ]
        assert values(canonical(good[-2:])) == TWO
        assert len(found) == 3
        typed_anyway(found)


@given(
    st.one_of(
        st.binary(max_size=200),
        torn(whole([REQUEST, RESPONSE])),
        torn(lines(REQUEST, RESPONSE)),
        torn(as_csv(flat(REQUEST), flat(RESPONSE))),
    ),
    st.sampled_from([KSERVE, "x"]),
)
@settings(max_examples=60)
def test_garbage_never_raises(data: bytes, key: str) -> None:
    kserve.knows(key, data)
    found = read("kserve", data, key)
    typed_anyway(found)
    assert found or not data.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\0[],") or kserve._is_csv(data)
