"""The hash table of ids against a plain dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.matching import IdIndex

# few first halves, so that rows share one and have different second halves
FEW = st.lists(st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, 2)), max_size=12)


def _columns(pairs: list[tuple[int, int]]) -> list[Any]:
    return [np.array([pair[i] for pair in pairs], np.uint64) for i in (0, 1)]


def _found(rows: list[tuple[int, int]], records: list[tuple[int, int]]) -> list[tuple[int, int]]:
    index = IdIndex.of(*_columns(rows))
    pairs = index.pairs(*index.find(*_columns(records)))
    return list(zip(*(side.tolist() for side in pairs), strict=True))


@given(FEW, FEW)
def test_every_pair_of_one_id_is_found_once_rows_in_their_order(
    rows: list[tuple[int, int]], records: list[tuple[int, int]]
) -> None:
    expected = [(i, k) for i, record in enumerate(records) for k, row in enumerate(rows) if row == record]
    assert _found(rows, records) == expected


@pytest.mark.parametrize("count", [1, 31, 33, 5000])
def test_random_ids(count: int) -> None:
    random = np.random.default_rng(count)
    ids = random.integers(0, 2**64, (2, 2 * count), np.uint64)
    chosen = random.permutation(2 * count)[:count]
    index = IdIndex.of(*ids[:, chosen])
    records, rows = index.pairs(*index.find(*ids))
    assert records.tolist() == sorted(chosen.tolist())
    assert (chosen[rows] == records).all()


def test_ids_that_fall_into_the_last_slot_go_on_at_the_first() -> None:
    rows = [(2**64 - 1 - (i << 40), i) for i in range(20)]  # all of one slot of the table
    assert _found(rows, rows) == [(i, i) for i in range(20)]
    assert _found(rows, [(2**64 - 1, 99), (5, 0)]) == []
