"""Join labels to the records of a window: pure functions of tables.

Labels come in *epochs*: the label objects that one run was the first to see. Epochs are ordered; within an
epoch labels keep the order of their objects and lines. The last label of an event wins, so the state of the
labels after an epoch does not depend on how its objects were cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.errors import StoredDocumentError
from monitoring.window import Window

LABEL_SCHEMA = pa.schema([("event_id", pa.string()), ("label", pa.string())])
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Joined:
    """Labels beside the records that they belong to.

    Attributes:
        labels: One per record, null where there is none, in the records' order.
        read: Label rows that were looked at.
        superseded: Label rows for these records that a later one replaced.
        elsewhere: Label rows that belong to no record here: `read = joined + superseded + elsewhere`.
        conflicting: Records that were given different labels.
    """

    labels: pa.Array
    read: int
    superseded: int
    elsewhere: int
    conflicting: int

    @property
    def joined(self) -> int:
        """Records with a label."""
        return int(len(self.labels) - self.labels.null_count)

    def coverage(self) -> float | None:
        """Share of records with a label; None without records."""
        return self.joined / len(self.labels) if len(self.labels) else None

    def known(self) -> BoolArray:
        """Which records have a label, shape (n,)."""
        return np.asarray(pc.is_valid(self.labels).to_numpy(zero_copy_only=False), bool)

    def positive(self, positive: str) -> BoolArray:
        """Which labelled records are positive, shape (joined,)."""
        return np.asarray(pc.equal(self.labels.drop_null(), positive).to_numpy(zero_copy_only=False), bool)


def join(event_ids: pa.ChunkedArray, epochs: Iterable[pa.Table]) -> Joined:
    """The state of some records' labels after some epochs.

    Args:
        event_ids: The records' ids, each once.
        epochs: Label tables (`event_id`, `label`), oldest first.
    """
    place = {event_id: i for i, event_id in enumerate(event_ids.to_pylist())}
    if len(place) < len(event_ids):
        raise StoredDocumentError("records of one event id stand in a window twice", hint="run the window again")
    labels: list[str | None] = [None] * len(place)
    conflicting: set[int] = set()
    read = superseded = elsewhere = 0
    for table in epochs:
        read += table.num_rows
        mine = table.filter(pc.is_in(table["event_id"], value_set=event_ids.combine_chunks()))
        elsewhere += table.num_rows - mine.num_rows
        for event_id, label in zip(mine["event_id"].to_pylist(), mine["label"].to_pylist(), strict=True):
            i = place[event_id]
            superseded += labels[i] is not None
            if labels[i] not in (None, label):
                conflicting.add(i)
            labels[i] = label
    return Joined(pa.array(labels, pa.string()), read, superseded, elsewhere, len(conflicting))


def unlabelled(records: int) -> Joined:
    """The state of some records before any label has come."""
    return Joined(pa.nulls(records, pa.string()), 0, 0, 0, 0)


def label_state(arrivals: list[tuple[Window, pa.ChunkedArray]], epochs: list[tuple[Window, pa.Table]]) -> list[bool]:
    """For each epoch, whether it changed the label of any record that was there by then.

    Args:
        arrivals: The ids of the records, and the run that brought them.
        epochs: Label tables, and the run that was the first to see them; oldest first.
    """
    came = {event_id: run for run, ids in arrivals for event_id in ids.to_pylist()}
    wanted = pa.array(list(came), pa.string())
    known: dict[str, str] = {}
    changed = []
    for epoch, table in epochs:
        mine = table.filter(pc.is_in(table["event_id"], value_set=wanted))
        new = dict(zip(mine["event_id"].to_pylist(), mine["label"].to_pylist(), strict=True))
        changed.append(any(known.get(event_id) != label and came[event_id] <= epoch for event_id, label in new.items()))
        known |= new
    return changed
