"""Read the output of SageMaker's batch transform jobs that was given inference ids.

The formats are described in the SageMaker developer guide ("Capture data from batch transform job", "Associate
prediction results with input records").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.calls import Call, event_id_of, event_time_of, read_objects
from monitoring.capture.readers.csv_records import csv_lines
from monitoring.capture.readers.json_objects import begins_json
from monitoring.capture.readers.payload import response_rows
from monitoring.capture.records import ABSENT, Half, Row, find
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

_ID, _TIME, _INPUT, _OUTPUT = _OWN = (
    "SageMakerInferenceId",
    "SageMakerInferenceTime",
    "SageMakerInput",
    "SageMakerOutput",
)
_MANIFEST = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[\s*\{\s*"prefix"\s*:\s*"s3:')
_CSV_END = re.compile(
    rb",\s*\"?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\"?\s*,\s*\"?\d{4}-\d\d-\d\dT[0-9:.]+Z?\"?\s*$"
)


def knows(_key: str, head: bytes) -> bool:
    """Whether an object begins like an output with inference ids, or like a manifest of captured objects."""
    if begins_json(head):
        return _MANIFEST.match(head) is not None or any(f'"{name}"'.encode() in head for name in (_ID, _OUTPUT))
    return _CSV_END.search(head.split(b"\n", 1)[0]) is not None


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Half | Quarantined]:
    """Every row of one object. A manifest has none: it only names objects."""
    head = captured.head()
    if _MANIFEST.match(head):
        return iter(())
    if begins_json(head):
        return read_objects(captured, _is_output, partial(_found, captured=captured, columns=config.columns))
    return _of_csv(captured, config)


def _is_output(record: dict[str, Any]) -> bool:
    return any(name in record for name in _OWN)


def _found(record: dict[str, Any], origin: Origin, *, captured: CaptureObject, columns: Columns) -> list[Row]:
    if not _is_output(record):
        raise UnreadableError(Reason.NOT_A_CAPTURE, "neither an inference id nor an output")
    rest = {name: value for name, value in record.items() if name not in _OWN}
    request, response = record.get(_INPUT, rest or None), record.get(_OUTPUT, rest)
    if _OUTPUT not in record and not _has_feature(rest, columns):
        request = None  # the model's answer alone, without the input
    if columns.features and request is None:
        rows = len(response_rows(response, columns)) if columns.outputs else 1
        raise UnreadableError(Reason.NO_INPUT, "the input is not joined", max(rows, 1))
    event_id = "" if columns.event_id else event_id_of(record.get(_ID))
    moment = event_time_of(record[_TIME]) if _TIME in record else None
    return Call(event_id, moment, captured.modified, origin).both(request, response, columns)


def _has_feature(fields: dict[str, Any], columns: Columns) -> bool:
    return any(find(fields, columns.path(name)) is not ABSENT for name in columns.features)


def _of_csv(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Half | Quarantined]:
    for found in csv_lines(captured):
        if isinstance(found, Quarantined):
            yield found
            continue
        origin, fields = found
        try:
            yield from _csv_rows([field.strip() for field in fields], origin, captured, config)
        except UnreadableError as error:
            yield error.at(origin)


def _csv_rows(fields: list[str], origin: Origin, captured: CaptureObject, config: ModelConfig) -> list[Row]:
    if len(fields) < 3:
        raise UnreadableError(Reason.NO_EVENT_ID, "no inference id and no time behind the outputs")
    columns = config.columns
    *values, event_id, moment = fields
    call = Call(event_id_of(event_id), event_time_of(moment), captured.modified, origin)
    names = config.capture.csv.columns or [*columns.features, *columns.outputs]
    if len(values) == len(names):
        row = dict(zip(names, values, strict=True))
        return call.both(row, row, columns)
    if columns.features and len(values) == len(columns.outputs):
        raise UnreadableError(Reason.NO_INPUT, "the input is not joined")
    raise UnreadableError(Reason.FIELD_COUNT, f"{len(values)} fields, the model has {len(names)}")
