"""A compiled scanner of SageMaker endpoint capture, for the lines that nearly all captures are made of.

It reads whole pieces of objects into Arrow tables. What it reads equals what the reader in Python
(`monitoring.capture.readers.sagemaker`) makes of the same lines, bit for bit. A line that it does not vouch for it
names, and leaves to that reader: JSON or base64 bodies, quoted CSV, unusual times, and whatever is broken.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from monitoring.capture.scan_bytes import MARGIN
from monitoring.capture.scan_csv import ABSENT, NO_STATUS, Fields, Rows, read_rows
from monitoring.capture.scan_json import (
    ATTRIBUTES,
    END,
    ESCAPES,
    INPUT,
    LINE,
    SHORTEST_LINE,
    SLOW,
    START,
)
from monitoring.capture.scan_lines import find_parts, lines_with_margin
from monitoring.capture.scan_text import gather, gather_ids, resolve_escapes
from monitoring.capture.scan_values import FAULT, VALUE
from monitoring.capture.schema import FEATURE_PREFIX, SEGMENT_PREFIX

Array = np.ndarray[Any, np.dtype[Any]]

PROBABILITY = (0.0, 1.0)
ATTRIBUTE_NAMES = ("model_version", "latency_ms", "status")
# A line is rarely shorter; where it is, there is a second attempt.
_BYTES_A_LINE = 256
_LONGEST_PIECE = 1 << 29
# What makes a path of a name: the reader in Python looks for its parts in the bodies.
_PATH = re.compile(r"[.\[\]]")


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
    attributes: tuple[str, str, str] = ATTRIBUTE_NAMES,
    bounds: tuple[float, float] = PROBABILITY,
) -> Scan:
    """Read the capture lines of a piece of an object. Threads can scan pieces at the same time.

    Args:
        data: Whole lines; the last one may lack its newline.
        features: The features in the order of the request's fields; at least one.
        outputs: The names of the response's fields.
        score: The one of them that is the score.
        segments: Names of custom attributes that are read too, as text.
        attributes: Names of the custom attributes with the model's version, milliseconds, and HTTP status.
        bounds: The least and the greatest that a score may be.

    Raises:
        ValueError: There is no feature or no such output, or the piece has 512 MiB or more.
    """
    lines = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    if not features or len(lines) >= _LONGEST_PIECE:
        raise ValueError(f"{len(features)} features and {len(lines)} bytes; at least 1, and less than {_LONGEST_PIECE}")
    names = list(dict.fromkeys([*attributes, *segments]))
    in_bodies = {name for name in names if name in features or name in outputs or _PATH.search(name)}
    line_bounds, places, tail = _find(lines, names, in_bodies)
    escaped = places[places[:, ESCAPES] > 0]
    side = np.empty(len(tail) + int((escaped[:, END] - escaped[:, START]).sum()) + MARGIN, np.uint8)
    side[: len(tail)] = tail
    most_rows = resolve_escapes(lines, side, len(tail), places, len(features))
    columns, texts = _columns(features)
    header = _joined(features if len(features) > 1 else ())
    parts = np.array([ATTRIBUTES + 2 * names.index(name) for name in (*attributes, *segments)])
    fields = Fields(columns, *header, parts, len(outputs), outputs.index(score), *map(float, bounds))
    rows = _room(most_rows, len(features) - texts, texts + 1 + len(segments))
    rows = _trimmed(rows, read_rows(lines, side, places, fields, rows))
    table, faults = _table(rows, lines, side, places, features, segments)
    vouched = np.zeros(len(line_bounds), bool)
    vouched[places[places[:, ESCAPES] != SLOW, LINE]] = True
    starts, ends = line_bounds.T.copy()
    return Scan(table, places[rows.records, LINE], starts, ends, np.flatnonzero(~vouched), faults)


def _joined(names: Iterable[str]) -> tuple[Array, Array]:
    """Names one behind the other, and where each ends. Half a surrogate pair equals no valid text."""
    parts = [name.encode("utf-8", "surrogatepass") for name in names]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join([*parts, b"\0"]), np.uint8), ends


def _find(lines: Array, names: Sequence[str], in_bodies: Container[str]) -> tuple[Array, Array, Array]:
    """Where each line starts and ends, the places of those that are found, and a copy of the last lines.

    The last lines have too little behind them to be read in place.

    Args:
        lines: The piece.
        names: Of attributes, each once.
        in_bodies: Those that the reader in Python finds in a body when they are no attribute.
    """
    wanted = _joined(names)
    split = lines_with_margin(lines)
    tail = np.concatenate([lines[split:], np.full(1 + MARGIN, ord("\n"), np.uint8)])
    places = np.empty((len(lines) // SHORTEST_LINE + 2, ATTRIBUTES + 2 * len(names)), np.int64)
    bounds = np.empty((len(lines) // _BYTES_A_LINE + 16, 2), np.int64)
    bounds, first, line = _fill(lines, split, wanted, places, 0, bounds, 0)
    bounds, count, end = _fill(tail, len(lines) - split + 1, wanted, places, first, bounds, line)
    places, bounds = places[:count], bounds[:end]
    for i, name in enumerate(names):
        if name in in_bodies:
            places[places[:, ATTRIBUTES + 2 * i] == 0, ESCAPES] = SLOW
    bounds[line:] += split
    moved = places[first:]
    moved[:, [START, END]] += split
    for parts in (moved[:, INPUT:ESCAPES], moved[:, ATTRIBUTES:]):
        parts[parts > 0] += len(lines)
    return bounds, places, tail


def _fill(
    data: Array, stop: int, wanted: tuple[Array, Array], places: Array, found: int, bounds: Array, lines: int
) -> tuple[Array, int, int]:
    """Find the parts of lines; their bounds, how many are found then, and how many there are."""
    at, order = 0, np.empty(places.shape[1], np.int64)
    while at < stop:
        if lines == len(bounds):
            bounds = np.concatenate([bounds, np.empty_like(bounds)])
        at, found, lines = find_parts(data, at, stop, *wanted, order, places, found, bounds, lines)
    return bounds, found, lines


def _columns(features: Mapping[str, str]) -> tuple[Array, int]:
    """The column of each feature, inverted for text; and how many columns of text there are."""
    counts = {"numeric": 0, "categorical": 0}
    columns = []
    for kind in features.values():
        columns.append(counts[kind] if kind == "numeric" else ~counts[kind])
        counts[kind] += 1
    return np.array(columns, np.int64), counts["categorical"]


def _room(rows: int, numbers: int, texts: int) -> Rows:
    return Rows(
        records=np.empty(rows, np.int64),
        times=np.empty(rows, np.int64),
        scores=np.empty(rows),
        latencies=np.empty(rows),
        statuses=np.empty(rows, np.int32),
        ids=np.empty(rows + 1, np.int32),
        numbers=np.empty((numbers, rows)),
        states=np.empty((numbers, rows), np.uint8),
        starts=np.empty((texts, rows), np.int32),
        ends=np.empty((texts, rows + 1), np.int32),
    )


def _trimmed(rows: Rows, found: int) -> Rows:
    longer = {"ids": found + 1, "ends": found + 1}
    return Rows(**{name: array[..., : longer.get(name, found)] for name, array in rows._asdict().items()})


def _table(
    rows: Rows, lines: Array, side: Array, places: Array, features: Mapping[str, str], segments: Sequence[str]
) -> tuple[pa.Table, dict[str, Array]]:
    """The columns, and the rows of each feature that hold no number."""

    def text(column: int) -> Array:
        found = _bytes(rows.ends[column])
        gather(lines, side, rows.starts[column], rows.ends[column], found)
        return found

    columns: dict[str, pa.Array] = {}
    faults: dict[str, Array] = {}
    places_of, version = _columns(features)
    for name, column in zip(features, places_of, strict=True):
        if column < 0:
            ends = rows.ends[~column]
            columns[FEATURE_PREFIX + name] = _text(ends, text(~column), ends[1:] > ends[:-1])
            continue
        states = rows.states[column]
        columns[FEATURE_PREFIX + name] = _values(pa.float64(), rows.numbers[column], states == VALUE)
        if len(wrong := np.flatnonzero(states == FAULT)):
            faults[name] = wrong
    ids = _bytes(rows.ids)
    gather_ids(lines, side, places, rows.records, rows.ids, ids)
    head = {
        "event_id": _text(rows.ids, ids),
        "event_time": _values(pa.timestamp("us", tz="UTC"), rows.times),
        "model_version": _text(rows.ends[version], text(version)),
        "score": _values(pa.float64(), rows.scores),
        "latency_ms": _values(pa.float64(), rows.latencies, ~np.isnan(rows.latencies)),
        "status": _values(pa.int32(), rows.statuses, rows.statuses != NO_STATUS),
    }
    tail = {
        SEGMENT_PREFIX + name: _text(rows.ends[i], text(i), rows.starts[i] != ABSENT)
        for i, name in enumerate(segments, version + 1)
    }
    return pa.table(head | columns | tail), faults


def _bytes(ends: Array) -> Array:
    return np.empty(int(ends[-1]) + MARGIN, np.uint8)


def _text(ends: Array, data: Array, filled: Array | None = None) -> pa.Array:
    nulls, validity = _validity(filled)
    buffers = [validity, pa.py_buffer(ends), pa.py_buffer(data[: ends[-1]])]
    return pa.Array.from_buffers(pa.string(), len(ends) - 1, buffers, nulls)


def _values(kind: pa.DataType, values: Array, filled: Array | None = None) -> pa.Array:
    nulls, validity = _validity(filled)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(values)], nulls)


def _validity(filled: Array | None) -> tuple[int, pa.Buffer | None]:
    """How many values are null, and Arrow's validity bits if any is."""
    if filled is None or filled.all():
        return 0, None
    bits = np.packbits(filled, bitorder="little")
    return len(filled) - int(np.count_nonzero(filled)), pa.py_buffer(bits)
