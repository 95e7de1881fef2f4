"""Compiled kernels that read rows from the parts of capture lines, which `scan_json` found.

A place below the length of `data` is in `data`; any other is in `side`, which begins where `data` ends. A part is
followed by a quote, and a buffer by `MARGIN` bytes.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment, import-untyped"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float64, int32, int64, njit, types, uint8

from monitoring.capture.scan_bytes import (
    BYTES,
    COMMA,
    DOT,
    NEWLINE,
    NINE,
    OPTIONS,
    QUOTE,
    ZERO,
    byte,
    entry,
)
from monitoring.capture.scan_json import (
    ESCAPES,
    INPUT,
    OUTPUT,
    SLOW,
    TIME,
    id_of,
)
from monitoring.capture.scan_values import (
    FAULT,
    LONGEST_FIELD,
    UNSURE,
    VALUE,
    decimal,
    field_end,
    moment_of,
    number,
)

NO_STATUS = ABSENT = -1
# A text that stands in each of a record's rows; longer ones could take far more memory than the line.
_LONGEST_REPEATED = 1024
_MOST_TEXT = 2**31 - 1  # of a column, since Arrow's offsets have 32 bits


@njit(**OPTIONS)
def _status(data, at, end):
    """Three digits, maybe as a float, as a number."""
    if end - at == 5 and byte(data, at + 3) == DOT and byte(data, at + 4) == ZERO:
        end -= 2
    if end - at != 3:
        return NO_STATUS
    value = 0
    for i in range(at, end):
        if not ZERO <= byte(data, i) <= NINE:
            return NO_STATUS
        value = 10 * value + byte(data, i) - ZERO
    return value


@njit(**OPTIONS)
def _latency(data, at, end):
    """A number, NaN for none; whether that is certain."""
    if at == end:
        return np.nan, True
    value, stop, state = decimal(data, at)
    return value, state == VALUE and stop == end


@njit(**OPTIONS)
def _features(data, at, base, columns, rows, row):
    """Read one row of the request; where it ends, or -1."""
    last = columns.shape[0] - 1
    for i in range(columns.shape[0]):
        column = columns[i]
        if column >= 0:
            rows.numbers[column, row], at, state = number(data, at)
            rows.states[column, row] = state
            if state == UNSURE:
                return -1
        else:
            start, at = at, field_end(data, at)
            if at - start >= LONGEST_FIELD:
                return -1
            rows.starts[~column, row] = base + start
            rows.ends[~column, row + 1] = rows.ends[~column, row] + at - start
        if (byte(data, at) == COMMA) == (i == last):
            return -1
        at += i < last
    return at


@njit(**OPTIONS)
def _score(data, at, fields):
    """Read one row of the response; the score, and where the row ends, or -1."""
    start, score, state, count = at, 0.0, FAULT, 0
    while True:
        if count == fields.score:
            score, at, state = number(data, at)
        else:
            at = field_end(data, at)
        count += 1
        if byte(data, at) != COMMA:
            break
        at += 1
    good = state == VALUE and fields.least <= score <= fields.greatest
    return score, (at if good and count <= fields.outputs and at - start < LONGEST_FIELD else -1)


@njit(**OPTIONS)
def _is_name(data, at, fields):
    """Whether a field is the name of a feature, so that its row may be a header."""
    length, begin = field_end(data, at) - at, 0
    for end in fields.name_ends:
        if end - begin == length:
            same = 0
            while same < length and byte(data, at + same) == fields.names[begin + same]:
                same += 1
            if same == length:
                return True
        begin = end
    return False


@njit(**OPTIONS)
def _has_mark(data, at):
    """Whether a body begins with a byte order mark, which the reader in Python takes away."""
    return byte(data, at) == 0xEF and byte(data, at + 1) == 0xBB and byte(data, at + 2) == 0xBF


@njit(**OPTIONS)
def _skip_rows(data, at):
    """Behind rows that are empty, as Python's CSV reader skips them."""
    while byte(data, at) == NEWLINE:
        at += 1
    return at


class Fields(NamedTuple):
    """What the fields of a row mean.

    Attributes:
        columns: For each feature the number of its column, inverted (`~`) if it is one of text; shape (features,).
        names: The names of the features, one behind the other; empty if a row of them is no header.
        name_ends: Where each name ends.
        attributes: Which parts of a line are the model's version, latency, status, and segments.
        outputs: How many fields a response has at most.
        score: Which of them is the score.
        least: The least that a score may be.
        greatest: The greatest.
    """

    columns: Any
    names: Any
    name_ends: Any
    attributes: Any
    outputs: Any
    score: Any
    least: Any
    greatest: Any


_FIELDS = types.NamedTuple((int64[::1], BYTES, int64[::1], int64[::1], int64, int64, float64, float64), Fields)


