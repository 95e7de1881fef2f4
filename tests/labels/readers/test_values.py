"""What a label is: the same in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.capture.quarantine import Reason
from tests.labels.readers.labelled import TIMED, Labels, read

MOMENT = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)


def in_parquet(rows: list[dict[str, Any]], **changes: Any) -> Labels:
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.BytesIO()
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), sink)
    return read(sink.getvalue(), format="parquet", **changes)


def in_csv(rows: list[dict[str, Any]], **changes: Any) -> Labels:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return read(text.getvalue().encode(), format="csv", **changes)


def in_lines(rows: list[dict[str, Any]], **changes: Any) -> Labels:
    return read("".join(f"{json.dumps(row)}\n" for row in rows).encode(), format="jsonl", **changes)


def in_a_list(rows: list[dict[str, Any]], **changes: Any) -> Labels:
    return read(json.dumps(rows, indent=1).encode(), format="jsonl", **changes)


def in_ground_truth(rows: list[dict[str, Any]], **changes: Any) -> Labels:
    """Ids and labels in their places, the rest beside the label."""
    lines = [
        {
            "groundTruthData": {"data": json.dumps(row), "encoding": "JSON"},
            "eventMetadata": {"eventId": row.get("event_id")},
        }
        for row in rows
    ]
    return read("".join(f"{json.dumps(line)}\n" for line in lines).encode(), **changes)


ALL = pytest.mark.parametrize("written", [in_parquet, in_csv, in_lines, in_a_list, in_ground_truth])
Written = Callable[..., Labels]


@ALL
@pytest.mark.parametrize(
    ("label", "expected"),
    [(1, "1"), (0, "0"), (1.0, "1"), ("1.0", "1"), (" late ", "late"), ("none", "none"), (0.5, "0.5"), ("ä", "ä")],
)
def test_classes(written: Written, label: Any, expected: str) -> None:
    found = written([{"event_id": "a", "label": label}] * 2)
    assert (found.pairs, found.quarantined) == ([("a", expected)] * 2, [])


@ALL
@pytest.mark.parametrize("label", ["", " ", "nan", "NaN", None, float("nan")])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_labels_that_say_nothing(written: Written, label: Any, task: str) -> None:
    two: Any = 2.0 if isinstance(label, float) else "2"
    found = written([{"event_id": name, "label": label if name == "b" else two} for name in "abc"], task=task)
    expected: Any = 2.0 if task == "regression" else "2"
    assert found.pairs == [("a", expected), ("c", expected)]
    assert (found.reasons, found.count) == ([Reason.BAD_LABEL], 3)


@ALL
@pytest.mark.parametrize(
    ("label", "expected"), [(1, 1.0), (-0.25, -0.25), ("1e3", 1000.0), (True, 1.0), (2**60, 2.0**60)]
)
def test_numbers(written: Written, label: Any, expected: float) -> None:
    label = 1 if label is True and written is in_csv else label
    found = written([{"event_id": "a", "label": label}] * 2, task="regression")
    assert (found.pairs, found.quarantined) == ([("a", expected)] * 2, [])


@ALL
@pytest.mark.parametrize("label", ["late", "inf", "1e999"])
def test_what_is_no_number(written: Written, label: str) -> None:
    found = written([{"event_id": "a", "label": label}, {"event_id": "b", "label": "1"}], task="regression")
    assert (found.pairs, found.reasons) == ([("b", 1.0)], [Reason.BAD_LABEL])


@ALL
def test_weights_and_times(written: Written) -> None:
    row = {"event_id": "a", "label": 1}
    rows = [
        row | {"weight": 0.5, "label_time": "2026-03-01T11:20:30+01:00"},
        row | {"weight": 2.0, "label_time": "1772360430000"},
        row | {"weight": None, "label_time": None},
        row | {"weight": -1.0, "label_time": "2026-03-01"},
        row | {"weight": 0.0, "label_time": "tomorrow"},
    ]
    found = written(rows, **TIMED)
    assert [(row[2], row[3]) for row in found.rows] == [(0.5, MOMENT), (2.0, MOMENT), (None, None)]
    assert found.reasons == [Reason.BAD_LABEL, Reason.BAD_EVENT_TIME]
    assert [(row[2], row[3]) for row in written(rows).rows] == [(None, None)] * 5


@ALL
@pytest.mark.parametrize("weight", ["inf", "heavy", "-0.1"])
def test_what_is_no_weight(written: Written, weight: str) -> None:
    rows = [{"event_id": name, "label": 1, "weight": value} for name, value in (("a", "1"), ("b", weight), ("c", ""))]
    found = written(rows, weight="weight")
    assert [(row[0], row[2]) for row in found.rows] == [("a", 1.0), ("c", None)]
    assert found.reasons == [Reason.BAD_LABEL]


@ALL
@pytest.mark.parametrize("name", ["", None])
def test_labels_of_nothing(written: Written, name: Any) -> None:
    rows = [{"event_id": "a", "label": 1}, {"event_id": name, "label": 1}, {"event_id": "c", "label": 0}]
    found = written(rows)
    assert (found.pairs, found.reasons) == ([("a", "1"), ("c", "0")], [Reason.NO_EVENT_ID])


@pytest.mark.parametrize("written", [in_parquet, in_csv])
def test_a_column_that_no_row_of_a_table_has(written: Written) -> None:
    rows = [{"event_id": "a", "label": 1}] * 2
    assert written(rows, weight="wieght").reasons == [Reason.MISSING_FIELD] * 2
    assert written(rows, label_time="when").reasons == [Reason.MISSING_FIELD] * 2
    assert written(rows, label="outcome").reasons == [Reason.BAD_LABEL] * 2
    assert written(rows, event_id="id").reasons == [Reason.NO_EVENT_ID] * 2
    assert written(rows, event_id="x", label="y").count == 2


@pytest.mark.parametrize("written", [in_lines, in_a_list])
def test_a_field_that_an_object_lacks(written: Written) -> None:
    found = written([{"event_id": "a", "label": 1}, {"event_id": "b", "label": 1, "weight": 2}], weight="weight")
    assert [row[2] for row in found.rows] == [None, 2.0]


@pytest.mark.parametrize("written", [in_parquet, in_lines, in_a_list])
def test_labels_that_are_nested(written: Written) -> None:
    rows = [{"id": 7, "truth": {"class": "late", "all": [0.5]}}, {"id": 8, "truth": {"class": None, "all": [1.0]}}]
    found = written(rows, event_id="id", paths={"label": "truth.class"})
    assert (found.pairs, found.reasons) == ([("7", "late")], [Reason.BAD_LABEL])
    found = written(rows, task="regression", event_id="id", paths={"label": "truth.all[0]"})
    assert found.pairs == [("7", 0.5), ("8", 1.0)]
    assert written(rows, task="regression", event_id="id", label="truth.all").pairs == [("7", 0.5), ("8", 1.0)]
