"""Joining labels: the last one wins, each is counted once, and cutting the input changes nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.labels import join, label_state
from monitoring.labels.join import LABEL_SCHEMA
from monitoring.window import Window

DAY = Window.parse("2024-01-11", "day")
Pairs = list[tuple[str, str]]

_pairs = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("01")), max_size=20)
_ids = st.lists(st.sampled_from("abcd"), unique=True)


def _table(pairs: Pairs) -> pa.Table:
    rows = [{"event_id": key, "label": label} for key, label in pairs]
    return pa.Table.from_pylist(rows, schema=LABEL_SCHEMA)


def _column(ids: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(ids, pa.string())])


def _dated(tables: list[pa.Table]) -> list[tuple[Window, pa.Table]]:
    return [(DAY.shift(number), table) for number, table in enumerate(tables)]


def _cut(pairs: Pairs, places: list[int]) -> list[pa.Table]:
    edges = [0, *sorted(min(place, len(pairs)) for place in places), len(pairs)]
    return [_table(pairs[a:b]) for a, b in pairwise(edges)]


@given(_ids, _pairs)
def test_the_last_label_wins_and_all_are_counted(ids: list[str], pairs: Pairs) -> None:
    found = join(_column(ids), [_table(pairs)])
    last = dict(pairs)
    mine = [key for key, _ in pairs if key in ids]
    assert found.labels.to_pylist() == [last.get(key) for key in ids]
    assert found.read == len(pairs)
    assert found.joined == len(set(mine))
    assert found.superseded == len(mine) - len(set(mine))
    assert found.elsewhere == len(pairs) - len(mine)


@given(_ids, _pairs, st.lists(st.integers(0, 20), max_size=4))
def test_the_state_does_not_depend_on_how_objects_and_epochs_are_cut(
    ids: list[str], pairs: Pairs, places: list[int]
) -> None:
    whole, cut = join(_column(ids), [_table(pairs)]), join(_column(ids), _cut(pairs, places))
    for name in ("read", "joined", "superseded", "elsewhere", "conflicting"):
        assert getattr(whole, name) == getattr(cut, name)
    assert whole.labels.equals(cut.labels)


@given(_ids, _pairs, st.randoms(use_true_random=False))
def test_the_order_of_different_events_does_not_matter(ids: list[str], pairs: Pairs, order: Any) -> None:
    rows_of = {key: [pair for pair in pairs if pair[0] == key] for key, _ in pairs}
    keys = [key for key, _ in pairs]
    order.shuffle(keys)
    shuffled = [rows_of[key].pop(0) for key in keys]  # each event keeps its own order
    first, second = join(_column(ids), [_table(pairs)]), join(_column(ids), [_table(shuffled)])
    assert first.labels.equals(second.labels)
    assert (first.superseded, first.conflicting) == (second.superseded, second.conflicting)


@given(_ids, _pairs, st.lists(st.integers(0, 20), max_size=4))
def test_label_state_marks_the_epochs_that_changed_what_join_gives(
    ids: list[str], pairs: Pairs, places: list[int]
) -> None:
    epochs = _cut(pairs, places)
    states = [join(_column(ids), epochs[:n]).labels.to_pylist() for n in range(len(epochs) + 1)]
    changed = [after != before for before, after in pairwise(states)]
    assert label_state([(DAY, _column(ids))], _dated(epochs)) == changed


def test_conflicts_and_coverage() -> None:
    pairs = [("a", "1"), ("a", "0"), ("a", "1"), ("b", "1"), ("b", "1"), ("x", "0"), ("x", "1")]
    found = join(_column(["a", "b", "c", "d"]), [_table(pairs)])
    assert found.labels.to_pylist() == ["1", "1", None, None]
    assert (found.superseded, found.conflicting, found.elsewhere, found.coverage()) == (3, 1, 2, 0.5)
    assert found.known().tolist() == [True, True, False, False]
    assert found.positive("1").tolist() == [True, True]
    assert found.positive("0").tolist() == [False, False]


def test_a_repeated_label_changes_nothing() -> None:
    epochs = [_table([("a", "1")]), _table([("a", "1")]), _table([("x", "1")]), _table([("a", "0"), ("a", "1")])]
    assert label_state([(DAY, _column(["a"]))], _dated(epochs)) == [True, False, False, False]


def test_a_label_counts_once_its_record_is_there() -> None:
    epochs = _dated([_table([("a", "1"), ("b", "1")]), _table([("b", "1")]), _table([("b", "0")])])
    arrivals = [(DAY, _column(["a"])), (DAY.shift(2), _column(["b"]))]
    assert label_state(arrivals, epochs) == [True, False, True]
    assert label_state([(DAY.shift(1), _column(["b"]))], epochs) == [False, False, True]


@pytest.mark.parametrize("epochs", [[], [[("a", "1")]]])
def test_no_records(epochs: list[Pairs]) -> None:
    found = join(_column([]), [_table(pairs) for pairs in epochs])
    assert (found.joined, found.superseded, found.coverage()) == (0, 0, None)
    assert found.elsewhere == found.read == len(epochs)
