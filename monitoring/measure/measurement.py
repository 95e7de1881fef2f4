"""A number and what is needed to judge it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Direction = Literal["high", "low", "both"]


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
    """

    name: str
    value: float | None
    rows: int
    direction: Direction
    method: str
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**data)