class Rows(NamedTuple):
    """The columns of all rows, to be filled.

    Attributes:
        records: Which of the lines that are found each row is in; shape (rows,), as all that is not said to be longer.
        times: Microseconds from 1970.
        scores: Between 0 and 1.
        latencies: Milliseconds, NaN for none.
        statuses: `NO_STATUS` for none.
        ids: Where each row's id ends in the column's text; one longer.
        numbers: Values of the numeric features; shape (features, rows).
        states: `NULL`, `VALUE` or `FAULT` for each of these.
        starts: Where each text lies, for the columns of text; `ABSENT` if it is not there; shape (columns, rows).
        ends: Where it ends in its column's text; one longer.
    """

    records: Any
    times: Any
    scores: Any
    latencies: Any
    statuses: Any
    ids: Any
    numbers: Any
    states: Any
    starts: Any
    ends: Any


_ROWS = types.NamedTuple(
    (
        *(int64[::1], int64[::1], float64[::1], float64[::1], int32[::1], int32[::1]),
        *(float64[:, ::1], uint8[:, ::1], int32[:, ::1], int32[:, ::1]),
    ),
    Rows,
)


@njit(**OPTIONS)
def _repeat(places, part, column, first, last, rows):
    """Give each row of a line the same text, or none; whether that is short enough."""
    start, length = places[part], places[part + 1] - places[part]
    if last - first > 1 and length > _LONGEST_REPEATED:
        return False
    if rows.ends[column, first] + (last - first) * length > _MOST_TEXT:
        return False
    for row in range(first, last):
        rows.starts[column, row] = start if start > 0 else ABSENT
        rows.ends[column, row + 1] = rows.ends[column, row] + length
    return True


@njit(**OPTIONS)
def _number_ids(places, first, last, rows):
    """Note how long the id of each row is: `ID`, or of many `ID#0`, `ID#1`, ...; whether that is short enough."""
    part = id_of(places)
    length = places[part + 1] - places[part]
    if last - first > 1 and length > _LONGEST_REPEATED:
        return False
    bound, suffix = 10, 2
    for row in range(first, last):
        if row - first == bound:
            bound, suffix = 10 * bound, suffix + 1
        size = length + (suffix if last - first > 1 else 0)
        if rows.ids[row] + size > _MOST_TEXT:
            return False
        rows.ids[row + 1] = rows.ids[row] + size
    return True


@njit(**OPTIONS)
def _read_body(data, base, places, fields, first, rows):
    """Read the rows of both sides; behind the last one, or -1."""
    row, at, out = first, places[INPUT] - base, places[OUTPUT] - base
    if _has_mark(data, at) or _has_mark(data, out):
        return -1
    while True:
        at, out = _skip_rows(data, at), _skip_rows(data, out)
        if byte(data, at) == QUOTE or byte(data, out) == QUOTE:
            return row if byte(data, at) == byte(data, out) and row > first else -1
        if row == first and _is_name(data, at, fields):
            return -1
        rows.scores[row], out = _score(data, out, fields)
        at = _features(data, at, base, fields.columns, rows, row)
        if at < 0 or out < 0:
            return -1
        row += 1


@njit(**OPTIONS)
def _read_line(data, base, places, fields, record, first, rows):
    """Read all rows of a line; behind the last one, or -1."""
    version, latency, status = fields.attributes[:3]
    moment, timed = moment_of(data, places[TIME] - base, places[TIME + 1] - base)
    milliseconds, measured = _latency(data, places[latency] - base, places[latency + 1] - base)
    if not (timed and measured):
        return -1
    last = _read_body(data, base, places, fields, first, rows)
    if last < 0 or not _number_ids(places, first, last, rows):
        return -1
    segments = fields.attributes[3:]
    column = rows.starts.shape[0] - segments.shape[0]
    if not _repeat(places, version, column - 1, first, last, rows):
        return -1
    for i in range(segments.shape[0]):
        if not _repeat(places, segments[i], column + i, first, last, rows):
            return -1
    rows.records[first:last] = record
    rows.times[first:last] = moment
    rows.latencies[first:last] = milliseconds
    rows.statuses[first:last] = _status(data, places[status] - base, places[status + 1] - base)
    return last


@entry(int64(BYTES, BYTES, int64[:, ::1], _FIELDS, _ROWS))
def read_rows(data, side, places, fields, rows):
    """Read the rows of all lines; a line that cannot be read for certain becomes `SLOW`.

    Args:
        data: Lines.
        side: What does not lie there.
        places: Of the lines that are found.
        fields: What the fields of a row mean; there is at least one feature.
        rows: To be filled. Texts are the categorical features, the model's version, and the segments.

    Returns:
        How many rows there are.
    """
    row = 0
    rows.ids[0] = 0
    rows.ends[:, 0] = 0
    for record in range(places.shape[0]):
        found = places[record]
        if found[ESCAPES] == SLOW:
            continue
        if found[INPUT] < data.shape[0]:
            last = _read_line(data, 0, found, fields, record, row, rows)
        else:
            last = _read_line(side, data.shape[0], found, fields, record, row, rows)
        if last < 0:
            found[ESCAPES] = SLOW
        else:
            row = last
    return row
