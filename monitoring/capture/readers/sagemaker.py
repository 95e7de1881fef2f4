"""Read SageMaker endpoint capture: JSON Lines with a request and a response in each record.

The format is described in the SageMaker developer guide (data capture) and in `docs/formats.md`. A record may
hold several rows (CSV lines, JSON Lines, `instances`); row i of the request belongs to row i of the response.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture import scanner
from monitoring.capture.objects import PIECE_BYTES, CaptureObject, Piece
from monitoring.capture.ordered import THREADS, in_order
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.calls import ERROR_STATUS, numbered
from monitoring.capture.readers.payload import is_error, parse_body, request_rows, response_rows
from monitoring.capture.readers.rows import id_text
from monitoring.capture.records import (
    FAILED_STATUS,
    Row,
    Typed,
    find,
    is_text,
    merged,
    optional_status,
    type_rows,
    with_prediction,
)
from monitoring.capture.schema import FEATURE_PREFIX, captured_schema
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

# Every record says when it was made.
TIMED = True


def knows(_key: str, head: bytes) -> bool:
    """Whether an object begins like endpoint capture."""
    return b'"captureData"' in head and b'"eventMetadata"' in head


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Typed | Quarantined]:
    """Every row of one capture object."""
    columns = config.columns
    if not is_scannable(columns):
        for piece in captured.pieces():
            yield from [piece] if isinstance(piece, Quarantined) else read_piece(piece, columns)
        return
    scan = partial(_scan, columns=columns)
    if captured.size <= PIECE_BYTES:  # mostly one piece, which is not worth threads
        for piece in captured.pieces():
            yield from scan(piece)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        for found in in_order(scan, captured.pieces(), pool):
            yield from found


def is_scannable(columns: Columns) -> bool:
    """Whether the compiled scanner reads what these columns ask for."""
    plain = not (columns.paths or columns.event_id or columns.event_time or columns.references or columns.prediction)
    plain = plain and not columns.probabilities and not columns.attributions
    return plain and bool(columns.features) and columns.score in columns.outputs


def _scan(piece: Piece | Quarantined, columns: Columns) -> list[Typed | Quarantined]:
    """Some lines: those of the usual form in one go, the others one by one, and all of them in their order."""
    if isinstance(piece, Quarantined):
        return [piece]
    scan = scanner.scan(
        piece.data,
        features={name: "numeric" if kind == "numeric" else "categorical" for name, kind in columns.features.items()},
        outputs=columns.outputs,
        score=columns.score,
        segments=columns.segments,
        attributes=(columns.model_version, columns.latency_ms, columns.status),
        bounds=(-sys.float_info.max, sys.float_info.max) if columns.task == "regression" else scanner.PROBABILITY,
    )

    def line(number: int) -> Origin:
        start, end = int(scan.line_starts[number]), int(scan.line_ends[number])
        return Origin(piece.key, piece.offset + start, bytes(piece.data[start:end]))

    usual = Typed(_captured(scan.table, columns), lambda row: line(int(scan.lines[row])), unparsable=scan.faults)
    rows: list[Row] = []
    aside: list[Typed | Quarantined] = []
    for number in scan.slow:
        unfinished = piece.last and int(scan.line_ends[number]) == len(piece.data)
        for item in _of_line(line(number), unfinished, columns):
            if isinstance(item, Row):
                rows.append(item)
            else:
                aside.append(item)
    if not rows:
        return [usual, *aside] if usual.table.num_rows else aside
    others = type_rows(rows, columns)
    starts = scan.line_starts[scan.lines] + piece.offset
    slow = np.array([others.origin(row).offset for row in range(others.table.num_rows)], np.int64)
    return [merged(usual, others, np.argsort(np.concatenate([starts, slow]), kind="stable")), *aside]


def _captured(table: pa.Table, columns: Columns) -> pa.Table:
    """The scanner's table as canonical records."""
    wanted = captured_schema(columns)
    table = with_prediction(table.append_column("prediction", pa.nulls(table.num_rows)), columns)
    found = {name: table[name] for name in wanted.names}
    for name, kind in columns.features.items():
        if kind == "text":
            found[FEATURE_PREFIX + name] = pc.utf8_length(found[FEATURE_PREFIX + name]).cast(pa.float64())
    return pa.table(found, schema=wanted)


def read_piece(piece: Piece, columns: Columns) -> Iterator[Row | Quarantined]:
    """Every row of some lines, each line read by itself."""
    for origin, unfinished in piece.lines():
        yield from _of_line(origin, unfinished, columns)


def _of_line(origin: Origin, unfinished: bool, columns: Columns) -> list[Row] | list[Quarantined]:
    try:
        return rows_of(load_record(origin, unfinished), origin, columns)
    except UnreadableError as error:
        return [error.at(origin)]


