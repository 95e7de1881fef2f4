"""P-values that are as small as they say, limits and detectable values that are their inverses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ncx2, t

from monitoring.judge.tolerance import (
    above,
    above_detectable,
    above_limit,
    beyond_ordinary,
    beyond_ordinary_detectable,
    beyond_ordinary_limit,
    resemblance,
    resemblance_detectable,
    resemblance_limit,
)

LEVELS = st.floats(1e-10, 0.3)
ROWS = st.integers(100, 10_000_000)


@given(LEVELS, st.floats(-1, 1), st.floats(1e-3, 10), st.none() | st.floats(2, 200))
def test_above_is_the_level_at_its_limit(level: float, limit: float, error: float, freedom: float | None) -> None:
    at = above_limit(level, limit, error, freedom)
    assert above(at, limit, error, freedom) == pytest.approx(level, rel=1e-4)
    assert above_detectable(level, limit, error, freedom) > at


def test_above_without_an_error_is_certain() -> None:
    assert above(0.2, 0.1, 0.0) == 0
    assert above(0.1, 0.1, 0.0) == 1


@given(LEVELS, st.floats(0.01, 1), st.floats(1e-3, 1), st.floats(2, 500), st.floats(0, 1), st.booleans())
def test_beyond_ordinary_is_the_level_at_its_limit(
    level: float, mean: float, deviation: float, blocks: float, extra: float, log: bool
) -> None:
    at = beyond_ordinary_limit(level, mean, deviation, blocks, extra, log=log)
    if math.isfinite(at):
        assert beyond_ordinary(at, mean, deviation, blocks, extra, log=log) == pytest.approx(level, rel=1e-3)
        assert beyond_ordinary_detectable(level, mean, deviation, blocks, extra, log=log) >= at


@pytest.mark.parametrize("blocks", [3, 6, 20])
@pytest.mark.parametrize("extra", [0.0, 4.0])
def test_a_new_ordinary_window_is_beyond_as_often_as_stated(blocks: int, extra: float) -> None:
    random = np.random.default_rng(blocks)
    p_values = []
    for _ in range(10_000):
        seen = random.normal(size=blocks)
        new = random.normal() * math.sqrt(1 + extra)
        p_values.append(beyond_ordinary(new, float(seen.mean()), float(seen.std(ddof=1)), blocks, extra))
    for level in (0.05, 0.01):
        assert np.mean(np.array(p_values) < level) == pytest.approx(level, rel=0.3)


def test_a_skewed_window_is_beyond_as_often_as_stated_on_the_logarithmic_scale() -> None:
    random = np.random.default_rng(1)
    values = random.lognormal(-3, 0.4, size=(8_000, 41))
    rates = {}
    for log in (False, True):
        p_values = [
            beyond_ordinary(row[-1], float(row[:-1].mean()), float(row[:-1].std(ddof=1)), 40, log=log) for row in values
        ]
        rates[log] = float(np.mean(np.array(p_values) < 0.002))
    assert 0.001 < rates[True] < 0.004
    assert rates[False] > 0.008


def test_few_or_equal_blocks_say_little() -> None:
    assert beyond_ordinary(9.0, 0.1, 0.1, 1) == 1
    assert math.isinf(beyond_ordinary_limit(0.01, 0.1, 0.1, 1))
    assert math.isinf(beyond_ordinary_detectable(0.01, 0.1, 0.1, 1))
    assert beyond_ordinary(0.01, 0.0, 0.0, 19) == 1 / 20
    assert beyond_ordinary(0.0, 0.0, 0.0, 19) == 1
    assert beyond_ordinary(0.0, 0.1, 0.05, 19, log=True) == 1
    assert beyond_ordinary(0.3, 0.0, 0.0, 19, extra_variance=0.01, log=True) == pytest.approx(0.00135, rel=0.01)


def test_the_power_at_what_is_detectable_is_as_stated() -> None:
    scale = 0.02 * math.sqrt(1 + 1 / 30)
    value = beyond_ordinary_detectable(0.001, 0.05, 0.02, 30)
    limit = beyond_ordinary_limit(0.001, 0.05, 0.02, 30)
    assert t.sf((limit - value) / scale, 29) == pytest.approx(0.8)


@given(LEVELS, st.floats(0, 0.3), st.integers(2, 60), ROWS, ROWS)
def test_resemblance_is_the_level_at_its_limit(level: float, tolerance: float, cells: int, n: int, m: int) -> None:
    at = resemblance_limit(level, tolerance, cells, n, m)
    assert resemblance(at, tolerance, cells, n, m) == pytest.approx(level, rel=0.1 if level < 1e-7 else 1e-3)
    found = resemblance_detectable(level, tolerance, cells, n, m)
    # the distance at which the limit is passed in 80 % of samples: there its own tail is 0.8
    assert resemblance(at, found, cells, n, m) == pytest.approx(0.8, rel=1e-3)


@given(st.floats(0.5, 2), st.integers(2, 60), st.floats(0, 3e5))
def test_resemblance_is_the_noncentral_chi_square_of_many_rows(factor: float, cells: int, noncentrality: float) -> None:
    rows = 10**9
    per_square = 4 * math.log(2) * rows
    value, tolerance = factor * (cells - 1 + noncentrality), noncentrality
    expected = ncx2.sf(value, cells - 1, tolerance)
    found = resemblance(math.sqrt(value / per_square), math.sqrt(tolerance / per_square), cells, rows, rows)
    assert found == pytest.approx(expected, rel=0.02, abs=1e-9)


def test_a_single_cell_has_no_distance() -> None:
    assert resemblance(0.0, 0.0, 1, 100, 100) == 1
    assert math.isinf(resemblance_limit(0.01, 0.05, 1, 100, 100))
    assert math.isinf(resemblance_detectable(0.01, 0.05, 1, 100, 100))


def _moved(shares: np.ndarray, distance: float) -> np.ndarray:
    """Shares at this Jensen-Shannon distance: every second cell gains in proportion, the others lose."""
    direction = np.where(np.arange(len(shares)) % 2, 1.0, -1.0) * shares
    direction -= shares * direction.sum()
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        nearer = jensenshannon(shares, shares + middle * direction, 2) < distance
        low, high = (middle, high) if nearer else (low, middle)
    return shares + low * direction


@pytest.mark.parametrize("tolerance", [0.0, 0.05])
@pytest.mark.parametrize(
    ("cells", "n", "m"),
    [
        (5, 20_000, 300),
        (20, 300, 300),
        (20, 20_000, 300),
        (20, 50_000, 10_000),
        (50, 20_000, 1_000),
        (50, 10**6, 10**6),
    ],
)
def test_a_distance_at_its_tolerance_is_found_as_often_as_stated(cells: int, n: int, m: int, tolerance: float) -> None:
    random = np.random.default_rng(cells * m)
    shares = 1 / np.arange(3, cells + 3)  # the last cell has a share of a tenth or less of the first
    shares /= shares.sum()
    current = _moved(shares, tolerance) if tolerance else shares
    runs = 10_000
    distances = jensenshannon(random.multinomial(n, shares, runs), random.multinomial(m, current, runs), 2, axis=1)
    reciprocals = float((1 / shares).sum())
    for level in (0.05, 0.01):
        limit = resemblance_limit(level, tolerance, cells, n, m, reciprocals=reciprocals)
        assert level * 0.7 < np.mean(distances > limit) < level * 1.4


def test_what_is_detectable_is_found_in_four_samples_of_five() -> None:
    random = np.random.default_rng(5)
    shares = np.full(20, 0.05)
    found = resemblance_detectable(0.001, 0.05, 20, 20_000, 1_000)
    current = _moved(shares, found)
    distances = jensenshannon(
        random.multinomial(20_000, shares, 5_000), random.multinomial(1_000, current, 5_000), 2, axis=1
    )
    limit = resemblance_limit(0.001, 0.05, 20, 20_000, 1_000)
    assert np.mean(distances > limit) == pytest.approx(0.8, abs=0.04)
