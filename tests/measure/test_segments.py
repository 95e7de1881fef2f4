"""What is counted of the values of a segment: the same from rows, from states, and over windows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitoring.config.capture import Columns
from monitoring.measure.basis import PerformanceRows
from monitoring.measure.binary_basis import BinaryBasis
from monitoring.measure.multiclass_basis import MulticlassBasis
from monitoring.measure.performance_rows import default_basis
from monitoring.measure.segments import MOST_VALUES, GroupCounts, segment_tables
from monitoring.profile.losses import LossByBin
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.outcomes import OutcomeProfile

BASIS = BinaryBasis(OutcomeProfile.empty(), LossByBin.empty({}, 1.0))


def rows_of(count: int = 200) -> PerformanceRows:
    """Rows of two classes, a third of them without a label."""
    random = np.random.default_rng(1)
    scores = random.random(count)
    predictions = (scores >= 0.5).astype(np.int64)
    return PerformanceRows(
        scores, predictions, (random.random(count) < scores).astype(np.int64), random.random(count) < 0.7
    )


def test_states_and_tables_count_the_same() -> None:
    rows = rows_of()
    random = np.random.default_rng(2)
    site, places = random.choice(["n", "s"], 200), random.integers(0, 3, 200)
    values = {"site": pa.chunked_array([site.tolist()])}
    tables = segment_tables(values, places, rows, BASIS.losses_of(rows), windows=3, binary=True)
    assert sorted(tables) == ["", "site=n", "site=s"]
    for name in ("n", "s"):
        for window in range(3):
            group = rows.take((site == name) & (places == window))
            row = tables[f"site={name}"][window]
            assert GroupCounts(*row[:6].astype(int).tolist()) == GroupCounts.of(BASIS.state(group), len(group.known))
            losses = BASIS.losses_of(group)
            assert row[6:].tolist() == pytest.approx([len(losses), losses.sum()])
    assert tables[""] == pytest.approx(tables["site=n"] + tables["site=s"])


def test_by_hand() -> None:
    scores, predictions = np.array([0.9, 0.8, 0.1, 0.7]), np.array([1, 1, 0, 1])
    labels, known = np.array([1, 0, 0, 1]), np.array([True, True, True, False])
    state = BASIS.state(PerformanceRows(scores, predictions, labels, known))
    assert GroupCounts.of(state, 4) == GroupCounts(rows=4, positives=3, labelled=3, right=2, actual=1, hits=1)


def test_of_several_classes_only_right_ones_are_counted() -> None:
    none = MulticlassProfile.empty(("a", "b", "c"))
    basis = MulticlassBasis(none, LossByBin.empty({}, 1.0), None, probabilities=False)
    rows = PerformanceRows(np.full(3, np.nan), np.array([0, 1, 2]), np.array([0, 2, 2]), np.array([True, True, False]))
    assert GroupCounts.of(basis.state(rows), 3) == GroupCounts(rows=3, labelled=2, right=1)


def test_of_numbers_only_rows_are_counted() -> None:
    basis = default_basis(Columns(task="regression", features={"x": "numeric"}))
    rows = PerformanceRows(np.ones(3), np.zeros(3, np.int64), np.ones(3), np.ones(3, bool), features={})
    assert GroupCounts.of(basis.state(rows), 3) == GroupCounts(rows=3)


def test_the_largest_values_are_kept_and_missing_ones_are_none() -> None:
    names = [None, *[f"v{i:02}" for i in range(60) for _ in range(i + 1)]]
    count = len(names)
    rows = PerformanceRows(np.zeros(count), np.zeros(count, np.int64), np.zeros(count), np.zeros(count, bool))
    values = {"site": pa.chunked_array([names])}
    tables = segment_tables(values, np.zeros(count, np.int64), rows, np.zeros(0), windows=1, binary=True)
    assert len(tables) == 1 + MOST_VALUES
    assert "site=v59" in tables
    assert "site=v39" not in tables
    assert tables[""][0, 0] == count


def test_a_value_with_few_rows_is_not_named() -> None:
    names = ["rare"] * 29 + ["common"] * 30
    count = len(names)
    rows = PerformanceRows(np.zeros(count), np.zeros(count, np.int64), np.zeros(count), np.zeros(count, bool))
    values = {"site": pa.chunked_array([names])}
    tables = segment_tables(values, np.zeros(count, np.int64), rows, np.zeros(0), windows=1, binary=True)
    assert set(tables) == {"", "site=common"}
