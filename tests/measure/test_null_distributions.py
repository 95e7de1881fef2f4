"""What sampling alone gives: laws against SciPy, and every statistic against simulated samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring.measure.drift import STATISTICS, drift
from monitoring.measure.null_distributions import (
    chi_square_tail,
    exact_smirnov_tail,
    folded_covariance,
    gamma_tail,
    mean_chi,
    mean_kolmogorov_smirnov,
    normal_tails,
    smirnov_p_value,
    smirnov_tail,
)
from monitoring.profile.distribution import Categories, Distribution, FloatArray, Histogram
from tests.measure.samples import frozen

REPEATS = 500
ROWS, CURRENT_ROWS = 2000, 400
NUMERIC = [name for name, statistic in STATISTICS.items() if "numeric" in statistic.kinds and name != "z"]
CATEGORICAL = [name for name, statistic in STATISTICS.items() if "categorical" in statistic.kinds and name != "z"]


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_exact_tail_against_scipy(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected = stats.ks_2samp(rng.normal(size=n), rng.normal(size=m), method="exact")
    assert exact_smirnov_tail(float(expected.statistic), n, m) == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-10)


def test_exact_tail_of_larger_samples() -> None:
    rng = np.random.default_rng(0)
    for n, m in ((900, 1000), (700, 8000), (2000, 2000)):
        expected = stats.ks_2samp(rng.normal(size=n), rng.normal(0.05, 1, m), method="exact")
        found = exact_smirnov_tail(float(expected.statistic), n, m)
        assert found == pytest.approx(expected.pvalue, abs=1e-9)
        assert smirnov_tail(float(expected.statistic), n, m) == pytest.approx(expected.pvalue, rel=0.03)


def test_small_samples_are_counted() -> None:
    assert smirnov_p_value(0.3, 40, 50) == exact_smirnov_tail(0.3, 40, 50)
    assert smirnov_p_value(0.3, 101, 101) == smirnov_tail(0.3, 101, 101)
    assert smirnov_p_value(0.3, 40, 10**12) == smirnov_tail(0.3, 40, 10**12)


def test_laws_against_scipy() -> None:
    for freedom in (1, 2, 19, 202):
        assert chi_square_tail(20.0, freedom) == pytest.approx(stats.chi2.sf(20.0, freedom), rel=1e-9)
        assert mean_chi(freedom) == pytest.approx(stats.chi.mean(freedom), rel=1e-9)
    assert chi_square_tail(0.0, 0) == 1.0
    for variation in (0.1, 0.57, 2.0):
        expected = stats.gamma.sf(2.5, 1 / variation, scale=variation)
        assert gamma_tail(2.5, variation) == pytest.approx(expected, rel=1e-9)
    assert normal_tails(-2.3) == pytest.approx(2 * stats.norm.sf(2.3), rel=1e-9)
    assert mean_kolmogorov_smirnov(100, 100) == pytest.approx(stats.kstwobign.mean() * np.sqrt(0.02), rel=1e-6)


@pytest.mark.parametrize("correlation", [-0.9, -0.2, 0.0, 0.5, 0.99])
def test_covariance_of_sizes_against_simulation(correlation: float) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 200_000))
    other = np.abs(correlation * x + np.sqrt(1 - correlation**2) * y)
    found = np.cov(np.abs(x), other)[0, 1] * np.pi / 2
    assert folded_covariance(np.array([correlation]))[0] == pytest.approx(found, abs=0.01)


Draw = Callable[[np.random.Generator, int], FloatArray]
NOTHING_CHANGED: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1, n),
    "zero or exponential": lambda rng, n: np.where(rng.random(n) < 0.33, 0.0, rng.exponential(size=n)),
}
CHANGED: dict[str, tuple[Draw, Draw]] = {
    "normal": (NOTHING_CHANGED["normal"], lambda rng, n: rng.normal(0.6, 1.3, n)),
    "zero or exponential": (
        NOTHING_CHANGED["zero or exponential"],
        lambda rng, n: np.where(rng.random(n) < 0.2, 0.0, 1.5 * rng.exponential(size=n)),
    ),
}
SHARES = np.array([0.45, 0.2, 0.15, 0.1, 0.06, 0.04])
OTHER_SHARES = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])


def _numeric(
    before: Draw, now: Draw, rows: int = ROWS, current_rows: int = CURRENT_ROWS
) -> list[tuple[Distribution, Distribution]]:
    rng = np.random.default_rng(7)
    # the bins are those of a baseline of the same law, as they are where blocks of it are compared
    bins = frozen(before(rng, 20_000))[0]

    def histogram(values: FloatArray) -> Histogram:
        return Histogram.of(values, bins.edges, cells=bins.cells)

    return [(histogram(before(rng, rows)), histogram(now(rng, current_rows))) for _ in range(REPEATS)]


def _categorical(
    shares: FloatArray, now: FloatArray, rows: int = ROWS, current_rows: int = CURRENT_ROWS
) -> list[tuple[Distribution, Distribution]]:
    rng = np.random.default_rng(8)
    names = [str(k) for k in range(len(shares))]

    def counted(p: FloatArray, n: int) -> Categories:
        return Categories(dict(zip(names, rng.multinomial(n, p).tolist(), strict=True)))

    return [(counted(shares, rows), counted(now, current_rows)) for _ in range(REPEATS)]


@pytest.fixture(scope="module")
def samples() -> dict[str, list[tuple[Distribution, Distribution]]]:
    """Many pairs of samples, by what has changed."""
    drawn = {f"same {name}": _numeric(draw, draw) for name, draw in NOTHING_CHANGED.items()}
    drawn |= {f"other {name}": _numeric(*draws) for name, draws in CHANGED.items()}
    # where the reference is the small one, its sampling is what makes the error
    drawn["other normal, few before"] = _numeric(
        NOTHING_CHANGED["normal"], lambda rng, n: rng.normal(1.5, 1, n), 250, 2500
    )
    drawn["other categories, few before"] = _categorical(SHARES, OTHER_SHARES, 400, 4000)
    drawn["same categories"] = _categorical(SHARES, SHARES)
    drawn["other categories"] = _categorical(SHARES, OTHER_SHARES)
    drawn["same rare categories"] = _categorical(np.full(100, 0.01), np.full(100, 0.01))
    drawn["same values of two"] = _categorical(np.array([0.8, 0.2]), np.array([0.8, 0.2]))
    drawn["other values of two"] = _categorical(np.array([0.8, 0.2]), np.array([0.7, 0.3]))
    return drawn


def _measured(method: str, pairs: list[tuple[Distribution, Distribution]]) -> np.ndarray:
    found = [drift(method, *pair) for pair in pairs]
    return np.array([(x.value, x.noise, x.p_value, x.standard_error) for x in found], np.float64).T


Samples = dict[str, list[tuple[Distribution, Distribution]]]
SAME = [
    *((method, f"same {name}") for method in NUMERIC for name in NOTHING_CHANGED),
    *((method, "same categories") for method in CATEGORICAL),
    *((method, "same values of two") for method in (*CATEGORICAL, "z")),
]
OTHER = [
    *((method, f"other {name}") for method in NUMERIC for name in CHANGED),
    *((method, "other categories") for method in CATEGORICAL),
    *((method, "other categories, few before") for method in CATEGORICAL),
    *((method, "other normal, few before") for method in ("wasserstein", "ks", "t", "jensen_shannon", "chi_square")),
    *((method, "other values of two") for method in (*CATEGORICAL, "z")),
]
# the largest of a few dependent differences, and the gap of values that repeat: their laws are bounds
BOUNDS = {"l_infinity", "ks"}


@pytest.mark.parametrize(("method", "case"), SAME)
def test_when_nothing_has_changed(method: str, case: str, samples: Samples) -> None:
    value, noise, p_value, _ = _measured(method, samples[case])
    size = np.abs(value)
    assert size.mean() == pytest.approx(noise.mean(), abs=0.07 * noise.mean() + 3 * size.std() / np.sqrt(REPEATS))
    # of 500 samples, 25 should be below 5 %, with a deviation of 5
    assert (p_value < 0.05).mean() <= 0.085
    assert (p_value < 0.05).mean() >= (0.015 if method in BOUNDS else 0.025)
    assert 0.4 <= np.median(p_value) <= (0.7 if method in BOUNDS else 0.6)


@pytest.mark.parametrize(("method", "case"), OTHER)
def test_errors_of_a_change(method: str, case: str, samples: Samples) -> None:
    value, noise, p_value, error = _measured(method, samples[case])
    assert (np.abs(value) > noise).mean() > 0.9
    assert np.median(p_value) < 0.01
    # where sizes are summed, those near zero vary less than the error says
    assert value.std() == pytest.approx(np.sqrt((error**2).mean()), rel=0.25 if method == "total_variation" else 0.15)


def test_rare_categories_do_not_raise_false_alarms(samples: Samples) -> None:
    for method in ("jensen_shannon", "psi", "kl", "hellinger", "chi_square", "total_variation"):
        value, noise, p_value, _ = _measured(method, samples["same rare categories"])
        assert 0.02 <= (p_value < 0.05).mean() <= 0.085
        assert value.mean() == pytest.approx(noise.mean(), rel=0.25)
