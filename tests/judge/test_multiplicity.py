"""How many of the rejected hypotheses are true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from monitoring.judge.multiplicity import benjamini_hochberg, by_group, groups_of, simes

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)
LEVELS = st.floats(0.001, 0.5)


@given(P_VALUES, LEVELS)
def test_the_same_are_rejected_as_by_adjusted_p_values(p_values: list[float], level: float) -> None:
    adjusted = false_discovery_control(p_values)
    clear = np.abs(adjusted - level) > 1e-9 * level
    found = np.array(benjamini_hochberg(p_values, level))
    assert (found == (adjusted <= level))[clear].all()


@given(P_VALUES, LEVELS)
def test_simes_is_the_least_level_at_which_any_is_rejected(p_values: list[float], level: float) -> None:
    combined = simes(p_values)
    if abs(combined - level) > 1e-9:
        assert (combined < level) == any(benjamini_hochberg(p_values, level))


@given(P_VALUES, LEVELS)
def test_groups_of_one_member_change_nothing(p_values: list[float], level: float) -> None:
    groups = [str(place) for place in range(len(p_values))]
    rejected = benjamini_hochberg(p_values, level)
    if all(abs(p - level * rank / len(p_values)) > 1e-12 for p in p_values for rank in range(1, len(p_values) + 1)):
        assert by_group(p_values, groups, level) == rejected


@given(P_VALUES, LEVELS, st.data())
def test_smaller_p_values_reject_no_less(p_values: list[float], level: float, data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.sampled_from("abc"), min_size=len(p_values), max_size=len(p_values)))
    place = data.draw(st.integers(0, len(p_values) - 1))
    smaller = [*p_values[:place], p_values[place] / 3, *p_values[place + 1 :]]
    before, after = by_group(p_values, groups, level), by_group(smaller, groups, level)
    assert all(now or not then for then, now in zip(before, after, strict=True))


def test_nothing_is_rejected_of_nothing() -> None:
    assert benjamini_hochberg([], 0.1) == by_group([], [], 0.1) == []


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([0.5, wrong], 0.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        by_group([0.5, wrong], ["a", "a"], 0.1)


def _correlated(random: np.random.Generator, runs: int, groups: int, members: int) -> np.ndarray:
    """Normal values of groups of columns that say nearly the same, shape (runs, groups * members)."""
    common = random.normal(size=(runs, groups, 1))
    own = random.normal(size=(runs, groups, members))
    return (0.95 * common + np.sqrt(1 - 0.95**2) * own).reshape(runs, -1)


def test_the_level_is_the_share_of_runs_with_an_alarm_where_all_hypotheses_are_true() -> None:
    random = np.random.default_rng(1)
    names = [str(place // 10) for place in range(100)]
    values = _correlated(random, 3000, 10, 10)
    alarmed = np.mean([any(by_group(ndtr(-row).tolist(), names, 0.1)) for row in values])
    # Simes on ten columns that are nearly one is conservative
    assert 0.03 < alarmed < 0.115
    alone = np.mean([any(by_group(ndtr(-row).tolist(), names, 0.1)) for row in random.normal(size=(3000, 100))])
    assert 0.085 < alone < 0.115


def test_few_of_the_rejected_groups_are_false() -> None:
    random = np.random.default_rng(2)
    names = [str(place // 5) for place in range(100)]
    values = _correlated(random, 1000, 20, 5)
    values[:, :25] += 3.5  # five groups of twenty
    false_shares, found = [], 0
    for row in values:
        rejected = {name for name, hit in zip(names, by_group(ndtr(-row).tolist(), names, 0.1), strict=True) if hit}
        false_shares.append(sum(int(name) >= 5 for name in rejected) / max(len(rejected), 1))
        found += sum(int(name) < 5 for name in rejected)
    assert np.mean(false_shares) < 0.1
    assert found > 0.8 * 5 * len(values)


def test_groups_are_chains_of_strong_pairs() -> None:
    random = np.random.default_rng(3)
    base = random.normal(size=(500, 2))
    columns = np.column_stack([base[:, 0], base[:, 1], -base[:, 0], base[:, 1] * 2, random.normal(size=500)])
    names = ["a", "b", "c", "d", "e"]
    groups = groups_of(np.corrcoef(columns, rowvar=False), names, 0.7)
    assert groups == {"a": "a", "b": "b", "c": "a", "d": "b", "e": "e"}
    assert list(groups) == names


def test_an_unknown_association_ties_nothing_and_one_side_is_enough() -> None:
    assert groups_of([[1, np.nan], [np.nan, 1]], ["a", "b"], 0.5) == {"a": "a", "b": "b"}
    assert groups_of([[1, 0.0], [0.9, 1]], ["a", "b"], 0.5) == {"a": "a", "b": "a"}
    assert groups_of([], [], 0.5) == {}


@pytest.mark.parametrize("matrix", [[[1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [1.0, 2.0]])
def test_a_matrix_of_another_shape_is_refused(matrix: list[object]) -> None:
    with pytest.raises(ValueError, match="shape"):
        groups_of(matrix, ["a", "b"], 0.5)
