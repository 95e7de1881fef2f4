"""Sums of absolute attributions: exact, mergeable, and stored with the profile."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile import Packed, ProfileSpec, WindowProfile
from monitoring.profile.attributions import Attributions

VALUES = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=20)
PREFIX = "attribution:"


def of(values: list[float | None]) -> Attributions:
    """The attributions of one feature."""
    return Attributions.of(pa.table({"attribution:x": pa.array(values, pa.float64())}), PREFIX)


@given(VALUES, VALUES)
def test_parts_and_order_do_not_matter(one: list[float | None], other: list[float | None]) -> None:
    assert of(one).merge(of(other)) == of(other + one)
    assert of(one + other).subtract(of(other)) == of(one)


def test_what_is_no_number_does_not_count() -> None:
    found = of([1.0, -2.0, None, float("nan"), float("inf"), 2.0**30])
    assert dict(found.rows) == {"x": 2}
    assert found.means() == {"x": 1.5}
    assert of([None]).means() == {}


def test_they_are_stored_with_the_profile() -> None:
    spec = ProfileSpec()
    records = pa.table({"score": [0.1, 0.9], "attribution:x": [0.25, -0.5], "attribution:y": [None, 1.0]})
    profile = WindowProfile.of(records, spec)
    assert profile.attributions.means() == {"x": 0.375, "y": 1.0}
    again = WindowProfile.unpack(Packed.read(profile.pack(), "here"), spec)
    assert again == profile
    assert again.attributions == profile.attributions
    assert profile.merge(profile).attributions.rows == {"x": 4, "y": 2}
    batches = [records.slice(0, 1), records.slice(1, 1)]
    assert WindowProfile.of(batches[0], spec).merge(WindowProfile.of(batches[1], spec)) == profile


def test_a_profile_without_any_is_stored_as_before() -> None:
    profile = WindowProfile.of(pa.table({"score": np.array([0.5])}), ProfileSpec())
    assert "attributions" not in Packed.read(profile.pack(), "here").head
