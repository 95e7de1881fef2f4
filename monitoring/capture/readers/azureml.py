"""Read what the data collectors of Azure Machine Learning write.

The collector of today (`azureml-ai-monitoring`) writes JSON Lines in the shape of CloudEvents: a collection of inputs
and one of outputs, which share a correlation id. The old one (`azureml-monitoring`) writes CSV with a row on each line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.calls import (
    Call,
    event_id_of,
    event_time_of,
    gathered,
    holds_answer,
    read_objects,
)
from monitoring.capture.readers.cloudevents import plain_attributes
from monitoring.capture.readers.csv_records import csv_records
from monitoring.capture.readers.json_objects import first_object
from monitoring.capture.readers.payload import parse_body, request_rows
from monitoring.capture.records import Half, Row
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

TIMED = True
_TYPE = "azureml.inference."
# .../{collection}/yyyy/MM/dd/HH/{instance}.jsonl; the rolling rate says how many folders of digits there are
_COLLECTION = re.compile(r"(?:^|/)([^/]+)(?=(?:/\d{1,4})+/[^/]+$)")
_INPUTS = frozenset({"input", "inputs", "request", "requests", "features"})
_OUTPUTS = frozenset({"output", "outputs", "response", "responses", "prediction", "predictions"})
_V1 = b"$aml_"
_Line = tuple[Origin, dict[str, str]]


def knows(key: str, head: bytes) -> bool:
    """Whether an object begins like one of a data collector."""
    if b'"azureml.inference.' in head or _V1 in head.split(b"\n", 1)[0]:
        return True
    return "modelDataCollector/" in key and b'"specversion"' in head and not first_object(head)


def group(key: str) -> str:
    """The key without its collection.

    >>> group("modelDataCollector/ep/blue/model_inputs/2026/03/05/18/i.jsonl")
    'modelDataCollector/ep/blue/2026/03/05/18/i.jsonl'
    """
    found = _COLLECTION.search(key)
    if found is None:
        return key
    rest = key[found.end(1) :].lstrip("/")
    # the old collector names the object after its collection too
    return key[: found.start(1)] + rest.removesuffix(f"{found[1]}.csv")


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Half | Quarantined]:
    """What is in one object of a collection."""
    if _V1 in captured.head().split(b"\n", 1)[0]:
        return _read_v1(captured, config.columns)
    return read_objects(captured, _is_event, partial(_found, captured=captured, columns=config.columns))


def _is_event(record: dict[str, Any]) -> bool:
    kind = record.get("type")
    return isinstance(kind, str) and kind.startswith(_TYPE)


def _collection(record: dict[str, Any], key: str) -> str:
    """The collection that a record is of, as its type says, else its folder."""
    if _is_event(record):
        return str(record["type"])[len(_TYPE) :]
    found = _COLLECTION.search(key)
    return found[1] if found else ""


@lru_cache(64)
def _sides(collection: str) -> tuple[bool, bool]:
    """Whether inputs are in a collection, and whether outputs are."""
    words = set(re.split(r"[^a-z]+", collection.lower()))
    return bool(words & _INPUTS), bool(words & _OUTPUTS)


def _suffixed(event_id: str, count: int) -> list[str]:
    # the collector has an index behind every id, also behind that of a single row
    return [f"{event_id}_{i}" for i in range(count)]


def _found(record: dict[str, Any], origin: Origin, *, captured: CaptureObject, columns: Columns) -> list[Row | Half]:
    if "data" not in record or not ("specversion" in record or _is_event(record)):
        raise UnreadableError(Reason.NOT_A_CAPTURE, "no event of a data collector")
    inputs, outputs = _sides(_collection(record, captured.key))
    event_id = event_id_of(
        next((record[name] for name in ("correlationid", "xrequestid", "id") if record.get(name)), None)
    )
    attributes = plain_attributes(record, ("data", "specversion"))
    if "modelversion" in record:
        attributes.setdefault(columns.path(columns.model_version), record["modelversion"])
    moment = event_time_of(record.get("time"))
    call = Call(event_id, moment, captured.modified, origin, attributes, _suffixed)
    body = _body(record)
    if inputs == outputs:
        if not inputs and columns.outputs and not holds_answer(request_rows(body, columns), columns):
            raise UnreadableError(Reason.NOT_A_CAPTURE, "a collection of neither inputs nor outputs")
        return list(call.both(body, body, columns))
    return call.request(body, columns) if inputs else call.response(body, columns)


def _body(record: dict[str, Any]) -> Any:
    """What was collected; where it lies, if it is a blob of its own."""
    data = record["data"]
    if not isinstance(data, str):
        return data
    if str(record.get("datainblob")).lower() == "true":
        return {"uri": data}
    return parse_body(data, str(record.get("datacontenttype")).lower())


def _read_v1(captured: CaptureObject, columns: Columns) -> Iterator[Row | Half | Quarantined]:
    inputs, outputs = _sides(_collection({}, captured.key))
    if inputs == outputs:
        detail = "a designation that is neither inputs nor predictions"
        yield Quarantined(Reason.NOT_A_CAPTURE, detail, Origin(captured.key, 0, captured.head()))
        return
    aside: list[Quarantined] = []
    for event_id, lines in gathered(_v1_lines(captured, aside)):
        yield from aside
        aside.clear()
        try:
            yield from _v1_call(event_id, lines, captured, columns, inputs=inputs)
        except UnreadableError as error:
            yield from (Quarantined(error.reason, error.detail, origin) for origin, _ in lines)
    yield from aside


def _v1_call(
    event_id: str, lines: list[_Line], captured: CaptureObject, columns: Columns, *, inputs: bool
) -> list[Row | Half]:
    origin, first = lines[0]
    attributes: dict[str, Any] = {name.removeprefix("$"): value for name, value in first.items() if name[:1] == "$"}
    if "$aml_model_version" in first:
        attributes.setdefault(columns.path(columns.model_version), first["$aml_model_version"])
    moment = event_time_of(first.get("$aml_dc_scoring_timestamp"))
    rows = [{name: value for name, value in fields.items() if name[:1] != "$"} for _, fields in lines]
    call = Call(event_id, moment, captured.modified, origin, attributes)
    return call.request(rows, columns) if inputs else call.response(rows, columns)


def _v1_lines(captured: CaptureObject, aside: list[Quarantined]) -> Iterator[tuple[str, _Line]]:
    """Every line with the id of its request; what is none goes aside."""
    for found in csv_records(captured):
        if isinstance(found, Quarantined):
            aside.append(found)
            continue
        origin, row = found
        try:
            yield event_id_of(row.get("$aml_request_id") or row.get("$aml_dc_correlation_id")), (origin, row)
        except UnreadableError as error:
            aside.append(error.at(origin))
