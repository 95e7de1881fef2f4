"""Profiles by model version or by segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from monitoring.profile.arrow_types import categories, find_column
from monitoring.profile.window import RECORDS, ProfileSpec, RecordColumns, WindowProfile

NO_GROUP = ""


@dataclass(frozen=True, eq=False)
class GroupedProfile:
    """The profile of each group of some records.

    Attributes:
        spec: What the baseline froze.
        groups: Profiles by value of the column that tells groups apart; `NO_GROUP` holds rows without a value.
    """

    spec: ProfileSpec
    groups: Mapping[str, WindowProfile]

    @classmethod
    def empty(cls, spec: ProfileSpec) -> Self:
        """The profile of no records."""
        return cls(spec, {})

    @classmethod
    def of(cls, records: pa.Table, spec: ProfileSpec, by: str, columns: RecordColumns = RECORDS) -> Self:
        """The profiles of some records.

        Args:
            records: A table.
            spec: What to profile.
            by: The column that tells groups apart, such as `model_version`. It should have few values: each has a
                profile of its own.
            columns: Where the table has what is profiled.
        """
        column = find_column(records, by)
        if column is None or not records.num_rows:
            return cls(spec, {NO_GROUP: WindowProfile.of(records, spec, columns)} if records.num_rows else {})
        texts = categories(column)
        names = [*texts.dictionary.to_pylist(), NO_GROUP]
        codes = texts.indices.fill_null(len(names) - 1)
        parts = ((name, records.filter(pc.equal(codes, code))) for code, name in enumerate(names))
        found = cls(spec, {})
        for name, rows in parts:  # an empty text and a missing value are one group
            if rows.num_rows:
                found = found.merge(cls(spec, {name: WindowProfile.of(rows, spec, columns)}))
        return found

    def merge(self, other: Self) -> Self:
        """The profiles of both sets of records."""
        merged = dict(self.groups)
        for name, profile in other.groups.items():
            merged[name] = merged[name].merge(profile) if name in merged else profile
        return type(self)(self.spec, dict(sorted(merged.items())))

    def total(self) -> WindowProfile:
        """The profile of all records together."""
        return reduce(WindowProfile.merge, self.groups.values(), WindowProfile.empty(self.spec))
