"""Profiles of several classes, of regressions and of losses: mergeable, and the same in any order."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.profile.losses import LossByBin
from monitoring.profile.multiclass import MulticlassProfile, class_codes
from monitoring.profile.residuals import SIDE, ResidualProfile, ResidualSpec, error_bin, error_edges

CLASSES = ("a", "b")
SPEC = ResidualSpec(centre=1.5, value_exponent=3, error_exponent=-1)
SIZES = {"x": 3, "y": 2}

_p = st.floats(0, 1) | st.sampled_from([0.0, -0.0, 1.0, 5e-324, math.nan, 1.2])
_of_classes = st.tuples(st.integers(0, 2), st.integers(0, 2), _p, _p)
_value = st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1.5]) | st.integers(-9, 9).map(float)
_of_regression = st.tuples(_value, _value)
_of_losses = st.tuples(st.integers(0, 2), st.integers(0, 1), st.floats(0, 1) | st.sampled_from([math.nan, -1.0, 40.0]))


def _multiclass(rows: list[Any]) -> MulticlassProfile:
    codes = [np.array([row[i] for row in rows], np.int64) for i in (0, 1)]
    return MulticlassProfile.of(CLASSES, *codes, np.array([row[2:] for row in rows], float).reshape(-1, 2))


def _regression(rows: list[Any]) -> ResidualProfile:
    return ResidualProfile.of(*(np.array([row[i] for row in rows], float) for i in (0, 1)), SPEC)


def _losses(rows: list[Any]) -> LossByBin:
    bins = {name: np.array([row[i] for row in rows], np.int64) for i, name in enumerate(SIZES)}
    return LossByBin.of(bins, SIZES, np.array([row[2] for row in rows], float), 36.05)


def _plain(profile: Any) -> dict[str, Any]:
    return {name: x.tolist() if isinstance(x, np.ndarray) else x for name, x in profile.arrays().items()}


def _check(of: Callable[[list[Any]], Any], empty: Any, rows: list[Any], order: list[Any], cuts: list[int]) -> None:
    cuts = sorted(min(cut, len(rows)) for cut in cuts)
    parts = [of(order[start:end]) for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    whole, merge = of(rows), type(empty).merge
    assert _plain(reduce(merge, parts)) == _plain(reduce(merge, parts[::-1])) == _plain(whole)
    assert _plain(reduce(lambda a, b: merge(b, a), parts[1:], parts[0])) == _plain(whole)
    assert _plain(whole.merge(empty)) == _plain(empty.merge(whole)) == _plain(whole)
    assert _plain(of([])) == _plain(empty)


_cuts = st.lists(st.integers(0, 20), max_size=4)


@settings(deadline=None)
@given(st.data(), st.lists(_of_classes, max_size=15), _cuts)
def test_several_classes(data: st.DataObject, rows: list[Any], cuts: list[int]) -> None:
    _check(_multiclass, MulticlassProfile.empty(CLASSES), rows, data.draw(st.permutations(rows)), cuts)
    profile = _multiclass(rows)
    assert _plain(MulticlassProfile.from_arrays(profile.arrays(), CLASSES)) == _plain(profile)
    assert profile.rows == len(rows)
    assert profile.invalid == sum(not all(0 <= p <= 1 for p in row[2:]) for row in rows)
    assert profile.scored == sum(all(0 <= p <= 1 for p in row[2:]) and row[1] < 2 for row in rows)


@settings(deadline=None)
@given(st.data(), st.lists(_of_regression, max_size=20), _cuts)
def test_regressions(data: st.DataObject, rows: list[Any], cuts: list[int]) -> None:
    _check(_regression, ResidualProfile.empty(SPEC), rows, data.draw(st.permutations(rows)), cuts)
    profile = _regression(rows)
    assert _plain(ResidualProfile.from_arrays(profile.arrays(), SPEC)) == _plain(profile)
    assert profile.rows == len(rows)
    assert profile.nonfinite == sum(not (math.isfinite(p) and math.isfinite(a)) for p, a in rows)
    assert int(profile.counts.sum()) == profile.rows - profile.nonfinite


@given(st.data(), st.lists(_of_losses, max_size=20), _cuts)
def test_losses(data: st.DataObject, rows: list[Any], cuts: list[int]) -> None:
    _check(_losses, LossByBin.empty(SIZES, 36.05), rows, data.draw(st.permutations(rows)), cuts)
    profile = _losses(rows)
    assert _plain(LossByBin.from_arrays(profile.arrays(), 36.05)) == _plain(profile)
    valid = [row for row in rows if 0 <= row[2] <= 36.05]
    assert profile.uncounted == len(rows) - len(valid)
    for i, name in enumerate(SIZES):
        for place in range(SIZES[name]):
            mine = [row[2] for row in valid if row[i] == place]
            count, total, squares = (column[place] for column in profile.of_feature(name))
            assert count == len(mine)
            assert total == pytest.approx(sum(mine), abs=36.05 * 2**-23 * len(mine) + 1e-12)
            assert squares == pytest.approx(sum(x * x for x in mine), abs=36.05**2 * 2**-10 * len(mine) + 1e-12)


def test_a_thousand_billion_losses_fit() -> None:
    profile = LossByBin.of({"x": np.array([1])}, {"x": 2}, np.array([36.05]), 36.05)
    for _ in range(40):
        profile = profile.merge(profile)
    count, total, squares = (column[1] for column in profile.of_feature("x"))
    assert (count, total, squares) == pytest.approx((2**40, 36.05 * 2**40, 36.05**2 * 2**40))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
def test_bins_of_errors_ascend_and_hold_them(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    bins = error_bin(ordered)
    assert np.all(np.diff(bins) >= 0)
    low, high = error_edges(bins)
    assert np.all(low <= high)
    inside = (np.abs(bins) < SIDE) & (bins != 0)
    assert np.all((low <= ordered) & (ordered <= high), where=inside)
    assert np.all(high - low <= 2.0**-8 * np.maximum(np.abs(low), np.abs(high)), where=inside)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), max_size=20))
def test_sums_are_those_of_the_rows(rows: list[Any]) -> None:
    profile = _regression(rows)
    expected = {
        "error": sum((p - a) * 2 for p, a in rows),
        "absolute": sum(abs(p - a) * 2 for p, a in rows),
        "error2": sum((p - a) ** 2 * 4 for p, a in rows),
        "actual": sum((a - 1.5) / 8 for _, a in rows),
        "product": sum((p - 1.5) * (a - 1.5) / 64 for p, a in rows),
    }
    for name, total in expected.items():
        assert profile.total(name) == pytest.approx(total, abs=1e-6), name


def test_names_of_classes() -> None:
    assert class_codes([], CLASSES).tolist() == []
    assert class_codes(["b", None, "c", "a"], CLASSES).tolist() == [1, 2, 2, 0]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: MulticlassProfile.of(CLASSES, np.array([3]), np.array([0])),
        lambda: MulticlassProfile.of(CLASSES, np.array([0, 1]), np.array([0])),
        lambda: MulticlassProfile.of(CLASSES, np.array([0]), np.array([0]), np.array([[0.5]])),
        lambda: MulticlassProfile.empty(CLASSES).merge(MulticlassProfile.empty(("a",))),
        lambda: ResidualProfile.empty(SPEC).merge(ResidualProfile.empty(ResidualSpec())),
        lambda: LossByBin.of({"x": np.array([2])}, {"x": 2}, np.array([0.5]), 1.0),
        lambda: LossByBin.of({"x": np.array([0, 1])}, {"x": 2}, np.array([0.5]), 1.0),
        lambda: LossByBin.empty({"x": 2}, 1.0).merge(LossByBin.empty({"y": 2}, 1.0)),
    ],
)
def test_what_does_not_fit_is_refused(broken: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"class|codes|scales|bins|losses|predictions"):
        broken()


def test_scales_survive_json_and_odd_baselines() -> None:
    assert ResidualSpec.from_json(SPEC.to_json()) == SPEC
    assert ResidualSpec.learn(np.array([math.nan]), np.array([1.0])) == ResidualSpec()
    assert ResidualSpec.learn(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == ResidualSpec(1.0, 0, 0)
    assert ResidualSpec.learn(np.array([1e300, -1e300]), np.array([0.0, 0.0])).error_exponent == 997
