"""Which label of an event counts: the newest one, whatever order they came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What tells which of two labels of an event is newer, besides the object that they are in
ORDER = ("id", "time", "arrived", "epoch", "source", "row")
Ints = np.ndarray[Any, np.dtype[np.int64]]
# The rank of each label's object, from its epoch and its place there: by key, then by version
Rank = Callable[[Ints, Ints], Ints]


@dataclass(frozen=True, eq=False)
class Settled:
    """The labels that count.

    Attributes:
        rows: One per event, in the order in which they were given.
        superseded: Labels that a newer one of their event replaced.
        corrected: Events whose label says something else than one before it.
        conflicting: Events with different labels of one time, so that no order between them is known.
    """

    rows: pa.Table
    superseded: int
    corrected: int
    conflicting: int


def settle(rows: pa.Table, rank: Rank) -> Settled:
    """The newest label of each event: by its time, then by its arrival, then by the key and the line it stands in.

    Args:
        rows: Labels of the records of one window, with the columns of `ORDER` and `label`.
        rank: Orders the objects that labels are in; asked only where time and arrival do not tell.
    """
    ids = rows["id"].to_numpy()
    ascending = np.sort(ids)
    several = ascending[1:][ascending[1:] == ascending[:-1]]
    if not len(several):
        return Settled(rows, 0, 0, 0)
    place = np.flatnonzero(np.isin(ids, several))
    some = rows.take(place)
    id_, time, arrived, epoch, source, row = (some[name].to_numpy() for name in ORDER)
    order = np.lexsort((row, rank(epoch, source), arrived, time, id_))
    last = np.append(id_[order][1:] != id_[order][:-1], True)
    winner = order[last][np.cumsum(last) - last]  # of each label in this order, the one of its event that counts
    label = _codes(some["label"])
    other = label[order] != label[winner]
    at_once = other & (time[order] == time[winner]) & (arrived[order] == arrived[winner])
    keep = np.ones(len(ids), bool)
    keep[place[order[~last]]] = False
    return Settled(
        rows.filter(pa.array(keep)),
        int((~last).sum()),
        len(np.unique(id_[order][other])),
        len(np.unique(id_[order][at_once])),
    )


def _codes(labels: pa.ChunkedArray) -> Ints:
    """A number for each label, the same for the same one."""
    return np.asarray(pc.dictionary_encode(labels.combine_chunks()).indices.to_numpy(), np.int64)
