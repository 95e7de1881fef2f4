"""What rows that moved, and what worse predictions of the same cells, do to the mean loss."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure.decomposition import decompose
from monitoring.profile.losses import LossByBin

SIZES = {"a": 12, "b": 5}
LARGEST = 36.05
ROWS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 4), st.floats(0, LARGEST)), min_size=1, max_size=60)


def _losses(rows: list[tuple[int, int, float]], largest: float = LARGEST) -> LossByBin:
    bins = {"a": np.array([row[0] for row in rows], int), "b": np.array([row[1] for row in rows], int)}
    return LossByBin.of(bins, SIZES, np.array([row[2] for row in rows], float), largest)


def _drawn(
    random: np.random.Generator, rows: int, *, moved: float = 0.0, worse: float = 0.0, at_seven: float = 0.0
) -> LossByBin:
    """The loss grows with the cell of `a`; `b` is noise."""
    a, b = random.binomial(11, 0.4 + moved, rows), random.integers(0, 5, rows)
    mean = 0.05 + 0.02 * a + worse + at_seven * (a == 7)
    return LossByBin.of({"a": a, "b": b}, SIZES, random.beta(0.5, 0.5 / mean * (1 - mean)), 1.0)


def _true_parts(moved: float, worse: float, at_seven: float) -> tuple[float, float]:
    cells = np.arange(12)
    before, now = (
        np.array([math.comb(11, k) * p**k * (1 - p) ** (11 - k) for k in range(12)]) for p in (0.4, 0.4 + moved)
    )
    return float((now - before) @ (0.05 + 0.02 * cells)), float(now @ (worse + at_seven * (cells == 7)))


@given(ROWS, ROWS)
def test_parts_add_up_to_the_change(before: list[tuple[int, int, float]], now: list[tuple[int, int, float]]) -> None:
    baseline, current = _losses(before), _losses(now)
    found = decompose(baseline, current)
    assert found.change.value is not None
    whole = Fraction(int(current.features["a"][:, 1].sum()), len(now))
    whole -= Fraction(int(baseline.features["a"][:, 1].sum()), len(before))
    assert math.isclose(found.change.value, float(whole) * LARGEST * 2.0**-22, abs_tol=1e-12 * LARGEST)
    for split in found.features:
        parts = [part.value or 0.0 for part in (split.mix, split.rate, split.new)]
        assert math.fsum(parts) == found.change.value
        assert sum(parts) == found.change.value
        assert np.allclose(split.by_cell.sum(axis=0), parts, rtol=0, atol=1e-12 * LARGEST)


@given(ROWS)
def test_the_same_rows_have_not_changed(rows: list[tuple[int, int, float]]) -> None:
    found = decompose(_losses(rows), _losses(rows))
    assert found.change.value == 0
    for split in found.features:
        assert not split.by_cell.any()
        assert split.where() == ()


def test_by_hand() -> None:
    before = _losses([(0, 0, 0.25)] * 6 + [(1, 0, 0.75)] * 2, 1.0)
    now = _losses([(0, 0, 0.25)] * 2 + [(1, 0, 1.0)] * 4 + [(9, 0, 0.875)] * 2, 1.0)
    split = decompose(before, now).features[0]
    # L = 3/8; mix (1/4 - 3/4)(1/4 - 3/8) + (1/2 - 1/4)(3/4 - 3/8); rate 1/2 · 1/4; new 1/4 (7/8 - 3/8)
    assert (split.mix.value, split.rate.value, split.new.value) == (0.15625, 0.125, 0.125)
    assert [(cell.cell, cell.rate, cell.rows, cell.before, cell.now) for cell in split.where()] == [
        (1, 0.125, 4, 0.75, 1.0)
    ]


@pytest.mark.parametrize(("moved", "worse", "at_seven"), [(0, 0, 0), (0.1, 0, 0), (0, 0.05, 0), (0.1, 0.03, 0.1)])
def test_intervals_cover(moved: float, worse: float, at_seven: float) -> None:
    random = np.random.default_rng(3)
    mix, rate = _true_parts(moved, worse, at_seven)
    hits, runs = np.zeros(3), 200
    for _ in range(runs):
        found = decompose(_drawn(random, 3000), _drawn(random, 500, moved=moved, worse=worse, at_seven=at_seven))
        split = found.features[0]
        pairs = ((split.mix, mix), (split.rate, rate), (found.change, mix + rate))
        hits += [part.low is not None and part.high is not None and part.low <= x <= part.high for part, x in pairs]
    assert (hits / runs >= 0.9).all()
    assert (hits / runs <= 0.99).all()


def test_a_change_is_ranked_and_placed() -> None:
    random = np.random.default_rng(4)
    found = decompose(_drawn(random, 20_000), _drawn(random, 3000, moved=0.05, at_seven=0.15))
    assert found.by_mix[0].feature == found.by_concentration[0].feature == "a"
    assert found.where("a", lambda cell: f"number {cell}")[0].name == "number 7"
    quiet = found.by_concentration[1].concentration
    assert quiet.p_value is not None
    assert quiet.p_value > 0.01


def test_a_change_that_is_the_same_everywhere_names_no_feature() -> None:
    random = np.random.default_rng(5)
    found = [decompose(_drawn(random, 3000), _drawn(random, 500, worse=0.05)) for _ in range(200)]
    for place in range(2):
        named = np.mean([(split.features[place].concentration.p_value or 0) < 0.05 for split in found])
        assert 0.01 <= named <= 0.1


def test_rows_that_moved_between_rare_cells_are_no_concentration() -> None:
    random = np.random.default_rng(6)
    found = [decompose(_drawn(random, 3000), _drawn(random, 500, moved=0.1)) for _ in range(200)]
    assert np.mean([(split.features[0].concentration.p_value or 0) < 0.05 for split in found]) <= 0.12


def test_rows_without_a_loss_are_told() -> None:
    rows = [(0, 0, 0.5), (0, 0, math.nan), (0, 0, 40.0)]
    found = decompose(_losses(rows[:1]), _losses(rows))
    assert (found.uncounted_before, found.uncounted_now) == (0, 2)


def test_no_rows_are_no_change() -> None:
    some, none = _losses([(0, 0, 0.5)]), LossByBin.empty(SIZES, LARGEST)
    for before, now in ((none, some), (some, none), (LossByBin.empty({}, 1.0), LossByBin.empty({}, 1.0))):
        found = decompose(before, now)
        assert found.change.value is None
        assert found.features == ()
    assert decompose(none, some).before is None
    with pytest.raises(KeyError):
        decompose(none, some).where("a")


def test_one_row_has_no_interval() -> None:
    change = decompose(_losses([(0, 0, 0.5)]), _losses([(0, 0, 1.0)])).change
    assert change.value is not None
    assert change.low is None


def test_other_cells_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different"):
        decompose(LossByBin.empty({"a": 2}, 1.0), LossByBin.empty({"a": 3}, 1.0))
