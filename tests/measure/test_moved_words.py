"""What is said of a column that has moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure.moved_words import Moved, how_it_moved, shares_moved
from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, NumericSpec

NORMAL = np.random.default_rng(1).normal(33.0, 8.0, 5000)
MIDDLE = NORMAL[np.abs(NORMAL - 33) < 12]


def _numbers(now: Any, before: Any) -> Moved:
    spec = NumericSpec.learn(pa.array(before, pa.float64()))
    profiles = [NumericProfile.of(pa.array(values, pa.float64()), spec) for values in (now, before)]
    return how_it_moved(*profiles)


def _categories(now: Any, before: Any) -> Moved:
    spec = CategoricalSpec.learn(pa.array(before, pa.string()))
    profiles = [CategoricalProfile.of(pa.array(values, pa.string()), spec) for values in (now, before)]
    return how_it_moved(*profiles)


def test_a_mean_rises_or_falls() -> None:
    assert _numbers(MIDDLE + 8, MIDDLE) == Moved(
        "rose", ("mean 40.9, ordinarily 32.9", f"{np.mean(MIDDLE.max() - 8 < MIDDLE):.0%} beyond the range")
    )
    fell = _numbers(MIDDLE - 2, MIDDLE)
    assert (fell.how, fell.details[0]) == ("fell", "mean 30.9, ordinarily 32.9")


def test_a_spread_grows_or_shrinks() -> None:
    middle = MIDDLE.mean()
    assert _numbers(middle + (MIDDLE - middle) / 2, MIDDLE) == Moved("narrowed", ("50% of the spread",))
    wider = _numbers(middle + (MIDDLE - middle) * 3, MIDDLE)
    assert (wider.how, wider.details[0]) == ("spread out", "3.0 times the spread")
    both = _numbers(middle + 5 + (MIDDLE - middle) / 4, MIDDLE)
    assert both == Moved("rose", ("mean 37.9, ordinarily 32.9", "25% of the spread"))


def test_a_changed_unit_is_told_by_its_numbers() -> None:
    found = _numbers(np.abs(NORMAL) * 1000, np.abs(NORMAL))
    assert found.how == "rose"
    assert found.details[0].startswith("mean 32,884, ordinarily 33")
    assert found.details[1] == "1000.0 times the spread"


def test_outliers_do_not_speak_for_a_column() -> None:
    wild = np.concatenate([NORMAL, np.full(20, 1e6)])
    found = _numbers(np.concatenate([NORMAL + 8, np.full(20, 1e6)]), wild)
    assert (found.how, found.details[0][:9]) == ("rose", "median 40")


def test_nulls_are_told_where_they_are_more() -> None:
    with_nulls = [None if place % 25 < 2 else value for place, value in enumerate(MIDDLE.tolist())]
    assert _numbers(with_nulls, MIDDLE) == Moved("lost values", ("8% are null, ordinarily none",))
    back = _numbers(MIDDLE, with_nulls)
    assert (back.how, back.details[-1]) == ("moved", "none are null, ordinarily 8%")
    assert _numbers([None] * 10, MIDDLE) == Moved("lost values", ("100% are null, ordinarily none",))
    assert _categories(["a", "a", None, "a"], ["a", "a"]) == Moved("lost values", ("25% are null, ordinarily none",))


def test_constants_are_named() -> None:
    assert _numbers([0.2, 0.7, 0.5], [0.5, 0.5]) == Moved("varies", ("mean 0.467, ordinarily always 0.500",))
    assert _numbers([0.5, 0.5], [0.2, 0.5, 0.8]) == Moved("is constant", ("always 0.50",))
    rose = _numbers([7.0, 7.0], [5.0, 5.0])
    assert (rose.how, rose.details[0]) == ("rose", "mean 7.0, ordinarily 5.0")


def test_another_shape_is_told_by_the_range_that_changed_most() -> None:
    random = np.random.default_rng(2)
    two_hills = np.where(random.random(5000) < 0.5, -1.0, 1.0)
    found = _numbers(two_hills, np.append(random.normal(0, 1, 5000), [1.0, -1.0]))
    assert found.how == "moved"
    assert "→" in found.details[0]


def test_categories_come_and_go() -> None:
    before = ["a"] * 50 + ["b"] * 25 + ["c"] * 25
    assert _categories(["a"] * 67 + ["c"] * 33, before) == Moved(
        "lost a category", ("b 25% → 0%, a 50% → 67%, c 25% → 33%",)
    )
    new = _categories([*before, *["li"] * 100], before)
    assert new == Moved("has a new category", ("li 0% → 50%, a 50% → 25%, b 25% → 12%",))
    many = _categories([*["x" * 99] * 40, "p", "q", "r", *before], before)
    assert many.how == "has 4 new categories"
    assert many.details[0].startswith(f"{'x' * 29}… 0% → 28%, a 50% → 35%")
    assert many.details[1] == "new: p, q, r"
    assert _categories(before, before) == Moved("changed")


def test_small_changes_have_a_decimal() -> None:
    assert shares_moved({"a": 0.504, "b": 0.496}, {"a": 0.5, "b": 0.5}).details == ("a 50.0% → 50.4%",)


@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30),
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30),
)
def test_something_can_be_said_of_any_numbers(now: list[float], before: list[float]) -> None:
    found = _numbers(now, before)
    assert found.how
    assert all(detail and "nan" not in detail for detail in found.details)


SHARES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9), min_size=1).map(
    lambda found: {name: count / max(sum(found.values()), 1) for name, count in found.items()}
)


@given(SHARES, SHARES)
def test_what_changed_most_is_told_first(now: dict[str, float], before: dict[str, float]) -> None:
    found = shares_moved(now, before)
    apart = {name: abs(now.get(name, 0.0) - before.get(name, 0.0)) for name in {*now, *before}}
    if not found.details:
        assert max(apart.values()) == pytest.approx(0.0, abs=1e-9)
    else:
        assert apart[found.details[0][0]] == pytest.approx(max(apart.values()))


def test_no_rare_category_is_named() -> None:
    now, before = ["at"] * 50 + ["ch"] * 40 + ["li"] * 10, ["at"] * 60 + ["ch"] * 36 + ["mc"] * 4
    spec = CategoricalSpec(("at", "ch", "mc"))
    columns = [CategoricalProfile.of(pa.array(values), spec) for values in (now, before)]
    told = str(how_it_moved(*columns, least=20))
    assert "li" not in told.split("'")[-2].split()
    assert "mc" not in told
    assert "(rare)" in told
    assert "li 0% → 10%" in str(how_it_moved(*columns, least=5))
