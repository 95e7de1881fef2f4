"""Differences of means and of shares, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring.measure.curves import wasserstein
from monitoring.measure.location import mean_shift, share_shift
from monitoring.profile.distribution import Categories
from tests.measure.samples import SHAPES, categories, draw, exact, frozen

_values = st.lists(st.integers(-40, 40).map(lambda k: k / 4), min_size=2, max_size=30).map(np.array)


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_shift_against_scipy(shape: str) -> None:
    before, now = draw(shape, 5000, 700)
    score = mean_shift(*frozen(before, now))
    assert score.value == pytest.approx((now.mean() - before.mean()) / before.std(), rel=1e-9)
    if np.ptp(now):  # SciPy warns of constants
        assert score.p_value == pytest.approx(stats.ttest_ind(before, now, equal_var=False).pvalue, abs=1e-9)


@given(_values, _values)
def test_a_mean_moves_no_further_than_the_values(before: np.ndarray, now: np.ndarray) -> None:
    reference, current = exact(before, now)
    moved, distance = mean_shift(reference, current), wasserstein(reference, current)
    assert moved.value is not None
    assert distance.value is not None
    assert abs(moved.value) <= distance.value + 1e-9
    back = mean_shift(current, reference)
    if before.std() and now.std():
        assert back.value is not None
        assert back.value * now.std() == pytest.approx(-moved.value * before.std(), abs=1e-9)


def test_both_sides_count() -> None:
    before, now = draw("normal, moved a little", 5000, 5000)
    up, down = mean_shift(*frozen(before, now)), mean_shift(*frozen(-before, -now))
    assert up.value == pytest.approx(-down.value)  # type: ignore[operator]
    assert up.p_value == pytest.approx(down.p_value)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_share_shift_against_scipy(a: int, b: int, c: int, d: int) -> None:
    if not a + b or not c + d:
        return
    score = share_shift(Categories({"no": a, "yes": b}), Categories({"no": c, "yes": d}))
    if not (a + c) or not (b + d):
        assert (score.value, score.p_value) == (0.0, 1.0)
        return
    assert score.value == pytest.approx(d / (c + d) - b / (a + b))
    # the square of the z of two proportions is the chi-square of their table
    expected = stats.chi2_contingency([[a, b], [c, d]], correction=False).pvalue
    assert score.p_value == pytest.approx(expected, abs=1e-9)


def test_share_shift_is_of_two_values() -> None:
    zero_one = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    assert share_shift(*frozen(*zero_one)).value == 0.25
    assert share_shift(*categories(*zero_one)).value == 0.25
    assert share_shift(*frozen(np.arange(3.0), np.arange(3.0))).value is None
    assert share_shift(Categories({"a": 1, "b": 1}), Categories({"a": 1, "b": 1}, unseen=1)).value is None


def test_of_single_rows_there_is_no_test() -> None:
    score = mean_shift(*exact(np.array([1.0, 2.0]), np.array([5.0])))
    assert score.value == pytest.approx(7.0)
    assert score.p_value is None
