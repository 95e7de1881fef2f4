"""Compiled kernels that copy texts of capture lines: to where they mean what they say, and to Arrow's buffers.

A place below the length of `data` is in `data`; any other is in `side`, which begins where `data` ends.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment, import-untyped"

from __future__ import annotations

import numpy as np
from numba import int32, int64, njit, uint8, void

from monitoring.capture.scan_bytes import (
    BACKSLASH,
    BYTES,
    CASE,
    EVERY,
    HASH,
    LETTER_N,
    LETTER_R,
    LETTER_T,
    LETTER_U,
    NEWLINE,
    NINE,
    OPTIONS,
    QUOTE,
    SLASH,
    TAB,
    ZERO,
    byte,
    entry,
    trailing_zeros,
    word,
    zero_bytes,
)
from monitoring.capture.scan_json import (
    ESCAPES,
    INPUT,
    PLAIN,
    SLOW,
    id_of,
)

_BACKSLASHES = np.uint64(BACKSLASH) * EVERY


@njit(**OPTIONS)
def _put(target, at, bits):
    """Write eight bytes; the compiler makes one store of it."""
    i = np.uint64(at)
    for j in range(8):
        target[i + np.uint64(j)] = np.uint8(bits >> np.uint64(8 * j) & np.uint64(0xFF))


@njit(**OPTIONS)
def _copy(source, start, end, target, at):
    """Copy bytes, and up to seven more that do not count; behind the last that does."""
    for i in range(0, end - start, 8):
        _put(target, at + i, word(source, start + i))
    return at + end - start


@entry(void(BYTES, BYTES, int32[::1], int32[::1], uint8[::1]))
def gather(data, side, starts, ends, target):
    """Copy the texts of a column.

    Args:
        data: Lines.
        side: What does not lie there.
        starts: Where each text lies, if it is not empty; shape (n,).
        ends: Where it ends in `target`, behind a 0; shape (n + 1,).
        target: At least `MARGIN` bytes longer than all texts.
    """
    base = data.shape[0]
    for i in range(starts.shape[0]):
        start, at, end = np.int64(starts[i]), np.int64(ends[i]), np.int64(ends[i + 1])
        if start < base:
            _copy(data, start, start + end - at, target, at)
        else:
            _copy(side, start - base, start - base + end - at, target, at)


@entry(void(BYTES, BYTES, int64[:, ::1], int64[::1], int32[::1], uint8[::1]))
def gather_ids(data, side, places, records, ends, target):
    """Copy the ids of rows, and number those of one line.

    Args:
        data: Lines.
        side: What does not lie there.
        places: Of the lines that are found.
        records: Which of them each row is in, shape (n,).
        ends: Where each id ends in `target`, behind a 0; shape (n + 1,).
        target: At least `MARGIN` bytes longer than all ids.
    """
    base, number = data.shape[0], 0
    for i in range(records.shape[0]):
        found = places[records[i]]
        part = id_of(found)
        start, length = found[part], found[part + 1] - found[part]
        at, end = np.int64(ends[i]), np.int64(ends[i + 1])
        if start < base:
            _copy(data, start, start + length, target, at)
        else:
            _copy(side, start - base, start - base + length, target, at)
        number = number + 1 if i > 0 and records[i - 1] == records[i] else 0
        if end - at > length:
            target[at + length] = HASH
            rest = number
            for place in range(end - 1, at + length, -1):
                target[place] = ZERO + rest % 10
                rest //= 10


@njit(**OPTIONS)
def _code_unit(data, at):
    """Four hexadecimal digits, which are known to be some, as a number."""
    value = 0
    for i in range(4):
        digit = np.int64(byte(data, at + i))
        value = 16 * value + (digit - ZERO if digit <= NINE else (digit | CASE) - 0x61 + 10)
    return value


@njit(**OPTIONS)
def _put_utf8(target, at, code):
    """Write a character beyond ASCII."""
    more = 1 + (code >= 0x800) + (code >= 0x10000)
    lead = (0xC0, 0xE0, 0xF0)[more - 1]
    target[at] = lead | code >> 6 * more
    for i in range(1, more + 1):
        target[at + i] = 0x80 | (code >> 6 * (more - i) & 0x3F)
    return at + more + 1


@njit(**OPTIONS)
def _unescape(data, at, target, to):
    """Write what an escape means; where both go on, or twice -1 if the reader in Python is to say."""
    letter = byte(data, at + 1)
    if letter in (LETTER_T, SLASH):
        target[to] = TAB if letter == LETTER_T else SLASH
        return at + 2, to + 1
    if letter == LETTER_R and byte(data, at + 2) == BACKSLASH and byte(data, at + 3) == LETTER_N:
        at += 2
        letter = LETTER_N
    if letter == LETTER_N:
        target[to] = NEWLINE
        return at + 2, to + 1
    if letter != LETTER_U:
        return -1, -1
    code = _code_unit(data, at + 2)
    at += 6
    if 0xD800 <= code < 0xDC00 and byte(data, at) == BACKSLASH and byte(data, at + 1) == LETTER_U:
        low = _code_unit(data, at + 2) - 0xDC00
        code = 0x10000 + (code - 0xD800 << 10) + low if 0 <= low < 0x400 else code
        at += 6
    if code < 0x80 or 0xD800 <= code < 0xE000:
        return -1, -1
    return at, _put_utf8(target, to, code)


@njit(**OPTIONS)
def _copy_unescaped(data, at, end, target, to):
    """Write the text that a JSON string means; behind it, or -1 if the reader in Python is to say."""
    while at < end:
        bits = word(data, at)
        plain = min(trailing_zeros(zero_bytes(bits ^ _BACKSLASHES)) >> 3, end - at)
        _put(target, to, bits)
        at, to = at + plain, to + plain
        if at < end and byte(data, at) == BACKSLASH:
            at, to = _unescape(data, at, target, to)
            if at < 0:
                return -1
    return to


@njit(**OPTIONS)
def _move(data, base, places, side, side_base, to):
    """Copy the parts of a line; behind the last one, or -1."""
    for part in range(INPUT, places.shape[0], 2):
        if part != ESCAPES and places[part] > 0:
            start, end = places[part] - base, places[part + 1] - base
            stop = _copy_unescaped(data, start, end, side, to)
            if stop < 0:
                return -1
            side[stop] = QUOTE
            places[part], places[part + 1] = side_base + to, side_base + stop
            to = stop + 1
    return to


@entry(int64(BYTES, uint8[::1], int64, int64[:, ::1], int64))
def resolve_escapes(data, side, used, places, features):
    """Copy the parts of lines whose bodies have escapes to `side`, without the escapes.

    Args:
        data: Lines.
        side: To be filled. Has room for all such lines, and `MARGIN` bytes more.
        used: Bytes of it that are filled already.
        places: Of the lines that are found. A line with an escape that is not known here becomes `SLOW`.
        features: How many fields a row of a request has.

    Returns:
        How many rows there are at most in all lines.
    """
    base, most_rows = data.shape[0], 0
    for i in range(places.shape[0]):
        found = places[i]
        if found[ESCAPES] == PLAIN:
            most_rows += 1
        elif found[ESCAPES] != SLOW:
            if found[INPUT] < base:
                to = _move(data, 0, found, side, base, used)
            else:
                to = _move(side, base, found, side, base, used)
            if to < 0:
                found[ESCAPES] = SLOW
            else:
                rows = 1
                for at in range(found[INPUT] - base, found[INPUT + 1] - base):
                    rows += byte(side, at) == NEWLINE
                # a row has a separator behind each of its fields
                most_rows += min(rows, (found[INPUT + 1] - found[INPUT]) // features + 1)
                used = to
    return most_rows
