"""Captured inferences and labels as SageMaker writes them: records, and whole objects of them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from monitoring.store.base import Store
from monitoring.window import iso

Side = dict[str, Any]
Mode = Literal["INPUT", "OUTPUT"]

_CSV_TYPES = {"text/csv"}
_JSON_TYPES = {
    "application/json",
    "application/jsonl",
    "application/jsonlines",
    "application/ndjson",
    "application/x-jsonlines",
    "application/x-ndjson",
}


@dataclass(frozen=True)
class CapturedInference:
    """One request and its response.

    Attributes:
        event_id: The id that the label will carry.
        event_time: When the model answered, UTC.
        features: The values in the model's declared order; None is a missing value.
        score: The probability of the positive class.
        attributes: More about the call, such as `model_version`, `latency_ms`, `status`.
    """

    event_id: str
    event_time: datetime
    features: Sequence[Any]
    score: float
    attributes: dict[str, str] = field(default_factory=dict)


def write_captures(store: Store, prefix: str, inferences: Iterable[CapturedInference]) -> list[str]:
    """Write inferences as capture objects, one per hour of inference time.

    The object's name is a hash of its content, so writing the same inferences again changes nothing.

    Args:
        store: Where to.
        prefix: Prefix over the `yyyy/mm/dd/hh/` folders.
        inferences: What to write.

    Returns:
        The keys, sorted.
    """
    hours: dict[datetime, list[str]] = defaultdict(list)
    for inference in inferences:
        line = capture_line(
            inference.event_id,
            inference.event_time,
            inference.attributes,
            values_side("INPUT", inference.features),
            score_side(inference.score),
        )
        hours[hour_of(inference.event_time)].append(line)
    return _write_hours(store, prefix, hours)


def write_labels(store: Store, prefix: str, labels: Iterable[tuple[str, str, datetime]]) -> list[str]:
    """Write `(event id, label, time of collection)` as ground-truth objects, one per hour of collection.

    Returns:
        The keys, sorted.
    """
    hours: dict[datetime, list[str]] = defaultdict(list)
    for event_id, label, collected in labels:
        record = {
            "groundTruthData": {"data": label, "encoding": "CSV"},
            "eventMetadata": {"eventId": event_id},
            "eventVersion": "0",
        }
        hours[hour_of(collected)].append(json.dumps(record))
    return _write_hours(store, prefix, hours)


def _write_hours(store: Store, prefix: str, hours: dict[datetime, list[str]]) -> list[str]:
    keys = []
    for hour, lines in sorted(hours.items()):
        data = "".join(f"{line}\n" for line in lines).encode()
        name = hashlib.sha256(data).hexdigest()[:16]
        key = f"{hour_folder(prefix, hour)}/{name}.jsonl"
        store.put(key, data)
        keys.append(key)
    return keys


def capture_line(
    event_id: str,
    event_time: datetime,
    attributes: Mapping[str, object],
    request: Side | None,
    response: Side | None,
) -> str:
    """One capture record as a line without its end. A side that is None is left out."""
    metadata: Side = {"eventId": event_id, "inferenceId": event_id, "inferenceTime": iso(event_time)}
    if attributes:
        metadata["customAttributes"] = [f"{key}={value}" for key, value in attributes.items()]
    sides = {"endpointInput": request, "endpointOutput": response}
    capture = {name: side for name, side in sides.items() if side is not None}
    return json.dumps({"captureData": capture, "eventMetadata": metadata, "eventVersion": "0"})


def values_side(mode: Mode, values: Sequence[Any] | Mapping[str, Any]) -> Side:
    """One row of values: as CSV in the declared order, or as JSON when they have names."""
    if isinstance(values, Mapping):
        return _side(mode, "application/json", json.dumps(values, default=str), "JSON")
    row = io.StringIO()
    csv.writer(row).writerow(["" if value is None else value for value in values])
    return _side(mode, "text/csv", row.getvalue().removesuffix("\r\n"), "CSV")


def score_side(score: float) -> Side:
    """The response as CSV."""
    return _side("OUTPUT", "text/csv", repr(float(score)), "CSV")


def body_side(mode: Mode, body: bytes, content_type: str | None) -> Side:
    """A body as it is: CSV and JSON as text, everything else in base64."""
    encoding = text_encoding(content_type)
    if encoding:
        with suppress(UnicodeDecodeError):  # text in another encoding than its type promises is kept as bytes
            return _side(mode, content_type, body.decode(), encoding)
    return _side(mode, content_type, base64.b64encode(body).decode(), "BASE64")


def reference_side(mode: Mode, uri: str, content_type: str | None) -> Side:
    """A body that is an object of its own."""
    return _side(mode, content_type, uri, "URI")


def text_encoding(content_type: str | None) -> Literal["CSV", "JSON"] | None:
    """How a body of this type is written as text, if it is.

    >>> text_encoding("text/csv; charset=utf-8"), text_encoding("application/json"), text_encoding("image/png")
    ('CSV', 'JSON', None)
    """
    kind = content_kind(content_type)
    if kind in _CSV_TYPES:
        return "CSV"
    return "JSON" if kind in _JSON_TYPES or kind.endswith("+json") else None


def content_kind(content_type: str | None) -> str:
    """A content type without its parameters.

    >>> content_kind("Text/CSV; charset=utf-8")
    'text/csv'
    """
    return (content_type or "").partition(";")[0].strip().lower()


def hour_of(moment: datetime) -> datetime:
    """The start of the hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_folder(prefix: str, hour: datetime) -> str:
    """Where objects of that hour lie.

    >>> hour_folder("captures/churn/", datetime(2025, 3, 1, 8, tzinfo=UTC))
    'captures/churn/2025/03/01/08'
    """
    return f"{prefix.rstrip('/')}/{hour:%Y/%m/%d/%H}"


def _side(mode: Mode, content_type: str | None, data: str, encoding: str) -> Side:
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
