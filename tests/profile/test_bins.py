"""Frozen bins, and the compiled loop that finds a value's bin."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.profile import NumericProfile, NumericSpec, kernels
from monitoring.profile.bins import (
    CELLS,
    MOST_DISTINCT,
    QUANTILE_BINS,
    BinTable,
    cell_edges,
    from_ordered_bits,
    frozen_edges,
    ordered_bits,
)
from monitoring.profile.distribution import FloatArray, IntArray, distinct_edges

_finite = st.floats(allow_nan=False, allow_infinity=False)
_special = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.0, math.nextafter(1, 2), 1e308, -1e308, np.finfo(float).max])
_numbers = st.lists(_finite | _special | st.integers(-3, 3).map(float), max_size=60)


def _counts(table: BinTable, values: FloatArray) -> IntArray:
    """What the compiled loop counts with a table."""
    sums = np.zeros(2 * (len(table.edges) - 2), np.int64)
    counters, registers = np.zeros(kernels.COUNTERS, np.int64), np.zeros(kernels.REGISTERS, np.uint8)
    nothing, extremes = np.zeros(1, np.uint8), np.array([2**63 - 1, -(2**63)])
    named = values.view(np.int64)
    kernels.add_numbers(
        values, named, nothing, 0, False, *table.arguments, 0.0, 1.0, sums, counters, extremes, registers
    )
    return sums[::2]


def _check(edges: FloatArray, values: FloatArray, table: BinTable) -> None:
    expected = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    assert _counts(table, values).tolist() == expected.tolist()


def _beside(edges: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", under="ignore"):
        near = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), edges / 2, -edges])
    return np.asarray(near[np.isfinite(near)], np.float64)


@settings(deadline=None, max_examples=300)
@given(_numbers, _numbers, st.floats(0, 1), st.floats(0, 1))
@example([-5e-324, -0.0, 5e-324], [-0.0, 0.0], 0.0, 1.0)
@example([-np.finfo(float).max, np.finfo(float).max], [0.0], 0.0, 1.0)
@example([1.0, math.nextafter(1, 2), math.nextafter(math.nextafter(1, 2), 2), 1e300], [1.0], 0.0, 0.5)
def test_every_value_is_counted_in_its_bin(edges: list[float], values: list[float], a: float, b: float) -> None:
    frozen = np.unique(np.array(edges, np.float64))
    found = np.concatenate([np.array(values, np.float64), _beside(frozen)])
    _check(frozen, found, BinTable.of(frozen))
    if not len(frozen):
        return
    # whatever part of the edges the cells are laid over
    first, last = sorted([int(a * (len(frozen) - 1)), int(b * (len(frozen) - 1))])
    for mode in (kernels.LINEAR, kernels.BY_BITS):
        padded = np.concatenate([frozen, [np.inf] * 3])
        _check(frozen, found, BinTable._even(padded, mode, float(frozen[first]), float(frozen[last])))


def _neighbours(count: int) -> FloatArray:
    return from_ordered_bits(ordered_bits(np.array([1.0])) + np.arange(count))


@pytest.mark.parametrize("mode", [kernels.LINEAR, kernels.BY_BITS])
@pytest.mark.parametrize(
    "edges",
    [
        np.linspace(-5, 5, 30_000),
        np.geomspace(1e-300, 1e300, 20_000),
        np.concatenate([-np.geomspace(1e300, 1e-300, 5000), np.geomspace(1e-300, 1e300, 5000)]),
        _neighbours(10_000),
        np.concatenate([_neighbours(5000), np.linspace(1e17, 1e18, 100)]),
        np.array([-np.finfo(float).max, 0.0, np.finfo(float).max]),
        np.arange(60_000.0),
    ],
)
def test_thousands_of_edges(edges: FloatArray, mode: int) -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([_beside(edges), rng.normal(size=3000), rng.choice(edges, 3000) * rng.random(3000)])
    _check(
        edges, values, BinTable._even(np.concatenate([edges, [np.inf] * 3]), mode, float(edges[0]), float(edges[-1]))
    )
    _check(edges, values, BinTable.of(edges))


def test_ordered_bits_order_as_the_values_do() -> None:
    values = np.array([-np.finfo(float).max, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, math.nextafter(1, 2), 1e308])
    keys = ordered_bits(values)
    assert (np.diff(keys)[[0, 1, 2, 4, 5, 6, 7]] > 0).all()
    assert keys[3] == keys[4]
    assert from_ordered_bits(keys).tolist() == values.tolist()


@settings(deadline=None)
@given(_numbers)
def test_frozen_edges_fit_any_column(values: list[float]) -> None:
    column = np.sort(np.array(values, np.float64)) + 0.0
    edges = frozen_edges(column)
    assert np.isfinite(edges).all()
    assert (edges[1:] > edges[:-1]).all()
    if len(column):
        assert column[0] in edges  # so that what lies outside the range can be told
        above = math.nextafter(column[-1], math.inf)
        assert above in edges or math.isinf(above)
    spec = NumericSpec.learn(pa.array(values, pa.float64()))
    profile = NumericProfile.of(pa.array(values, pa.float64()), spec)
    assert int(profile.counts.sum()) == len(values)
    assert np.isfinite(spec.edges).all()


@pytest.mark.parametrize("seed", range(3))
def test_no_bin_of_the_baseline_holds_much_unless_it_is_one_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 50_000
    values = [rng.normal(size=n), rng.lognormal(sigma=2, size=n), np.maximum(rng.normal(size=n), 0)][seed]
    spec = NumericSpec.learn(pa.array(values))
    histogram = NumericProfile.of(pa.array(values), spec).histogram()
    assert histogram.counts[~histogram.atoms].max() <= n / QUANTILE_BINS + 1
    assert len(spec.edges) < 1000


def test_up_to_a_number_of_different_values_each_has_a_bin() -> None:
    few, many = np.linspace(0, 9, MOST_DISTINCT), np.linspace(0, 9, MOST_DISTINCT + 1)
    for values, exact in ((few, True), (many, False)):
        spec = NumericSpec.learn(pa.array(values))
        assert NumericProfile.of(pa.array(values), spec).histogram().exact is exact
    assert set(distinct_edges(few)) <= set(frozen_edges(few))


def test_cells_hold_about_equal_shares_and_frequent_values_one() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=10_000))
    counts = np.diff(np.searchsorted(values, [-np.inf, *cell_edges(values), np.inf]))
    assert counts.tolist() == [500] * CELLS
    frequent = np.sort(np.concatenate([np.zeros(900), np.arange(1, 101)]))
    assert len(cell_edges(frequent)) == 2  # above 0, and one within the last tenth
    assert cell_edges(frequent)[0] == 5e-324


def test_beyond_the_range_bins_grow_with_the_distance() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    spec = NumericSpec.learn(pa.array(values))
    moved = [NumericProfile.of(pa.array(values + shift), spec).counts for shift in (20.0, 40.0, 1000.0)]
    assert len({tuple(counts.tolist()) for counts in moved}) == 3
