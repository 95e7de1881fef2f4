"""Sums of absolute attributions: how much each feature mattered to the predictions of some records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa

from monitoring.profile.arrow_types import find_column, numbers
from monitoring.profile.fixed_point import in_units, sum_of

# The unit is 2^-32; a row that is not finite, or at or above 2^30 in size, counts as one without an attribution
_BITS, _LARGEST = 32, 2.0**30


@dataclass(frozen=True)
class Attributions:
    """Attributions, such as SHAP values, by feature: mergeable, and the same in any order.

    Attributes:
        rows: Rows with an attribution, by feature.
        totals: Sums of their absolute values, in units of 2^-32.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, records: pa.Table | pa.RecordBatch, prefix: str) -> Self:
        """Those of some records.

        Args:
            records: The records.
            prefix: What the names of columns with attributions begin with.

        >>> found = Attributions.of(pa.table({"attribution:age": [1.5, -0.5, None]}), "attribution:")
        >>> dict(found.rows), found.means()
        ({'age': 2}, {'age': 1.0})
        """
        rows, totals = {}, {}
        for column in sorted(name for name in records.schema.names if name.startswith(prefix)):
            array = find_column(records, column)
            found = numbers(pa.nulls(0) if array is None else array)
            sizes = np.abs(found.values[found.present()])
            usable = sizes[sizes < _LARGEST]  # NaN is not below anything
            name = column.removeprefix(prefix)
            rows[name], totals[name] = len(usable), sum_of(in_units(usable, _BITS))
        return cls(rows, totals)

    def merge(self, other: Self) -> Self:
        """Those of both sets of records."""
        names = sorted({*self.rows, *other.rows})
        return type(self)(
            {name: self.rows.get(name, 0) + other.rows.get(name, 0) for name in names},
            {name: self.totals.get(name, 0) + other.totals.get(name, 0) for name in names},
        )

    def subtract(self, part: Self) -> Self:
        """Those of the records that are not in a part of them."""
        return type(self)(
            {name: rows - part.rows.get(name, 0) for name, rows in self.rows.items()},
            {name: total - part.totals.get(name, 0) for name, total in self.totals.items()},
        )

    def to_json(self) -> dict[str, dict[str, int]]:
        """As JSON values, of which `Attributions(**values)` is made again."""
        return {"rows": dict(self.rows), "totals": dict(self.totals)}

    def means(self) -> dict[str, float]:
        """The mean absolute attribution of each feature that has one."""
        return {name: self.totals[name] / 2**_BITS / rows for name, rows in self.rows.items() if rows > 0}
