"""Records as serving stacks write them, what is done to them on their way, and how they are read here."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from monitoring.capture.objects import CaptureObject, compression
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import Found, reader
from monitoring.capture.records import Half, Row, Sorted, Typed, sort_out, type_rows
from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns
from monitoring.engine.halves import joined

COLUMNS = Columns(features={"amount": "numeric", "country": "categorical"})
WRITTEN = datetime(2026, 3, 1, 11, tzinfo=UTC)
MOMENT = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
ROWS = [{"amount": 12.5, "country": "at"}, {"amount": None, "country": "ch"}]
SCORES = [{"score": 0.25}, {"score": 0.75}]
UUID = "94bcc22a-0462-4bd1-92c9-b46a5aaec1aa"


def read(format_: str, data: bytes, key: str = "k", columns: Columns = COLUMNS, **capture: Any) -> list[Found]:
    """What a reader finds in one object."""
    config = ModelConfig.model_validate(
        {"name": "toy", "capture": {"uri": "x", **capture}, "columns": columns.model_dump()}
    )
    return list(reader(format_).read(CaptureObject.of(key, data, WRITTEN), config))


def canonical(found: Iterable[Found], columns: Columns = COLUMNS) -> Sorted:
    """Canonical records of what was found, halves brought together."""
    items = list(_joined(found))
    rows = type_rows([item for item in items if isinstance(item, Row)], columns)
    typed = [item for item in items if isinstance(item, Typed)]
    return sort_out([*typed, rows], [item for item in items if isinstance(item, Quarantined)], columns)


def _joined(found: Iterable[Found]) -> Iterator[Found]:
    halves: dict[str, Half] = {}
    for item in found:
        if not isinstance(item, Half):
            yield item
        elif item.key in halves:
            yield from joined(halves.pop(item.key), item)
        else:
            halves[item.key] = item
    assert not halves


def typed_anyway(found: Iterable[Found], columns: Columns = COLUMNS) -> Sorted:
    """Canonical records of what was found, each half taken for the whole."""
    whole: list[Found] = []
    for item in found:
        if isinstance(item, Half):
            moment = item.event_time or WRITTEN
            rows = zip(item.ids, item.rows, strict=True)
            whole.extend(Row(key, moment, item.origin, row, row, item.attributes) for key, row in rows)
        else:
            whole.append(item)
    return canonical(whole, columns)


def values(batch: Sorted) -> list[tuple[Any, ...]]:
    """Id, features and score of every record; nothing may be in quarantine."""
    assert not batch.quarantined
    names = ["event_id", f"{FEATURE_PREFIX}amount", f"{FEATURE_PREFIX}country", "score"]
    return list(zip(*(batch.table[name].to_pylist() for name in names), strict=True))


def reasons(found: Iterable[Found]) -> list[str]:
    """Why records are in quarantine."""
    return [item.reason.value for item in found if isinstance(item, Quarantined)]


def lines(*records: Any) -> bytes:
    """JSON Lines of records, or of raw lines."""
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in records)


def azure_event(data: Any, collection: str = "model_inputs", **changes: Any) -> dict[str, Any]:
    """One event of Azure's collector."""
    event = {
        "specversion": "1.0",
        "id": "b1",
        "source": "/subscriptions/s/onlineEndpoints/ep/deployments/blue",
        "type": f"azureml.inference.{collection}",
        "datacontenttype": "application/json",
        "time": "2026-03-01T10:20:30Z",
        "data": data,
        "contentrange": "bytes 0-40/41",
        "correlationid": "c9",
        "xrequestid": "x9",
        "modelversion": "7",
        "collectdatatype": "pandas.core.frame.DataFrame",
        "agent": "azureml-ai-monitoring/0.1.0b4",
    }
    return {name: value for name, value in (event | changes).items() if value is not ...}


