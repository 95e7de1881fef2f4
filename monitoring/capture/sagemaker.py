"""Read SageMaker endpoint capture: JSON Lines with a request and a response in each record.

The format is described in the SageMaker developer guide (data capture) and in `docs/formats.md`. A record may
hold several rows (CSV lines, JSON Lines, `instances`); row i of the request belongs to row i of the response.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from monitoring.capture.records import Origin, Quarantined, Reason, Row
from monitoring.config.model import Columns, plain_label


class _UnreadableError(Exception):
    def __init__(self, reason: Reason, detail: str, rows: int = 1) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.rows = reason, detail, rows


def lines_of(key: str, data: bytes) -> Iterator[tuple[Origin, bool]]:
    """Every non-empty line with its place, and whether it is a last line without an end."""
    offset = 0
    while offset < len(data):
        end = data.find(b"\n", offset)
        stop = len(data) if end < 0 else end
        line = data[offset:stop]
        if line.strip():
            yield Origin(key, offset, line), end < 0
        offset = stop + 1


def load_record(origin: Origin, unfinished: bool) -> dict[str, Any]:
    """The JSON object on one line."""
    try:
        record = json.loads(origin.data)
    except (ValueError, RecursionError) as error:
        reason = Reason.CUT_OFF if unfinished else Reason.NOT_JSON
        raise _UnreadableError(reason, str(error)[:120]) from error
    if not isinstance(record, dict):
        raise _UnreadableError(Reason.NOT_A_CAPTURE, f"a {type(record).__name__}, not an object")
    return record


def read_object(key: str, data: bytes, columns: Columns) -> tuple[list[Row], list[Quarantined]]:
    """Every row of one capture object, and what could not be read."""
    rows: list[Row] = []
    quarantined: list[Quarantined] = []
    for origin, unfinished in lines_of(key, data):
        try:
            rows.extend(_rows(load_record(origin, unfinished), origin, columns))
        except _UnreadableError as error:
            quarantined.append(Quarantined(error.reason, error.detail, origin, error.rows))
    return rows, quarantined


def read_labels(key: str, data: bytes) -> tuple[list[tuple[str, str]], list[Quarantined]]:
    """Every `(event id, label)` of one ground-truth object, and what could not be read."""
    labels: list[tuple[str, str]] = []
    quarantined: list[Quarantined] = []
    for origin, unfinished in lines_of(key, data):
        try:
            record = load_record(origin, unfinished)
            truth = record.get("groundTruthData")
            if not isinstance(truth, dict):
                raise _UnreadableError(Reason.NOT_A_CAPTURE, "no groundTruthData")
            event_id = _event_id(record)
            values = [_label(value) for value in _payload(truth, Reason.BAD_LABEL)]
            if not values:
                raise _UnreadableError(Reason.BAD_LABEL, "no label")
            labels.extend((_row_id(event_id, i, len(values)), value) for i, value in enumerate(values))
        except _UnreadableError as error:
            quarantined.append(Quarantined(error.reason, error.detail, origin))
    return labels, quarantined


def _rows(record: dict[str, Any], origin: Origin, columns: Columns) -> list[Row]:
    capture = record.get("captureData")
    if not isinstance(capture, dict):
        raise _UnreadableError(Reason.NOT_A_CAPTURE, "no captureData")
    request, response = capture.get("endpointInput"), capture.get("endpointOutput")
    if not isinstance(request, dict):
        raise _UnreadableError(Reason.NO_INPUT, "no endpointInput")
    if not isinstance(response, dict):
        raise _UnreadableError(Reason.NO_OUTPUT, "no endpointOutput")
    event_id, event_time = _event_id(record), _event_time(record)
    attributes = _attributes(record["eventMetadata"])
    inputs = _payload(request, Reason.BAD_PAYLOAD)
    outputs = _payload(response, Reason.BAD_PAYLOAD)
    if len(inputs) != len(outputs) or not inputs:
        rows = max(len(inputs), 1)
        raise _UnreadableError(Reason.ROW_COUNT, f"{len(inputs)} rows in, {len(outputs)} rows out", rows)
    return [
        Row(
            event_id=_row_id(event_id, i, len(inputs)),
            event_time=event_time,
            origin=origin,
            features=_features(inputs[i], columns, len(inputs)),
            score=_score(outputs[i], columns, len(inputs)),
            model_version=attributes.get("model_version", ""),
            latency_ms=_optional_number(attributes.get("latency_ms")),
            status=_optional_status(attributes.get("status")),
        )
        for i in range(len(inputs))
    ]


def _event_id(record: dict[str, Any]) -> str:
    metadata = record.get("eventMetadata")
    if not isinstance(metadata, dict):
        raise _UnreadableError(Reason.NO_EVENT_ID, "no eventMetadata")
    # labels carry the caller's inference id when there is one
    found = metadata.get("inferenceId") or metadata.get("eventId")
    if not isinstance(found, str) or not found:
        raise _UnreadableError(Reason.NO_EVENT_ID, "neither inferenceId nor eventId")
    if not _is_text(found):
        raise _UnreadableError(Reason.NO_EVENT_ID, f"{found[:40]!a} is not Unicode text")
    return found


def _is_text(value: str) -> bool:
    """Whether it is Unicode text: JSON can spell half a surrogate pair, which nothing else can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _event_time(record: dict[str, Any]) -> datetime:
    text = record["eventMetadata"].get("inferenceTime")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise _UnreadableError(Reason.BAD_EVENT_TIME, f"inferenceTime is {str(text)[:40]!r}") from error


