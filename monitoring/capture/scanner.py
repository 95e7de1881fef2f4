"""A compiled scanner of SageMaker endpoint capture, for the lines that nearly all captures are made of.

It reads whole pieces of objects into Arrow tables. What it reads equals what the reader in Python
(`monitoring.capture.sagemaker`) makes of the same lines, bit for bit. A line that it does not vouch for it names, and
leaves to that reader: JSON or base64 bodies, quoted CSV, unusual times, and whatever is broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from monitoring.capture.records import FEATURE_PREFIX
from monitoring.capture.scan_csv import (
    NO_STATUS,
    Rows,
    gather,
    gather_ids,
    read_rows,
    resolve_escapes,
)
from monitoring.capture.scan_json import (
    ATTRIBUTES,
    END,
    ESCAPES,
    INPUT,
    MARGIN,
    SLOW,
    START,
    find_parts,
    lines_with_margin,
)
from monitoring.capture.scan_values import FAULT, VALUE

SEGMENT_PREFIX = "segment:"
_ATTRIBUTES = ("model_version", "latency_ms", "status")
# A line is rarely shorter; where it is, there is a second attempt.
_BYTES_A_LINE = 256
_LONGEST_PIECE = 1 << 30

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Scan:
    """What the compiled scanner made of a piece of an object.

    Attributes:
        table: One row per scanned row, in line order: `event_id`, `event_time` (microseconds, UTC), `model_version`
            (empty when absent), `score`, `latency_ms`, `status`, one column per feature, one per segment.
        lines: For each row the index of its line; shape (rows,).
        line_starts: Where each line starts that is not blank; shape (lines,).
        line_ends: Where it ends, without its newline; shape (lines,).
        slow: Indices of the lines that the scanner does not vouch for, ascending. They have no rows in the table.
        faults: For numeric features with values that are no numbers, the rows, ascending. They hold null there.
    """

    table: pa.Table
    lines: Array
    line_starts: Array
    line_ends: Array
    slow: Array
    faults: dict[str, Array]


def scan(
    data: bytes | memoryview | Array,
    *,
    features: Mapping[str, Literal["numeric", "categorical"]],
    outputs: Sequence[str],
    score: str,
    segments: Sequence[str] = (),
) -> Scan:
    """Read the capture lines of a piece of an object. Threads can scan pieces at the same time.

    Args:
        data: Whole lines; the last one may lack its newline.
        features: The features in the order of the request's fields.
        outputs: The names of the response's fields.
        score: The one of them that is the score.
        segments: Names of custom attributes that are read too, as text; an empty one is null.

    Raises:
        ValueError: The piece has 1 GiB or more.
    """
    lines = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    if len(lines) >= _LONGEST_PIECE:
        raise ValueError(f"a piece of {len(lines)} bytes; the scanner takes less than {_LONGEST_PIECE}")
    places, tail = _find(lines, [*_ATTRIBUTES, *segments])
    escaped = places[places[:, ESCAPES] > 0]
    side = np.empty(len(tail) + int((escaped[:, END] - escaped[:, START]).sum()) + MARGIN, np.uint8)
    side[: len(tail)] = tail
    most_rows = resolve_escapes(lines, side, len(tail), places)
    kinds, columns = _columns(features)
    rows = _room(most_rows, columns, len(segments))
    found = read_rows(lines, side, places, kinds, outputs.index(score), rows)
    table, faults = _table(_trimmed(rows, found), lines, side, places, features, segments)
    return Scan(
        table,
        rows.lines[:found],
        places[:, START].copy(),
        places[:, END].copy(),
        np.flatnonzero(places[:, ESCAPES] == SLOW),
        faults,
    )


def _find(lines: Array, attributes: Sequence[str]) -> tuple[Array, Array]:
    """The places of every line, and a copy of the last lines, which have too little behind them to be read in place."""
    names = [name.encode() for name in attributes]
    wanted, ends = np.frombuffer(b"".join(names), np.uint8), np.cumsum([len(name) for name in names])
    split = lines_with_margin(lines)
    tail = np.concatenate([lines[split:], np.full(1 + MARGIN, ord("\n"), np.uint8)])
    places = np.empty((len(lines) // _BYTES_A_LINE + 16, ATTRIBUTES + 2 * len(names)), np.int64)
    places, first = _fill(lines, split, wanted, ends, places, 0)
    places, count = _fill(tail, len(lines) - split + 1, wanted, ends, places, first)
    moved = places[first:count]
    moved[:, [START, END]] += split
    moved[:, INPUT:ESCAPES] += len(lines)
    moved[:, ATTRIBUTES:] += len(lines)
    return places[:count], tail


def _fill(data: Array, stop: int, wanted: Array, ends: Array, places: Array, count: int) -> tuple[Array, int]:
    at, order = 0, np.empty(places.shape[1], np.int64)
    while at < stop:
        if count == len(places):
            places = np.concatenate([places, np.empty_like(places)])
        at, count = find_parts(data, at, stop, wanted, ends, places, order, count)
    return places, count


def _columns(features: Mapping[str, str]) -> tuple[Array, dict[str, int]]:
    """The column of each feature, inverted for text; and how many columns there are of each kind."""
    counts = {"numeric": 0, "categorical": 0}
    columns = []
    for kind in features.values():
        columns.append(counts[kind] if kind == "numeric" else ~counts[kind])
        counts[kind] += 1
    return np.array(columns, np.int64), counts


def _room(rows: int, counts: Mapping[str, int], segments: int) -> Rows:
    texts = counts["categorical"] + 1 + segments
    return Rows(
        lines=np.empty(rows, np.int64),
        times=np.empty(rows, np.int64),
        scores=np.empty(rows),
        latencies=np.empty(rows),
        statuses=np.empty(rows, np.int32),
        ids=np.empty(rows + 1, np.int32),
        numbers=np.empty((counts["numeric"], rows)),
        states=np.empty((counts["numeric"], rows), np.uint8),
        starts=np.empty((texts, rows), np.int32),
        ends=np.empty((texts, rows + 1), np.int32),
    )


def _trimmed(rows: Rows, found: int) -> Rows:
    longer = {"ids": found + 1, "ends": found + 1}
    return Rows(**{name: array[..., : longer.get(name, found)] for name, array in rows._asdict().items()})


def _table(
    rows: Rows, lines: Array, side: Array, places: Array, features: Mapping[str, str], segments: Sequence[str]
) -> tuple[pa.Table, dict[str, Array]]:
    ids = _bytes(rows.ids)
    gather_ids(lines, side, places, rows.lines, rows.ids, ids)

    def text(column: int, *, nullable: bool = True) -> pa.Array:
        found = _bytes(rows.ends[column])
        gather(lines, side, rows.starts[column], rows.ends[column], found)
        return _text(rows.ends[column], found, nullable=nullable)

    columns: dict[str, pa.Array] = {}
    faults: dict[str, Array] = {}
    kinds, counts = _columns(features)
    for name, column in zip(features, kinds, strict=True):
        if column < 0:
            columns[FEATURE_PREFIX + name] = text(~column)
            continue
        states = rows.states[column]
        columns[FEATURE_PREFIX + name] = _numbers(pa.float64(), rows.numbers[column], states == VALUE)
        if len(wrong := np.flatnonzero(states == FAULT)):
            faults[name] = wrong
    version = counts["categorical"]
    head = {
        "event_id": _text(rows.ids, ids, nullable=False),
        "event_time": _numbers(pa.timestamp("us", tz="UTC"), rows.times, None),
        "model_version": text(version, nullable=False),
        "score": _numbers(pa.float64(), rows.scores, None),
        "latency_ms": _numbers(pa.float64(), rows.latencies, ~np.isnan(rows.latencies)),
        "status": _numbers(pa.int32(), rows.statuses, rows.statuses != NO_STATUS),
    }
    tail = {SEGMENT_PREFIX + name: text(version + 1 + i) for i, name in enumerate(segments)}
    return pa.table(head | columns | tail), faults


def _bytes(ends: Array) -> Array:
    return np.empty(int(ends[-1]) + MARGIN, np.uint8)


def _text(ends: Array, data: Array, *, nullable: bool) -> pa.Array:
    """A column of text; what is empty is null, if that may be."""
    filled = ends[1:] > ends[:-1] if nullable else None
    nulls, validity = _validity(filled)
    buffers = [validity, pa.py_buffer(ends), pa.py_buffer(data[: ends[-1]])]
    return pa.Array.from_buffers(pa.string(), len(ends) - 1, buffers, nulls)


def _numbers(kind: pa.DataType, values: Array, filled: Array | None) -> pa.Array:
    nulls, validity = _validity(filled)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(values)], nulls)


def _validity(filled: Array | None) -> tuple[int, pa.Buffer | None]:
    """How many values are null, and Arrow's validity bits if any is."""
    if filled is None or filled.all():
        return 0, None
    bits = np.packbits(filled, bitorder="little")
    return len(filled) - int(np.count_nonzero(filled)), pa.py_buffer(bits)
