"""Which records labels belong to: a hash table of the labels' ids, asked with the ids of many records.

A bitmap of sixteen bits per id stands before the table, so that an id which no label has mostly costs one look into
memory that stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba import njit

Bits = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
_OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy"}
_LEAST_BITS = 6
_FILTER_BITS = 3
_ONE = np.uint64(1)
_BYTE = np.uint64(7)
_EIGHT = np.uint64(3)


@dataclass(frozen=True, eq=False)
class IdIndex:
    """The ids of some rows, to be looked up.

    Attributes:
        order: Positions of the rows, by id, shape (n,); rows of one id in their own order.
        starts: Where each distinct id begins in `order`, and its end, shape (u + 1,).
        ids: First 64 bits of each distinct id, ascending, shape (u,).
        ids2: The others.
        slots: The table: a distinct id in each taken slot, -1 elsewhere, shape (2^k,).
        filter: The bitmap.
    """

    order: Places
    starts: Places
    ids: Bits
    ids2: Bits
    slots: np.ndarray[Any, np.dtype[np.int32]]
    filter: np.ndarray[Any, np.dtype[np.uint8]]

    @classmethod
    def of(cls, ids: Bits, ids2: Bits) -> Self:
        """The index of rows.

        Args:
            ids: The first 64 bits of each row's id, shape (n,), well mixed.
            ids2: The others, shape (n,).
        """
        order = np.argsort(ids)
        first = ids[order]
        if (first[1:] == first[:-1]).any():  # only then is there an order to keep, and keeping it takes longer
            order = np.lexsort((ids2, ids))
            first = ids[order]
        second = ids2[order]
        fresh = np.ones(len(order), bool)
        fresh[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        at = np.flatnonzero(fresh)
        bits = max(int(2 * len(at)).bit_length(), _LEAST_BITS)
        slots = np.full(1 << bits, -1, np.int32)
        bitmap = np.zeros(1 << (bits + _FILTER_BITS - 3), np.uint8)
        distinct, distinct2 = first[at], second[at]
        _fill(distinct, slots, bitmap, np.uint64(64 - bits - _FILTER_BITS))
        return cls(order, np.append(at, len(order)), distinct, distinct2, slots, bitmap)

    def find(self, ids: Bits, ids2: Bits) -> tuple[Places, Places]:
        """The records whose id some row has.

        Args:
            ids: The first 64 bits of each record's id, shape (m,).
            ids2: The others, shape (m,).

        Returns:
            Positions of records, ascending, and for each the place of its id among the distinct ones.
        """
        if not len(self.ids):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        records, places = np.empty(len(ids), np.int64), np.empty(len(ids), np.int64)
        shift = np.uint64(64 - (len(self.slots).bit_length() - 1) - _FILTER_BITS)
        found = _find(ids, ids2, self.ids, self.ids2, self.slots, self.filter, shift, records, places)
        return records[:found].copy(), places[:found].copy()

    def pairs(self, records: Places, places: Places) -> tuple[Places, Places]:
        """Every pair of a record and a row with its id, from what `find` gives: by record, rows in their order."""
        counts = self.starts[places + 1] - self.starts[places]
        first = np.repeat(self.starts[places] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        return np.repeat(records, counts), self.order[first + np.arange(len(first))]


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _fill(ids: Any, slots: Any, bitmap: Any, shift: Any) -> None:
    mask = np.uint64(slots.shape[0] - 1)
    for i in range(ids.shape[0]):
        bit = ids[i] >> shift
        bitmap[bit >> _EIGHT] |= np.uint8(_ONE << (bit & _BYTE))
        at = ids[i] & mask
        while slots[at] >= 0:
            at = (at + _ONE) & mask
        slots[at] = i


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _find(
    ids: Any, ids2: Any, known: Any, known2: Any, slots: Any, bitmap: Any, shift: Any, records: Any, places: Any
) -> int:
    mask, found = np.uint64(slots.shape[0] - 1), 0
    for i in range(ids.shape[0]):
        bit = ids[i] >> shift
        if not (bitmap[bit >> _EIGHT] >> (bit & _BYTE)) & _ONE:
            continue
        at = ids[i] & mask
        while slots[at] >= 0:
            place = slots[at]
            if known[place] == ids[i] and known2[place] == ids2[i]:
                records[found], places[found] = i, place
                found += 1
                break
            at = (at + _ONE) & mask
    return found
