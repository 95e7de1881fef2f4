"""The frozen grid on which scores are counted: fine where scores are near 0 or near 1.

The distance to the nearer end, t = min(s, 1 − s), is cut by its exponent and its nine leading bits: 512 bins per
octave, each at most 1/512 of t wide, from ½ down to 2^-40. So a score of 0.0013 is told from 0.001303, and 0.9987
from 0.998697. The scores 0, ½ and 1 have bins of their own; scores nearer than 2^-40 to an end share one.

Within its bin a score has a *place*, a whole number below 2^22. Two scores of one bin and one place differ by less
than 2^-31 of t, and count as equal; no two 32-bit floats do, unless they are nearer than 2^-40 to an end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

BITS = 9
PLACE_BITS = 22
PLACES = 2**PLACE_BITS
_MANTISSA = 52
_SMALLEST = 40
_DROPPED = _MANTISSA - BITS
_FINE = _DROPPED - PLACE_BITS
# zero, and what is nearer than 2^-40 to it
_ENDS = 2
_FIRST = (1023 - _SMALLEST) << BITS
# The bin of the score ½; those on both sides of it mirror each other
MIDDLE = (_SMALLEST - 1) * 2**BITS + _ENDS
BINS = 2 * MIDDLE + 1
INVALID = -1


def score_bin(scores: FloatArray) -> IntArray:
    """The bin of each score, ascending with the score.

    Args:
        scores: Shape (n,).

    Returns:
        Shape (n,), in [0, BINS); `INVALID` for NaN and for what is outside [0, 1].

    >>> score_bin(np.array([0.0, -0.0, 1e-300, 0.5, 1.0, np.nan, 1.1])).tolist()
    [0, 0, 1, 19970, 39940, -1, -1]
    """
    return score_place(scores)[0]


def score_place(scores: FloatArray) -> tuple[IntArray, IntArray]:
    """The bin of each score, and its place in the bin.

    Args:
        scores: Shape (n,).

    Returns:
        Two arrays of shape (n,): the bins as in `score_bin`, and places in [0, PLACES), ascending with the score.

    >>> [x.tolist() for x in score_place(np.array([0.25, 0.2501, 0.75]))]
    [[19458, 19458, 20482], [0, 858993, 4194303]]
    """
    s = np.ascontiguousarray(scores, np.float64)
    valid = (s >= 0) & (s <= 1)
    s = np.where(valid, s, 0.0)
    upper = s >= 0.5
    # exact, by Sterbenz's lemma; and adding zero takes the sign from -0.0
    t = np.where(upper, 1 - s, s) + 0.0
    bits = t.view(np.int64)
    step = np.maximum((bits >> _DROPPED) - _FIRST, -1) + _ENDS - (t == 0)
    place = np.where(step >= _ENDS, (bits >> _FINE) & (PLACES - 1), 0)
    bins = np.where(upper, 2 * MIDDLE - step, step)
    return np.where(valid, bins, INVALID), np.where(upper, PLACES - 1 - place, place)


def bin_edges(bins: IntArray) -> tuple[FloatArray, FloatArray]:
    """The lowest and the highest score of some bins; for 0, ½ and 1 they are the same.

    A bin below ½ does not hold its upper end, one above ½ does not hold its lower end.

    Args:
        bins: Shape (k,), in [0, BINS).

    >>> [x.tolist() for x in bin_edges(np.array([1, 19458, 19970, 20482, 39940]))]
    [[0.0, 0.25, 0.5, 0.74951171875, 1.0], [9.094947017729282e-13, 0.25048828125, 0.5, 0.75, 1.0]]
    """
    bins = np.asarray(bins, np.int64)
    upper = bins > MIDDLE
    step = np.where(upper, 2 * MIDDLE - bins, bins)
    near = ((np.maximum(step - _ENDS, 0) + _FIRST) << _DROPPED).view(np.float64)
    far = ((np.maximum(step - _ENDS, -1) + 1 + _FIRST) << _DROPPED).view(np.float64)
    near = np.where(step < _ENDS, 0.0, near)
    far = np.where((step == 0) | (step == MIDDLE), near, far)
    return np.where(upper, 1 - far, near), np.where(upper, 1 - near, far)


def score_at(bins: IntArray, place: FloatArray | IntArray) -> FloatArray:
    """The score at a place of a bin: the middle of what the place stands for.

    Args:
        bins: Shape (k,).
        place: Shape (k,), such as the mean place of the bin's rows.

    >>> score_at(np.array([19458, 19970]), np.array([PLACES / 2 - 0.5, 0.0])).tolist()
    [0.250244140625, 0.5]
    """
    low, high = bin_edges(bins)
    return np.asarray(low + (high - low) * ((place + 0.5) / PLACES))


def bin_middles(bins: IntArray) -> FloatArray:
    """The middle of some bins, shape (k,)."""
    low, high = bin_edges(bins)
    return np.asarray((low + high) / 2)
