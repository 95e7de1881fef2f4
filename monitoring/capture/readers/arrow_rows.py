"""Canonical records of Arrow tables: what `type_rows` makes of their rows, for all rows at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture.quarantine import Origin, Quarantined, UnreadableError
from monitoring.capture.readers import arrow_values as values
from monitoring.capture.readers.arrow_values import Integers, Mask, Parsed
from monitoring.capture.readers.rows import EPOCH, Identity
from monitoring.capture.records import FAILED_STATUS, Rows, Typed, likeliest, type_rows, unknown_columns
from monitoring.capture.schema import (
    ATTRIBUTION_PREFIX,
    FEATURE_PREFIX,
    PROBABILITY_PREFIX,
    REFERENCE_PREFIX,
    SEGMENT_PREFIX,
    captured_schema,
)
from monitoring.config.capture import CapturedType, Columns
from monitoring.config.values import plain_label

# Stands where Python cannot hold a value. No parser takes it for anything.
_NO_VALUE = "\ud800"
_PARSERS: dict[CapturedType, Callable[[pa.Array], Parsed]] = {
    "numeric": values.numbers,
    "categorical": values.categories,
    "text": values.lengths,
}


def needed(names: list[str], identity: Identity) -> list[str]:
    """The columns, of these, that the model needs."""
    columns = identity.columns
    own = (*columns.answers, columns.model_version, columns.latency_ms, columns.status)
    declared = (*own, *columns.features, *columns.segments, *columns.references, *columns.attributions.values())
    return on_paths(names, [*identity.event_ids, *identity.event_times, *map(columns.path, declared)])


def on_paths(names: list[str], paths: Iterable[str]) -> list[str]:
    """The columns, of these, that paths begin with."""
    wanted = {part for path in paths for part in (path, re.split(r"[.\[]", path, maxsplit=1)[0])}
    return [name for name in names if name in wanted]


def typed(batch: pa.RecordBatch, first: int, names: list[str], identity: Identity) -> Typed:
    """Canonical records.

    Args:
        batch: At least the columns that are needed.
        first: The number of its first row in the object.
        names: Every column of the object.
        identity: What the rows' ids and times are.
    """
    columns = identity.columns
    body, fine = _heads(batch, first, identity)
    missing: dict[str, Rows] = {}
    unparsable: dict[str, Rows] = {}
    for name, kind in columns.features.items():
        parsed, absent = _feature(batch, columns.path(name), _PARSERS[kind])
        body[FEATURE_PREFIX + name] = parsed.values
        for faults, mask in ((missing, absent), (unparsable, parsed.bad)):
            if mask[fine].any():
                faults[name] = np.flatnonzero(mask[fine])
    schema = captured_schema(columns)
    table = pa.table([body[field.name].cast(field.type) for field in schema], schema=schema)
    rows = np.flatnonzero(fine)
    return Typed(
        table if fine.all() else table.filter(pa.array(fine)),
        lambda index: _origin(batch, first, int(rows[index]), identity),
        missing,
        unparsable,
        _unknown(names, identity) if len(rows) else frozenset(),
        [_quarantined(batch, first, int(row), identity) for row in np.flatnonzero(~fine)],
    )


def fields_of(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The fields of one row."""
    found = {}
    for place, name in enumerate(batch.schema.names):
        try:
            found[name] = values.python_value(batch.column(place)[row])
        except (ValueError, OverflowError):
            found[name] = _NO_VALUE
    return found


def _unknown(names: list[str], identity: Identity) -> frozenset[str]:
    return unknown_columns([dict.fromkeys(names)], identity.columns) - set(identity.usual)


def _origin(batch: pa.RecordBatch, first: int, row: int, identity: Identity) -> Origin:
    data = json.dumps(fields_of(batch, row), default=str).encode()
    return Origin(identity.captured.key, first + row, data)


def _quarantined(batch: pa.RecordBatch, first: int, row: int, identity: Identity) -> Quarantined:
    """Why a row has no place among the records, as the row itself says."""
    origin = _origin(batch, first, row, identity)
    try:
        read = identity.row(fields_of(batch, row), origin, first + row)
    except UnreadableError as error:
        return error.at(origin)
    return type_rows([read], identity.columns).quarantined[0]


def _feature(batch: pa.RecordBatch, path: str, parse: Callable[[pa.Array], Parsed]) -> tuple[Parsed, Mask]:
    """A feature's values, and which rows lack it."""
    found = values.look_up(batch, path)
    if found is None:
        return Parsed(pa.nulls(batch.num_rows), np.zeros(batch.num_rows, bool)), np.ones(batch.num_rows, bool)
    return parse(found.values), ~found.there


