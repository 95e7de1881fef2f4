"""What columns are used to: how much alike the values of a window are, and those of windows in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

from monitoring.measure import quality
from monitoring.measure.measurement import Measurement
from monitoring.profile import NumericProfile, WindowProfile


@dataclass(frozen=True)
class Habits:
    """What columns did in windows of the baseline.

    Attributes:
        windows: How many windows these were.
        fullest: By column, the largest share of its values that one cell had in any window with values.
        repeating: Columns that had the values of the window before, at least once.
    """

    windows: int = 0
    fullest: dict[str, float] = field(default_factory=dict)
    repeating: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"windows": self.windows, "fullest": self.fullest, "repeating": list(self.repeating)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(data["windows"], data["fullest"], tuple(data["repeating"]))


def learn_habits(windows: Sequence[WindowProfile]) -> Habits:
    """Learn them.

    Args:
        windows: Those of the baseline, oldest first, at least one.
    """
    names = list(windows[0].features)
    columns = {name: [window.features[name] for window in windows] for name in names}
    fullest = {name: max(map(quality.largest_cell, found)) for name, found in columns.items()}
    repeating = (
        name
        for name, found in columns.items()
        if any(quality.staleness(after, before).value for before, after in pairwise(found))
    )
    return Habits(len(windows), fullest, tuple(repeating))


def outside_the_others(windows: Sequence[WindowProfile]) -> dict[str, list[Measurement]]:
    """Share of each window's values outside of the range of all other windows, by numeric column."""
    found = {}
    for name, first in windows[0].features.items():
        if isinstance(first, NumericProfile):
            column = [window.features[name] for window in windows]
            found[name] = quality.outside_the_others([item for item in column if isinstance(item, NumericProfile)])
    return found
