"""Which cell of its column's distribution each row is in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitoring.profile.arrow_types import categories, is_testable, numbers
from monitoring.profile.categorical import CategoricalSpec, hashes
from monitoring.profile.distribution import IntArray
from monitoring.profile.numeric import NumericSpec


def cell_count(spec: NumericSpec | CategoricalSpec) -> int:
    """How many cells `cell_counts` of the column's distribution has."""
    return len(spec.cells) + 3 if isinstance(spec, NumericSpec) else len(spec.names) + 3


def cells_of(column: pa.Array | pa.ChunkedArray, spec: NumericSpec | CategoricalSpec) -> IntArray:
    """The cell of each row, in the order of `cell_counts` of the column's distribution; shape (n,).

    >>> cells_of(pa.array([1.0, 2.0, None, np.inf]), NumericSpec.fixed(np.array([2.0]))).tolist()
    [0, 1, 2, 3]
    >>> cells_of(pa.array(["b", "z", None]), CategoricalSpec(("a", "b"))).tolist()
    [1, 3, 4]
    """
    return _numeric(column, spec) if isinstance(spec, NumericSpec) else _categorical(column, spec)


def _numeric(column: pa.Array | pa.ChunkedArray, spec: NumericSpec) -> IntArray:
    found = numbers(column)
    borders = spec.edges[spec.cells]
    cell = np.searchsorted(borders, found.values, side="right")
    cell[~np.isfinite(found.values)] = len(borders) + 2
    cell[~found.present()] = len(borders) + 1
    return cell


def _categorical(column: pa.Array | pa.ChunkedArray, spec: CategoricalSpec) -> IntArray:
    other, unseen, null = (len(spec.names) + i for i in range(3))
    if not is_testable(column.type):
        return np.full(len(column), null)
    texts = categories(column)
    known, where = spec.places
    bits = hashes(texts.dictionary)
    at = np.minimum(np.searchsorted(known, bits), max(len(known) - 1, 0))
    found = known[at] == bits if len(known) else np.zeros(len(bits), bool)
    cell = np.full(len(bits) + 1, other if spec.is_open else unseen)
    cell[:-1][found] = where[at[found]]
    cell[-1] = null
    return np.asarray(cell[texts.indices.fill_null(len(bits)).to_numpy()])
