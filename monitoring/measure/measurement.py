"""A number and what is needed to judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

Direction = Literal["high", "low", "both"]
_WHERE_KNOWN = ("reference_rows", "standard_error", "p_value", "noise", "freedom", "reciprocals")


@dataclass(frozen=True)
class Measurement:
    """One number about some rows.

    Attributes:
        name: What it is, such as `roc_auc`.
        value: The number; None when it is not defined on these rows.
        rows: Rows that it was computed from.
        direction: The side that is bad: `high` for a distance, `low` for an AUC.
        method: How it was computed.
        low: Lower end of the 95 % interval, None without one.
        high: Upper end of the 95 % interval, None without one.
        reference_rows: Rows that they were compared with, None where they were compared with none.
        standard_error: Standard deviation that sampling alone gives to the value, None where it is not known.
        p_value: Probability of a value at least as far out if both sets of rows came from one distribution.
        noise: Mean size of the value if both sets of rows came from one distribution: what sampling alone gives.
        freedom: Degrees of freedom of the chi-square that its square follows then, None where it follows none.
        reciprocals: Sum of 1 / share over the cells of both sets of rows together, None without cells.
    """

    name: str
    value: float | None
    rows: int
    direction: Direction
    method: str
    low: float | None = None
    high: float | None = None
    reference_rows: int | None = None
    standard_error: float | None = None
    p_value: float | None = None
    noise: float | None = None
    freedom: int | None = None
    reciprocals: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what only comparisons of two sets of rows have is left out elsewhere.

        >>> sorted(Measurement("volume", 1.0, 10, "both", "").to_json())
        ['direction', 'high', 'low', 'method', 'name', 'rows', 'value']
        >>> Measurement("ks", 0.5, 10, "high", "", noise=0.25).to_json()["noise"]
        0.25
        """
        return {key: item for key, item in vars(self).items() if item is not None or key not in _WHERE_KNOWN}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**data)
