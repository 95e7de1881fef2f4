"""What measurements read of a column."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile.distribution import Categories, Histogram, distinct_edges

_values = st.lists(st.sampled_from([-1.5, 0.0, 1.0, 2.0, 1e6]) | st.floats(-1e3, 1e3), max_size=30)


@given(_values, st.lists(st.floats(-100, 100), max_size=8))
def test_a_histogram_has_the_moments_of_its_values(values: list[float], edges: list[float]) -> None:
    found = Histogram.of(np.array([*values, math.nan, math.inf]), np.unique(edges) if edges else np.zeros(0))
    assert (found.n, found.nulls, found.nonfinite) == (len(values), 1, 1)
    assert found.counts.tolist()[0] == sum(x < min(edges, default=math.inf) for x in values)
    if values:
        assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
        assert found.variance() == pytest.approx(np.var(values), rel=1e-9, abs=1e-9)
        assert (found.low, found.high) == (min(values), max(values))
    else:
        assert math.isnan(found.mean)
        assert math.isnan(found.variance())


def test_variance_needs_more_rows_than_it_takes_away() -> None:
    found = Histogram.of(np.array([1.0, 3.0]), np.zeros(0))
    assert (found.variance(), found.variance(1)) == (1.0, 2.0)
    assert math.isnan(found.variance(2))


def test_a_bin_between_neighbouring_floats_is_an_atom() -> None:
    edges = np.array([1.0, math.nextafter(1, 2), 2.0, 3.0, math.nextafter(3, 4)])
    found = Histogram.of(np.array([1.0, 3.0]), edges)
    assert found.atoms.tolist() == [False, True, False, False, True, False]
    assert found.exact
    for other in (0.5, 1.5, 2.5, 4.0):
        assert not Histogram.of(np.array([1.0, other]), edges).exact
    assert Histogram.of(np.zeros(0), np.zeros(0)).atoms.tolist() == [False]


def test_distinct_edges_give_each_value_a_bin_even_the_largest_float() -> None:
    values = np.array([0.0, -0.0, 5e-324, -1.0, 1e150, math.nan, math.inf])
    found = Histogram.of(values[np.isfinite(values)], distinct_edges(values))
    assert found.exact
    assert sorted(found.counts[found.counts > 0].tolist()) == [1, 1, 1, 2]
    assert np.isfinite(distinct_edges(np.array([np.finfo(float).max]))).all()


def test_cells_are_sums_of_bins() -> None:
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    found = Histogram.of(np.array([-1, 0.5, 0.6, 1.5, 2.5, 9.0, math.nan, math.inf]), edges, cells=np.array([1, 3]))
    assert found.cell_counts().tolist() == [3, 2, 1, 1, 1]
    assert Histogram.of(np.array([1.0, 2.0]), edges).cell_counts().tolist() == [2, 0, 0]


@given(_values, _values)
def test_what_is_subtracted_from_both_leaves_the_other(left: list[float], right: list[float]) -> None:
    edges = np.array([-1.0, 0.0, 1.0, 500.0])
    both, one, other = (Histogram.of(np.array(x, float), edges) for x in (left + right, left, right))
    rest = both.subtract(one)
    assert rest.counts.tolist() == other.counts.tolist()
    assert rest.sums == pytest.approx(other.sums, abs=1e-6)
    scale = max(map(abs, [*left, *right]), default=1.0) ** 2 * (len(left) + len(right))
    assert rest.squares == pytest.approx(other.squares, abs=1e-12 * scale + 1e-9)


def test_categories_know_what_is_left_of_new_ones() -> None:
    both = Categories({"a": 5, "b": 2}, 3, 4, 5, {"x": 3, "y": 2})
    part = Categories({"a": 1, "b": 2}, 1, 1, 3, {"x": 1, "y": 2})
    rest = both.subtract(part)
    assert rest == Categories({"a": 4, "b": 0}, 2, 3, 2, {"x": 2})
    assert (both.n, part.n, rest.n) == (16, 7, 9)
    assert rest.cell_counts().tolist() == [4, 0, 3, 2, 2]


def test_categories_are_exact_if_every_one_has_a_name() -> None:
    assert Categories({"a": 1}, unseen=2, new={"x": 2}).exact
    assert not Categories({"a": 1}, other=1).exact
    assert not Categories({"a": 1}, unseen=3, new={"x": 2}).exact