def _attributes(metadata: dict[str, Any]) -> dict[str, str]:
    pairs = metadata.get("customAttributes") or []
    if not isinstance(pairs, list):
        return {}
    return dict(pair.split("=", 1) for pair in pairs if isinstance(pair, str) and "=" in pair and _is_text(pair))


def _optional_number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _optional_status(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) == 3 else None


def _row_id(event_id: str, row: int, rows: int) -> str:
    return event_id if rows == 1 else f"{event_id}#{row}"


def _payload(side: dict[str, Any], reason: Reason) -> list[Any]:
    """The rows of one side: lists of CSV fields, or JSON values."""
    data, encoding = side.get("data"), side.get("encoding")
    if not isinstance(data, str):
        raise _UnreadableError(reason, "data is not a string")
    if encoding == "BASE64":
        try:
            data = base64.b64decode(data, validate=True).decode()
        except ValueError as error:  # of base64, or of UTF-8
            raise _UnreadableError(reason, "BASE64 that is not text") from error
        content_type = str(side.get("observedContentType"))
        encoding = "CSV" if "csv" in content_type else "JSON"
    if encoding == "CSV":
        try:
            return [fields for fields in csv.reader(io.StringIO(data, newline="")) if fields]
        except csv.Error as error:
            raise _UnreadableError(reason, f"payload is not CSV: {error}") from error
    if encoding != "JSON":
        raise _UnreadableError(reason, f"encoding is {encoding!r}")
    try:
        return _json_rows(json.loads(data))
    except (ValueError, RecursionError):
        pass  # JSON Lines carry the encoding JSON too
    try:
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(reason, f"payload is not JSON: {str(error)[:80]}") from error


def _json_rows(value: Any) -> list[Any]:
    for name in ("instances", "predictions"):
        if isinstance(value, dict) and isinstance(value.get(name), list):
            return list(value[name])
    if isinstance(value, list) and value and all(isinstance(item, dict | list) for item in value):
        return value
    return [value]


def _features(value: Any, columns: Columns, rows: int) -> dict[str, Any]:
    if isinstance(value, dict) and isinstance(value.get("features"), dict | list):
        value = value["features"]
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        raise _UnreadableError(Reason.BAD_PAYLOAD, "the request is neither an object nor a list of fields", rows)
    if len(value) != len(columns.features):
        detail = f"{len(value)} fields, the model has {len(columns.features)} features"
        raise _UnreadableError(Reason.FIELD_COUNT, detail, rows)
    return dict(zip(columns.features, value, strict=True))


def _score(value: Any, columns: Columns, rows: int) -> float:
    if isinstance(value, list):
        value = dict(zip(columns.outputs, value, strict=False))
    if isinstance(value, dict):
        value = value.get(columns.score)
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _UnreadableError(Reason.BAD_SCORE, f"{columns.score} is {str(value)[:40]!r}", rows) from error
    if not 0 <= score <= 1:
        raise _UnreadableError(Reason.BAD_SCORE, f"{columns.score} is {score}, not a probability", rows)
    return score


def _label(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("label")
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        text = str(value).strip()
        if text and _is_text(text):
            return plain_label(text)
    raise _UnreadableError(Reason.BAD_LABEL, f"label is {str(value)[:40]!a}")
