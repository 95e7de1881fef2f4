"""Whatever stands in the logs: every row is counted once."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.objects import Piece
from monitoring.capture.quarantine import Quarantined, quarantine_lines
from monitoring.capture.readers.sagemaker import read_piece
from monitoring.capture.records import Row, from_parquet, sort_out, to_parquet, type_rows
from monitoring.config.capture import Columns
from tests.capture.conftest import sorted_out

_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_data = (
    st.sampled_from(["12.5,at", "0.5", ",", "", "1,2\n3,4", "0.1\n0.2", '{"amount": 1, "country": "at"}', "[1e999]"])
    | st.text(max_size=12)
    | _anything.map(json.dumps)
)
_side = st.fixed_dictionaries(
    {"data": _data, "encoding": st.sampled_from(["CSV", "JSON", "BASE64"])},
    optional={"observedContentType": st.sampled_from(["text/csv", "application/json"])},
)
_metadata = st.fixed_dictionaries(
    {
        "eventId": st.sampled_from(["a", "b", "c"]) | _anything,
        "inferenceTime": st.sampled_from(["2024-01-11T10:00:00Z", "2024-01-12"]) | st.text(max_size=8),
    },
    optional={"customAttributes": _anything | st.lists(st.text(max_size=12), max_size=2)},
)
_record = st.fixed_dictionaries(
    {
        "captureData": st.fixed_dictionaries({"endpointInput": _side, "endpointOutput": _side}),
        "groundTruthData": _side,
        "eventMetadata": _metadata,
    }
)
_good = st.builds(
    lambda name, score: {
        "captureData": {
            "endpointInput": {"data": "12.5,at", "encoding": "CSV"},
            "endpointOutput": {"data": repr(score), "encoding": "CSV"},
        },
        "eventMetadata": {"eventId": f"good {name}", "inferenceTime": "2024-01-11T10:00:00Z"},
    },
    st.integers(0, 30),
    st.floats(0, 1),
)
_line = (
    st.binary(max_size=20).map(lambda data: data.replace(b"\n", b""))
    | _anything.map(lambda value: json.dumps(value).encode())
    | _record.map(lambda value: json.dumps(value).encode())
)


def _json_lines(good: list[Any], bad: list[bytes], order: Any) -> bytes:
    lines = [*(json.dumps(item).encode() for item in good), *bad]
    order.shuffle(lines)
    return b"\n" + b"\n".join(lines)  # garbage at the beginning may look compressed


@settings(max_examples=300, deadline=None)
@given(st.lists(_good, max_size=8), st.lists(_line, max_size=5), st.randoms(use_true_random=False))
def test_every_row_is_kept_or_set_aside(good: list[Any], bad: list[bytes], order: Any) -> None:
    found = sorted_out(_json_lines(good, bad, order))
    assert found.read == found.table.num_rows + sum(item.rows for item in found.quarantined)
    ids = found.table["event_id"].to_pylist()
    names = [item["eventMetadata"]["eventId"] for item in good]
    assert sorted(name for name in ids if name.startswith("good ")) == sorted(names)
    assert from_parquet(to_parquet(found.table)).equals(found.table)
    assert quarantine_lines(found.quarantined).count(b"\n") == len(found.quarantined)
    assert all(found.origin(i).data for i in range(len(ids)))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(_good, max_size=8),
    st.lists(_line, max_size=5),
    st.randoms(use_true_random=False),
    st.sampled_from(
        [{}, {"task": "regression"}, {"segments": ["model_version"]}, {"features": {"a": "text", "b": "text"}}]
    ),
)
def test_scanned_or_line_by_line_the_rows_are_the_same(
    good: list[Any], bad: list[bytes], order: Any, changes: dict[str, Any]
) -> None:
    columns = Columns.model_validate({"features": {"amount": "numeric", "country": "categorical"}, **changes})
    data = _json_lines(good, bad, order)
    scanned = sorted_out(data, columns)
    found = list(read_piece(Piece("k", 0, data, last=True), columns))
    rows = type_rows([item for item in found if isinstance(item, Row)], columns)
    alone = sort_out([rows], [item for item in found if isinstance(item, Quarantined)], columns)
    assert scanned.table.equals(alone.table)
    assert scanned.read == alone.read
    assert sorted(map(repr, scanned.quarantined)) == sorted(map(repr, alone.quarantined))
    assert {name: mask.tolist() for name, mask in scanned.changed_columns.items()} == {
        name: mask.tolist() for name, mask in alone.changed_columns.items()
    }
    assert [scanned.origin(i) for i in range(scanned.table.num_rows)] == [
        alone.origin(i) for i in range(alone.table.num_rows)
    ]
