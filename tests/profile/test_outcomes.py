"""Profiles of labelled predictions: bounded, mergeable, and the same whatever the order and the partition."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitoring.profile import OutcomeProfile, scores
from monitoring.profile.fixed_point import in_units, natural_log, sum_of, sum_of_products
from monitoring.profile.outcomes import LEAST_PROBABILITY, MOST_PLACES, SUMS

Row = tuple[float, bool, bool]
_ODD = [0.0, -0.0, 1.0, 0.5, 5e-324, 1e-300, 2.0**-40, 1 - 2.0**-53, 0.1, 0.25, 1e-9, math.nan, math.inf, -0.1, 1.5]
# of one bin, which is crowded by 33 of them
_together = st.integers(0, 60).map(lambda step: 0.25 + step * 2.0**-18)
_scores = _together | st.floats(0, 1) | st.sampled_from(_ODD) | st.floats() | st.integers(0, 100).map(lambda x: x / 100)
_row = st.tuples(_scores, st.booleans(), st.booleans())


def _steps(first: int, count: int, bits: int) -> list[Row]:
    """Rows at `count` scores of that bin, with some predictions and labels."""
    return [(0.25 + step * 2.0**-18, bool(bits >> step & 1), step % 3 == 0) for step in range(first, first + count)]


# often crowded only when brought together
_crowd = st.builds(_steps, st.integers(0, 20), st.integers(0, 40), st.integers(0, 2**60))
_rows = st.builds(list.__add__, st.lists(_row, max_size=10), _crowd)


def _of(rows: list[Row]) -> OutcomeProfile:
    columns = [np.array([row[i] for row in rows], kind) for i, kind in enumerate((float, bool, bool))]
    return OutcomeProfile.of(*columns)


def _plain(profile: OutcomeProfile) -> dict[str, Any]:
    return {name: x.tolist() if isinstance(x, np.ndarray) else x for name, x in profile.arrays().items()}


@given(_rows, _rows, _rows)
def test_merging_is_associative_and_commutative_and_the_empty_profile_changes_nothing(
    first: list[Row], second: list[Row], third: list[Row]
) -> None:
    a, b, c = _of(first), _of(second), _of(third)
    assert _plain(a.merge(b)) == _plain(b.merge(a))
    assert _plain(a.merge(b).merge(c)) == _plain(a.merge(b.merge(c)))
    assert _plain(a.merge(OutcomeProfile.empty())) == _plain(OutcomeProfile.empty().merge(a)) == _plain(a)
    assert _plain(_of([])) == _plain(OutcomeProfile.empty())


@given(st.data(), _rows)
def test_any_order_and_partition_gives_the_same_state(data: st.DataObject, rows: list[Row]) -> None:
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    parts = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert _plain(reduce(OutcomeProfile.merge, map(_of, parts))) == _plain(_of(rows))


def test_and_so_it_is_for_many_rows_with_and_without_whole_chunks() -> None:
    random = np.random.default_rng(0)
    columns = (random.beta(0.3, 2, 150_000), random.random(150_000) < 0.3, random.random(150_000) < 0.2)
    columns[0][:30_000] = columns[0][:30_000].round(3)
    whole = OutcomeProfile.of(*columns)
    assert len(whole.bins) > 500 < len(whole.points)
    order = random.permutation(150_000)
    parts = [OutcomeProfile.of(*(column[part] for column in columns)) for part in np.array_split(order, 7)]
    assert _plain(reduce(OutcomeProfile.merge, parts)) == _plain(whole)
    strided = OutcomeProfile.of(*(np.repeat(column, 2)[::2] for column in columns))
    assert _plain(strided) == _plain(whole)


@given(_rows)
@example([(math.nan, True, True), (2.0, False, True), (-1e-9, True, False)])
def test_every_row_is_counted_once_and_none_is_dropped(rows: list[Row]) -> None:
    profile = _of(rows)
    valid = [row for row in rows if 0 <= row[0] <= 1]
    assert (profile.rows, profile.scored) == (len(rows), len(valid))
    assert int(profile.unscored.sum()) == len(rows) - len(valid)
    for predicted in (0, 1):
        for actual in (0, 1):
            assert profile.confusion[predicted, actual] == sum(row[1:] == (predicted, actual) for row in rows)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=20))
def test_sums_are_those_of_the_rows(rows: list[Row]) -> None:
    profile = _of(rows)
    per_row = {
        "score": lambda s, _: s,
        "score_squared": lambda s, _: s**2,
        "error2": lambda s, y: (s - y) ** 2,
        "error4": lambda s, y: (s - y) ** 4,
        "log_loss": lambda s, y: -math.log(max(s if y else 1 - s, LEAST_PROBABILITY)),
        "log_loss_squared": lambda s, y: math.log(max(s if y else 1 - s, LEAST_PROBABILITY)) ** 2,
    }
    assert set(per_row) == set(SUMS)
    for name, quantity in per_row.items():
        for label in (False, True):
            expected = sum(quantity(s, y) for s, _, y in rows if y == label)
            assert profile.total(name)[label] == pytest.approx(expected, abs=len(rows) * 2.0**-37, rel=1e-12)


@given(_rows)
def test_profiles_survive_their_arrays(rows: list[Row]) -> None:
    profile = _of(rows)
    flat = {name: x.reshape(-1) if isinstance(x, np.ndarray) else x for name, x in profile.arrays().items()}
    assert _plain(OutcomeProfile.from_arrays(flat)) == _plain(profile)


@pytest.mark.parametrize("distinct", [1, 32, 64])
@pytest.mark.parametrize("score", [0.999, 1.0, 0.0, 1e-13, 0.3])
def test_a_thousand_billion_rows_fit(score: float, distinct: int) -> None:
    """64 rows of one bin doubled 34 times: 2^40 of them, at the highest places there are."""
    bins = np.repeat(scores.score_bin(np.array([score])), 64)
    given = scores.score_at(bins, scores.PLACES - 1 - np.arange(64) % distinct)
    profile = OutcomeProfile.of(given, np.arange(64) % 3 == 0, np.arange(64) % 2 == 0)
    crowded = distinct > MOST_PLACES and 1e-9 < score < 1
    assert (len(profile.bins), len(profile.points) == 0) == (crowded, crowded)
    once = {name: profile.total(name) for name in SUMS}
    for _ in range(34):
        profile = profile.merge(profile)
    assert profile.rows == 2**40
    for name, x in profile.arrays().items():
        assert np.all(np.asarray(x) >= 0), name
    assert {name: profile.total(name) for name in SUMS} == {
        name: (a * 2**34, b * 2**34) for name, (a, b) in once.items()
    }
    assert profile.scored * (2**11 - 1) ** 2 < 2**62


def test_a_million_rows_take_a_fraction_of_a_second() -> None:
    random = np.random.default_rng(0)
    columns = random.random(10**6), random.random(10**6) < 0.5, random.random(10**6) < 0.5
    taken = []
    for _ in range(3):
        start = time.process_time()
        profile = OutcomeProfile.of(*columns)
        taken.append(time.process_time() - start)
    assert min(taken) < 1  # about 0.1 s of the processor; generous, for busy machines
    assert len(profile.bins) + len(profile.points) < 60_000


@given(st.integers(0, 40), st.integers(1, 3))
def test_a_bin_is_crowded_by_33_places(distinct: int, times: int) -> None:
    profile = _of(_steps(0, distinct, 0) * times)
    assert len(profile.bins) == (distinct > MOST_PLACES)
    assert int(profile.point_rows.sum()) == (0 if distinct > MOST_PLACES else distinct * times)


def test_places_that_fill_up_from_all_sides_are_crowded_at_last() -> None:
    parts = [_of([(0.25 + step * 2.0**-18, True, bool(step % 2))]) for step in range(33)]
    full = reduce(OutcomeProfile.merge, parts[:32])
    assert (len(full.points), len(full.bins)) == (32, 0)
    crowded = full.merge(parts[32])
    assert (len(crowded.points), len(crowded.bins)) == (0, 1)
    assert crowded.counts.tolist() == [[[0, 0], [17, 16]]]
    assert crowded.merge(parts[0]).counts.tolist() == [[[0, 0], [18, 16]]]


@pytest.mark.parametrize("rows", [100, 2**14, 10**5])
@pytest.mark.parametrize("distinct", [32, 33, 64, 65])
def test_what_is_crowded_at_first_sight_is_what_is_crowded(rows: int, distinct: int) -> None:
    """Many rows are looked at before they are sorted, which must not change anything."""
    given = (0.25 + np.linspace(0, 0.999 * 2.0**-11, distinct))[np.arange(rows) % distinct]
    profile = OutcomeProfile.of(given, given > 0, np.arange(rows) % 3 == 0)
    assert len(profile.bins) == (distinct > MOST_PLACES)
    some = range(0, rows, rows // 10)
    parts = [OutcomeProfile.of(x := given[i : i + rows // 10], x > 0, np.arange(i, i + len(x)) % 3 == 0) for i in some]
    assert _plain(reduce(OutcomeProfile.merge, parts)) == _plain(profile)


@given(st.lists(st.floats(0, 1) | st.sampled_from(_ODD[:11]), min_size=1, max_size=30))
def test_bins_and_places_ascend_with_the_score(values: list[float]) -> None:
    ordered = np.sort(np.array(values) + 0.0)
    bins, places = scores.score_place(ordered)
    assert np.all(np.diff(bins * scores.PLACES + places) >= 0)
    low, high = scores.bin_edges(bins)
    assert np.all((low <= ordered) & (ordered <= high))
    middle, edge = np.minimum(ordered, 1 - ordered), 2.0**-40
    assert np.all(np.abs(scores.score_at(bins, places) - ordered) <= np.maximum(middle * 2.0**-31, edge))
    assert np.all(high - low <= np.maximum(np.minimum(high, 1 - low) * 2.0**-scores.BITS, edge))


def test_every_bin_holds_its_own_middle() -> None:
    bins = np.arange(scores.BINS)
    low, high = scores.bin_edges(bins)
    assert np.array_equal(low[1:], high[:-1])
    assert (low[0], high[-1]) == (0, 1)
    assert np.array_equal(scores.score_bin(scores.bin_middles(bins)), bins)
    # the grid is its own mirror image: swapping the classes changes nothing
    assert np.array_equal(scores.score_bin(1 - scores.bin_middles(bins)), bins[::-1])


@given(st.floats(2.0**-1022, 1e300))
def test_the_logarithm_is_right_to_the_last_bits(x: float) -> None:
    assert natural_log(np.array([x]))[0] == pytest.approx(math.log(x), rel=1e-15, abs=1e-15)


def test_the_logarithm_does_not_depend_on_its_neighbours() -> None:
    x = np.random.default_rng(0).random(1001)
    whole = natural_log(x)
    assert all(natural_log(x[i : i + 1])[0] == whole[i] for i in range(1001))


_whole = st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62)), max_size=20)


@given(_whole)
def test_sums_of_whole_numbers_do_not_overflow(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    assert sum_of(x) == sum(int(item) for item in x)
    assert sum_of_products(x, y) == sum(int(a) * int(b) for a, b in pairs)


@given(st.floats(-(2.0**20), 2.0**20))
def test_units_round_to_the_nearest(x: float) -> None:
    assert abs(Fraction(int(in_units(np.array([x]), 40)[0]), 2**40) - Fraction(x)) <= Fraction(1, 2**41)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="scores"):
        OutcomeProfile.of(np.zeros(2), np.zeros(1, bool), np.zeros(2, bool))
