"""Sums of whole numbers instead of floats, so that no order and no partition of the rows changes a bit of them.

A quantity is rounded to a whole multiple of a unit, row by row, and whole numbers are added. What is rounded is
itself computed with operations that IEEE 754 defines exactly (+, −, ×, ÷, comparisons): a library's logarithm may
differ in the last bit from machine to machine, and even within one array from vector to scalar code.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

_LN2 = 0.6931471805599453
# z^2k / (2k + 1) is below 2^-55 from here on, as |z| <= 0.1716
_TERMS = 11
_LIMB = 31


def natural_log(x: FloatArray) -> FloatArray:
    """The natural logarithm by a series, the same to the last bit wherever it is computed.

    With x = m · 2^e and m in [√½, √2): ln x = e ln 2 + 2 artanh z, z = (m − 1) / (m + 1).

    Args:
        x: Shape (n,), positive and finite.

    >>> natural_log(np.array([1.0, 2.0, 0.001])).tolist()
    [0.0, 0.6931471805599453, -6.907755278982137]
    """
    mantissa, exponent = np.frexp(x)
    small = mantissa < math.sqrt(0.5)
    mantissa = np.where(small, 2 * mantissa, mantissa)
    z = (mantissa - 1) / (mantissa + 1)
    square = z * z
    series = np.full_like(z, 1 / (2 * _TERMS + 1))
    for k in range(_TERMS - 1, -1, -1):
        series *= square
        series += 1 / (2 * k + 1)
    return np.asarray((exponent - small) * _LN2 + 2 * z * series)


def in_units(x: FloatArray, bits: int) -> IntArray:
    """Values as whole multiples of 2^-bits, halves to the even neighbour.

    Args:
        x: Shape (n,), below 2^(62 - bits) in size.
        bits: The unit's exponent, negated.

    >>> in_units(np.array([0.75, -1.0]), 2).tolist()
    [3, -4]
    """
    return np.rint(np.ldexp(x, bits)).astype(np.int64)


def sum_of(x: IntArray) -> int:
    """The sum of up to 2^31 whole numbers of any size, without overflow.

    >>> sum_of(np.array([2**62, 2**62, 5])) == 2**63 + 5
    True
    """
    return (int((x >> _LIMB).sum()) << _LIMB) + int((x & (2**_LIMB - 1)).sum())


def sum_of_products(x: IntArray, y: IntArray) -> int:
    """The sum of the products of up to 2^31 pairs of whole numbers below 2^62 in size, without overflow.

    >>> sum_of_products(np.array([2**61, 3]), np.array([2**61, -5])) == 2**122 - 15
    True
    """
    low = 2**_LIMB - 1
    x_high, x_low, y_high, y_low = x >> _LIMB, x & low, y >> _LIMB, y & low
    middle = sum_of(x_high * y_low) + sum_of(x_low * y_high)
    return (sum_of(x_high * y_high) << 2 * _LIMB) + (middle << _LIMB) + sum_of(x_low * y_low)
