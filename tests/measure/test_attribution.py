"""The order of features by attribution, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.measure.attribution import Move, attribution_drift, moves, order
from monitoring.profile.attributions import Attributions


def of(rows: int = 100, **means: float) -> Attributions:
    """Attributions with these means of absolute values."""
    return Attributions(dict.fromkeys(means, rows), {name: round(mean * rows * 2**32) for name, mean in means.items()})


def test_by_hand() -> None:
    before, now = of(income=4.0, age=2.0, zip=1.0), of(income=0.5, age=3.0, zip=1.0)
    # now: age, zip, income
    gained = 2 / math.log2(2) + 1 / math.log2(3) + 4 / math.log2(4)
    best = 4 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    found = attribution_drift(now, before)
    assert found.value == pytest.approx(gained / best)
    assert (found.rows, found.reference_rows, found.direction) == (100, 100, "low")
    assert moves(now, before) == [Move("income", 1, 3), Move("age", 2, 1), Move("zip", 3, 2)]


def test_the_same_order_is_no_drift() -> None:
    assert attribution_drift(of(a=9.0, b=0.2), of(a=2.0, b=1.0)).value == 1.0
    assert moves(of(a=9.0, b=0.2), of(a=2.0, b=1.0)) == []


@pytest.mark.parametrize(
    ("now", "before"),
    [(of(), of(a=1.0, b=2.0)), (of(a=1.0), of(a=1.0, b=2.0)), (of(a=1.0, b=2.0), of(a=0.0, b=0.0))],
)
def test_without_an_order_it_is_undefined(now: Attributions, before: Attributions) -> None:
    assert attribution_drift(now, before).value is None


def test_a_block_is_compared_with_the_others() -> None:
    block, whole = of(a=1.0, b=2.0), of(a=1.0, b=2.0).merge(of(a=5.0, b=1.0))
    alone = attribution_drift(block, of(a=5.0, b=1.0))
    assert attribution_drift(block, whole, contained=block).value == pytest.approx(alone.value)


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 100), min_size=2), st.permutations("abcdef"))
def test_it_is_at_most_one(means: dict[str, float], other: list[str]) -> None:
    now = of(**{name: float(place + 1) for place, name in enumerate(other)})
    found = attribution_drift(now, of(**means))
    assert found.value is not None
    assert 0 < found.value <= 1 + 1e-12
    assert attribution_drift(of(**means), of(**means)).value == 1.0


def test_equal_features_stand_by_name() -> None:
    assert order({"z": 1.0, "m": 1.0, "a": 0.5}) == ["m", "z", "a"]
