"""Read SageMaker's ground truth: JSON Lines with a label, or the labels of a call's rows, in each record.

The format is described in the SageMaker developer guide (model quality: ingest ground truth labels) and in
`docs/labels.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture.objects import CaptureObject, Piece
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers import arrow_values as values
from monitoring.capture.readers.calls import numbered
from monitoring.capture.readers.sagemaker import load_record, payload, record_id
from monitoring.capture.records import find
from monitoring.config import ModelConfig
from monitoring.labels.readers import json_lines
from monitoring.labels.readers.batches import about, usable, with_others
from monitoring.labels.readers.values import Label, Meaning, tables

_TEXT = pa.string()
_SCHEMA = pa.schema(
    {
        "groundTruthData": pa.struct({"data": _TEXT, "encoding": _TEXT}),
        "eventMetadata": pa.struct({"eventId": _TEXT, "inferenceId": _TEXT}),
    }
)
# How JSON spells a number. It has no `-0`: that is a whole number, whose zero has no sign.
_NUMBER = r"^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)(\.[0-9]+([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))$"


def knows(_key: str, head: bytes) -> bool:
    """Whether an object begins like ground truth."""
    return b'"groundTruthData"' in head


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[pa.Table | Quarantined]:
    """Every label of one object."""
    read_part = partial(_of_part, meaning=Meaning.of(config))
    yield from json_lines.side_by_side(captured, captured.pieces(), read_part)


def _of_part(piece: Piece | Quarantined, meaning: Meaning) -> list[pa.Table | Quarantined]:
    """The labels on some lines."""
    if isinstance(piece, Quarantined):
        return [piece]
    batch = None if meaning.weight or meaning.label_time else json_lines.parsed(piece.data, _SCHEMA)
    if batch is None:
        return list(tables(labels_on_lines(piece, meaning), meaning.schema))
    origin = json_lines.line(piece)

    def alone(row: int) -> Iterator[Label | Quarantined]:
        return _of_line(origin(row), meaning, unfinished=False)

    return list(with_others(_ids(batch), _labels(batch, meaning), about(batch, meaning), meaning, alone))


def labels_on_lines(piece: Piece, meaning: Meaning) -> Iterator[Label | Quarantined]:
    """The labels on some lines, each line read by itself."""
    for origin, unfinished in piece.lines():
        yield from _of_line(origin, meaning, unfinished=unfinished)


def _ids(batch: pa.RecordBatch) -> pa.Array:
    """The event ids; null where there is none."""
    metadata = batch.column("eventMetadata")
    known, other = (pc.struct_field(metadata, name) for name in ("inferenceId", "eventId"))
    found = pc.coalesce(pc.if_else(pc.equal(known, ""), None, known), other)
    return pc.if_else(pc.equal(found, ""), None, found)


def _labels(batch: pa.RecordBatch, meaning: Meaning) -> pa.Array:
    """Labels that are one value of CSV or JSON, as nearly all are; null elsewhere."""
    truth = batch.column("groundTruthData")
    data, encoding = (pc.struct_field(truth, name) for name in ("data", "encoding"))
    as_csv, as_json = (pc.if_else(pc.equal(encoding, name), data, None) for name in ("CSV", "JSON"))
    if meaning.numeric:
        as_json = pc.if_else(pc.match_substring_regex(as_json, _NUMBER), as_json, None)
        return usable(pc.coalesce(as_csv, as_json), meaning)

    def label_of(text: str, name: str) -> str:
        try:
            [value] = _values({"data": text, "encoding": name})
            return str(meaning.parsed(value))
        except UnreadableError as error:
            raise ValueError("no label") from error

    found = [
        values.by_value(array, partial(label_of, name=name), _TEXT).values
        for name, array in (("CSV", as_csv), ("JSON", as_json))
    ]
    return pc.coalesce(*found)


def _of_line(origin: Origin, meaning: Meaning, *, unfinished: bool) -> Iterator[Label | Quarantined]:
    """The labels of one record. One that cannot be read costs itself only."""
    faults: list[UnreadableError] = []
    try:
        record = load_record(origin, unfinished)
        truth = record.get("groundTruthData")
        if not isinstance(truth, dict):
            raise UnreadableError(Reason.NOT_A_CAPTURE, "no groundTruthData")
        event_id, found = record_id(record), _values(truth)
        for name, value in zip(numbered(event_id, len(found)), found, strict=True):
            try:
                yield _label(name, value, record, meaning)
            except UnreadableError as error:
                faults.append(error)
    except UnreadableError as error:
        faults.append(error)
    if faults:
        yield Quarantined(faults[0].reason, faults[0].detail, origin, len(faults))


def _label(event_id: str, value: Any, record: dict[str, Any], meaning: Meaning) -> Label:
    """A label; its weight and its time are beside it, or in the record."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    own = value if isinstance(value, dict) else {}
    found = find(own, meaning.label) if own else value
    return Label(event_id, meaning.parsed(found), *meaning.about(own, record))


def _values(truth: dict[str, Any]) -> list[Any]:
    """The labels of a record, one for each row of the call.

    Raises:
        UnreadableError: There is none.
    """
    try:
        value = payload(truth)
    except UnreadableError as error:
        raise UnreadableError(Reason.BAD_LABEL, error.detail) from error
    if isinstance(value, dict):
        value = next((value[name] for name in ("instances", "predictions") if isinstance(value.get(name), list)), value)
    found = value if isinstance(value, list) else [value]
    if not found:
        raise UnreadableError(Reason.BAD_LABEL, "no label")
    return found
