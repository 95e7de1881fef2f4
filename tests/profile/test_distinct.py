"""How many different values the sketch tells."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, NumericSpec
from monitoring.profile.distinct import distinct_count, no_registers

SPEC = NumericSpec.fixed(np.array([0.0, 1.0]))


def _distinct(values: object) -> float:
    return NumericProfile.of(pa.array(values), SPEC).distinct


@pytest.mark.parametrize("count", [1, 2, 3, 10, 100, 1000, 5000, 10_000, 100_000, 1_000_000])
def test_the_count_is_right_to_five_percent(count: int) -> None:
    values = np.random.default_rng(count).permutation(count) * 0.37
    assert _distinct(np.concatenate([values, values[: count // 2]])) == pytest.approx(count, rel=0.05, abs=0.01)


def test_the_count_errs_as_much_as_its_documentation_says() -> None:
    rng = np.random.default_rng(1)
    errors = [_distinct(rng.random(20_000)) / 20_000 - 1 for _ in range(60)]
    assert 0.011 < np.sqrt(np.mean(np.square(errors))) < 0.021
    assert abs(np.mean(errors)) < 0.007


def test_texts_are_counted_as_numbers_are() -> None:
    names = [f"name {i % 30_000}" for i in range(40_000)]
    profile = CategoricalProfile.of(pa.array(names), CategoricalSpec())
    assert profile.distinct == pytest.approx(30_000, rel=0.05)


def test_what_is_no_finite_value_is_not_counted() -> None:
    assert _distinct([None, np.nan, np.inf, -np.inf]) == 0.0
    assert _distinct([0.0, -0.0]) == pytest.approx(1, abs=0.01)
    assert distinct_count(no_registers()) == 0.0


def test_neighbouring_integers_beyond_the_reach_of_floats_are_told_apart() -> None:
    near = range(2**60, 2**60 + 300)
    for type_ in (pa.int64(), pa.uint64()):
        assert _distinct(pa.array(near, type_)) == pytest.approx(300, rel=0.05)
    assert _distinct(pa.array(near, pa.int64()).dictionary_encode()) == pytest.approx(300, rel=0.05)
    assert _distinct(pa.array(range(2**64 - 300, 2**64), pa.uint64())) == pytest.approx(300, rel=0.05)
    assert _distinct(pa.array([float(x) for x in near])) < 5


def test_the_same_number_is_one_value_in_every_type() -> None:
    spellings = [pa.array([7, 2**53], pa.int64()), pa.array([7.0, 2.0**53]), pa.array(["7", "9007199254740992.0"])]
    spellings += [pa.array([7, 2**60], pa.int64()).slice(0, 1), pa.array([7], pa.int8()), pa.array([7], pa.uint64())]
    profile = NumericProfile.of(spellings[0], SPEC)
    for column in spellings[1:]:
        profile = profile.merge(NumericProfile.of(column, SPEC))
    assert profile.distinct == pytest.approx(2, abs=0.01)


def test_a_sketch_of_both_is_the_larger_of_each_register() -> None:
    a, b = np.arange(3000.0), np.arange(2000.0, 6000.0)
    both = NumericProfile.of(pa.array(np.concatenate([a, b])), SPEC)
    parts = [NumericProfile.of(pa.array(values), SPEC).registers for values in (a, b)]
    assert both.registers.tolist() == np.maximum(*parts).tolist()


def test_values_of_a_full_sketch_are_still_noticed() -> None:
    # once all registers are filled, the loop passes over what cannot raise any: it must not pass over more
    chunks = [pa.array(np.arange(100_000.0) + start) for start in range(0, 1_000_000, 100_000)]
    one_by_one = [NumericProfile.of(chunk, SPEC).registers for chunk in chunks]
    in_turn = NumericProfile.of(pa.chunked_array(chunks), SPEC).registers
    assert np.max(one_by_one[:2], axis=0).min() >= 3
    assert in_turn.tolist() == np.max(one_by_one, axis=0).tolist()
