"""Compiled kernels that find, in lines of SageMaker capture, where the parts lie that make rows.

A line that is found is one whole JSON object by RFC 8259, in valid UTF-8, with the members that `docs/formats.md`
describes. Whatever is not understood at once is left to the reader in Python: nothing here guesses.

A line ends with a newline that lies in its buffer, with `MARGIN` more bytes behind it. No step passes over a newline,
so no step needs to ask where the line ends, and eight bytes can be read at a time.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment, import-untyped"

from __future__ import annotations

import numpy as np
from numba import njit

from monitoring.capture.scan_bytes import (
    BACKSLASH,
    CASE,
    CLOSE,
    CLOSE_LIST,
    COLON,
    COMMA,
    DOT,
    EQUALS,
    EVERY,
    HIGH,
    LETTER_B,
    LETTER_E,
    LETTER_F,
    LETTER_N,
    LETTER_R,
    LETTER_T,
    LETTER_U,
    MINUS,
    NINE,
    OPEN,
    OPEN_LIST,
    OPTIONS,
    PLUS,
    QUOTE,
    RETURN,
    SLASH,
    SPACE,
    TAB,
    ZERO,
    byte,
    line_end,
    trailing_zeros,
    word,
    zero_bytes,
)

# Deeper values are left to the reader in Python.
_MOST_DEPTH = 60
# Python reads integers of 640 digits under any setting.
_LONGEST_NUMBER = 300

# No line that is found is shorter.
SHORTEST_LINE = 128
# Columns of a line's places: where a part starts, and behind it where it ends
START, END, INPUT, OUTPUT, EVENT_ID, INFERENCE_ID, TIME, ESCAPES, LINE, ATTRIBUTES = 0, 1, 2, 4, 6, 8, 10, 12, 13, 14
# In the column `ESCAPES`: that the line is left to the reader in Python, or which bodies have escapes
SLOW, PLAIN, INPUT_ESCAPED, OUTPUT_ESCAPED = -1, 0, 1, 2

_1, _NONE = np.uint64(1), np.uint64(0)
_QUOTES, _BACKSLASHES, _SPACES = (np.uint64(c) * EVERY for c in (QUOTE, BACKSLASH, SPACE))
_FOUR_BYTES, _FIVE_BYTES = np.uint64(2**32 - 1), np.uint64(2**40 - 1)
_TRUE, _FALSE, _NULL, _CSV = (np.uint64(int.from_bytes(b, "little")) for b in (b"true", b"false", b"null", b'"CSV"'))


# --- JSON. Each step begins at a place and returns the next; one that fails returns a newline, where all steps fail ---


@njit(**OPTIONS)
def skip_space(data, at):
    """The next byte that is no white space of JSON."""
    while byte(data, at) <= SPACE and byte(data, at) in (SPACE, TAB, RETURN):
        at += 1
    return at


@njit(**OPTIONS)
def _special(data, at):
    """The next byte in a string that is a quote, a backslash, a control character or not ASCII."""
    while True:
        bits = word(data, at)
        found = zero_bytes(bits ^ _QUOTES) | zero_bytes(bits ^ _BACKSLASHES) | ((bits - _SPACES) | bits) & HIGH
        if found != _NONE:
            return at + (trailing_zeros(found) >> 3)
        at += 8


@njit(**OPTIONS)
def _skip_utf8(data, at):
    """Behind one character of two to four bytes (RFC 3629)."""
    first, second = byte(data, at), byte(data, at + 1)
    low, high = 0x80, 0xBF
    if 0xC2 <= first <= 0xDF:
        more = 1
    elif 0xE0 <= first <= 0xEF:
        more = 2
        low = 0xA0 if first == 0xE0 else low  # else it would fit into two bytes
        high = 0x9F if first == 0xED else high  # else half a surrogate pair
    elif 0xF0 <= first <= 0xF4:
        more = 3
        low = 0x90 if first == 0xF0 else low
        high = 0x8F if first == 0xF4 else high  # else beyond Unicode
    else:
        return line_end(data, at)
    if not low <= second <= high:
        return line_end(data, at + 1)
    for i in range(2, more + 1):
        if byte(data, at + i) & 0xC0 != 0x80:
            return line_end(data, at + i)
    return at + more + 1


@njit(**OPTIONS)
def _skip_escape(data, at):
    letter = byte(data, at + 1)
    if letter in (QUOTE, BACKSLASH, SLASH, LETTER_B, LETTER_F, LETTER_N, LETTER_R, LETTER_T):
        return at + 2
    if letter != LETTER_U:
        return line_end(data, at + 1)
    for i in range(2, 6):
        digit = byte(data, at + i)
        if not (ZERO <= digit <= NINE or 0x61 <= digit | CASE <= 0x66):
            return line_end(data, at + i)
    return at + 6


@njit(**OPTIONS)
def text_end(data, at):
    """The quote that ends a string, and whether there are escapes in it."""
    escaped = False
    while True:
        at = _special(data, at)
        here = byte(data, at)
        if here == QUOTE:
            return at, escaped
        if here == BACKSLASH:
            escaped = True
            at = _skip_escape(data, at)
        elif here >= 0x80:
            at = _skip_utf8(data, at)
        else:
            return line_end(data, at), escaped


@njit(**OPTIONS)
def _skip_text(data, at):
    at, _ = text_end(data, at + 1)
    return at + 1 if byte(data, at) == QUOTE else at


@njit(**OPTIONS)
def _skip_digits(data, at):
    """Behind at least one digit."""
    if not ZERO <= byte(data, at) <= NINE:
        return line_end(data, at)
    while ZERO <= byte(data, at) <= NINE:
        at += 1
    return at


@njit(**OPTIONS)
def _skip_number(data, at):
    start = at
    at += byte(data, at) == MINUS
    at = at + 1 if byte(data, at) == ZERO else _skip_digits(data, at)
    if byte(data, at) == DOT:
        at = _skip_digits(data, at + 1)
    if byte(data, at) | CASE == LETTER_E:
        at += 1
        at = _skip_digits(data, at + (byte(data, at) in (PLUS, MINUS)))
    return at if at - start <= _LONGEST_NUMBER else line_end(data, at)


@njit(**OPTIONS)
def _skip_letters(data, at):
    """Behind `true`, `false` or `null`."""
    bits = word(data, at)
    if bits & _FOUR_BYTES in (_TRUE, _NULL):
        return at + 4
    return at + 5 if bits & _FIVE_BYTES == _FALSE else line_end(data, at)


@njit(**OPTIONS)
def _skip_scalar(data, at):
    here = byte(data, at)
    if here == QUOTE:
        return _skip_text(data, at)
    if here == MINUS or ZERO <= here <= NINE:
        return _skip_number(data, at)
    return _skip_letters(data, at)


@njit(**OPTIONS)
def _skip_key(data, at):
    """Behind a key and its colon."""
    if byte(data, at) != QUOTE:
        return line_end(data, at)
    at = skip_space(data, _skip_text(data, at))
    return skip_space(data, at + 1) if byte(data, at) == COLON else line_end(data, at)


@njit(**OPTIONS)
def _skip_nested(data, at):
    """Behind an object or a list."""
    objects, depth = _NONE, 0  # a bit for each level, the innermost lowest
    while True:
        here = byte(data, at)
        if here in (OPEN, OPEN_LIST):
            if depth == _MOST_DEPTH:
                return line_end(data, at)
            depth += 1
            objects = objects << _1 | np.uint64(here == OPEN)
            at = skip_space(data, at + 1)
            if byte(data, at) != (CLOSE if here == OPEN else CLOSE_LIST):
                at = _skip_key(data, at) if here == OPEN else at
                continue
        else:
            at = skip_space(data, _skip_scalar(data, at))
        while byte(data, at) == (CLOSE if objects & _1 else CLOSE_LIST):
            depth -= 1
            objects >>= _1
            if depth == 0:
                return at + 1
            at = skip_space(data, at + 1)
        if byte(data, at) != COMMA:
            return line_end(data, at)
        at = skip_space(data, at + 1)
        at = _skip_key(data, at) if objects & _1 else at


@njit(**OPTIONS)
def _skip_value(data, at):
    return _skip_nested(data, at) if byte(data, at) in (OPEN, OPEN_LIST) else _skip_scalar(data, at)


# --- The members of a capture ---

# Objects whose members count, each with up to four
_RECORD, _CAPTURE, _INPUT, _OUTPUT, _METADATA, _OUTSIDE = range(6)
_SIDE = ("data", "encoding")
_MEMBERS = (
    ("captureData", "eventMetadata"),
    ("endpointInput", "endpointOutput"),
    _SIDE,
    _SIDE,
    ("eventId", "inferenceId", "inferenceTime", "customAttributes"),
)
_NAMES = [(members + ("",) * 4)[:4] for members in _MEMBERS]
_LENGTHS = np.array([[len(name) for name in names] for names in _NAMES])
_LOWS, _HIGHS = (
    np.array([[int.from_bytes(name.encode()[i : i + 8], "little") for name in names] for names in _NAMES], np.uint64)
    for i in (0, 8)
)
_LONGEST_NAME = 16
_PARENTS = np.array([_OUTSIDE, _RECORD, _CAPTURE, _CAPTURE, _RECORD])
# A member's code is that of its object times four, and its place in it.
_CAPTURE_DATA, _EVENT_METADATA = (4 * _RECORD + i for i in range(2))
_ENDPOINT_INPUT, _ENDPOINT_OUTPUT = (4 * _CAPTURE + i for i in range(2))
_INPUT_DATA, _INPUT_ENCODING = (4 * _INPUT + i for i in range(2))
_OUTPUT_DATA, _OUTPUT_ENCODING = (4 * _OUTPUT + i for i in range(2))
_ID, _CALLERS_ID, _INFERENCE_TIME, _CUSTOM_ATTRIBUTES = (4 * _METADATA + i for i in range(4))
_OTHER = -1
_NEEDED = np.uint64(
    sum(
        1 << member
        for member in (
            *(_CAPTURE_DATA, _EVENT_METADATA, _ENDPOINT_INPUT, _ENDPOINT_OUTPUT, _INFERENCE_TIME),
            *(_INPUT_DATA, _INPUT_ENCODING, _OUTPUT_DATA, _OUTPUT_ENCODING),
        )
    )
)


@njit(**OPTIONS)
def _member(data, start, end, inside):
    """The code of the key from `start` to `end`."""
    length = end - start
    if length > _LONGEST_NAME:
        return _OTHER
    low, high = word(data, start), word(data, start + 8)
    if length < 8:
        low &= (_1 << np.uint64(8 * length)) - _1
        high = _NONE
    elif length < 16:
        high &= (_1 << np.uint64(8 * length - 64)) - _1
    for i in range(4):
        if length == _LENGTHS[inside, i] and low == _LOWS[inside, i] and high == _HIGHS[inside, i]:
            return 4 * inside + i
    return _OTHER


@njit(**OPTIONS)
def _note_text(data, at, places, part, escape):
    """Note where a string is; with escapes only if there is a flag to say so."""
    if byte(data, at) != QUOTE:
        return line_end(data, at)
    end, escaped = text_end(data, at + 1)
    if escaped and not escape:
        return line_end(data, end)
    places[part], places[part + 1] = at + 1, end
    places[ESCAPES] |= escape if escaped else 0
    return end + 1 if byte(data, end) == QUOTE else end


@njit(**OPTIONS)
def _note_attribute(data, start, end, wanted, ends, places):
    """Note where the value is, if the name is wanted; of equal names the last one counts."""
    equals = start
    while equals < end and byte(data, equals) != EQUALS:
        equals += 1
    if equals == end:
        return
    begin = 0
    for i in range(ends.shape[0]):
        length = ends[i] - begin
        if length == equals - start:
            same = 0
            while same < length and byte(data, start + same) == wanted[begin + same]:
                same += 1
            if same == length:
                places[ATTRIBUTES + 2 * i], places[ATTRIBUTES + 2 * i + 1] = equals + 1, end
        begin = ends[i]


@njit(**OPTIONS)
def _note_attributes(data, at, wanted, ends, places):
    if byte(data, at) != OPEN_LIST:
        return line_end(data, at)
    at = skip_space(data, at + 1)
    if byte(data, at) == CLOSE_LIST:
        return at + 1
    while byte(data, at) == QUOTE:
        end, escaped = text_end(data, at + 1)
        if escaped or byte(data, end) != QUOTE:
            return line_end(data, end)
        _note_attribute(data, at + 1, end, wanted, ends, places)
        at = skip_space(data, end + 1)
        if byte(data, at) == CLOSE_LIST:
            return at + 1
        if byte(data, at) != COMMA:
            return line_end(data, at)
        at = skip_space(data, at + 1)
    return line_end(data, at)


@njit(**OPTIONS)
def _note_value(data, at, member, wanted, ends, places):  # noqa: PLR0911  (one case for each member)
    """Behind a value; where it is, if it makes rows."""
    if member == _OTHER:
        return _skip_value(data, at)
    if member == _INPUT_DATA:
        return _note_text(data, at, places, INPUT, INPUT_ESCAPED)
    if member == _OUTPUT_DATA:
        return _note_text(data, at, places, OUTPUT, OUTPUT_ESCAPED)
    if member in (_INPUT_ENCODING, _OUTPUT_ENCODING):
        return at + 5 if word(data, at) & _FIVE_BYTES == _CSV else line_end(data, at)
    if member == _INFERENCE_TIME:
        return _note_text(data, at, places, TIME, 0)
    if byte(data, at) == LETTER_N:
        return _skip_letters(data, at)
    if member == _ID:
        return _note_text(data, at, places, EVENT_ID, 0)
    if member == _CALLERS_ID:
        return _note_text(data, at, places, INFERENCE_ID, 0)
    return _note_attributes(data, at, wanted, ends, places)


@njit(**OPTIONS)
def _child(member):
    """The object that a member is, or `_OUTSIDE`."""
    if member == _CAPTURE_DATA:
        return _CAPTURE
    if member == _ENDPOINT_INPUT:
        return _INPUT
    if member == _ENDPOINT_OUTPUT:
        return _OUTPUT
    return _METADATA if member == _EVENT_METADATA else _OUTSIDE


@njit(**OPTIONS)
def note_record(data, at, wanted, ends, places):  # noqa: C901, PLR0911  (each return is a way not to be a capture)
    """Note a line's parts: a place in the line, and whether the line's object ends there with all that is needed."""
    if byte(data, at) != OPEN:
        return at, False
    inside, first, seen = _RECORD, True, _NONE
    at += 1
    while True:
        at = skip_space(data, at)
        if not (first and byte(data, at) == CLOSE):
            if byte(data, at) != QUOTE:
                return at, False
            key = at + 1
            end, escaped = text_end(data, key)
            at = skip_space(data, end + 1) if byte(data, end) == QUOTE else end
            if escaped or byte(data, at) != COLON:  # an escaped key may be any key
                return at, False
            at = skip_space(data, at + 1)
            member = _member(data, key, end, inside)
            if member != _OTHER:
                bit = _1 << np.uint64(member)
                if seen & bit != _NONE:
                    return at, False
                seen |= bit
            child = _child(member)
            if child != _OUTSIDE:
                if byte(data, at) != OPEN:
                    return at, False
                inside, first = child, True
                at += 1
                continue
            at = skip_space(data, _note_value(data, at, member, wanted, ends, places))
        while byte(data, at) == CLOSE:
            at += 1
            inside = _PARENTS[inside]
            if inside == _OUTSIDE:
                return at, seen & _NEEDED == _NEEDED
            at = skip_space(data, at)
        if byte(data, at) != COMMA:
            return at, False
        at += 1
        first = False


@njit(**OPTIONS)
def id_of(places):
    """The caller's id is the one that labels carry."""
    return INFERENCE_ID if places[INFERENCE_ID] < places[INFERENCE_ID + 1] else EVENT_ID
