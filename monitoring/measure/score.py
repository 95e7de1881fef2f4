"""What a drift statistic finds, before it has a name and a direction."""

from __future__ import annotations

from typing import NamedTuple


class Score(NamedTuple):
    """The value of a statistic of two distributions, and how it varies by sampling alone.

    Attributes:
        value: The statistic; None when it is not defined on these rows.
        reference_rows: Rows of the reference that it was computed from.
        rows: Rows of the current distribution that it was computed from.
        standard_error: Standard deviation that sampling alone gives to the value where the distributions differ.
        p_value: Probability of a value at least as far out if both were samples of one distribution.
        noise: Mean size of the value if both were samples of one distribution.
        freedom: Degrees of freedom of the chi-square that its square follows then; None where it follows none.
        reciprocals: Sum of 1 / share over the cells of both sets of rows together, where it is compared by cells.
    """

    value: float | None
    reference_rows: int
    rows: int
    standard_error: float | None = None
    p_value: float | None = None
    noise: float | None = None
    freedom: int | None = None
    reciprocals: float | None = None
