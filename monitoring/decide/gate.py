"""Champion or challenger: a paired comparison on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monitoring.profile.outcomes import BoolArray, FloatArray


@dataclass(frozen=True)
class Comparison:
    """How two models did on the same held-out rows.

    Attributes:
        rows: Rows in the comparison.
        windows: Windows in it; they are what is independent.
        champion: Brier score of the serving model.
        challenger: Brier score of the candidate.
        difference: Mean over windows of challenger minus champion; below 0 the challenger is better.
        low: Lower end of its 95 % interval; None with fewer than two windows.
        high: Upper end.
        promote: Whether the challenger is better beyond noise.
        reason: One sentence.
    """

    rows: int
    windows: int
    champion: float
    challenger: float
    difference: float
    low: float | None
    high: float | None
    promote: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def compare(champion: FloatArray, challenger: FloatArray, labels: BoolArray, windows: Sequence[str]) -> Comparison:
    """Compare two models' scores by a paired t test on the windows' mean differences in Brier score.

    Rows of one day share their weather, so days, not rows, are taken as independent; the pairing takes out
    what made a day hard for both.

    Args:
        champion: Shape (n,), scores of the serving model.
        challenger: Shape (n,), scores of the candidate on the same rows.
        labels: Shape (n,), True for the positive class.
        windows: The window of each row, n of them.

    >>> labels = np.array([True, False, True, False])
    >>> good, bad = np.array([0.9, 0.1, 0.8, 0.1]), np.array([0.5, 0.5, 0.5, 0.5])
    >>> result = compare(bad, good, labels, ["a", "a", "b", "b"])
    >>> round(result.difference, 4), result.promote
    (-0.2325, True)
    """
    from scipy import stats

    loss_champion, loss_challenger = (champion - labels) ** 2, (challenger - labels) ** 2
    names, place = np.unique(np.asarray(windows), return_inverse=True)
    sizes = np.bincount(place, minlength=len(names))
    means = np.bincount(place, weights=loss_challenger - loss_champion, minlength=len(names)) / np.maximum(sizes, 1)
    rows, count = len(labels), len(names)
    brier = (float(loss_champion.mean()), float(loss_challenger.mean())) if rows else (math.nan, math.nan)
    if count < 2:
        reason = f"Held: {count} held-out window(s) cannot tell better from luck; at least 2 are needed."
        return Comparison(rows, count, *brier, math.nan, None, None, promote=False, reason=reason)
    difference = float(means.mean())
    half = float(stats.t.ppf(0.975, count - 1) * means.std(ddof=1) / math.sqrt(count))
    low, high = difference - half, difference + half
    numbers = (
        f"Brier score {brier[1]:.4f} against {brier[0]:.4f} on {rows} rows of {count} windows,"
        f" difference {difference:+.4f} [{low:+.4f}, {high:+.4f}]"
    )
    promote = high < 0
    reason = f"Promoted: {numbers}." if promote else f"Held: not better beyond noise; {numbers}."
    return Comparison(rows, count, *brier, difference, low, high, promote=promote, reason=reason)
