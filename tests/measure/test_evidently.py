"""Drift scores in Evidently's flavour, against Evidently itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.measure import evidently
from monitoring.measure.drift import STATISTICS, drift
from monitoring.measure.score import Score
from monitoring.profile.distribution import Categories, FloatArray, Histogram, distinct_edges
from tests.measure.samples import categories, draw, frozen

Scores = Callable[[str, FloatArray, FloatArray, str], float]


def _draw(seed: int) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    rng = np.random.default_rng(seed)
    yield "normal", rng.normal(size=3000), rng.normal(0.2, 1.1, 2000)
    yield "heavy tail", rng.standard_t(2, 3000), rng.standard_t(2, 2500) * 1.2
    yield "lognormal", rng.lognormal(0, 2, 1500), rng.lognormal(0.2, 2, 2500)
    yield "whole numbers", rng.poisson(40, 3000), rng.poisson(42, 2000)
    yield "few whole numbers", rng.integers(0, 6, 1500), rng.integers(0, 7, 1500)
    yield "some whole numbers", rng.integers(0, 24, 1500), rng.integers(3, 30, 1500)
    yield "few floats", rng.choice([0.1, 0.25, 0.7], 1500), rng.choice([0.1, 0.25, 0.7, 0.9], 1100)
    yield "small scale", rng.normal(0, 1e-5, 2000), rng.normal(5e-5, 1e-5, 1800)
    yield "three, then many", rng.choice([0.0, 1.0, 2.0], 1200), rng.normal(1, 1, 300)
    yield "many, then one", rng.normal(size=1200), np.full(300, 0.25)
    yield "few rows", rng.normal(size=120), rng.normal(0.4, 1, 75)
    yield "as many rows", rng.normal(size=300), rng.normal(0.1, 1, 300)
    yield "many rows", rng.normal(size=11_000), rng.normal(0.01, 1, 4000)
    yield "zero and one", rng.integers(0, 2, 900), (rng.random(500) < 0.6).astype(np.int64)
    yield "large numbers", 1.7e9 + rng.normal(0, 3e4, 1500), 1.7e9 + rng.normal(1e3, 3e4, 900)


def _categories(seed: int) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    rng = np.random.default_rng(seed)
    names = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    yield "categories", rng.choice(names[:6], 2000), rng.choice(names[:6], 1500, p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    yield "a new category", rng.choice(names[:4], 900), rng.choice(names[:5], 800)
    yield "a vanished category", rng.choice(names[:5], 900), rng.choice(names[:4], 800)
    yield "a rare category", np.append(rng.choice(names[:3], 30_000), "z"), rng.choice(names[:3], 20_000)
    yield "binary", rng.choice(["no", "yes"], 800, p=[0.6, 0.4]), rng.choice(["no", "yes"], 700)
    yield "binary to one", rng.choice(["no", "yes"], 800, p=[0.9, 0.1]), np.full(50, "no")
    yield "nothing in common", np.full(20, "a"), np.full(30, "b")


NUMERIC = {name: (before, now) for name, before, now in _draw(3)}
CATEGORICAL = {name: (before, now) for name, before, now in _categories(4)}
WITH_EVIDENTLY = {name: statistic for name, statistic in STATISTICS.items() if statistic.evidently is not None}
BY_NUMBER = [name for name, statistic in WITH_EVIDENTLY.items() if "numeric" in statistic.kinds]
BY_CATEGORY = [name for name, statistic in WITH_EVIDENTLY.items() if "categorical" in statistic.kinds]


@pytest.fixture(scope="module")
def scores() -> Scores:
    """Evidently's score of a method, two samples and a type of column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations import stattests  # noqa: F401
        from evidently.legacy.calculations.stattests import registry
        from evidently.legacy.core import ColumnType
    import pandas as pd

    def score(method: str, before: FloatArray, now: FloatArray, kind: str) -> float:
        tests: Any = registry._registered_stat_tests[method]
        test = tests.get(ColumnType(kind)) or next(iter(tests.values()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = test(pd.Series(before), pd.Series(now), ColumnType(kind), None)
        return float(result.drift_score)

    return score


def _histograms(before: FloatArray, now: FloatArray) -> tuple[Histogram, Histogram]:
    edges = distinct_edges(before, now)
    return Histogram.of(before, edges), Histogram.of(now, edges)


def _same(found: float | None, expected: float) -> None:
    if np.isfinite(expected):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    else:
        assert found is None


@pytest.mark.parametrize("shape", NUMERIC)
@pytest.mark.parametrize("method", BY_NUMBER)
def test_numeric_scores(method: str, shape: str, scores: Scores) -> None:
    before, now = NUMERIC[shape]
    name = STATISTICS[method].evidently_name
    assert name is not None
    found = drift(method, *_histograms(before, now), "evidently").value
    _same(found, scores(name, before, now, "num"))


@pytest.mark.parametrize("shape", CATEGORICAL)
@pytest.mark.parametrize("method", BY_CATEGORY)
def test_categorical_scores(method: str, shape: str, scores: Scores) -> None:
    before, now = CATEGORICAL[shape]
    name = STATISTICS[method].evidently_name
    assert name is not None
    found = drift(method, *categories(before, now), "evidently").value
    _same(found, scores(name, before, now, "cat"))


@pytest.mark.parametrize("shape", [*NUMERIC, *CATEGORICAL])
def test_default_method(shape: str, scores: Scores) -> None:
    import pandas as pd
    from evidently.legacy.calculations.stattests.registry import get_stattest

    before, now = {**NUMERIC, **CATEGORICAL}[shape]
    kind = "num" if shape in NUMERIC else "cat"
    expected = get_stattest(pd.Series(before), pd.Series(now), kind, None)
    sides = _histograms(before, now) if shape in NUMERIC else categories(before, now)
    assert STATISTICS[evidently.default_method(*sides)].evidently_name == expected.name


@pytest.mark.parametrize("method", [*BY_NUMBER])
def test_thresholds_and_verdicts(method: str, scores: Scores) -> None:
    import pandas as pd
    from evidently.legacy.calculations.stattests import registry

    statistic = STATISTICS[method]
    assert statistic.evidently is not None
    assert statistic.evidently_name is not None
    by_type: Any = registry._registered_stat_tests[statistic.evidently_name]
    kind, test = next(iter(by_type.items()))
    assert statistic.evidently.threshold == test.default_threshold
    rng = np.random.default_rng(0)
    before = rng.integers(0, 2, 400)
    for now in (rng.integers(0, 2, 400), np.append(0, np.ones(399, np.int64))):
        verdict = test(pd.Series(before), pd.Series(now), kind, None)
        assert statistic.evidently.says_drift(verdict.drift_score) == bool(verdict.drifted)
        # at the very threshold
        same = test(pd.Series(before), pd.Series(now), kind, verdict.drift_score)
        at = replace(statistic.evidently, threshold=float(verdict.drift_score))
        assert at.says_drift(float(verdict.drift_score)) == bool(same.drifted)


def test_nulls_and_infinities_do_not_count(scores: Scores) -> None:
    rng = np.random.default_rng(5)
    before, now = rng.normal(size=2000), rng.normal(0.3, 1, 1500)
    holes = np.append(now, [np.nan] * 700 + [np.inf])
    for method in BY_NUMBER:
        name = STATISTICS[method].evidently_name
        assert name is not None
        found = drift(method, *_histograms(before, holes), "evidently").value
        _same(found, scores(name, before, now, "num"))


def test_whole_numbers_with_nulls_are_floats_to_pandas(scores: Scores) -> None:
    rng = np.random.default_rng(6)
    before, now = rng.integers(0, 3, 500), rng.integers(0, 3, 400)
    reference, current = _histograms(before, now)
    assert reference.integer
    whole = drift("hellinger", reference, current, "evidently").value
    _same(whole, scores("hellinger", before, now, "num"))
    holes, old_holes = (np.append(side.astype(np.float64), np.nan) for side in (now, before))
    found = drift("hellinger", replace(reference, nulls=1), replace(current, nulls=1), "evidently").value
    _same(found, scores("hellinger", old_holes, holes, "num"))
    assert found != whole
    # where the reference has no nulls and no value is new, they are whole numbers after all
    found = drift("hellinger", reference, replace(current, nulls=1), "evidently").value
    _same(found, scores("hellinger", before, holes, "num"))


# how far scores of frozen bins may be from Evidently's on all rows
@pytest.mark.parametrize("method", ["psi", "jensen_shannon", "kl", "hellinger", "wasserstein", "energy"])
@pytest.mark.parametrize(
    "shape",
    [
        "normal, nothing changed",
        "normal, moved a little",
        "normal, moved by 3",
        "skewed",
        "poisson",
        "many whole numbers",
        "zero or exponential",
        "lognormal, moved",
        "very small numbers",
        "one far value",
    ],
)
def test_scores_of_frozen_bins(method: str, shape: str, scores: Scores) -> None:
    before, now = draw(shape, 20_000, 10_000)
    name = STATISTICS[method].evidently_name
    assert name is not None
    found = drift(method, *frozen(before, now), "evidently").value
    expected = scores(name, before, now, "num")
    # beyond 10 000 rows Evidently fills an empty bin with a share so small that a single row there counts for 2
    jumps = method == "psi" and shape in {"normal, moved by 3", "very small numbers"}
    assert found == pytest.approx(expected, abs=0.002, rel=0.25 if jumps else 0.01)


def test_single_rows_are_counted_where_they_are() -> None:
    rng = np.random.default_rng(9)
    values = np.sort(rng.lognormal(size=200))
    side = Histogram.of(values, (values[1:] + values[:-1]) / 2)
    places = np.linspace(values[0], values[-1], 31)
    assert evidently._rows_between(side, places).tolist() == np.histogram(values, places)[0].tolist()


def test_interpolated_rows_are_whole_and_add_up() -> None:
    values = np.random.default_rng(9).normal(size=3000)
    side = Histogram.of(values, np.linspace(-2, 2, 9))
    places = np.linspace(values.min(), values.max(), 14)
    found = evidently._rows_between(side, places)
    assert np.array_equal(found, np.rint(found))
    assert found.sum() == 3000
    assert found == pytest.approx(np.histogram(values, places)[0], abs=30)


def test_without_rows_there_is_no_score() -> None:
    none, some = _histograms(np.array([]), np.array([1.0, 2.0]))
    for method in BY_NUMBER:
        for sides in ((none, some), (some, none), (none, none)):
            assert drift(method, *sides, "evidently").value is None
    for method in BY_CATEGORY:
        assert drift(method, Categories({"a": 0}), Categories({"a": 3}), "evidently").value is None


def test_a_test_of_one_value_is_none() -> None:
    one = Categories({"a": 5})
    assert evidently.chi_square(one, one) == Score(None, 5, 5)
    assert evidently.share_shift(one, one).value == 1.0