def load_record(origin: Origin, unfinished: bool) -> dict[str, Any]:
    """The JSON object on one line."""
    try:
        record = json.loads(origin.data)
    except (ValueError, RecursionError) as error:
        reason = Reason.CUT_OFF if unfinished else Reason.NOT_JSON
        what = f"{error.msg} at {error.pos}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise UnreadableError(reason, what) from error
    if not isinstance(record, dict):
        raise UnreadableError(Reason.NOT_A_CAPTURE, f"a {type(record).__name__}, not an object")
    return record


def rows_of(record: dict[str, Any], origin: Origin, columns: Columns) -> list[Row]:
    """The rows of one record.

    Raises:
        UnreadableError: It is no capture, or not of this model.
    """
    capture = record.get("captureData")
    if not isinstance(capture, dict):
        raise UnreadableError(Reason.NOT_A_CAPTURE, "no captureData")
    event_id, event_time = record_id(record), _event_time(record)
    attributes = _attributes(record["eventMetadata"])
    failed = (optional_status(attributes.get(columns.status)) or 0) >= FAILED_STATUS
    request = _side(capture, "endpointInput", Reason.NO_INPUT, needed=bool(columns.features))
    response = _side(capture, "endpointOutput", Reason.NO_OUTPUT, needed=bool(columns.outputs) and not failed)
    inputs = None if request is None else request_rows(payload(request), columns)
    try:
        answer = None if response is None else payload(response)
        error = is_error(answer, columns)
        failed = failed or error
        rows = None if inputs is None else len(inputs)
        outputs = None if answer is None or error else response_rows(answer, columns, rows)
    except UnreadableError:
        if not failed:  # a failed call answers with anything
            raise
        outputs = None
    if failed:
        attributes = {columns.path(columns.status): ERROR_STATUS} | attributes
    count = len(inputs if inputs is not None else outputs or [])
    if not count:
        raise UnreadableError(Reason.ROW_COUNT, "no rows")
    found = inputs if inputs is not None else outputs or []
    ids = numbered(event_id, count) if not columns.event_id else [_own_id(row, columns) for row in found]
    return [
        Row(
            event_id=ids[i],
            event_time=event_time,
            origin=origin,
            features=inputs[i] if inputs is not None else {},
            outputs=outputs[i] if outputs is not None else {},
            attributes=attributes,
        )
        for i in range(count)
    ]


def _side(capture: dict[str, Any], name: str, reason: Reason, *, needed: bool) -> dict[str, Any] | None:
    side = capture.get(name)
    if isinstance(side, dict):
        return side
    if needed:
        raise UnreadableError(reason, f"no {name}")
    return None


def record_id(record: dict[str, Any]) -> str:
    """The event id of a record, which its label carries too.

    Raises:
        UnreadableError: There is none.
    """
    metadata = record.get("eventMetadata")
    if not isinstance(metadata, dict):
        raise UnreadableError(Reason.NO_EVENT_ID, "no eventMetadata")
    # labels carry the caller's inference id when there is one
    found = metadata.get("inferenceId") or metadata.get("eventId")
    if not isinstance(found, str) or not found:
        raise UnreadableError(Reason.NO_EVENT_ID, "neither inferenceId nor eventId")
    if not is_text(found):
        raise UnreadableError(Reason.NO_EVENT_ID, "the event id is no Unicode text")
    return found


def _event_time(record: dict[str, Any]) -> datetime:
    text = record["eventMetadata"].get("inferenceTime")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableError(Reason.BAD_EVENT_TIME, "inferenceTime is not ISO 8601") from error


def _attributes(metadata: dict[str, Any]) -> dict[str, Any]:
    pairs = metadata.get("customAttributes") or []
    if not isinstance(pairs, list):
        return {}
    return dict(pair.split("=", 1) for pair in pairs if isinstance(pair, str) and "=" in pair and is_text(pair))


def _own_id(row: dict[str, Any], columns: Columns) -> str:
    """The id in a column; an empty one sets its row aside, and no other."""
    return id_text(find(row, columns.path(columns.event_id))) or ""


def payload(side: dict[str, Any]) -> Any:
    """The body of one side: CSV as lists of fields, JSON as it is, several lines of JSON as a list.

    Raises:
        UnreadableError: It is not what its encoding says.
    """
    data, encoding = side.get("data"), side.get("encoding")
    content_type = str(side.get("observedContentType")).lower()
    if not isinstance(data, str):
        raise UnreadableError(Reason.BAD_PAYLOAD, "data is not a string")
    if encoding == "URI":  # stored as an object of its own, since it is large or binary
        return {"uri": data}
    if encoding == "BASE64":
        try:
            return parse_body(base64.b64decode(data, validate=True), content_type)
        except ValueError as error:
            raise UnreadableError(Reason.BAD_PAYLOAD, "data is not BASE64") from error
    if encoding not in ("CSV", "JSON"):
        raise UnreadableError(Reason.BAD_PAYLOAD, "encoding is none of CSV, JSON, BASE64, URI")
    return parse_body(data, "csv" if encoding == "CSV" else "json")
