"""How good estimates have been: what was estimated without labels, beside what became of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.report.measured import SeriesPoint, shown_number

_INSIDE, _RARE = 0.95, 0.01


@dataclass(frozen=True)
class TrackRecord:
    """The estimates of one number over windows that are final.

    Attributes:
        windows: How many windows have both.
        estimated: Mean of what was estimated without labels.
        realised: Mean of what the labelled rows gave.
        difference: Mean of realised less estimated.
        absolute: Mean size of that.
        inside: How many of the realised numbers lay in the estimate's interval.
    """

    windows: int
    estimated: float
    realised: float
    difference: float
    absolute: float
    inside: int

    @property
    def misses_often(self) -> bool:
        """Whether so few inside would be a rare chance, if each of them were inside with a probability of 95 %."""
        n = self.windows
        chances = (math.comb(n, k) * _INSIDE**k * (1 - _INSIDE) ** (n - k) for k in range(self.inside + 1))
        return sum(chances) < _RARE


def track_record(points: Sequence[SeriesPoint], name: str, least: int) -> TrackRecord | None:
    """The track record of one number; None without a final window that has an estimate with an interval.

    Args:
        points: The series.
        name: The number.
        least: Rows that have to stand behind a number.
    """
    pairs = []
    for point in points:
        before = shown_number(point.performance.estimated, name, least)
        found = shown_number(point.performance.realised, name, least)
        final = point.performance.stage == "final"
        if final and before is not None and found is not None and before.low is not None and before.high is not None:
            pairs.append((before.value or 0.0, found.value or 0.0, before.low, before.high))
    if not pairs:
        return None
    n = len(pairs)
    return TrackRecord(
        windows=n,
        estimated=math.fsum(before for before, *_ in pairs) / n,
        realised=math.fsum(found for _, found, *_ in pairs) / n,
        difference=math.fsum(found - before for before, found, *_ in pairs) / n,
        absolute=math.fsum(abs(found - before) for before, found, *_ in pairs) / n,
        inside=sum(low <= found <= high for _, found, low, high in pairs),
    )
