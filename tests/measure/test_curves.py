"""Distances between distribution functions from frozen bins, against SciPy on all rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring.measure.curves import energy, kolmogorov_smirnov, scale, wasserstein, wasserstein_in
from monitoring.profile.distribution import Histogram
from tests.measure.samples import SHAPES, draw, exact, frozen

SIZES = [(50_000, 50_000), (50_000, 2_000), (3_000, 150)]
_values = st.lists(st.integers(-40, 40).map(lambda k: k / 4), min_size=1, max_size=30).map(np.array)


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_wasserstein_against_scipy(shape: str, n: int, m: int) -> None:
    before, now = draw(shape, n, m)
    expected = stats.wasserstein_distance(before, now) / before.std()
    found = wasserstein(*frozen(before, now)).value
    assert found is not None
    assert abs(found - expected) <= max(0.01 * expected, 0.001)


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_energy_against_scipy(shape: str, n: int, m: int) -> None:
    before, now = draw(shape, n, m)
    expected = stats.energy_distance(before, now) / math.sqrt(before.std())
    found = energy(*frozen(before, now)).value
    assert found is not None
    assert abs(found - expected) <= max(0.01 * expected, 0.001)


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_kolmogorov_smirnov_against_scipy(shape: str, n: int, m: int) -> None:
    before, now = draw(shape, n, m)
    expected = stats.ks_2samp(before, now, method="asymp").statistic
    reference, current = frozen(before, now)
    found = kolmogorov_smirnov(reference, current).value
    assert found is not None
    # never too large, and too small by less than a bin of the baseline
    assert expected - 0.002 <= found <= expected + 1e-12


@given(_values, _values)
def test_where_every_value_is_known_nothing_is_lost(before: np.ndarray, now: np.ndarray) -> None:
    reference, current = exact(before, now)
    unit = scale(reference, current)
    if unit:
        assert wasserstein(reference, current).value == pytest.approx(stats.wasserstein_distance(before, now) / unit)
        expected = stats.energy_distance(before, now) / math.sqrt(unit)
        assert energy(reference, current).value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    gap = max(abs((before <= value).mean() - (now <= value).mean()) for value in [*before, *now])
    assert kolmogorov_smirnov(reference, current).value == pytest.approx(gap, abs=1e-12)


@given(_values, _values)
def test_laws(before: np.ndarray, now: np.ndarray) -> None:
    reference, current = exact(before, now)
    for statistic in (wasserstein, energy, kolmogorov_smirnov):
        assert statistic(reference, reference).value == 0.0
        found = statistic(reference, current).value
        assert found is not None
        assert (found == 0.0) == (np.array_equal(reference.counts * current.n, current.counts * reference.n))
    gap = kolmogorov_smirnov(reference, current).value
    assert gap is not None
    assert 0 <= gap <= 1
    assert gap == kolmogorov_smirnov(current, reference).value


@given(_values, _values, st.sampled_from([2.0**-30, 0.125, 1.0, 3.0, 2.0**40]), st.sampled_from([0.0, -7.0, 4096.0]))
def test_another_unit_changes_nothing(before: np.ndarray, now: np.ndarray, factor: float, offset: float) -> None:
    one = exact(before, now)
    other = exact(factor * (before + offset), factor * (now + offset))
    for statistic in (wasserstein, energy, kolmogorov_smirnov):
        assert statistic(*other).value == pytest.approx(statistic(*one).value, rel=1e-9)
        noise = statistic(*one).noise
        # the noise of a root is from a few places, of which one on a border may fall to either side
        assert statistic(*other).noise == pytest.approx(noise, rel=0.05 if statistic is energy else 1e-9)


def test_single_rows_in_wide_bins_are_exact() -> None:
    # the functions cross between 1 and 9, where each has one row
    edges, before, now = np.array([1.0, 9.0]), np.array([0.0, 6.0, 20.0]), np.array([4.0])
    found = wasserstein_in(1.0, Histogram.of(before, edges), Histogram.of(now, edges)).value
    assert found == pytest.approx(stats.wasserstein_distance(before, now), rel=1e-12)


@pytest.mark.parametrize("sign", [1, -1])  # sums are rounded down or up
def test_numbers_that_are_close_together_far_from_zero(sign: int) -> None:
    rng = np.random.default_rng(2)
    unit = np.spacing(1e9)
    before, now = 1e9 + unit * rng.integers(0, 9, 3000), 1e9 + unit * rng.integers(0, 10, 1001)
    found = wasserstein_in(unit, *exact(sign * before, sign * now)).value
    assert found == pytest.approx(stats.wasserstein_distance((before - 1e9) / unit, (now - 1e9) / unit), rel=1e-9)


def test_the_distance_of_a_shift_is_the_shift() -> None:
    values = np.random.default_rng(1).normal(size=4000)
    found = wasserstein(*frozen(values, values + 0.7)).value
    assert found == pytest.approx(0.7 / values.std(), rel=1e-6)


def test_a_small_scale_hides_no_shift() -> None:
    values = np.random.default_rng(1).normal(scale=1e-5, size=4000)
    assert wasserstein(*frozen(values, values + 5e-5)).value == pytest.approx(5.0, rel=0.05)


def test_from_a_constant() -> None:
    constant, other = np.full(100, 3.0), np.full(50, 3.5)
    assert wasserstein(*frozen(constant, constant)).value == 0.0
    # in deviations of an even mixture: two constants are 2 apart, whatever they are and however many rows there are
    assert wasserstein(*frozen(constant, other)).value == pytest.approx(2.0)
    assert wasserstein(*frozen(constant * 1e-9, other * 1e-9)).value == pytest.approx(2.0)
    assert wasserstein(*frozen(constant, np.full(7, 4e5))).value == pytest.approx(2.0)
    few = wasserstein(*frozen(constant, np.append(np.full(99, 3.0), 4.0))).value
    assert few is not None
    assert 0 < few < 0.3


def test_a_spread_that_is_rounding_is_none() -> None:
    one = np.full(1000, 0.1)
    histogram = Histogram.of(one, np.array([0.05, 0.2]))
    # a sum of squares that rounding has left behind
    noisy = Histogram(
        histogram.edges, histogram.counts, histogram.sums, 1000 * (1e-17) ** 2, 0.1, np.nextafter(0.1, 1.0)
    )
    assert scale(noisy, histogram) == 0.0


def test_bins_must_be_the_same() -> None:
    one = Histogram.of(np.array([1.0]), np.array([0.0]))
    with pytest.raises(ValueError, match="same edges"):
        wasserstein(one, Histogram.of(np.array([1.0]), np.array([0.5])))


_GAPS = {
    "two values, then a continuum": lambda rng: (rng.integers(0, 2, 5000) * 1.0, rng.beta(5, 5, 5000)),
    "two far peaks, then between them": lambda rng: (
        rng.choice([-5, 5], 5000) + rng.normal(0, 0.1, 5000),
        rng.uniform(-4, 4, 5000),
    ),
    "whole ratings, then real ones": lambda rng: (rng.integers(1, 6, 5000) * 1.0, rng.uniform(1, 5, 5000)),
    "three values, then some between": lambda rng: (
        rng.choice([0, 100, 1000.0], 5000),
        np.where(rng.random(5000) < 0.33, rng.uniform(100, 1000, 5000), rng.choice([0, 100, 1000.0], 5000)),
    ),
}


@pytest.mark.parametrize("name", _GAPS)
def test_values_where_the_baseline_has_a_gap(name: str) -> None:
    baseline, window = _GAPS[name](np.random.default_rng(0))
    found = wasserstein(*frozen(baseline, window))
    expected = stats.wasserstein_distance(baseline, window) / baseline.std()
    assert found.value == pytest.approx(expected, rel=0.01)