def kserve_record(body: Any, side: str = "request", **changes: Any) -> dict[str, Any]:
    """One record of KServe's logger."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {
        "Url": {"Scheme": "s3", "Opaque": "", "User": None, "Host": "logs", "Path": "", "RawPath": ""},
        "Bytes": base64.b64encode(data).decode(),
        "ContentType": "application/json",
        "ReqType": f"org.kubeflow.serving.inference.{side}",
        "Id": "e58f",
        "SourceUri": {"Scheme": "http", "Host": "localhost:9081", "Path": "/"},
        "InferenceService": "iris",
        "Namespace": "default",
        "Component": "predictor",
        "Endpoint": "",
        "Metadata": None,
        "Annotations": None,
        "CertName": "",
        "TlsSkipVerify": False,
    } | changes


def cloud_event(data: Any, side: str = "request", **changes: Any) -> dict[str, Any]:
    """One structured event of Knative's or Seldon's."""
    event = {
        "specversion": "1.0",
        "id": "e58f",
        "source": "http://localhost:9081/",
        "type": f"org.kubeflow.serving.inference.{side}",
        "time": "2026-03-01T10:20:30Z",
        "datacontenttype": "application/json",
        "inferenceservicename": "iris",
        "data": data,
    }
    return {name: value for name, value in (event | changes).items() if value is not ...}


def tensors(names: list[str], rows: list[dict[str, Any]], kind: str = "inputs", **more: Any) -> dict[str, Any]:
    """A payload of the Open Inference Protocol, with a tensor for each column."""
    found = [
        {"name": name, "shape": [len(rows), 1], "datatype": "BYTES", "data": [row[name] for row in rows]}
        for name in names
    ]
    return {"id": "body-id", kind: found, **more}


def mlserver_payload(side: str = "request", request_id: str = "r1") -> dict[str, Any]:
    """A payload of MLServer, with an event's attributes among its headers."""
    headers = {
        "Ce-Id": "m-" + side,
        "Ce-Specversion": "0.3",
        "Ce-Source": "io.seldon.serving.deployment.iris.default",
        "Ce-Type": f"io.seldon.serving.inference.{side}",
        "Ce-Requestid": request_id,
        "Ce-Modelid": "iris",
    }
    if side == "request":
        body = tensors(["amount", "country"], ROWS)
    else:
        body = tensors(["score"], SCORES, "outputs", model_name="iris", model_version="3")
    return body | {"parameters": {"content_type": "pd", "headers": headers}}


def bento_line(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One row of BentoML's monitor."""
    own = {"timestamp": "2026-03-01T10:20:30", "request_id": "1289", "trace_id": "9a"}
    return {name: value for name, value in (row | own | changes).items() if value is not ...}


BENTO_SCHEMA = {
    "meta_data": {"bento_name": "iris", "bento_version": "v1"},
    "columns": [{"name": "amount", "role": "feature", "type": "numerical"}],
}


def batch_line(output: Any, **rest: Any) -> dict[str, Any]:
    """One line of a batch transform's output."""
    own = {"SageMakerInferenceId": UUID, "SageMakerInferenceTime": "2026-03-01T10:20:30Z", "SageMakerOutput": output}
    return {name: value for name, value in (own | rest).items() if value is not ...}


AZURE = "modelDataCollector/ep/blue/model_inputs/2026/03/01/10/i.jsonl"
KSERVE = "default/iris/predictor/e58f-request.json"
AZURE_V1 = (
    b"amount,country,$aml_dc_correlation_id,$aml_dc_scoring_timestamp,$aml_model_version,$aml_request_id\n"
    b"12.5,at,d1,2026-03-01T10:20:30.000000,7,r1\n"
)
KSERVE_CSV = (
    b"url,bytes,contentType,reqType,id,sourceUri,inferenceService,namespace,component,endpoint,metadata,annotations,"
    b"certName,tlsSkipVerify\n"
)
SAGEMAKER = {
    "captureData": {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,at", "encoding": "CSV"},
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "0.5", "encoding": "CSV"},
    },
    "eventMetadata": {"eventId": "e1", "inferenceTime": "2026-03-01T10:20:30Z"},
    "eventVersion": "0",
}
# Of every format: objects as they begin, each with its key
SAMPLES: dict[str, list[tuple[str, bytes]]] = {
    "azureml": [
        (AZURE, lines(azure_event(ROWS))),
        ("x.jsonl", lines(azure_event({"data": [[1, "at"]]}, "request"))),
        ("modeldata/ws/svc/m/7/inputs/2020/08/13/inputs.csv", AZURE_V1),
        (AZURE, lines(azure_event(ROWS * 500))[: 16 * 1024]),
    ],
    "kserve": [
        (KSERVE, json.dumps(kserve_record({"instances": [[1, "at"]]})).encode()),
        ("any.json", json.dumps([kserve_record({"instances": [[1, "at"]]})]).encode()),
        ("any.json", json.dumps(kserve_record({"instances": [[1, "at"]] * 5000})).encode()[: 16 * 1024]),
        ("e58f-request.csv", KSERVE_CSV),
        ("e58f-response.parquet", b"PAR1\x15\x04"),
    ],
    "cloudevents": [
        ("events/1.json", json.dumps(cloud_event({"instances": [[1, "at"]]}), indent=2).encode()),
        ("topic+0+0.json", lines(cloud_event({"predictions": [0.5]}, type="io.seldon.serving.inference.response"))),
        ("topic", lines(mlserver_payload())),
        ("topic", json.dumps([cloud_event({"instances": [[1, "at"]]})]).encode()),
        ("topic", lines({"request_id": "r", "request": {"instances": [[1, "at"]]}, "response": {"predictions": [1]}})),
        ("topic", lines({"headers": {"ce_id": "1", "ce_type": "a.inference.request"}, "value": {"instances": []}})),
        ("events/1.json", lines(cloud_event({"instances": [[1, "at"]] * 5000}))[: 16 * 1024]),
    ],
    "bentoml": [
        ("monitoring/iris/data/data.1.log", lines(bento_line(ROWS[0] | SCORES[0]))),
        ("monitoring/iris/data/data.1.log.2026-03-01", lines(bento_line({"text": "x" * 20_000}))[: 16 * 1024]),
        ("monitoring/iris/schema/schema.1.log", lines(BENTO_SCHEMA)),
    ],
    "sagemaker-batch": [
        ("out/a.jsonl.out", lines(batch_line({"score": 0.5}, features=[1, "at"]))),
        ("out/a.jsonl.out", lines({"output": 0, "SageMakerInferenceId": UUID, "SageMakerInferenceTime": "2026-03-01"})),
        ("out/a.csv.out", f"1,at,0.5, {UUID},2022-08-30T00:49:15Z\n".encode()),
        ("output/2026/03/01/10/u.json", b'[{"prefix":"s3://bucket/out/"},"a.csv.out"]'),
    ],
    "sagemaker": [("ep/AllTraffic/2026/03/01/10/20-30-123-u.jsonl", lines(SAGEMAKER))],
    "jsonl": [
        (
            "a.jsonl",
            lines({"id": "1", "timestamp": "2026-03-01T10:20:30Z", "amount": 1, "country": "at", "score": 0.5}),
        ),
        ("a.jsonl", lines({"request": "GET /", "response": "200", "type": "request"})),
        ("a.json", b"[]"),
    ],
    "csv": [("a.csv", b"id,timestamp,amount,country,score\n1,2026-03-01T10:20:30Z,1,at,0.5\n")],
    "parquet": [("a.parquet", b"PAR1\x15\x04")],
}


