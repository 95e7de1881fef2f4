"""Compiled kernels that find the parts of all lines of a piece: most lines are like the one before."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment, import-untyped"

from __future__ import annotations

import numpy as np
from numba import int64, njit, types

from monitoring.capture.scan_bytes import (
    BYTES,
    MARGIN,
    NEWLINE,
    OPTIONS,
    QUOTE,
    byte,
    entry,
    line_end,
    word,
)
from monitoring.capture.scan_json import (
    END,
    ESCAPES,
    EVENT_ID,
    INFERENCE_ID,
    INPUT,
    INPUT_ESCAPED,
    LINE,
    OUTPUT,
    OUTPUT_ESCAPED,
    START,
    note_record,
    skip_space,
    text_end,
)

_1, _NONE = np.uint64(1), np.uint64(0)


@njit(**OPTIONS)
def _sort_parts(places, order):
    """The parts of a line by where they are; how many there are."""
    count = 0
    for part in range(INPUT, places.shape[0], 2):
        if part != ESCAPES and places[part] > 0:
            i = count
            while i > 0 and places[order[i - 1]] > places[part]:
                order[i] = order[i - 1]
                i -= 1
            order[i] = part
            count += 1
    return count


@njit(**OPTIONS)
def _same_bytes(data, at, other, length):
    """Whether bytes without a newline are the same at two places."""
    while length >= 8:
        if word(data, at) != word(data, other):
            return False
        at, other, length = at + 8, other + 8, length - 8
    return (word(data, at) ^ word(data, other)) & ((_1 << np.uint64(8 * length)) - _1) == _NONE


@njit(**OPTIONS)
def _note_alike(data, at, before, order, places):
    """Note the parts of a line that is like the one before but for its parts; its end, or -1 if it is not.

    Most lines are. All else then is as valid as it was there, and has not to be looked at again.
    """
    done = before[START]
    for part in order:
        length = before[part] - done
        if not _same_bytes(data, at, done, length):
            return -1
        at += length
        end, escaped = text_end(data, at)
        if byte(data, end) != QUOTE or (escaped and part not in (INPUT, OUTPUT)):
            return -1
        places[part], places[part + 1] = at, end
        if escaped:
            places[ESCAPES] |= INPUT_ESCAPED if part == INPUT else OUTPUT_ESCAPED
        done, at = before[part + 1], end
    length = before[END] - done
    if not _same_bytes(data, at, done, length) or byte(data, at + length) != NEWLINE:
        return -1
    return at + length


@njit(**OPTIONS)
def _note_line(data, at, wanted, ends, places):
    """Note the parts of any line; its end, and whether it is an object with all that is needed."""
    at, whole = note_record(data, skip_space(data, at), wanted, ends, places)
    at = skip_space(data, at) if whole else at
    return line_end(data, at), whole and byte(data, at) == NEWLINE


_TABLE = int64[:, ::1]


@entry(types.UniTuple(int64, 3)(BYTES, int64, int64, BYTES, int64[::1], int64[::1], _TABLE, int64, _TABLE, int64))
def find_parts(data, at, stop, wanted, ends, order, places, found, bounds, lines):
    """Find the parts of lines, until `bounds` is full.

    Args:
        data: Lines, and at least `MARGIN` bytes behind the last newline that is read.
        at: Where the first line starts.
        stop: Behind the last line's newline.
        wanted: The names of attributes that are looked for, one behind the other; each once.
        ends: Where each of these names ends.
        order: Working memory; as long as a row of places.
        places: To be filled, a row for each line that is found; shape (lines, `ATTRIBUTES` + 2 · names).
        found: How many rows of it are filled already.
        bounds: To be filled with start and end of each line that is not blank; shape (lines, 2).
        lines: How many rows of it are filled already.

    Returns:
        Where the next line starts, how many lines are found, and how many there are.
    """
    alike, parts = False, 0
    while at < stop and lines < bounds.shape[0]:
        start, at = at, skip_space(data, at)
        if byte(data, at) != NEWLINE:
            here = places[found]
            here[:] = 0
            at = _note_alike(data, start, places[found - 1], order[:parts], here) if alike else -1
            if at < 0:
                here[:] = 0
                at, alike = _note_line(data, start, wanted, ends, here)
                parts = _sort_parts(here, order)
            bounds[lines, 0], bounds[lines, 1] = start, at
            here[START], here[END], here[LINE] = start, at, lines
            alike &= here[EVENT_ID] < here[EVENT_ID + 1] or here[INFERENCE_ID] < here[INFERENCE_ID + 1]
            found += alike
            lines += 1
        at += 1
    return at, found, lines


@entry(int64(BYTES))
def lines_with_margin(data):
    """Where the lines end that have `MARGIN` bytes behind their newline."""
    at = data.shape[0] - MARGIN
    while at > 0 and byte(data, at - 1) != NEWLINE:
        at -= 1
    return max(at, 0)
