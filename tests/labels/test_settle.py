"""Which label counts: laws, and every tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitoring.labels.settle import ORDER, Settled, settle

Row = tuple[int, int, int, int, int, int, str]
ROWS = st.lists(
    st.tuples(*(st.integers(0, 2) for _ in ORDER), st.sampled_from(["a", "b"])),
    max_size=12,
    unique_by=lambda row: (row[3], row[5]),  # a label has one place in its epoch
)


def _table(rows: list[Row]) -> pa.Table:
    columns = {name: pa.array([row[i] for row in rows], pa.int64()) for i, name in enumerate(ORDER)}
    columns["id"] = columns["id"].cast(pa.uint64())
    return pa.table(columns | {"label": pa.array([row[-1] for row in rows], pa.string())})


def _rank(epochs: Any, sources: Any) -> Any:
    # objects by name; an epoch has its own
    return np.asarray(sources * 10 + epochs)


def _settled(rows: list[Row]) -> Settled:
    return settle(_table(rows), _rank)


def _order(row: Row) -> tuple[int, ...]:
    _, time, arrived, epoch, source, place, _ = row
    return time, arrived, source * 10 + epoch, place


@given(ROWS, st.randoms())
def test_the_newest_label_of_each_event_counts_whatever_order_they_come_in(rows: list[Row], random: Any) -> None:
    events = {row[0]: [other for other in rows if other[0] == row[0]] for row in rows}
    expected = {key: max(labels, key=_order) for key, labels in events.items()}
    random.shuffle(rows)
    found = _settled(rows)
    assert {row["id"]: row for row in found.rows.to_pylist()} == {
        key: dict(zip((*ORDER, "label"), row, strict=True)) for key, row in expected.items()
    }
    assert found.rows.num_rows + found.superseded == len(rows)
    assert found.corrected == sum(len({row[-1] for row in labels}) > 1 for labels in events.values())
    at_once = [{row[-1] for row in labels if row[1:3] == expected[key][1:3]} for key, labels in events.items()]
    assert found.conflicting == sum(len(labels) > 1 for labels in at_once)


def test_a_correction_with_an_earlier_time_does_not_count() -> None:
    found = _settled([(1, 5, 7, 0, 0, 0, "a"), (1, 4, 9, 1, 0, 0, "b")])
    assert found.rows["label"].to_pylist() == ["a"]
    assert (found.superseded, found.corrected, found.conflicting) == (1, 1, 0)


def test_labels_of_one_time_are_in_conflict() -> None:
    found = _settled([(1, 5, 7, 0, 1, 3, "a"), (1, 5, 7, 0, 2, 0, "b"), (2, 5, 7, 0, 0, 1, "a")])
    assert found.rows["label"].to_pylist() == ["b", "a"]
    assert (found.superseded, found.corrected, found.conflicting) == (1, 1, 1)