def _heads(batch: pa.RecordBatch, first: int, identity: Identity) -> tuple[dict[str, pa.Array], Mask]:
    """What the records hold beside features, and which rows can be records."""
    columns = identity.columns

    def attribute(name: str, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
        found = values.look_up(batch, columns.path(name))
        return pa.nulls(batch.num_rows) if found is None else convert(found.values)

    ids, identified = _event_ids(batch, first, identity)
    times, timed = _event_times(batch, identity)
    status = attribute(columns.status, values.statuses).cast(pa.int32())
    failed = _true(pc.greater_equal(status, FAILED_STATUS))
    answers, answered = _answers(batch, columns, failed)
    body = {
        "event_id": ids,
        "event_time": times,
        "model_version": pc.fill_null(attribute(columns.model_version, values.texts).cast(pa.string()), ""),
        **answers,
        "latency_ms": attribute(columns.latency_ms, lambda array: values.numbers(array).values),
        "status": status,
        **{
            ATTRIBUTION_PREFIX + name: attribute(place, lambda array: values.numbers(array).values)
            for name, place in columns.attributions.items()
        },
        **{SEGMENT_PREFIX + name: attribute(name, values.texts) for name in columns.segments},
        **{REFERENCE_PREFIX + name: attribute(name, values.texts) for name in columns.references},
    }
    return body, identified & timed & answered


def _event_ids(batch: pa.RecordBatch, first: int, identity: Identity) -> tuple[pa.Array, Mask]:
    """The ids, and which rows have one, or need none."""
    found = [values.look_up(batch, path) for path in identity.event_ids]
    ids = [values.event_ids(column.values) for column in found if column is not None]
    ids.append(pa.nulls(batch.num_rows, pa.string()))
    known = pc.coalesce(*ids)
    if identity.columns.event_id:
        return known, _true(known.is_valid())
    numbers = pa.array(np.arange(first, first + batch.num_rows)).cast(pa.string())
    made = pc.binary_join_element_wise(f"{identity.captured.key}#", numbers, "")
    return pc.coalesce(known, made), np.ones(batch.num_rows, bool)


def _event_times(batch: pa.RecordBatch, identity: Identity) -> tuple[pa.Array, Mask]:
    """The times, and which rows have one, or need none."""
    written = (identity.captured.modified - EPOCH) // values.MICROSECOND
    found: Integers = np.full(batch.num_rows, written, np.int64)
    fine, open_ = np.ones(batch.num_rows, bool), np.ones(batch.num_rows, bool)
    for path in identity.event_times:
        column = values.look_up(batch, path)
        if column is not None and open_.any():
            count, bad, nothing = values.moments(column.values)
            found = np.where(open_ & ~nothing, count, found)
            fine &= ~(open_ & bad)
            open_ &= nothing
    if identity.columns.event_time:
        fine &= ~open_
    return pa.array(found).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")), fine


def _answers(batch: pa.RecordBatch, columns: Columns, failed: Mask) -> tuple[dict[str, pa.Array], Mask]:
    """The scores, predictions and probabilities, and which rows have usable ones, or need none."""
    body = {"score": pa.nulls(batch.num_rows, pa.float64()), "prediction": pa.nulls(batch.num_rows, pa.string())}
    good = np.ones(batch.num_rows, bool)
    if not columns.outputs:
        return body | dict.fromkeys(_probability_names(columns), body["score"]), good
    if columns.score:
        body["score"], good = _scores(batch, columns.score, columns)
    if columns.probabilities:
        body, good = _probabilities(batch, columns, body, good)
    found = values.look_up(batch, columns.path(columns.prediction)) if columns.prediction else None
    label = body["prediction"]
    if found is not None:
        label = pc.coalesce(pc.if_else(pa.array(good), values.texts(found.values), None), label)
    if columns.prediction and not columns.score and not columns.probabilities:
        good = _true(label.is_valid())
    if columns.task == "binary":
        positive = _mapped(label, lambda text: plain_label(text) == columns.positive)
        label = pc.coalesce(positive, pc.greater_equal(body["score"], columns.threshold))
    return body | {"prediction": label}, good | failed


def _probabilities(
    batch: pa.RecordBatch, columns: Columns, body: dict[str, pa.Array], good: Mask
) -> tuple[dict[str, pa.Array], Mask]:
    """The probabilities of the classes and what follows from them; null in rows that lack one, or the score."""
    found = [_scores(batch, place, columns) for place in columns.probabilities.values()]
    good = np.logical_and.reduce([good, *(fine for _, fine in found)])
    known = pa.array(good)
    each = [pc.if_else(known, probability, None) for probability, _ in found]
    label, largest = likeliest(each, list(columns.probabilities))
    score = pc.if_else(known, body["score"], None) if columns.score else largest
    return {"score": score, "prediction": label, **dict(zip(_probability_names(columns), each, strict=True))}, good


def _probability_names(columns: Columns) -> list[str]:
    return [PROBABILITY_PREFIX + name for name in columns.probabilities]


def _scores(batch: pa.RecordBatch, name: str, columns: Columns) -> tuple[pa.Array, Mask]:
    """The scores in a field, null where there is none, and where there is one."""
    column = values.look_up(batch, columns.path(name))
    if column is None:
        return pa.nulls(batch.num_rows, pa.float64()), np.zeros(batch.num_rows, bool)
    found = pc.fill_null(values.numbers(values.only_items(column.values)).values, np.nan)
    numbers = found.to_numpy(zero_copy_only=False)
    good: Mask = np.isfinite(numbers) if columns.task == "regression" else (numbers >= 0) & (numbers <= 1)
    return pc.if_else(pa.array(good), found, None), good


def _mapped(labels: pa.Array, function: Callable[[str], bool]) -> pa.Array:
    encoded = labels.dictionary_encode()
    return pa.array([function(text) for text in encoded.dictionary.to_pylist()], pa.bool_()).take(encoded.indices)


def _true(array: pa.Array) -> Mask:
    found: Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return found
