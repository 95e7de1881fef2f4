"""Read what KServe's logger puts into blob storage: an object for each request and each response, or for a batch.

A record is a structure of Go (`LogRequest` in `pkg/logger` of kserve/kserve) as JSON, CSV or Parquet. It holds no time.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import pyarrow as pa

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.calls import Call, event_id_of, event_time_of, read_objects
from monitoring.capture.readers.csv_records import csv_records
from monitoring.capture.readers.json_objects import begins_json, first_object
from monitoring.capture.readers.parquet import batches, opened
from monitoring.capture.readers.payload import parse_body
from monitoring.capture.records import Half, Row
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

_SIDE = re.compile(r"(?:^|[.-])(request|response)$")
_KEY = re.compile(r"-(request|response)(?=\.(?:json|csv|parquet)(?:\.\w+)?$)")
_BEGINNING = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[?\s*\{\s*"Url"\s*:')
_PARQUET = b"PAR1"
_Read = Callable[[dict[str, Any], Origin], list[Row | Half]]


def knows(key: str, head: bytes) -> bool:
    """Whether an object begins like one of the logger."""
    if head.startswith(_PARQUET):
        return _KEY.search(key) is not None
    if _BEGINNING.match(head):
        return b'"Bytes"' in head or b'"ReqType"' in head
    return _is_csv(head) or _is_record(first_object(head))


def group(key: str) -> str:
    """The key without its side.

    >>> group("ns/iris/predictor/e58f-request.json")
    'ns/iris/predictor/e58f.json'
    """
    return _KEY.sub("", key)


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Half | Quarantined]:
    """What is in one object: a record or a list of them as JSON, or a record in each row of a table."""
    found = partial(_found, captured=captured, columns=config.columns)
    head = captured.head()
    if head.startswith(_PARQUET):
        return _of_parquet(captured, found)
    if _is_csv(head):
        return _of_csv(captured, found)
    return read_objects(captured, _is_record, found)


def _is_csv(head: bytes) -> bool:
    names = head.split(b"\n", 1)[0].lower()
    return not begins_json(head) and b"bytes" in names and b"reqtype" in names


def _is_record(record: dict[str, Any]) -> bool:
    names = _plain_names(record)
    return "bytes" in names and "reqtype" in names


def _plain_names(record: dict[str, Any]) -> dict[str, Any]:
    """The fields by names that JSON, CSV and Parquet spell alike."""
    return {name.replace("_", "").lower(): value for name, value in record.items()}


def _found(record: dict[str, Any], origin: Origin, *, captured: CaptureObject, columns: Columns) -> list[Row | Half]:
    fields = _plain_names(record)
    if "bytes" not in fields:
        raise UnreadableError(Reason.NOT_A_CAPTURE, "no record of the logger")
    side = _SIDE.search(str(fields.get("reqtype"))) or _KEY.search(captured.key)
    if side is None:
        raise UnreadableError(Reason.NOT_A_CAPTURE, "neither a request nor a response")
    headers = _headers(fields.get("metadata"))
    event_id = event_id_of(fields.get("id"))
    call = Call(event_id, None, _written(headers, captured.modified), origin, _attributes(fields, headers))
    body = _body(fields["bytes"], str(fields.get("contenttype") or "").lower())
    return call.request(body, columns) if side[1] == "request" else call.response(body, columns)


def _body(data: Any, content_type: str) -> Any:
    if isinstance(data, str):
        try:
            data = base64.b64decode(data.strip('"'), validate=True)
        except ValueError as error:
            raise UnreadableError(Reason.BAD_PAYLOAD, "Bytes is not base64") from error
    if not isinstance(data, bytes) or not data:
        raise UnreadableError(Reason.BAD_PAYLOAD, "no body")
    # a response is logged with the content type of its request
    return parse_body(data, "json" if data.lstrip()[:1] in (b"{", b"[") else content_type)


def _headers(metadata: Any) -> dict[str, Any]:
    """The logged headers by their names in small letters, each with its first value."""
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError):
            return {}
    if isinstance(metadata, list):  # as Arrow gives maps
        pairs = (item for item in metadata if isinstance(item, tuple | list) and len(item) == 2)
        metadata = {name: value for name, value in pairs if isinstance(name, str)}
    if not isinstance(metadata, dict):
        return {}
    first = {name: value[:1] if isinstance(value, list) else [value] for name, value in metadata.items()}
    return {str(name).lower(): value[0] for name, value in first.items() if value and isinstance(value[0], str)}


def _written(headers: dict[str, Any], modified: datetime) -> datetime:
    """When the call was, as a header says; else when the object was written."""
    for name, parse in (("ce-time", event_time_of), ("date", parsedate_to_datetime)):
        try:
            if name in headers:
                return event_time_of(str(parse(headers[name])))
        except (UnreadableError, TypeError, ValueError, OverflowError):
            continue  # a header may say anything
    return modified


def _attributes(fields: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    names = {"inference_service": "inferenceservice"} | {name: name for name in ("namespace", "component", "endpoint")}
    own = {name: fields[spelt] for name, spelt in names.items() if fields.get(spelt)}
    return _headers(fields.get("annotations")) | headers | own


def _of_csv(captured: CaptureObject, found: _Read) -> Iterator[Row | Half | Quarantined]:
    for item in csv_records(captured):
        if isinstance(item, Quarantined):
            yield item
            continue
        origin, record = item
        try:
            yield from found(record, origin)
        except UnreadableError as error:
            yield error.at(origin)


def _of_parquet(captured: CaptureObject, found: _Read) -> Iterator[Row | Half | Quarantined]:
    """The records of a table; the place of one is the number of its row, and its bytes are JSON."""
    with captured.open() as source:
        file = opened(captured, source)
        if isinstance(file, Quarantined):
            yield file
            return
        for first, batch in batches(file, captured):
            if isinstance(batch, Quarantined):
                yield batch
                continue
            for row in range(batch.num_rows):
                record = _record(batch, row)
                origin = Origin(captured.key, first + row, json.dumps(record, default=_as_json).encode())
                try:
                    yield from found(record, origin)
                except UnreadableError as error:
                    yield error.at(origin)


def _record(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The fields of one row, without those that Python cannot hold."""
    record = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        with suppress(ValueError, OverflowError):  # a text that is none, a day beyond the year 9999
            record[name] = column[row].as_py()
    return record


def _as_json(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
