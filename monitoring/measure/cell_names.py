"""What the cells of a column are called."""

from __future__ import annotations

from monitoring.profile.categorical import CategoricalSpec
from monitoring.profile.numeric import NumericSpec

_OF_NUMERIC = ("missing", "not finite")
_OF_CATEGORICAL = ("another category", "a new category", "missing")


def cell_name(spec: NumericSpec | CategoricalSpec, cell: int) -> str:
    """What a cell is called, in the order of `cell_counts` of the column's distribution.

    >>> import numpy as np
    >>> [cell_name(NumericSpec.fixed(np.array([17.0, 20.5])), cell) for cell in range(4)]
    ['below 17', '17 to 20.5', 'from 20.5', 'missing']
    >>> [cell_name(CategoricalSpec(("at", "ch")), cell) for cell in (0, 3)]
    ['at', 'a new category']
    """
    if isinstance(spec, CategoricalSpec):
        return spec.names[cell] if cell < len(spec.names) else _OF_CATEGORICAL[cell - len(spec.names)]
    borders = [f"{border:.6g}" for border in spec.edges[spec.cells].tolist()]
    if cell > len(borders):
        return _OF_NUMERIC[cell - len(borders) - 1]
    if not borders:
        return "any number"
    if cell == 0:
        return f"below {borders[0]}"
    return f"from {borders[-1]}" if cell == len(borders) else f"{borders[cell - 1]} to {borders[cell]}"
