"""What the cells of a column are called."""

from __future__ import annotations

import math

from monitoring.profile.categorical import CategoricalSpec
from monitoring.profile.numeric import NumericSpec

# The smallest number above 0
_LEAST = math.nextafter(0.0, 1.0)
_OF_NUMERIC = ("missing", "not finite")
_OF_CATEGORICAL = ("another category", "a new category", "missing")


def cell_name(spec: NumericSpec | CategoricalSpec, cell: int) -> str:
    """What a cell is called, in the order of `cell_counts` of the column's distribution.

    >>> import numpy as np
    >>> [cell_name(NumericSpec.fixed(np.array([17.0, 20.5])), cell) for cell in range(4)]
    ['below 17', '17 to 20.5', 'from 20.5', 'missing']
    >>> days = NumericSpec.fixed(np.array([math.nextafter(0.0, 1.0), 1.0, 2.0]))
    >>> [cell_name(days, cell) for cell in range(4)]
    ['up to 0', '0 to 1', '1 to 2', 'from 2']
    >>> [cell_name(CategoricalSpec(("at", "ch")), cell) for cell in (0, 3)]
    ['at', 'a new category']
    """
    if isinstance(spec, CategoricalSpec):
        return spec.names[cell] if cell < len(spec.names) else _OF_CATEGORICAL[cell - len(spec.names)]
    borders = spec.edges[spec.cells].tolist()
    if cell > len(borders):
        return _OF_NUMERIC[cell - len(borders) - 1]
    if not borders:
        return "any number"
    if cell == 0:
        return "up to 0" if borders[0] == _LEAST else f"below {_text(borders[0])}"
    if cell == len(borders):
        return "above 0" if borders[-1] == _LEAST else f"from {_text(borders[-1])}"
    low, high = borders[cell - 1], borders[cell]
    # a frequent value has a cell of its own
    alone = high == math.nextafter(low, math.inf) or (spec.integer and math.ceil(low) + 1 == high)
    return _text(math.ceil(low) if spec.integer else low) if alone else f"{_text(low)} to {_text(high)}"


def _text(border: float) -> str:
    return "0" if border == _LEAST else f"{border:.6g}"
