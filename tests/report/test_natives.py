"""The sample that Evidently's presets are given: no value of a single row is in it, unless it may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring import pipeline
from monitoring.report.facts import gather
from monitoring.report.natives import blurred, draw_sample

MakeWorld = Callable[..., Any]
VALUES = st.lists(st.one_of(st.just(float("nan")), st.sampled_from([0.0, 1.0, 7.5]), st.floats(-1e9, 1e9)), max_size=60)


@given(VALUES, st.integers(2, 7))
def test_every_number_stands_in_enough_rows(values: list[float], least: int) -> None:
    found = blurred(np.array(values), least)
    assert all(rows >= least for rows in Counter(found[~np.isnan(found)].tolist()).values())


@given(VALUES, st.integers(1, 7))
def test_what_enough_rows_hold_stays_and_the_rest_keeps_its_sum_and_order(values: list[float], least: int) -> None:
    given_values = np.array(values)
    found = blurred(given_values, least)
    rows = Counter(value for value in values if value == value)  # noqa: PLR0124  (not NaN)
    enough = np.array([rows[value] >= least for value in values], bool)
    assert np.array_equal(found[enough], given_values[enough])
    rare = ~enough & ~np.isnan(given_values)
    if rare.sum() < least:
        assert np.isnan(found[rare]).all()
        return
    assert found[rare].sum() == pytest.approx(given_values[rare].sum(), abs=1e-3)
    assert (np.diff(found[rare][np.argsort(given_values[rare], kind="stable")]) >= 0).all()
    assert np.isnan(found[np.isnan(given_values)]).all()


def test_one_row_is_enough_where_single_rows_may_be_shown() -> None:
    values = np.array([3.0, np.nan, 1.0, 3.0])
    assert np.array_equal(blurred(values, 1), values, equal_nan=True)


@pytest.mark.parametrize(("show_rows", "fold_below", "named"), [(False, 0, 5), (False, 3, 3), (True, 0, 1)])
def test_categories_of_enough_rows_are_named(
    make_world: MakeWorld, show_rows: bool, fold_below: int, named: int
) -> None:
    world = make_world()
    world.train()
    world.play(0)
    rare = iter(["one", *["three"] * 3, *["five"] * 5])
    world.replace_captures(0, lambda item: replace(item, features=[*item.features[:2], next(rare, item.features[2])]))
    pipeline.run_window(world.monitor, world.window(0))
    facts = gather(world.monitor, world.window(0), 1)
    rules = {"show_rows": show_rows, "fold_below": fold_below}
    facts = replace(facts, config=make_world(columns={"privacy": rules}).monitor.config)
    sample = draw_sample(world.monitor, facts)
    drawn = {name for name, rows in (("one", 1), ("three", 3), ("five", 5)) if rows >= named}
    rest = {"(rare)"} if len(drawn) < 3 else set()
    assert {*sample.current["country"]} == {"at", "ch", "de", "li"} | drawn | rest
    assert {*sample.reference["country"]} == {"at", "ch", "de", "li"}
    for column in ("amount", "(score)"):
        assert min(Counter(sample.current[column].dropna()).values()) >= named
    assert sample.current["(score)"].nunique() > 300 / named / 2


def test_a_category_of_few_sampled_rows_is_named_when_enough_rows_hold_it(make_world: MakeWorld) -> None:
    world = make_world(report={"sample_rows": 100})
    world.train()
    world.play(0)
    some = iter(["some"] * 6)
    world.replace_captures(0, lambda item: replace(item, features=[*item.features[:2], next(some, item.features[2])]))
    pipeline.run_window(world.monitor, world.window(0))
    found = draw_sample(world.monitor, gather(world.monitor, world.window(0), 1)).current["country"]
    assert len(found) == 100
    assert 0 < (found == "some").sum() < 5
