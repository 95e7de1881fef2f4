"""Distances between shares of cells, against SciPy and against their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from monitoring.measure import cells
from monitoring.measure.score import Score
from monitoring.profile.distribution import Categories, Distribution, Histogram, distinct_edges
from tests.measure.samples import draw, frozen

Statistic = Callable[[Distribution, Distribution], Score]
SYMMETRIC: tuple[Statistic, ...] = (
    cells.jensen_shannon,
    cells.hellinger,
    cells.psi,
    cells.total_variation,
    cells.l_infinity,
    cells.chi_square,
)
ALL: tuple[Statistic, ...] = (*SYMMETRIC, cells.kullback_leibler)
WITHIN_ONE = (cells.jensen_shannon, cells.hellinger, cells.total_variation, cells.l_infinity)
_rows = st.lists(st.integers(0, 10**6), min_size=5, max_size=5).filter(any)


def _categories(rows: list[int]) -> Categories:
    """Two named categories, rare ones, unseen ones, nulls."""
    return Categories({"a": rows[0], "b": rows[1]}, other=rows[2], unseen=rows[3], nulls=rows[4])


def _value(statistic: Statistic, p: list[int], q: list[int]) -> float:
    value = statistic(_categories(p), _categories(q)).value
    assert value is not None
    return value


@given(_rows, _rows)
def test_against_definitions(p: list[int], q: list[int]) -> None:
    a, b = np.array(p) / sum(p), np.array(q) / sum(q)
    # roots have half the digits of what is under them
    expected = distance.jensenshannon(a, b, base=2)
    assert _value(cells.jensen_shannon, p, q) ** 2 == pytest.approx(expected**2, abs=1e-12)
    assert _value(cells.hellinger, p, q) ** 2 == pytest.approx(1 - np.sqrt(a * b).sum(), abs=1e-12)
    assert _value(cells.total_variation, p, q) == pytest.approx(np.abs(a - b).sum() / 2, abs=1e-12)
    assert _value(cells.l_infinity, p, q) == pytest.approx(np.abs(a - b).max(), abs=1e-12)


@given(_rows, _rows)
def test_divergences_with_half_a_row_in_empty_cells(p: list[int], q: list[int]) -> None:
    kept = [(x, y) for x, y in zip(p, q, strict=True) if x or y]
    a = np.array([x or 0.5 for x, _ in kept])
    b = np.array([y or 0.5 for _, y in kept])
    a, b = a / a.sum(), b / b.sum()
    assert _value(cells.psi, p, q) == pytest.approx(stats.entropy(a, b) + stats.entropy(b, a), rel=1e-9, abs=1e-12)
    assert _value(cells.kullback_leibler, p, q) == pytest.approx(stats.entropy(a, b), rel=1e-9, abs=1e-12)


@given(_rows, _rows)
def test_chi_square_against_scipy(p: list[int], q: list[int]) -> None:
    table = np.array([p, q])
    table = table[:, table.any(axis=0)]
    score = cells.chi_square(_categories(p), _categories(q))
    assert score.value is not None
    if table.shape[1] < 2:
        assert (score.value, score.p_value) == (0.0, 1.0)
        return
    expected = stats.chi2_contingency(table, correction=False)
    found = score.value**2 / (1 / sum(p) + 1 / sum(q))
    assert found == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert score.p_value == pytest.approx(expected.pvalue, abs=1e-9)


@given(_rows, _rows)
def test_laws(p: list[int], q: list[int]) -> None:
    for statistic in ALL:
        assert _value(statistic, p, q) >= 0
        assert _value(statistic, p, p) == 0.0
        # shares are compared, not rows
        assert _value(statistic, p, [3 * rows for rows in p]) == pytest.approx(0.0, abs=1e-7)
    for statistic in SYMMETRIC:
        assert _value(statistic, p, q) == pytest.approx(_value(statistic, q, p), rel=1e-9, abs=1e-7)
    for statistic in WITHIN_ONE:
        assert _value(statistic, p, q) <= 1.0


@given(_rows, _rows)
def test_inequalities_between_distances(p: list[int], q: list[int]) -> None:
    h, t = _value(cells.hellinger, p, q), _value(cells.total_variation, p, q)
    assert h * h <= t + 1e-9
    assert t <= h * math.sqrt(2) + 1e-9  # Le Cam
    assert _value(cells.l_infinity, p, q) <= t + 1e-9
    assert _value(cells.jensen_shannon, p, q) ** 2 <= t + 1e-9  # Lin 1991
    divergence = _value(cells.kullback_leibler, p, q)
    if all(x and y for x, y in zip(p, q, strict=True)):
        assert 2 * t * t <= divergence + 1e-9  # Pinsker


def test_no_cell_in_common() -> None:
    p, q = [7, 0, 0, 0, 0], [0, 2, 1, 0, 0]
    assert [_value(statistic, p, q) for statistic in WITHIN_ONE] == pytest.approx([1.0, 1.0, 1.0, 1.0])
    assert math.isfinite(_value(cells.psi, p, q))
    assert math.isfinite(_value(cells.kullback_leibler, p, q))


@pytest.mark.parametrize("statistic", ALL)
def test_a_column_that_turns_null_is_far_away(statistic: Statistic) -> None:
    assert _value(statistic, [50, 50, 0, 0, 0], [0, 0, 0, 0, 100]) > 0.9
    values = np.random.default_rng(0).normal(size=1000)
    half = np.where(np.arange(1000) % 2, values, np.nan)
    reference, current = frozen(values, half)
    found = statistic(reference, current).value
    assert found is not None
    assert found > 0.4
    reference, current = frozen(values, np.where(np.isnan(half), np.inf, values))
    assert statistic(reference, current).value == found


def test_cells_are_the_baselines() -> None:
    before, now = draw("normal, moved a little", 5000, 5000)
    reference, current = frozen(before, now)
    borders = reference.edges[reference.cells]
    assert len(borders) == 19
    p, q = (np.histogram(side, [-np.inf, *borders, np.inf])[0] for side in (before, now))
    expected = distance.jensenshannon(p, q, base=2)
    assert cells.jensen_shannon(reference, current).value == pytest.approx(expected, rel=1e-9)


def test_a_far_value_hides_nothing() -> None:
    before, now = draw("one far value", 20_000, 20_000)
    assert cells.jensen_shannon(*frozen(before, now)).value == pytest.approx(
        cells.jensen_shannon(*frozen(before, now[:-1])).value, abs=1e-3
    )


def test_without_cells_the_reference_gives_them() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=4000), rng.normal(0.5, size=4000)
    edges = np.linspace(-4, 4, 801)
    found = cells.jensen_shannon(Histogram.of(before, edges), Histogram.of(now, edges)).value
    assert found == pytest.approx(cells.jensen_shannon(*frozen(before, now)).value, abs=0.01)
    ones, twos = np.ones(10), np.full(10, 2.0)
    few = distinct_edges(ones, twos)
    assert cells.jensen_shannon(Histogram.of(ones, few), Histogram.of(twos, few)).value == 1.0


def test_only_distributions_of_one_kind_are_compared() -> None:
    with pytest.raises(TypeError, match="cannot be compared"):
        cells.psi(Categories({}), Histogram.of(np.ones(1), np.ones(1)))


def test_categories_in_another_order_are_the_same() -> None:
    assert cells.psi(Categories({"a": 1, "b": 2}), Categories({"b": 2, "a": 1})).value == 0.0