def foreign(format_: str) -> list[tuple[str, bytes]]:
    """Samples of every other format."""
    return [sample for name, samples in SAMPLES.items() if name != format_ for sample in samples]


_TEXTS = st.one_of(st.text(max_size=5), st.sampled_from(["\ud800", "NaN", "2026-03-01", "e30=", '{"a": [', "1,2\n3"]))
_PLAIN = st.one_of(
    st.none(), st.booleans(), _TEXTS, st.floats(), st.integers(), st.sampled_from([10**400, 10**18, -1, 500, 1e300])
)
JUNK = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)
# A value that no reader of JSON takes
DEEP = b"[" * 5000


@st.composite
def damaged(draw: st.DrawFn, record: Any) -> Any:
    """A record with one part of it replaced or left out, at any depth."""
    found = copy.deepcopy(record)
    places = list(_places(found))
    container, key = draw(st.sampled_from(places))
    if draw(st.booleans()) and isinstance(container, dict):
        del container[key]
    else:
        container[key] = draw(JUNK)
    return found


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


@st.composite
def torn(draw: st.DrawFn, data: bytes) -> bytes:
    """An object of which some bytes were changed, taken out or cut off."""
    start = draw(st.integers(0, len(data)))
    stop = draw(st.integers(start, min(start + 40, len(data))))
    found = data[:start] + draw(st.binary(max_size=8)) + data[stop:]
    return found[: draw(st.integers(0, len(found)))] if draw(st.booleans()) else found


def places_of(found: Iterable[Found]) -> set[int]:
    """Where in their object the records lie."""
    return {item.origin.offset for item in found if isinstance(item, Row | Half | Quarantined)}


def line_places(data: bytes) -> set[int]:
    """Where in an object its lines begin that are not blank. A document and what is compressed have no lines."""
    found, at = set(), 0
    start = data.lstrip(b" \t\r\n\0")
    document = start.startswith(b"[") or start.split(b"\n", 1)[0].strip() == b"{"
    if document or compression(data) or data.startswith(b"\xef\xbb\xbf"):
        return set()
    for line in data.split(b"\n"):
        if line.strip(b" \t\r\0"):
            found.add(at)
        at += len(line) + 1
    return found
