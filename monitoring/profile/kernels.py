"""Compiled loops over Arrow buffers. They keep nothing: each adds one batch to arrays that it is given.

Compiled code is kept beside this file, or in `NUMBA_CACHE_DIR`, so a fresh process loads it instead of compiling
it again. All sums are sums of integers, so that their order does not matter.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, assignment"

from __future__ import annotations

import numpy as np
from numba import float64, int32, int64, njit, types, uint8, uint32, uint64

# A hash's upper bits choose a register of the distinct-count sketch; 4096 registers err by 1.6 %.
REGISTER_BITS = 12
REGISTERS = 1 << REGISTER_BITS
# A value's bin is found in two steps: the cell of a table, then the few edges inside the cell.
TABLE_CELLS = 4096
# Distances from the centre, in units, below which 2³² values can be summed, and one squared, in 64 bits
NEAR = float(2**31)

# Places in a column's counters
NANS, INFINITIES, ZEROS, NEGATIVES, SQUARES_LOW, SQUARES_HIGH, FAR, FINITE = range(8)
COUNTERS = 8
LINEAR, BY_BITS = 0, 1

_BLOCK = 1024  # what is between two loops stays in the first-level cache
_EXPONENT = 0x7FF0000000000000
_MANTISSA_AND_EXPONENT = 0x7FFFFFFFFFFFFFFF
_NEGATIVE_ZERO = -0x8000000000000000
_LOW32 = 0xFFFFFFFF
# Added to a float below 2⁵¹, leaves its nearest integer in the lower bits.
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = int(np.float64(_ROUND).view(np.int64))
_TOP_CELL = TABLE_CELLS - 1
_HASH_SHIFT = np.uint64(64 - REGISTER_BITS)
_RANK_BITS = 64 - REGISTER_BITS
# The finalizer of MurmurHash3 (Appleby, public domain) with Stafford's constants
_OFFSET = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_ZERO, _ONE, _THREE, _SEVEN, _EIGHT, _ALL_VALID = (np.uint64(n) for n in (0, 1, 3, 7, 8, 0xFF))
_SIXTEEN_BITS, _SIXTEEN = np.uint64(0xFFFF), np.uint64(16)
# A filter of fewer bits than this passes too many hashes to be worth a branch.
_LEAST_FILTER = np.uint64(7)
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)

# Arrow's memory is not ours to write to.
_FLOATS, _INTEGERS, _BYTES, _CELLS, _CODES, _HASHES = (
    types.Array(type_, 1, "C", readonly=True) for type_ in (float64, int64, uint8, uint32, int32, uint64)
)
_OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**_OPTIONS)
def mix(bits):
    """A well-mixed hash of 64 bits."""
    bits = bits + _OFFSET
    bits = (bits ^ (bits >> _S30)) * _MIX1
    bits = (bits ^ (bits >> _S27)) * _MIX2
    return bits ^ (bits >> _S31)


@njit(**_OPTIONS)
def _note_hash(bits, registers):
    place = bits >> _HASH_SHIFT
    known = np.uint64(registers[place])
    if bits & ((_ONE << known) - _ONE) == _ZERO:
        rank = 1
        while rank <= _RANK_BITS and bits & _ONE == _ZERO:
            bits >>= _ONE
            rank += 1
        registers[place] = rank


@njit(**_OPTIONS)
def _note_hashes(hashes, count, passing, registers):
    """Raise the registers of a sketch: the longest run of zeros that ended a hash, plus one.

    `passing` are bits that are zero in every hash that could still raise any register.
    """
    if passing >= _LEAST_FILTER:
        for i in range(count):
            if hashes[i] & passing == _ZERO:
                _note_hash(hashes[i], registers)
    else:
        for i in range(count):
            _note_hash(hashes[i], registers)


@njit(**_OPTIONS)
def _keep_valid(values, identity, validity, bit, kept_values, kept_identity):
    """Copy what is not null; how much that is."""
    # unsigned, since an index that may be negative costs a comparison for each value
    kept, at, first, count = _ZERO, _ZERO, np.uint64(bit), np.uint64(values.shape[0])
    told_apart = identity.shape[0] > 0
    while at < count:
        byte = np.uint64(validity[(first + at) >> _THREE])
        shift = (first + at) & _SEVEN
        here = min(_EIGHT - shift, count - at)
        if byte == _ALL_VALID and here == _EIGHT:  # mostly, and eight at a time
            for i in range(8):
                kept_values[kept + np.uint64(i)] = values[at + np.uint64(i)]
            if told_apart:
                for i in range(8):
                    kept_identity[kept + np.uint64(i)] = identity[at + np.uint64(i)]
            kept += _EIGHT
        else:
            byte >>= shift
            for i in range(here):
                kept_values[kept] = values[at + i]
                if told_apart:
                    kept_identity[kept] = identity[at + i]
                kept += byte & _ONE
                byte >>= _ONE
        at += here
    return np.int64(kept)


@njit(**_OPTIONS)
def _keep_finite(values, identity, kept_values, kept_identity, counters):
    """Copy what is neither NaN nor infinite, in place or not, and count those; how much is left."""
    kept = 0
    for i in range(values.shape[0]):
        x = values[i]
        kept_values[kept] = x
        if identity.shape[0] > 0:
            kept_identity[kept] = identity[i]
        if x - x == 0.0:
            kept += 1
        elif x != x:  # noqa: PLR0124
            counters[NANS] += 1
        else:
            counters[INFINITIES] += 1
    return kept


@njit(
    types.void(
        *(_FLOATS, _INTEGERS, _BYTES, int64, int64),
        *(_FLOATS, _CELLS, int64, float64, float64, int64, int64),
        *(float64, float64, int64[::1], int64[::1], int64[::1], uint8[::1]),
    ),
    **_OPTIONS,
)
def add_numbers(  # noqa: C901, PLR0912, PLR0915  (one pass, in loops that the compiler can vectorise)
    values,
    identity,
    validity,
    first_bit,
    has_nulls,
    edges,
    table,
    mode,
    table_low,
    table_scale,
    key_low,
    key_shift,
    centre,
    per_unit,
    sums,
    counters,
    extremes,
    registers,
):
    """Add numbers to a histogram with sums per bin, to moments, and to a distinct-count sketch.

    Args:
        values: Shape (n,).
        identity: What makes a value distinct where that is not its bits, because it is an integer that a float cannot
            hold; shape (n,), or of no elements.
        validity: Arrow's validity bits.
        first_bit: The validity bit of the first value.
        has_nulls: 0 if `validity` is not to be read.
        edges: Ascending, and three infinities behind them.
        table: Per cell, the first edge in it (lower 16 bits) and how many there are (upper 16 bits).
        mode: `LINEAR`: the cell is linear in the value; `BY_BITS`: in the bits of the value, so in its logarithm.
        table_low: Value of the first cell's lower end (linear).
        table_scale: Cells per unit of value (linear).
        key_low: Ordered bits of the first cell's lower end, shifted (by bits).
        key_shift: Ordered bits per cell, as a power of two, at least 2 so that no difference overflows (by bits).
        centre: Subtracted from values before they are summed.
        per_unit: Units in 1.
        sums: Count and sum of each bin, in turn: shape (2 · bins,).
        counters: See the names above.
        extremes: Ordered bits of the lowest and the highest value.
        registers: Of the sketch, shape (4096,).
    """
    cells = np.empty(_BLOCK, np.uint32)
    rounded = np.empty(_BLOCK, np.float64)
    rounded_bits = rounded.view(np.int64)
    hashes = np.empty(_BLOCK, np.uint64)
    kept_values = np.empty(_BLOCK, np.float64)
    kept_identity = np.empty(_BLOCK, np.int64)
    told_apart = identity.shape[0] > 0
    low, high = extremes[0], extremes[1]
    zeros, negatives, squares_low, squares_high, far_values, finite = 0, 0, 0, 0, 0, 0
    least = np.uint64(registers.min())
    passing = (_ONE << least) - _ONE
    for start in range(0, values.shape[0], _BLOCK):
        count = min(_BLOCK, values.shape[0] - start)
        x = values[start : start + count]
        named = identity[start : start + count] if told_apart else identity
        if has_nulls:
            count = _keep_valid(x, named, validity, first_bit + start, kept_values, kept_identity)
            x = kept_values[:count]
            named = kept_identity[:count] if told_apart else identity
        odd = 0
        for i in range(count):
            odd += np.int64(x[i] - x[i] != 0.0)
        if odd:
            count = _keep_finite(x, named, kept_values, kept_identity, counters)
            x = kept_values[:count]
            named = kept_identity[:count] if told_apart else identity
        finite += count
        bits = x.view(np.int64)
        for i in range(count):
            key = bits[i] ^ ((bits[i] >> 63) & _MANTISSA_AND_EXPONENT)
            low = min(low, key)
            high = max(high, key)
            zeros += np.int64(bits[i] << 1 == 0)
            negatives += np.int64(key < -1)
        for i in range(count):
            distance = (x[i] - centre) * per_unit
            far = not abs(distance) < NEAR
            far_values += np.int64(far)
            rounded[i] = (0.0 if far else distance) + _ROUND
        for i in range(count):
            units = rounded_bits[i] - _ROUND_BITS
            square = units * units
            squares_low += square & _LOW32
            squares_high += square >> 32
        if mode == LINEAR:
            for i in range(count):
                t = (x[i] - table_low) * table_scale
                t = t if t > 0.0 else 0.0
                cells[i] = np.uint32(t if t < _TOP_CELL else _TOP_CELL)
        else:
            for i in range(count):
                key = np.int64(0) if bits[i] == _NEGATIVE_ZERO else bits[i]
                key = key ^ ((key >> 63) & _MANTISSA_AND_EXPONENT)
                key = (key >> key_shift) - key_low
                key = key if key > 0 else np.int64(0)
                cells[i] = np.uint32(key if key < _TOP_CELL else _TOP_CELL)
        for i in range(count):
            a = x[i]
            entry = np.uint64(table[cells[i]])
            place = entry & _SIXTEEN_BITS
            inside = entry >> _SIXTEEN
            if inside <= 2:
                place += np.uint64(edges[place] <= a) + np.uint64(edges[place + _ONE] <= a)
            else:
                last = place + inside
                while place < last:
                    middle = (place + last) >> _ONE
                    if edges[middle] <= a:
                        place = middle + _ONE
                    else:
                        last = middle
            place += place
            sums[place] += 1
            sums[place + _ONE] += rounded_bits[i] - _ROUND_BITS
        if told_apart:
            for i in range(count):
                hashes[i] = mix(np.uint64(named[i]))
        else:
            for i in range(count):
                hashes[i] = mix(np.uint64(0 if bits[i] == _NEGATIVE_ZERO else bits[i]))
        _note_hashes(hashes, count, passing, registers)
    extremes[0], extremes[1] = low, high
    counters[ZEROS] += zeros
    counters[NEGATIVES] += negatives
    counters[SQUARES_LOW] += squares_low
    counters[SQUARES_HIGH] += squares_high
    counters[FAR] += far_values
    counters[FINITE] += finite


@njit(types.void(_CODES, _BYTES, int64, int64, int64[:, ::1]), **_OPTIONS)
def add_codes(codes, validity, first_bit, has_nulls, counts):
    """Count dictionary codes; nulls are counted behind the last code.

    Args:
        codes: Shape (n,).
        validity: Arrow's validity bits.
        first_bit: The validity bit of the first code.
        has_nulls: 0 if `validity` is not to be read.
        counts: To be summed over the rows: equal codes in turn need not wait for each other; shape (4, codes + 1).
    """
    nulls = counts.shape[1] - 1
    n = codes.shape[0]
    if has_nulls:
        for i in range(n):
            j = first_bit + i
            there = (validity[j >> 3] >> (j & 7)) & 1
            counts[i & 3, np.uint64(codes[i] if there else nulls)] += 1
        return
    for i in range(0, n - 3, 4):
        counts[0, np.uint64(codes[i])] += 1
        counts[1, np.uint64(codes[i + 1])] += 1
        counts[2, np.uint64(codes[i + 2])] += 1
        counts[3, np.uint64(codes[i + 3])] += 1
    for i in range(n - n % 4, n):
        counts[0, np.uint64(codes[i])] += 1


@njit(types.void(_BYTES, _INTEGERS, uint64[::1]), **_OPTIONS)
def hash_texts(data, offsets, out):
    """A 64-bit hash of each text: FNV-1a, mixed.

    Args:
        data: The bytes of all texts.
        offsets: Where each begins and the last ends, shape (n + 1,).
        out: Shape (n,).
    """
    for i in range(out.shape[0]):
        bits = _FNV_START
        for j in range(offsets[i], offsets[i + 1]):
            bits = (bits ^ np.uint64(data[j])) * _FNV_PRIME
        out[i] = mix(bits)


@njit(types.void(_HASHES, uint8[::1]), **_OPTIONS)
def add_hashes(hashes, registers):
    """Add hashes to a distinct-count sketch."""
    _note_hashes(hashes, hashes.shape[0], _ZERO, registers)
