"""Fingerprints tell records apart, and the first record of an id counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.schema import schema
from monitoring.config.capture import Columns
from monitoring.engine.fingerprints import Fingerprints, find_repeats

COLUMNS = Columns(features={"amount": "numeric", "country": "categorical"}, segments=["tenant"])
START = datetime(2024, 1, 11, tzinfo=UTC)

_record = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from("abcdef") | st.text(max_size=20).filter(lambda t: t.isprintable()),
        "event_time": st.integers(0, 3).map(lambda s: START + timedelta(seconds=s)),
        "model_version": st.sampled_from(["", "1"]),
        "score": st.none() | st.sampled_from([0.0, 0.25, 1.0]),
        "prediction": st.none() | st.booleans(),
        "latency_ms": st.none() | st.floats(0, 9),
        "status": st.none() | st.sampled_from([200, 500]),
        "segment:tenant": st.none() | st.sampled_from(["", "x"]),
        "feature:amount": st.none() | st.sampled_from([0.0, 1.5]),
        "feature:country": st.none() | st.sampled_from(["at", ""]),
    }
)


def _table(records: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(records, schema=schema(COLUMNS))


def _said(record: dict[str, Any]) -> dict[str, Any]:
    # the predicted class of a binary model follows from its score
    return {name: value for name, value in record.items() if name not in ("event_id", "latency_ms", "prediction")}


@given(st.lists(_record, max_size=12), st.lists(_record, max_size=12))
def test_the_first_of_an_id_counts_and_another_body_is_a_conflict(
    before: list[dict[str, Any]], new: list[dict[str, Any]]
) -> None:
    first: dict[str, dict[str, Any]] = {}
    for record in before:
        first.setdefault(record["event_id"], _said(record))
    dropped, conflicting = [], []
    for place, record in enumerate(new):
        if record["event_id"] in first:
            dropped.append(place)
            if first[record["event_id"]] != _said(record):
                conflicting.append(place)
        else:
            first[record["event_id"]] = _said(record)
    found = find_repeats(Fingerprints.of(_table(new)), Fingerprints.of(_table(before)))
    assert (found.dropped.tolist(), found.conflicting.tolist()) == (dropped, conflicting)


@given(st.lists(_record, max_size=12), st.integers(0, 12))
def test_cutting_and_slicing_change_nothing(records: list[dict[str, Any]], cut: int) -> None:
    whole, table = Fingerprints.of(_table(records)), _table(records)
    parts = Fingerprints.concat([Fingerprints.of(table.slice(0, cut)), Fingerprints.of(table.slice(cut))])
    chunked = Fingerprints.of(pa.concat_tables([_table(records[:cut]), _table(records[cut:])]))
    for other in (parts, chunked, Fingerprints.unpack(whole.pack())):
        assert [a.tolist() for a in (other.ids, other.ids2, other.bodies)] == [
            a.tolist() for a in (whole.ids, whole.ids2, whole.bodies)
        ]


def test_the_same_ids_have_the_same_fingerprints_in_every_release() -> None:
    found = Fingerprints.of(_table([{"event_id": name, "event_time": START} for name in ("", "a", "order-4711 äöü")]))
    assert found.ids.tolist() == KNOWN_IDS
    assert found.ids2.tolist() == KNOWN_IDS2


KNOWN_IDS = [6796052386855767614, 4071987081857497312, 5279864113850179738]
KNOWN_IDS2 = [5279621146083732946, 14379410421530507593, 11855607386940841443]


@pytest.mark.parametrize("length", range(1, 26))
def test_one_byte_more_or_less_is_another_id(length: int) -> None:
    names = ["x" * length, "x" * length + "\0", "x" * length + "y", "y" + "x" * length]
    found = Fingerprints.of(_table([{"event_id": name, "event_time": START} for name in names]))
    assert len(set(found.ids.tolist())) == len(set(found.ids2.tolist())) == 4


def test_a_million_ids_have_as_many_fingerprints_and_bits_that_look_random() -> None:
    ids = pa.array([f"order-{i}" for i in range(1_000_000)])
    table = pa.table({"event_id": pa.chunked_array([ids])})
    found = Fingerprints.of(table)
    for bits in (found.ids, found.ids2):
        assert len(np.unique(bits)) == 1_000_000
        ones = [np.count_nonzero(bits >> np.uint64(i) & np.uint64(1)) for i in range(64)]
        assert all(497_000 < n < 503_000 for n in ones)  # six standard deviations
    # the two halves know nothing of each other
    assert abs(np.corrcoef(found.ids.astype(float), found.ids2.astype(float))[0, 1]) < 0.006
