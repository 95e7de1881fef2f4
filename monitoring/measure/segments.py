"""Values of a segment, counted: in a window from what its rows amount to, in the baseline per window and at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.measure.basis import PerformanceRows, State
from monitoring.measure.class_calibration import ClassRows
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.outcomes import OutcomeProfile

# Of a segment of the baseline, the values with the most rows are learned
MOST_VALUES = 20
# Fewer rows of a value tell nothing of it, and it is not named: it might be one person's
LEAST_ROWS = 30


@dataclass(frozen=True)
class GroupCounts:
    """Some rows that the model answered.

    Attributes:
        rows: Rows.
        positives: Positive predictions, of two classes.
        labelled: Rows with a label, of a classifier.
        right: Those that were predicted.
        actual: Those with a positive label, of two classes.
        hits: Those that were predicted, of the positive ones.
    """

    rows: int = 0
    positives: int = 0
    labelled: int = 0
    right: int = 0
    actual: int = 0
    hits: int = 0

    def merge(self, other: GroupCounts) -> GroupCounts:
        """Both together."""
        return GroupCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @classmethod
    def of(cls, state: State, rows: int) -> GroupCounts:
        """Those of a state.

        Args:
            state: What the rows amount to.
            rows: How many they are.
        """
        labelled, unlabelled = state.labelled, state.unlabelled
        if isinstance(labelled, OutcomeProfile):
            table = labelled.confusion
            waiting = unlabelled.rows[:, 1].sum() + unlabelled.unscored[1]
            positives = int(table[1].sum() + waiting)
            right, actual = int(table[0, 0] + table[1, 1]), int(table[:, 1].sum())
            return cls(rows, positives, labelled.rows, right, actual, int(table[1, 1]))
        if isinstance(labelled, tuple):
            classes, labels = labelled
            assert isinstance(classes, ClassRows)
            return cls(rows, 0, len(labels), int((classes.predictions == labels).sum()))
        return cls(rows)


# What a table of `segment_tables` counts per window: as `GroupCounts`, then the rows with a loss, and its sum
FIELDS = (*(item.name for item in fields(GroupCounts)), "lossy", "loss")


def segment_tables(
    segments: Mapping[str, pa.ChunkedArray],
    places: IntArray,
    rows: PerformanceRows,
    losses: FloatArray,
    *,
    windows: int,
    binary: bool,
) -> dict[str, FloatArray]:
    """Rows of the baseline by value of each segment, window by window.

    Args:
        segments: The value of each row, n of them, by segment.
        places: The number of each row's window, the oldest is 0, shape (n,).
        rows: The rows, n of them.
        losses: The loss of each row that has a label, NaN where it has none.
        windows: How many windows there are.
        binary: Whether the model tells two classes apart.

    Returns:
        By `segment=value`, and under `""` for all rows, the `FIELDS`, shape (windows, 8).
    """
    loss = np.full(len(rows.known), np.nan)
    loss[rows.known] = losses
    told = np.isfinite(loss)
    loss = np.where(told, loss, 0.0)
    positive = (rows.predictions > 0) & binary
    actual = rows.known & (np.asarray(rows.labels) > 0) & binary
    right = rows.known & (rows.predictions == rows.labels)
    counted = [np.ones(len(loss)), positive, rows.known, right, actual, actual & positive, told, loss]

    def table(mine: np.ndarray[Any, Any]) -> FloatArray:
        columns = [np.bincount(places[mine], np.asarray(item, float)[mine], windows) for item in counted]
        return np.stack(columns, axis=1)

    found = {"": table(np.arange(len(loss)))}
    for segment, values in segments.items():
        coded = values.combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        names = coded.dictionary.to_pylist()
        sizes = np.bincount(codes[codes >= 0], minlength=len(names))
        enough = np.flatnonzero(sizes >= LEAST_ROWS).tolist()
        largest = sorted(enough, key=lambda place: (-sizes[place], names[place]))[:MOST_VALUES]
        for place in sorted(largest, key=names.__getitem__):
            found[f"{segment}={names[place]}"] = table(np.flatnonzero(codes == place))
    return found
