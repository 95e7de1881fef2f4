"""Every drift statistic by name: what it promises whatever the data are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure import drift as drift_module
from monitoring.measure.drift import STATISTICS, Flavour, Formula, Statistic, drift, kind_of, register
from monitoring.measure.measurement import Measurement
from monitoring.measure.score import Score
from monitoring.profile.distribution import Categories, Distribution, Histogram, distinct_edges
from tests.measure.samples import draw, frozen

METHODS = [
    (name, flavour)
    for name, statistic in STATISTICS.items()
    for flavour in ("corrected", "evidently")
    if flavour == "corrected" or statistic.evidently is not None
]
NUMERIC = [(name, flavour) for name, flavour in METHODS if "numeric" in STATISTICS[name].kinds]
CATEGORICAL = [(name, flavour) for name, flavour in METHODS if "categorical" in STATISTICS[name].kinds]
OF_CELLS = ["jensen_shannon", "psi", "kl", "hellinger", "total_variation", "l_infinity", "chi_square"]


def _check(found: Measurement) -> None:
    """What holds for every measurement."""
    for number in (found.value, found.standard_error, found.p_value, found.noise):
        assert number is None or math.isfinite(number)
    if found.direction == "high" and found.value is not None:
        assert found.value >= 0
    if found.direction == "low" and found.value is not None:
        assert 0 <= found.value <= 1
    if found.p_value is not None:
        assert 0 <= found.p_value <= 1
    assert (found.noise or 0) >= 0
    assert (found.standard_error or 0) >= 0
    assert Measurement.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_what_there_is() -> None:
    assert list(STATISTICS) == [
        "wasserstein",
        "jensen_shannon",
        "psi",
        "kl",
        "hellinger",
        "total_variation",
        "l_infinity",
        "ks",
        "chi_square",
        "z",
        "energy",
        "t",
    ]


def test_a_statistic_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_module, "STATISTICS", dict(STATISTICS))

    def score(reference: Histogram, current: Histogram) -> Score:
        return Score(current.high - reference.high, reference.n, current.n)

    register(Statistic("highest", ("numeric",), Formula(score, "both", "change of the highest value")))
    found = drift("highest", *frozen(np.array([1.0, 2.0]), np.array([5.0])))
    assert found == Measurement("highest", 3.0, 1, "both", "change of the highest value", reference_rows=2)
    with pytest.raises(ValueError, match="highest is not defined for categorical columns"):
        drift("highest", Categories({}), Categories({}))


def test_names_and_kinds_that_do_not_fit() -> None:
    some, other = frozen(np.arange(3.0), np.arange(3.0))
    with pytest.raises(ValueError, match="no drift statistic 'psy'; there are chi_square, energy, hellinger"):
        drift("psy", some, other)
    with pytest.raises(ValueError, match="total_variation has no flavour 'evidently'"):
        drift("total_variation", some, other, "evidently")
    with pytest.raises(ValueError, match="psi has no flavour 'vanilla'"):
        drift("psi", some, other, "vanilla")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be compared"):
        drift("psi", some, Categories({"a": 1}))


def _without_rows() -> Iterator[tuple[Distribution, Distribution]]:
    edges = distinct_edges(np.arange(3.0))
    some, none = Histogram.of(np.arange(3.0), edges), Histogram.of(np.array([]), edges)
    yield some, none
    yield none, some
    yield none, none
    bare = Histogram.of(np.array([]), np.array([]))
    yield bare, bare
    yield Categories({"a": 2}), Categories({"a": 0})
    yield Categories({"a": 0}), Categories({"a": 2})
    yield Categories({}), Categories({})


@pytest.mark.parametrize(("method", "flavour"), METHODS)
def test_no_rows_are_never_no_drift(method: str, flavour: Flavour) -> None:
    kinds = STATISTICS[method].kinds
    for reference, current in _without_rows():
        if kind_of(reference) in kinds:
            found = drift(method, reference, current, flavour)
            assert (found.value, found.p_value) == (None, None)
            _check(found)


@pytest.mark.parametrize(("method", "flavour"), NUMERIC)
def test_all_null_is_never_no_drift(method: str, flavour: Flavour) -> None:
    reference, current = frozen(np.arange(50.0), np.full(50, np.nan))
    value = drift(method, reference, current, flavour).value
    if flavour == "corrected" and method in OF_CELLS:
        assert value is not None
        assert value > 0.9
    else:
        assert value is None


def _hostile() -> Iterator[tuple[str, list[float], list[float]]]:
    yield "one row each", [1.0], [1.0]
    yield "one row each, apart", [1.0], [2.0]
    yield "one row to many", [1.0], [0.0, 1.0, 2.0, 3.0]
    yield "constants", [5.0] * 9, [5.0] * 4
    yield "constants apart", [5.0] * 9, [6.0] * 4
    yield "constant to many", [5.0] * 9, [4.0, 5.0, 6.0]
    yield "two signs of zero", [0.0, -0.0, 1.0], [-0.0, 1.0, 1.0]
    yield "smallest numbers", [5e-324, 1e-323, 0.0], [5e-324, 0.0, 1.5e-323]
    yield "very small numbers", [1e-200, 2e-200, 3e-200], [2e-200, 3e-200, 4e-200]
    yield "largest numbers", [1e308, -1e308, 1.7e308], [-1.7e308, 1.7e308, 0.0]
    yield "one largest number", [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 1.7e308]
    yield "one largest number before", [0.0, 1.0, 2.0, 1.7e308], [0.0, 1.0, 2.0, 3.0]
    yield "far from zero", [1e15, 1e15 + 1, 1e15 + 2], [1e15 + 1, 1e15 + 2, 1e15 + 3]
    yield "infinities", [1.0, 2.0, math.inf], [-math.inf, math.inf, math.nan, 1.0]
    yield "neighbours", [1.0, math.nextafter(1.0, 2.0)], [1.0, math.nextafter(1.0, 0.0)]


HOSTILE = {name: (np.array(before), np.array(now)) for name, before, now in _hostile()}


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of the histogram of the largest numbers
@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize(("method", "flavour"), NUMERIC)
def test_hostile_numbers(method: str, flavour: Flavour, case: str) -> None:
    before, now = HOSTILE[case]
    finite = before[np.isfinite(before)]
    for edges in (distinct_edges(before, now), distinct_edges(finite), np.array([0.5]), np.array([])):
        reference, current = Histogram.of(before, edges), Histogram.of(now, edges)
        _check(drift(method, reference, current, flavour))
        same = drift(method, reference, reference, flavour)
        _check(same)
        assert same.value is None or same.value == (1.0 if same.direction == "low" else 0.0)


@pytest.mark.parametrize("method", ["wasserstein", "energy", "ks", *OF_CELLS])
@pytest.mark.parametrize("case", ["one row each, apart", "constants apart", "constant to many", "far from zero"])
def test_a_change_is_never_no_drift(method: str, case: str) -> None:
    before, now = HOSTILE[case]
    edges = distinct_edges(before, now)
    value = drift(method, Histogram.of(before, edges), Histogram.of(now, edges)).value
    assert value is not None
    assert value > 0.05


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("case", ["largest numbers", "smallest numbers"])
def test_a_distance_that_overflows_is_unknown(case: str) -> None:
    before, now = HOSTILE[case]
    edges = distinct_edges(before, now)
    sides = Histogram.of(before, edges), Histogram.of(now, edges)
    assert [drift(method, *sides).value for method in ("wasserstein", "energy", "t")] == [None, None, None]
    # what only counts is as good as ever
    assert drift("ks", *sides).value == pytest.approx(1 / 3)
    assert drift("jensen_shannon", *sides).value > 0.5  # type: ignore[operator]


@pytest.mark.parametrize(("method", "flavour"), NUMERIC)
def test_very_many_rows(method: str, flavour: Flavour) -> None:
    reference, current = frozen(*draw("normal, moved a little", 3000, 1000))
    many = 10**9

    def of(side: Histogram) -> Histogram:
        return Histogram(
            side.edges, side.counts * many, side.sums * many, side.squares * many, side.low, side.high, cells=side.cells
        )

    few, found = drift(method, reference, current, flavour), drift(method, of(reference), of(current), flavour)
    _check(found)
    if flavour == "corrected" and few.value is not None:
        assert found.value == pytest.approx(few.value, rel=0.02)
        assert found.p_value == pytest.approx(0.0, abs=1e-12)
        assert found.rows == 10**12


@pytest.mark.parametrize(("method", "flavour"), CATEGORICAL)
@pytest.mark.parametrize(
    ("before", "now"),
    [
        (Categories({"a": 3, "b": 2}), Categories({"a": 0, "b": 0}, unseen=5, new={"z": 5})),
        (Categories({"a": 3, "b": 2}), Categories({"a": 0, "b": 0}, unseen=5)),
        (Categories({"a": 3}, other=7), Categories({"a": 0}, other=9)),
        (Categories({}, unseen=3), Categories({}, unseen=3)),
        (Categories({"a": 10**12, "b": 1}), Categories({"a": 10**12, "b": 10**6})),
        (Categories({"a": 1}), Categories({"a": 1}, nulls=10**6)),
        (Categories({"": 1, "b": 2}), Categories({"": 2, "b": 2}, other=1)),
    ],
)
def test_hostile_categories(method: str, flavour: Flavour, before: Categories, now: Categories) -> None:
    for sides in ((before, now), (now, before), (before, before), (now, now)):
        found = drift(method, *sides, flavour)
        _check(found)
        if sides[0] is sides[1] and found.value is not None:
            assert found.value == (1.0 if found.direction == "low" else 0.0)


@pytest.mark.parametrize("method", OF_CELLS)
def test_a_category_that_nobody_knew_is_drift(method: str) -> None:
    known, unknown = Categories({"a": 30, "b": 20}), Categories({"a": 0, "b": 0}, unseen=50)
    found = drift(method, known, unknown)
    assert found.value is not None
    assert found.value > 0.5
    assert found.p_value is not None
    assert found.p_value < 1e-6


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8), st.lists(st.floats(), max_size=8))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_any_numbers(before: list[float], now: list[float]) -> None:
    first, second = np.array(before), np.array(now)
    for edges in (distinct_edges(first, second), distinct_edges(first)):
        sides = Histogram.of(first, edges), Histogram.of(second, edges)
        for method, flavour in NUMERIC:
            _check(drift(method, *sides, flavour))


def test_numbers_beside_the_value() -> None:
    reference, current = frozen(*draw("normal, moved a little", 5000, 1000))
    for method in STATISTICS:
        found = drift(method, *((reference, current) if method != "z" else frozen(np.arange(2.0), np.arange(2.0))))
        if method != "z":
            assert (found.rows, found.reference_rows) == (1000, 5000)
        assert None not in (found.standard_error, found.p_value, found.noise)


def test_rows_with_a_null_are_rows_of_a_cell() -> None:
    reference, current = frozen(np.arange(9.0), np.array([1.0, 2.0, np.nan]))
    assert drift("jensen_shannon", reference, current).rows == 3
    assert drift("wasserstein", reference, current).rows == 2


def test_a_constant_that_is_left_has_no_spread() -> None:
    part, rest = np.array([1.1, 3.7, 8.0]), np.full(100, 0.3)
    edges = distinct_edges(part, rest)
    whole = Histogram.of(np.concatenate([part, rest]), edges)
    left = whole.subtract(Histogram.of(part, edges))
    assert drift("wasserstein", left, Histogram.of(rest, edges)).value == 0.0
    assert drift("wasserstein", left, Histogram.of(rest + 0.8, distinct_edges(part, rest))).value == pytest.approx(2.0)


def test_a_measurement_says_what_it_is() -> None:
    found = drift("jensen_shannon", Categories({"a": 1, "b": 1}), Categories({"a": 1, "c": 3}))
    assert (found.name, found.method) == ("jensen_shannon", "Jensen-Shannon distance, base 2")


def test_old_measurements_can_be_read() -> None:
    stored = {"name": "n", "value": 1.0, "rows": 2, "direction": "high", "method": "m", "low": None, "high": None}
    assert Measurement.from_json(stored).to_json() == stored
