"""Intervals and p-values of skewed quantities against Pearson's type III distribution."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from monitoring.measure.skewed import Spread


@pytest.mark.parametrize("skewness", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_intervals_and_p_values_are_those_of_pearson(skewness: float) -> None:
    spread = Spread(4.0, 8.0 * skewness, 0.0)
    exact = stats.pearson3(skewness, loc=10.0, scale=2.0)
    low, high = spread.interval(10.0)
    assert (low, high) == pytest.approx(tuple(exact.ppf([0.025, 0.975])), abs=0.02)
    for far in (3.0, 5.0):
        assert spread.p_value(far) == pytest.approx(2 * exact.sf(10 + far), rel=0.1, abs=2e-4)
        assert spread.p_value(-far) == pytest.approx(2 * exact.cdf(10 - far), rel=0.1, abs=2e-4)


def test_what_is_as_skewed_as_an_exponential_quantity() -> None:
    spread, exact = Spread(1.0, 2.0, 0.0), stats.expon(-1.0)
    assert spread.interval(0.0) == pytest.approx(tuple(exact.ppf([0.025, 0.975])), abs=0.03)
    # beyond the end of the distribution
    assert spread.p_value(-5.0) < 0.01
    assert Spread(1.0, -40.0, 0.0).skewness == -2


def test_half_a_step_is_within() -> None:
    low, high = Spread(1.0, 0.0, 0.5).interval(0.0)
    assert (low, high) == pytest.approx((-2.21, 2.21), abs=1e-3)
    assert Spread(1.0, 0.0, 0.5).p_value(0.2) == 1.0
    assert Spread(1.0, 0.0, 0.5).p_value(2.21) == pytest.approx(0.05, abs=1e-4)


def test_what_does_not_vary_is_where_it_is_expected() -> None:
    nothing = Spread(0.0, 0.0, 0.0)
    assert nothing.interval(0.3) == (0.3, 0.3)
    assert (nothing.p_value(0.0), nothing.p_value(0.1)) == (1.0, 0.0)
    assert math.isfinite(nothing.skewness)
