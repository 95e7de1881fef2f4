"""Numeric profiles against NumPy, on every shape of column."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring.errors import StoredDocumentError
from monitoring.profile import NumericProfile, NumericSpec
from monitoring.profile.bins import CELLS
from monitoring.profile.distribution import FloatArray
from monitoring.profile.numeric import NumericBuilder

N = 2000
Draw = Callable[[np.random.Generator], Any]


def _mixed(rng: np.random.Generator) -> pa.Array:
    values = rng.normal(size=N)
    values[::7], values[::11], values[::13] = math.nan, math.inf, -math.inf
    return pa.array(values, mask=rng.random(N) < 0.1)


BASELINES: dict[str, Draw] = {
    "normal": lambda rng: rng.normal(size=N),
    "lognormal": lambda rng: rng.lognormal(sigma=2, size=N),
    "poisson": lambda rng: rng.poisson(3, N).astype(float),
    "rounded": lambda rng: rng.normal(50, 10, N).round(1),
    "zero inflated": lambda rng: np.where(rng.random(N) < 0.8, 0.0, rng.exponential(size=N)),
    "constant": lambda rng: np.full(N, 7.25),
    "constant 0": lambda rng: np.zeros(N),
    "small": lambda rng: rng.normal(3e-5, 1e-5, N),
    "one outlier": lambda rng: np.append(rng.normal(size=N), 1e9),
    "negative": lambda rng: -rng.exponential(size=N) - 1,
    "offset": lambda rng: 1.7e9 + rng.normal(size=N),
    "signed zeros": lambda rng: rng.choice([-0.0, 0.0, 1.0, -1.0], N),
    "denormal": lambda rng: rng.integers(-1000, 1000, N) * 5e-324,
    "huge": lambda rng: rng.uniform(-1, 1, N) * 1.7e308,
    "largest": lambda rng: np.array([np.finfo(float).max] * 3 + [-np.finfo(float).max, 0.0]),
    "not finite": _mixed,
    "large integers": lambda rng: 2**60 + rng.integers(0, 2**40, N),
    "unsigned": lambda rng: np.uint64(2**63) + rng.integers(0, 2**62, N).astype(np.uint64),
    "single": lambda rng: np.array([3.5]),
    "all null": lambda rng: pa.nulls(N, pa.float64()),
    "empty": lambda rng: np.zeros(0),
}
CURRENT: dict[str, Draw] = {
    **BASELINES,
    "shifted by 1e12": lambda rng: 1e12 + rng.normal(size=N),
    "shifted by -1e200": lambda rng: -1e200 + rng.normal(size=N),
    "both ends": lambda rng: rng.choice([1.7e308, -1.7e308, 1.0], N),
}


def _column(name: str, draws: dict[str, Draw]) -> pa.Array:
    return pa.array(draws[name](np.random.default_rng([2, *name.encode()])))


def _floats(column: pa.Array) -> FloatArray:
    return np.asarray(column.drop_null().cast(pa.float64(), safe=False).to_numpy())


def _close(found: float, exact: float, error: float) -> bool:
    """Up to `error`, and the rounding of a float; infinite where no float can be told to be near enough."""
    if math.isinf(found):
        return math.copysign(abs(exact) + error, exact) == found
    return abs(found - exact) <= error + 1e-12 * abs(exact)


def _scale(values: FloatArray) -> float:
    """What sums have to be divided by so that they do not overflow on their way."""
    return 2.0**40 if np.abs(values).max() > 1e290 else 1.0


def _sum(values: FloatArray) -> float:
    return math.fsum(values / _scale(values)) * _scale(values)


def _check(column: pa.Array, spec: NumericSpec) -> None:
    profile = NumericProfile.of(column, spec)
    values = _floats(column)
    finite = values[np.isfinite(values)]
    histogram = profile.histogram()
    places = np.searchsorted(spec.edges, finite, side="right")
    assert profile.counts.tolist() == np.bincount(places, minlength=len(spec.edges) + 1).tolist()
    assert histogram.counts.tolist() == profile.counts.tolist()
    for place in np.unique(places):
        mine = finite[places == place]
        assert _close(float(histogram.sums[place]), _sum(mine), len(mine) * spec.unit / 2), (place, spec)
    assert (profile.nulls, profile.mismatched) == (column.null_count, 0)
    assert profile.nans == np.isnan(values).sum()
    assert profile.infinities == profile.nonfinite - profile.nans == np.isinf(values).sum()
    assert profile.zeros == (finite == 0).sum()
    assert profile.negatives == (finite < 0).sum()
    assert profile.rows == len(column)
    if not len(finite):
        assert (profile.mean, profile.deviation, profile.quantile(0.5)) == (None, None, None)
        assert math.isnan(profile.low)
        assert math.isnan(profile.high)
        assert profile.distinct == 0
        return
    assert (profile.low, profile.high) == (finite.min(), finite.max())
    assert math.copysign(1, profile.low) == (-1 if finite.min() < 0 else 1)
    assert _close(profile.mean or 0.0, _sum(finite / len(finite)), spec.unit / 2)
    deviation = statistics.pstdev((finite / _scale(finite)).tolist()) * _scale(finite)
    assert _close(profile.deviation or 0.0, deviation, spec.unit / 2 + 1e-15 * float(np.abs(finite).max()))
    ascending = np.sort(finite)
    for share in (0.0, 0.01, 0.5, 0.99, 1.0):
        place = np.searchsorted(spec.edges, ascending[max(math.ceil(share * len(finite)), 1) - 1], side="right")
        edge = spec.edges[place] if place < len(spec.edges) else math.inf
        assert profile.quantile(share) == min(edge, ascending[-1])
    whole = pa.types.is_integer(column.type)
    distinct = len(set(column.drop_null().to_pylist())) if whole else len(np.unique(finite))
    assert abs(profile.distinct - distinct) <= max(0.05 * distinct, 0.6)


@pytest.mark.parametrize("name", BASELINES)
def test_a_column_on_its_own_bins(name: str) -> None:
    column = _column(name, BASELINES)
    _check(column, NumericSpec.learn(column))


@pytest.mark.parametrize("baseline", ["normal", "lognormal", "poisson", "constant", "small", "huge", "all null"])
@pytest.mark.parametrize("current", CURRENT)
def test_a_column_on_the_bins_of_another(baseline: str, current: str) -> None:
    _check(_column(current, CURRENT), NumericSpec.learn(_column(baseline, BASELINES)))


@pytest.mark.parametrize("name", BASELINES)
def test_values_on_edges_and_beside_them(name: str) -> None:
    spec = NumericSpec.learn(_column(name, BASELINES))
    with np.errstate(over="ignore", under="ignore"):
        near = [np.nextafter(spec.edges, -math.inf), spec.edges, np.nextafter(spec.edges, math.inf)]
    values = np.concatenate([*near, -spec.edges])
    _check(pa.array(values[np.isfinite(values)]), spec)


def test_as_many_rows_as_take_several_blocks_and_have_nulls_everywhere() -> None:
    rng = np.random.default_rng(5)
    values = rng.lognormal(size=5000)
    values[rng.random(5000) < 0.1] = math.nan
    spec = NumericSpec.learn(pa.array(rng.lognormal(size=500)))
    column = pa.array(values, mask=rng.random(5000) < 0.3)
    for start, length in [(0, 5000), (1, 4999), (7, 1024), (8, 1025), (4097, 903), (13, 0)]:
        _check(column.slice(start, length), spec)


def test_millions_of_far_apart_values_do_not_overflow() -> None:
    spec = NumericSpec(np.array([0.0]), np.array([0]), 0.0, 0)
    # just below what is far: 2^31 units each
    values = np.full(1 << 20, 2.0**31 - 1)
    profile = NumericProfile.of(pa.array(np.concatenate([values, -values])), spec)
    assert (profile.far, profile.distance_units) == ({}, 0)
    assert profile.squares == 2 * (1 << 20) * (2**31 - 1) ** 2
    for _ in range(6):
        profile = profile.merge(profile)
    assert profile.squares == 2**27 * (2**31 - 1) ** 2
    assert profile.deviation == 2.0**31 - 1


@pytest.mark.parametrize("share", [0.001, 0.04])
@pytest.mark.parametrize("zeros", [0.0, 0.9])
def test_outliers_do_not_make_the_sums_of_the_others_coarse(share: float, zeros: float) -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(N) < zeros, 0.0, rng.normal(size=N))
    values[: int(share * N)] = 999_999_999.0
    profile = NumericProfile.of(pa.array(values), NumericSpec.learn(pa.array(values)))
    assert profile.spec.unit < 1e-5
    outliers = int(share * N) * 999_999_999.0
    assert profile.histogram().sums.sum() - outliers == pytest.approx(values[values < 1e6].sum(), abs=1e-3)


def test_far_values_are_summed_exactly() -> None:
    spec = NumericSpec(np.array([0.0]), np.array([0]), 0.0, 0)
    profile = NumericProfile.of(pa.array([2.0**31, 2.0**31, 1e300, 1e300, -(2.0**40), 3.0]), spec)
    assert profile.far == {0: -(2**40), 1: 2**32 + 2 * int(1e300)}
    assert profile.squares == 2 * 2**62 + 2 * int(1e300) ** 2 + 2**80 + 9
    assert profile.units.tolist() == [0, 3]


def test_a_profile_holds_no_more_rows_than_its_sums_can() -> None:
    spec = NumericSpec(np.array([0.0]), np.array([0]), 0.0, 0)
    profile = NumericProfile.of(pa.array([1.0] * 1024), spec)
    for _ in range(22):
        profile = profile.merge(profile)
    assert profile.rows == 2**32
    with pytest.raises(OverflowError, match="4294967296 rows"):
        profile.merge(profile)


def test_coarse_cells_count_values_up_to_the_quantile() -> None:
    rng = np.random.default_rng(3)
    baseline = rng.lognormal(size=1000)
    borders = np.quantile(baseline, np.arange(1, CELLS) / CELLS, method="inverted_cdf")
    spec = NumericSpec.learn(pa.array(baseline))
    current = np.concatenate([rng.lognormal(1, 1, 500), borders, [math.nan, math.inf, 1e300, -5.0]])
    finite = current[np.isfinite(current)]
    expected = np.bincount(np.searchsorted(borders, finite, side="left"), minlength=CELLS)  # x <= border
    profile = NumericProfile.of(pa.array([*current, None]), spec)
    assert profile.histogram().cell_counts().tolist() == [*expected, 1, 2]
    assert list(profile.cells().values()) == [*expected, 1, 2]
    assert list(profile.cells())[-2:] == ["(null)", "(not finite)"]
    assert NumericProfile.of(pa.array(baseline), spec).histogram().cell_counts().tolist() == [50] * 20 + [0, 0]


@pytest.mark.parametrize("name", ["normal", "lognormal", "offset", "large integers", "small", "huge", "denormal"])
def test_every_cell_has_a_name_of_its_own(name: str) -> None:
    column = _column(name, BASELINES)
    spec = NumericSpec.learn(column)
    assert len(set(spec.cell_names())) == len(spec.cell_names()) == len(spec.cells) + 3
    assert sum(NumericProfile.of(column, spec).cells().values()) == len(column)


def test_names_of_cells() -> None:
    spec = NumericSpec.learn(pa.array([1.0, 2.0] * 10))
    assert spec.cell_names() == ["≤ 1", "1 – 2", "> 2", "(null)", "(not finite)"]
    assert NumericSpec().cell_names() == ["any", "(null)", "(not finite)"]


def test_few_different_values_are_all_known() -> None:
    values = np.repeat([-2.5, -0.0, 1.0, 1e9], [5, 3, 2, 1])
    spec = NumericSpec.learn(pa.array(values))
    histogram = NumericProfile.of(pa.array(values), spec).histogram()
    assert histogram.exact
    assert histogram.counts[histogram.atoms].sum() == len(values)
    assert sorted(histogram.counts[histogram.counts > 0].tolist()) == [1, 2, 3, 5]
    assert not NumericProfile.of(pa.array([1.0, 1.5]), spec).histogram().exact


def test_mismatches_are_neither_nulls_nor_values() -> None:
    spec = NumericSpec.learn(pa.array([1.0, 2.0]))
    profile = NumericProfile.of(pa.array(["1", "x", None, "nan", "-inf", "", "2e0"]), spec)
    assert (profile.finite, profile.nans, profile.infinities) == (2, 1, 1)
    assert (profile.nulls, profile.mismatched, profile.rows) == (1, 2, 7)
    histogram = profile.histogram()
    assert (histogram.nulls, histogram.nonfinite) == (3, 2)


@pytest.mark.parametrize("column", [pa.array([1.0, 2.0, 3.0, 4.0]), pa.array([1.0, None, math.nan, 4.0])])
def test_only_chosen_rows_are_added(column: pa.Array) -> None:
    spec = NumericSpec.learn(pa.array([1.0, 2.0]))
    chosen = pa.array([False, True, True, None, True])
    builder = NumericBuilder(spec)
    builder.add(column, chosen.slice(1))
    assert _bytes(NumericProfile.built(builder)) == _bytes(
        NumericProfile.of(pa.concat_arrays([column.slice(0, 2), column.slice(3)]), spec)
    )


def test_chosen_rows_that_are_no_numbers_stay_mismatches() -> None:
    builder = NumericBuilder(NumericSpec())
    builder.add(pa.array(["1", "x", None, "y", "2"]), pa.array([True, True, True, False, True]))
    profile = NumericProfile.built(builder)
    assert (profile.finite, profile.mismatched, profile.nulls, profile.rows) == (2, 1, 1, 4)


def _bytes(profile: NumericProfile) -> str:
    return json.dumps([profile.head(), {name: array.tolist() for name, array in profile.arrays().items()}])


@pytest.mark.parametrize("name", BASELINES)
def test_a_builder_that_takes_in_another_has_seen_both(name: str) -> None:
    column = _column(name, CURRENT)
    spec = NumericSpec.learn(_column("normal", BASELINES))
    one, other = NumericBuilder(spec), NumericBuilder(spec)
    one.add(column.slice(0, len(column) // 3))
    other.add(column.slice(len(column) // 3))
    one.merge(other)
    assert _bytes(NumericProfile.built(one)) == _bytes(NumericProfile.of(column, spec))


@pytest.mark.parametrize("name", BASELINES)
def test_a_spec_survives_json(name: str) -> None:
    spec = NumericSpec.learn(_column(name, BASELINES))
    text = json.dumps(spec.to_json(), allow_nan=False)
    again = NumericSpec.from_json(json.loads(text))
    assert again.edges.tobytes() == spec.edges.tobytes()
    assert again.cells.tolist() == spec.cells.tolist()
    assert (again.centre, again.exponent) == (spec.centre, spec.exponent)
    assert json.dumps(again.to_json()) == text


def test_a_profile_on_other_bins_is_not_restored() -> None:
    profile = NumericProfile.of(pa.array([1.0]), NumericSpec.learn(pa.array([1.0, 2.0])))
    with pytest.raises(StoredDocumentError, match="other bins"):
        NumericProfile.restore(NumericSpec(), profile.head(), profile.arrays())


def test_a_column_without_numbers_has_one_bin() -> None:
    for column in (pa.nulls(3), pa.array([math.nan, math.inf]), pa.array(["x"]), pa.array([], pa.float64())):
        spec = NumericSpec.learn(column)
        assert (len(spec.edges), len(spec.cells)) == (0, 0)
        assert NumericProfile.of(pa.array([3.0, None, -4.0]), spec).counts.tolist() == [2]


def test_scores_have_the_cells_that_are_asked_for() -> None:
    borders = np.array([0.25, 0.5])
    spec = NumericSpec.learn(pa.array(np.linspace(0, 1, 1000)), fixed_cells=borders)
    assert spec.edges[spec.cells].tolist() == borders.tolist()
    assert NumericSpec.learn(pa.nulls(0), fixed_cells=borders).edges.tolist() == borders.tolist()
