"""Read the logs of BentoML's default monitor: JSON Lines with a row on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.calls import event_id_of, event_time_of, gathered, numbered
from monitoring.capture.readers.json_objects import begins_json, first_object, json_objects
from monitoring.capture.records import Row, find
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

TIMED = True
_TIME, _REQUEST, _TRACE = _OWN = ("timestamp", "request_id", "trace_id")
_KEY = re.compile(r"(^|/)data\.\d+\.log([.-]|$)")


@dataclass(frozen=True)
class _Line:
    origin: Origin
    record: dict[str, Any]


def knows(key: str, head: bytes) -> bool:
    """Whether an object begins like a log of the monitor: of its rows, or of their schema."""
    record = first_object(head)
    if record:
        return _is_row(record) or _is_schema(record)
    return _KEY.search(key) is not None and begins_json(head)


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Quarantined]:
    """Every row of one object. The lines of a log of schemas are no rows, and give nothing."""
    aside: list[Quarantined] = []
    for event_id, lines in gathered(_lines(captured, config.columns, aside)):
        yield from aside
        aside.clear()
        # a column of the model's own tells rows apart already
        ids = [event_id] * len(lines) if config.columns.event_id else numbered(event_id, len(lines))
        for line, row_id in zip(lines, ids, strict=True):
            # a row that is read again by itself keeps its number
            origin = line.origin if row_id == event_id else _renamed(line, row_id)
            try:
                yield _row(line.record, origin, row_id)
            except UnreadableError as error:
                yield error.at(origin)
    yield from aside


def _is_row(record: dict[str, Any]) -> bool:
    return all(name in record for name in _OWN)


def _is_schema(record: dict[str, Any]) -> bool:
    return isinstance(record.get("meta_data"), dict) and isinstance(record.get("columns"), list)


def _lines(captured: CaptureObject, columns: Columns, aside: list[Quarantined]) -> Iterator[tuple[str, _Line]]:
    """Every row with the id of its request; what is none goes aside."""
    for found in json_objects(captured, _is_row):
        if isinstance(found, Quarantined):
            aside.append(found)
            continue
        origin, record = found
        if _is_schema(record):
            continue
        try:
            yield _event_id(record, columns), _Line(origin, record)
        except UnreadableError as error:
            aside.append(error.at(origin))


def _event_id(record: dict[str, Any], columns: Columns) -> str:
    if _TIME not in record:
        raise UnreadableError(Reason.NOT_A_CAPTURE, "no row of the monitor")
    if columns.event_id:
        return event_id_of(find(record, columns.path(columns.event_id)))
    found = record.get(_REQUEST)
    # what was logged outside of a request has the text None
    return event_id_of(None if found == "None" else found)


def _renamed(line: _Line, request_id: str) -> Origin:
    try:
        return replace(line.origin, data=json.dumps(line.record | {_REQUEST: request_id}).encode())
    except RecursionError:  # nested as deep as can just be read
        return line.origin


def _row(record: dict[str, Any], origin: Origin, event_id: str) -> Row:
    fields = {name: value for name, value in record.items() if name not in _OWN}
    attributes = {name: record[name] for name in (_REQUEST, _TRACE) if name in record}
    return Row(event_id, event_time_of(record[_TIME]), origin, fields, fields, attributes)
