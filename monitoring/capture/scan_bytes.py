"""What all kernels of the capture scanner share: the letters, eight bytes at a time, and how they are compiled."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment, import-untyped"

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
from llvmlite import ir
from numba import int64, njit, types, uint8
from numba.extending import intrinsic

# Bytes that must lie in a buffer behind anything that is read: steps read eight, and the longest known name has 16
MARGIN = 32

TAB, NEWLINE, RETURN, SPACE, QUOTE, HASH, PLUS, COMMA, MINUS, DOT, SLASH, ZERO, NINE = b'\t\n\r "#+,-./09'
COLON, EQUALS, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE = b":=[\\]{}"
LETTER_B, LETTER_E, LETTER_F, LETTER_N, LETTER_R, LETTER_T, LETTER_U = b"befnrtu"
CASE = 0x20  # set in a small letter, and not in a capital one

BYTES = types.Array(uint8, 1, "C", readonly=True)
# Without Numba's counting of references, which each call of a kernel by another would pay for. None makes an array.
OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_SOURCES = crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("scan_*.py"))))

_1, _2, _3, _4, _5, _6, _7 = (np.uint64(n) for n in range(1, 8))
_8, _16, _24, _32, _40, _48, _56 = (np.uint64(n) for n in range(8, 64, 8))
_NONE = np.uint64(0)
# A byte times this stands in each of eight bytes.
EVERY = np.uint64(0x0101010101010101)
HIGH = np.uint64(0x8080808080808080)
_NEWLINES = np.uint64(NEWLINE) * EVERY


def entry(signature):
    """Compile a kernel that Python calls, and keep its code until any file of the scanner changes.

    Numba itself looks at no other file than the one that the kernel is in.
    """

    def compiled(function):
        function.__qualname__ += f"_{_SOURCES:08x}"
        return njit(signature, cache=True, **OPTIONS)(function)

    return compiled


@intrinsic
def trailing_zeros(_, bits):
    """Zero bits below the lowest one; 64 of 0."""

    def generate(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return int64(bits), generate


@njit(**OPTIONS)
def byte(data, at):
    """One byte. An index without a sign is not looked at twice."""
    return data[np.uint64(at)]


@njit(**OPTIONS)
def word(data, at):
    """Eight bytes, the first one lowest; the compiler makes one load of it."""
    i = np.uint64(at)
    return (
        np.uint64(data[i])
        | np.uint64(data[i + _1]) << _8
        | np.uint64(data[i + _2]) << _16
        | np.uint64(data[i + _3]) << _24
        | np.uint64(data[i + _4]) << _32
        | np.uint64(data[i + _5]) << _40
        | np.uint64(data[i + _6]) << _48
        | np.uint64(data[i + _7]) << _56
    )


@njit(**OPTIONS)
def zero_bytes(bits):
    """The upper bit of each byte that is zero. Right up to the lowest of them, and for which there is any."""
    return (bits - EVERY) & ~bits & HIGH


@njit(**OPTIONS)
def line_end(data, at):
    """The next newline."""
    found = zero_bytes(word(data, at) ^ _NEWLINES)
    while found == _NONE:
        at += 8
        found = zero_bytes(word(data, at) ^ _NEWLINES)
    return at + (trailing_zeros(found) >> 3)
