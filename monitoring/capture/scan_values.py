"""Compiled kernels that read numbers and times from bytes, exactly as Python's `float` and `datetime` do, or not.

A field ends at a comma, at a newline, or at a quote, and there are `MARGIN` bytes behind that.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment, import-untyped"

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import float64, njit, uint64
from numba.extending import intrinsic

from monitoring.capture.scan_bytes import (
    CASE,
    COLON,
    COMMA,
    DOT,
    EVERY,
    LETTER_E,
    MINUS,
    NEWLINE,
    NINE,
    OPTIONS,
    PLUS,
    QUOTE,
    SPACE,
    TAB,
    ZERO,
    byte,
    trailing_zeros,
    word,
    zero_bytes,
)

# What became of a field that should be a number. Of `UNSURE` ones, Python has to say.
NULL, VALUE, FAULT, UNSURE = range(4)
# Longer fields are left to the reader in Python, which has bounds of its own.
LONGEST_FIELD = 65_536

_0, _1, _9, _10 = (np.uint64(n) for n in (0, 1, 9, 10))
_ZERO = np.uint64(ZERO)
_8, _16, _32 = (np.uint64(n) for n in (8, 16, 32))
_ALL = np.uint64(2**64 - 1)


# --- Numbers ---


@intrinsic
def _leading_zeros(_, bits):
    def generate(_context, builder, _signature, arguments):
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return uint64(bits), generate


@intrinsic
def _upper_product(_, left, _right):
    """The upper 64 bits of a product of 128 bits."""

    def generate(_context, builder, _signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return uint64(left, left), generate


# Powers of ten that a float holds, and below which a product or quotient with an integer of 53 bits is rounded once
_TENS = np.array([float(10**power) for power in range(23)])
_EXACT = np.uint64(2**53)
# Digits that 64 bits hold
_MOST_DIGITS = 19
# Of ten, for which a product with 19 digits may be a float
_LEAST_POWER, _MOST_POWER = -330, 308


def _power_of_five(power: int) -> tuple[int, int]:
    """The upper 128 bits of 5 to a power, rounded down, and which power of two they are to be multiplied with."""
    numerator, denominator = (5**power, 1) if power >= 0 else (1, 5**-power)
    exponent = numerator.bit_length() - denominator.bit_length() - 128
    for tried in (exponent, exponent + 1):
        scaled = numerator << max(-tried, 0)
        bits = scaled // (denominator << max(tried, 0))
        if bits.bit_length() == 128:
            return bits, tried
    raise AssertionError(power)


_POWERS = [_power_of_five(power) for power in range(_LEAST_POWER, _MOST_POWER + 1)]
_POWERS_HIGH = np.array([bits >> 64 for bits, _ in _POWERS], np.uint64)
_POWERS_LOW = np.array([bits & (2**64 - 1) for bits, _ in _POWERS], np.uint64)
# Of a product's upper 64 bits of 192, for powers of ten
_EXPONENTS = np.array([exponent + 128 + _LEAST_POWER + i for i, (_, exponent) in enumerate(_POWERS)])
_MANTISSA_BITS = np.uint64(52)
_BIAS = 1023


@njit(**OPTIONS)
def _rounded(digits, power):
    """`digits` · 10 ^ `power` as a float, and whether it is the nearest one for certain.

    The product with a power of five is known from below, and to less than one in 2⁶⁴, or in 2¹²⁸ where that is too
    coarse. If the half between two floats is not within that, both ends of it round to the same float.
    """
    if not _LEAST_POWER <= power <= _MOST_POWER:
        return 0.0, False
    index = np.uint64(power - _LEAST_POWER)
    zeros = _leading_zeros(digits)
    digits <<= zeros
    high, low = _upper_product(digits, _POWERS_HIGH[index]), digits * _POWERS_HIGH[index]
    shift = np.uint64(10) + (high >> np.uint64(63))
    half = _1 << (shift - _1)
    rest = high & (half + half - _1)
    if rest == half or rest == half - _1:
        more = _upper_product(digits, _POWERS_LOW[index])
        low += more
        high += np.uint64(low < more)
        if high >> np.uint64(63) != shift - np.uint64(10):
            return 0.0, False
        rest = high & (half + half - _1)
        if (rest == half and low == _0) or (rest == half - _1 and low >= _ALL - _1):
            return 0.0, False
    mantissa = (high >> shift) + np.uint64(rest >= half)
    exponent = _EXPONENTS[index] + np.int64(shift) - np.int64(zeros) + np.int64(_MANTISSA_BITS) + _BIAS
    if not 1 <= exponent <= 2 * _BIAS:
        return 0.0, False
    bits = (np.uint64(exponent) << _MANTISSA_BITS) + (mantissa - (_1 << _MANTISSA_BITS))
    return np.uint64(bits).view(np.float64), True


@njit(**OPTIONS)
def _scaled(digits, power):
    """`digits` · 10 ^ `power` as the nearest float, and whether it is that for certain."""
    if digits < _EXACT and -23 < power < 23:
        value = float64(np.int64(digits))
        return (value / _TENS[-power] if power < 0 else value * _TENS[power]), True
    if digits == _0 or power == 0:
        return float64(digits), True
    return _rounded(digits, power)


@njit(**OPTIONS)
def _are_digits(bits):
    """Whether eight bytes are decimal digits."""
    upper = np.uint64(0xF0) * EVERY
    return (bits & upper) | (((bits + np.uint64(0x06) * EVERY) & upper) >> np.uint64(4)) == np.uint64(0x33) * EVERY


@njit(**OPTIONS)
def _eight_digits(bits):
    """The number that eight digits are: by pairs, by fours, and together."""
    bits = (bits - _ZERO * EVERY) * _10 + ((bits - _ZERO * EVERY) >> _8)
    pairs, others = bits & np.uint64(0x000000FF000000FF), (bits >> _16) & np.uint64(0x000000FF000000FF)
    return (pairs * np.uint64(100 + (1_000_000 << 32)) + others * np.uint64(1 + (10_000 << 32))) >> _32


@njit(**OPTIONS)
def _digits(data, at, digits):
    """Append decimal digits to a number; the number, and where they end."""
    bits = word(data, at)
    while _are_digits(bits):
        digits = digits * np.uint64(100_000_000) + _eight_digits(bits)
        at += 8
        bits = word(data, at)
    here = (bits & np.uint64(0xFF)) - _ZERO
    while here <= _9:
        digits = digits * _10 + here
        at += 1
        bits >>= _8
        here = (bits & np.uint64(0xFF)) - _ZERO
    return digits, at


@njit(**OPTIONS)
def _first_digits(data, at, point):
    """The first 19 digits from the first that is no zero; how many follow, and whether any of those is no zero."""
    digits, taken, left, more = _0, 0, 0, False
    while ZERO <= byte(data, at) <= NINE or at == point:
        here = np.uint64(byte(data, at)) - _ZERO
        if at != point:
            if taken < _MOST_DIGITS:
                digits = digits * _10 + here
                taken += digits > _0
            else:
                left += 1
                more |= here > _0
        at += 1
    return digits, left, more


@njit(**OPTIONS)
def _exponent(data, at):
    """The number behind an `e`, and where it ends: before the `e` if there is none."""
    start, sign = at, byte(data, at + 1)
    at += 1 + (sign in (PLUS, MINUS))
    first, power = at, 0
    while ZERO <= byte(data, at) <= NINE:
        power = min(10 * power + byte(data, at) - ZERO, 10**6)
        at += 1
    return (-power if sign == MINUS else power), (at if at > first else start)


@njit(**OPTIONS)
def decimal(data, at):
    """A decimal number: its value, where it ends, and `VALUE`, `UNSURE`, or `FAULT` if there is none."""
    sign = byte(data, at)
    start = at + (sign in (MINUS, PLUS))
    digits, at = _digits(data, start, _0)
    count, power, point = at - start, 0, -1
    if byte(data, at) == DOT:
        point = at
        digits, at = _digits(data, at + 1, digits)
        power = point + 1 - at
        count -= power
    if count == 0:
        return 0.0, at, FAULT
    if byte(data, at) | CASE == LETTER_E:
        more, at = _exponent(data, at)
        power += more
    if count <= _MOST_DIGITS:
        value, sure = _scaled(digits, power)
    else:
        digits, left, inexact = _first_digits(data, start, point)
        value, sure = _scaled(digits, power + left)
        if inexact:
            above, also_sure = _scaled(digits + _1, power + left)
            sure &= also_sure and value == above
    return (-value if sign == MINUS else value), at, (VALUE if sure else UNSURE)


# --- Fields. One ends at a comma, a newline, or the quote behind the part ---

_COMMAS, _NEWLINES, _QUOTES = (np.uint64(c) * EVERY for c in (COMMA, NEWLINE, QUOTE))
_NAN, _INF, _NA = (int.from_bytes(name, "little") for name in (b"nan", b"inf", b"na"))
_NULL_WORD, _NONE_WORD = (int.from_bytes(name, "little") for name in (b"null", b"none"))


@njit(**OPTIONS)
def _is_end(letter):
    return letter in (COMMA, QUOTE, NEWLINE)


@njit(**OPTIONS)
def field_end(data, at):
    """The comma, quote or newline that ends a field."""
    while True:
        bits = word(data, at)
        found = zero_bytes(bits ^ _COMMAS) | zero_bytes(bits ^ _QUOTES) | zero_bytes(bits ^ _NEWLINES)
        if found != _0:
            return at + (trailing_zeros(found) >> 3)
        at += 8


@njit(**OPTIONS)
def _letters(data, start, end):
    """A word of up to seven bytes in small letters, as a number; 0 for any other."""
    if not 0 < end - start < 8:
        return 0
    bits = 0
    for i in range(end - start):
        letter = np.int64(byte(data, start + i)) | CASE
        bits |= letter << (8 * i)
        if not 0x61 <= letter <= 0x7A:
            return 0
    return bits


@njit(**OPTIONS)
def _odd_number(data, start, end):  # noqa: PLR0911  (one return for each kind)
    """What a field is that is no plain number at first sight: its value, and what became of it."""
    for i in range(start, end):
        letter = byte(data, i)
        if letter >= 0x80 or letter == 0x5F:  # what Python takes for spaces and digits, and 1_000
            return 0.0, UNSURE
    while start < end and byte(data, start) in (SPACE, TAB):
        start += 1
    while start < end and byte(data, end - 1) in (SPACE, TAB):
        end -= 1
    if start == end:
        return 0.0, FAULT
    name = _letters(data, start, end)
    if name in (_NULL_WORD, _NONE_WORD, _NA):
        return 0.0, NULL
    value, at, state = decimal(data, start)
    if at == end:
        return value, state
    signed = byte(data, start) in (PLUS, MINUS)
    name = _letters(data, start + signed, min(start + signed + 3, end))
    if name not in (_NAN, _INF):
        return 0.0, FAULT
    if end - start - signed > 3 or (name == _NAN and byte(data, start) == MINUS):
        return 0.0, UNSURE
    value = np.nan if name == _NAN else np.inf
    return (-value if byte(data, start) == MINUS else value), VALUE


@njit(**OPTIONS)
def number(data, at):
    """What a field is as a number: its value, where it ends, and what became of it."""
    if _is_end(byte(data, at)):
        return 0.0, at, NULL
    value, end, state = decimal(data, at)
    if not _is_end(byte(data, end)):
        end = field_end(data, end)
        value, state = _odd_number(data, at, end)
    return value, end, (state if end - at < LONGEST_FIELD else UNSURE)


# --- Times ---


@njit(**OPTIONS)
def _two_digits(data, at):
    """A number of two digits, or a large one."""
    tens, ones = np.int64(byte(data, at)) - ZERO, np.int64(byte(data, at + 1)) - ZERO
    return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else 1_000_000


@njit(**OPTIONS)
def _days(year, month, day):
    """Days from 1970-01-01 in the Gregorian calendar, or a large number if there is no such day."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 28 + leap if month == 2 else 30 + (month + month // 8) % 2
    if not (1 <= month <= 12 and 1 <= day <= length):
        return 1_000_000_000
    # in a year that begins in March, the leap day is the last one
    year -= month <= 2
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + in_year - 719_468


