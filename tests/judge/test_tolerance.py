"""P-values that are as small as they say, and limits that are their inverses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ncx2

from monitoring.judge.tolerance import resemblance, resemblance_limit

LEVELS = st.floats(1e-10, 0.3)
ROWS = st.integers(100, 10_000_000)


@given(LEVELS, st.floats(0, 0.3), st.integers(2, 60), ROWS, ROWS)
def test_resemblance_is_the_level_at_its_limit(level: float, tolerance: float, cells: int, n: int, m: int) -> None:
    at = resemblance_limit(level, tolerance, cells, n, m)
    assert resemblance(at, tolerance, cells, n, m) == pytest.approx(level, rel=0.1 if level < 1e-7 else 1e-3)


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
