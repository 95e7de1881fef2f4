"""The sample does not depend on chance, order or partition."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.sampling import bottom_k

_ids = st.lists(st.text(max_size=4), unique=True, max_size=40)


def _table(ids: list[str]) -> pa.Table:
    return pa.table({"event_id": pa.array(ids, pa.string()), "length": [len(key) for key in ids]})


def _chosen(ids: list[str], rows: int) -> list[str]:
    return bottom_k(_table(ids), rows)["event_id"].to_pylist()


@given(_ids, st.integers(1, 50), st.randoms(use_true_random=False))
def test_the_same_rows_in_any_order(ids: list[str], rows: int, order: Any) -> None:
    shuffled = list(ids)
    order.shuffle(shuffled)
    chosen = _chosen(ids, rows)
    assert len(chosen) == min(rows, len(ids))
    assert set(chosen) == set(_chosen(shuffled, rows))
    assert chosen == [key for key in ids if key in set(chosen)]


@given(_ids, st.integers(0, 40), st.integers(1, 50))
def test_the_sample_of_a_union_is_the_sample_of_the_samples(ids: list[str], cut: int, rows: int) -> None:
    parts = _chosen(ids[:cut], rows) + _chosen(ids[cut:], rows)
    assert _chosen(ids, rows) == _chosen(parts, rows)


def test_the_sample_is_fair() -> None:
    chosen = _chosen([f"event-{i:05d}" for i in range(10_000)], 1_000)
    early = sum(key < "event-05000" for key in chosen)
    assert early == pytest.approx(500, abs=50)


def test_all_columns_are_kept() -> None:
    found = bottom_k(_table(["a", "bb", "ccc"]), 2)
    assert found["length"].to_pylist() == [len(key) for key in found["event_id"].to_pylist()]