@njit(**OPTIONS)
def _fraction(data, at, end):
    """Microseconds behind a point, and where they end."""
    first, value = at + 1, 0
    at += 1
    while at < end and at < first + 6 and ZERO <= byte(data, at) <= NINE:
        value = 10 * value + byte(data, at) - ZERO
        at += 1
    digits = at - first
    for _ in range(digits, 6):
        value *= 10
    return value, (at if digits else end + 1)


@njit(**OPTIONS)
def _offset(data, at, end):
    """Minutes east of Greenwich, or a large number."""
    if at == end or (at + 1 == end and byte(data, at) == 0x5A):
        return 0
    sign = byte(data, at)
    if at + 6 != end or byte(data, at + 3) != COLON or sign not in (PLUS, MINUS):
        return 1_000_000
    hours, minutes = _two_digits(data, at + 1), _two_digits(data, at + 4)
    if hours > 23 or minutes > 59:
        return 1_000_000
    return -60 * hours - minutes if sign == MINUS else 60 * hours + minutes


@njit(**OPTIONS)
def moment_of(data, at, end):
    """Microseconds from 1970 of a time in ISO 8601, and whether it is one."""
    if end - at < 19:
        return 0, False
    marks = byte(data, at + 4) == MINUS and byte(data, at + 7) == MINUS and byte(data, at + 10) == 0x54
    marks &= byte(data, at + 13) == COLON and byte(data, at + 16) == COLON
    year = 100 * _two_digits(data, at) + _two_digits(data, at + 2)
    days = _days(year, _two_digits(data, at + 5), _two_digits(data, at + 8))
    hour, minute, second = _two_digits(data, at + 11), _two_digits(data, at + 14), _two_digits(data, at + 17)
    microseconds, at = _fraction(data, at + 19, end) if at + 19 < end and byte(data, at + 19) == DOT else (0, at + 19)
    offset = _offset(data, at, end) if at <= end else 1_000_000
    # an offset may lead out of Python's years
    good = marks and 1 < year < 9999 and days < 10_000_000 and hour < 24 and minute < 60 and second < 60
    seconds = days * 86_400 + hour * 3_600 + (minute - offset) * 60 + second
    return seconds * 1_000_000 + microseconds, good and offset < 1_000_000
