"""Fairness against numbers computed by hand, and laws that hold for any counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure.fairness import OF_TWO_CLASSES, Metric, difference, disparity, ratio
from monitoring.measure.segments import GroupCounts

# 400 women, of whom 120 are predicted positive; 600 men, of whom 300 are
WOMEN = GroupCounts(rows=400, positives=120, labelled=400, right=320, actual=100, hits=60)
MEN = GroupCounts(rows=600, positives=300, labelled=600, right=540, actual=300, hits=270)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("demographic_parity_difference", 0.5 - 0.3),
        ("disparate_impact", 0.3 / 0.5),
        ("equal_opportunity_difference", 0.9 - 0.6),
        ("accuracy_difference", 0.9 - 0.8),
    ],
)
def test_metrics_by_hand(metric: Metric, value: float) -> None:
    found = disparity(metric, {"f": WOMEN, "m": MEN}, 100)
    assert found is not None
    assert found.measurement.value == pytest.approx(value)
    assert (found.highest, found.lowest, found.groups) == ("m", "f", 2)
    assert found.measurement.low is not None
    assert found.measurement.high is not None
    assert found.measurement.low < value < found.measurement.high


def test_the_same_as_group_by_group_over_rows() -> None:
    """What Fairlearn's metric frames do: a rate per group, the largest less the smallest."""
    random = np.random.default_rng(3)
    group = random.choice(["a", "b", "c"], 3000)
    label, predicted = random.random(3000) < 0.4, random.random(3000) < np.where(group == "c", 0.6, 0.4)
    counts, rates = {}, {}
    for name in "abc":
        mine = group == name
        p, y = predicted[mine], label[mine]
        counts[name] = GroupCounts(len(p), int(p.sum()), len(p), int((p == y).sum()), int(y.sum()), int((p & y).sum()))
        rates[name] = (p.mean(), p[y].mean(), (p == y).mean())
    selection, recall, accuracy = zip(*rates.values(), strict=True)
    expected = {
        "demographic_parity_difference": max(selection) - min(selection),
        "disparate_impact": min(selection) / max(selection),
        "equal_opportunity_difference": max(recall) - min(recall),
        "accuracy_difference": max(accuracy) - min(accuracy),
    }
    for metric in OF_TWO_CLASSES:
        found = disparity(metric, counts, 100)
        assert found is not None
        assert found.measurement.value == pytest.approx(expected[metric])


def test_a_group_with_few_rows_is_left_out() -> None:
    tiny = GroupCounts(rows=20, positives=20, labelled=20, right=20, actual=20, hits=20)
    found = disparity("demographic_parity_difference", {"f": WOMEN, "m": MEN, "x": tiny}, 100)
    assert found is not None
    assert (found.highest, found.groups) == ("m", 2)
    assert disparity("demographic_parity_difference", {"f": WOMEN, "x": tiny}, 100) is None
    # of the women 100 have a positive label
    assert disparity("equal_opportunity_difference", {"f": WOMEN, "m": MEN}, 101) is None


def test_a_ratio_over_nothing_is_undefined() -> None:
    assert ratio("r", 0, 100, 0, 100).value is None
    none = ratio("r", 0, 100, 20, 100)
    assert none.value == none.low == 0.0
    assert none.high is not None
    assert 0 < none.high < 1
    assert none.standard_error


shares = st.integers(1, 10_000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows)))


@given(shares, shares)
def test_intervals_hold_the_value(one: tuple[int, int], other: tuple[int, int]) -> None:
    found = difference("d", *one, *other)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert -1 - 1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9
    assert found.standard_error is not None
    assert found.standard_error > 0
    back = difference("d", *other, *one)
    assert back.low == pytest.approx(-found.high)
    quotient = ratio("r", *one, *other)
    if other[0]:
        assert quotient.low is not None
        assert quotient.high is not None
        assert quotient.value is not None
        assert 0 <= quotient.low <= quotient.value <= quotient.high
        assert math.isfinite(quotient.high)


@pytest.mark.parametrize("metric", ["difference", "ratio"])
def test_intervals_cover_the_truth(metric: str) -> None:
    random = np.random.default_rng(5)
    truth = 0.4 - 0.3 if metric == "difference" else 0.3 / 0.4
    hits = 0
    for one, other in zip(
        random.binomial(200, 0.4, 1000).tolist(), random.binomial(150, 0.3, 1000).tolist(), strict=True
    ):
        found = difference("", one, 200, other, 150) if metric == "difference" else ratio("", other, 150, one, 200)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert 930 <= hits <= 970  # 950 are expected, and their deviation is 7
