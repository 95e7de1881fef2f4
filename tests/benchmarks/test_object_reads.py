"""The benchmark of object storage, on a few objects in a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import object_reads
from monitoring.store.local import LocalStore

HOURS = [f"captures/2024/01/11/{hour:02d}/" for hour in range(24)]


def test_every_way_reads_the_same(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    object_reads.write(store, [f"{HOURS[i % 24]}{i}" for i in range(50)], 7)
    found = object_reads.measure(object_reads.reading(store, HOURS), 1)
    assert [way["found"] for way in found.values()] == [350, 350, 350, 50]
    assert all(way["wall"] > 0 for way in found.values())


def test_looks_find_as_many_as_they_want(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    flat, dated = object_reads.folders(300)
    assert len(set(flat + dated)) == 600
    object_reads.write(store, flat + dated, 0)
    assert [way["found"] for way in object_reads.measure(object_reads.looking(store), 1).values()] == [50, 50]


def test_a_way_that_finds_something_else_is_no_measurement() -> None:
    counts = iter([1, 2])
    with pytest.raises(RuntimeError, match="not the same in every round"):
        object_reads.measure([object_reads.Way("odd", lambda: next(counts))], 1)
