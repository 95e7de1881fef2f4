"""Read CloudEvents of inferences: those that Knative, KServe, Seldon and MLServer send, as a sink has kept them.

An event is a request or a response; both carry the same id. It is kept as a structured event, as the payload of
MLServer with the event's attributes among its headers, or as a message of Kafka with its headers. A record may also
hold a request and its response together.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.calls import Call, event_id_of, event_time_of, read_objects
from monitoring.capture.readers.json_objects import first_object
from monitoring.capture.readers.payload import parse_body
from monitoring.capture.records import ABSENT, Half, Row, find
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

# Seldon gives every message an id of its own, and the request's id beside it.
_IDS = ("requestid", "request_id", "id", "event_id", "key")
_TIMES = ("time", "timestamp", "event_time")
_BODIES = ("data", "value", "body", "payload")
_AZURE = "azureml."
_SIDE = re.compile(r"(?:^|[._])(request|response)s?$")
_CUT_EVENT = re.compile(rb'"(?:ce[-_])?type"\s*:\s*"(?!azureml\.)[^"]*[._](?:request|response)s?"', re.IGNORECASE)


def knows(_key: str, head: bytes) -> bool:
    """Whether an object begins with an event of an inference."""
    record = first_object(head)
    if record:
        return is_event(record)
    return b"specversion" in head.lower() and _CUT_EVENT.search(head) is not None


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Half | Quarantined]:
    """What is in one object: lines, a list, or one event."""
    return read_objects(captured, is_event, partial(_found, captured=captured, columns=config.columns))


def is_event(record: dict[str, Any]) -> bool:
    """Whether a JSON object is an event of an inference."""
    attributes = event_attributes(record)
    if not attributes:
        return _is_pair(record)
    kind = attributes.get("type")
    if not isinstance(kind, str) or kind.startswith(_AZURE):
        return False
    return _SIDE.search(kind) is not None or _is_pair(_inner(record))


def event_attributes(record: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an event by their names in small letters; empty when a record is none."""
    if "specversion" in record:
        return {name.lower(): value for name, value in record.items() if name not in ("data", "data_base64")}
    parameters = record.get("parameters")
    inner = parameters.get("headers") if isinstance(parameters, dict) else None
    for headers in (record.get("headers"), inner, record):
        if isinstance(headers, dict):
            found = {name.lower()[3:]: value for name, value in headers.items() if re.match("ce[-_]", name.lower())}
            if "type" in found:
                return found
    return {}


def event_body(record: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """The body of an event.

    Raises:
        UnreadableError: It has none, or none that can be read.
    """
    content_type = str(attributes.get("datacontenttype") or "").lower()
    if "data_base64" in record:
        try:
            return parse_body(base64.b64decode(record["data_base64"], validate=True), content_type)
        except (TypeError, ValueError) as error:
            raise UnreadableError(Reason.BAD_PAYLOAD, "data_base64 is not base64") from error
    if "specversion" not in record and isinstance(record.get("parameters"), dict):
        return record  # the payload itself carries the event's attributes
    body = next((record[name] for name in _BODIES if record.get(name) is not None), None)
    if body is None:
        raise UnreadableError(Reason.BAD_PAYLOAD, "an event without data")
    return parse_body(body, content_type) if isinstance(body, str) else body


def plain_attributes(record: dict[str, Any], skipped: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a record that are plain values."""
    return {
        name: value
        for name, value in record.items()
        if isinstance(value, str | int | float | bool) and name not in skipped
    }


def _is_pair(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    return all(_may_be_body(record.get(name)) for name in ("request", "response"))


def _may_be_body(value: Any) -> bool:
    return isinstance(value, dict | list) or (isinstance(value, str) and value.lstrip()[:1] in ("{", "["))


def _inner(record: dict[str, Any]) -> Any:
    return next((record[name] for name in _BODIES if isinstance(record.get(name), dict)), None)


def _found(record: dict[str, Any], origin: Origin, *, captured: CaptureObject, columns: Columns) -> list[Row | Half]:
    attributes = event_attributes(record)
    pair = record if not attributes and _is_pair(record) else _inner(record)
    if _is_pair(pair):
        return list(_pair(pair, plain_attributes(record) | attributes, origin, captured, columns))
    kind = attributes.get("type")
    side = _SIDE.search(kind) if isinstance(kind, str) and not kind.startswith(_AZURE) else None
    if side is None:
        raise UnreadableError(Reason.NOT_A_CAPTURE, "no event of a request or a response")
    body = event_body(record, attributes)
    own = body if isinstance(body, dict) else {}
    call = _call(attributes, plain_attributes(attributes), own.get("id"), origin, captured)
    return call.request(body, columns) if side[1] == "request" else call.response(body, columns)


def _pair(
    pair: dict[str, Any], attributes: dict[str, Any], origin: Origin, captured: CaptureObject, columns: Columns
) -> list[Row]:
    request, response = (
        parse_body(body, "") if isinstance(body, str) else body for body in (pair["request"], pair["response"])
    )
    said = attributes | plain_attributes(pair, ("request", "response"))
    own = find(pair, columns.path(columns.event_id)) if columns.event_id else ABSENT
    spare = next((body["id"] for body in (request, response) if isinstance(body, dict) and body.get("id")), None)
    if own is not ABSENT:  # beside the bodies, and not in their rows
        columns = columns.model_copy(update={"event_id": ""})
        said = said | {_IDS[0]: own}
    return _call(said, said, spare, origin, captured).both(request, response, columns)


def _call(
    said: dict[str, Any], attributes: dict[str, Any], spare: Any, origin: Origin, captured: CaptureObject
) -> Call:
    event_id = event_id_of(next((said[name] for name in _IDS if said.get(name)), spare))
    moment = next((event_time_of(said[name]) for name in _TIMES if said.get(name) is not None), None)
    return Call(event_id, moment, captured.modified, origin, attributes)
