"""Profiles by group are parts of the whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.schema import FEATURE_PREFIX, schema
from monitoring.config.capture import Columns
from monitoring.profile import NumericSpec, ProfileSpec, WindowProfile
from monitoring.profile.groups import NO_GROUP, GroupedProfile

SPEC = ProfileSpec({"x": NumericSpec.fixed(np.array([1.0, 2.0]))})
_rows = st.lists(st.tuples(st.sampled_from(["1", "2", "", None]), st.floats(0, 3)), max_size=12)


def _table(rows: list[Any]) -> pa.Table:
    moment = datetime(2024, 1, 11, tzinfo=UTC)
    found = [
        {"event_time": moment, "model_version": version, "score": 0.5, "prediction": True, f"{FEATURE_PREFIX}x": x}
        for version, x in rows
    ]
    return pa.Table.from_pylist(found, schema=schema(Columns(features={"x": "numeric"})))


def _packed(grouped: GroupedProfile) -> dict[str, bytes]:
    return {name: profile.pack() for name, profile in grouped.groups.items()}


@given(_rows, st.integers(0, 12))
def test_groups_of_parts_merge_to_the_groups_of_the_whole(rows: list[Any], cut: int) -> None:
    whole = GroupedProfile.of(_table(rows), SPEC, "model_version")
    first, second = (GroupedProfile.of(_table(part), SPEC, "model_version") for part in (rows[:cut], rows[cut:]))
    assert _packed(first.merge(second)) == _packed(second.merge(first)) == _packed(whole)
    assert _packed(whole.merge(GroupedProfile.empty(SPEC))) == _packed(whole)
    assert whole.total() == WindowProfile.of(_table(rows), SPEC)


def test_rows_without_a_value_and_tables_without_the_column_are_one_group() -> None:
    table = _table([("1", 0.0), (None, 1.0), ("", 2.0)])
    assert {name: p.rows for name, p in GroupedProfile.of(table, SPEC, "model_version").groups.items()} == {
        NO_GROUP: 2,
        "1": 1,
    }
    assert {name: p.rows for name, p in GroupedProfile.of(table, SPEC, "country").groups.items()} == {NO_GROUP: 3}
