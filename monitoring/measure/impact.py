"""What other inputs alone would do to the mean loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitoring.profile.losses import LossByBin


def impact(losses: LossByBin, feature: str, before: Sequence[int], now: Sequence[int]) -> float | None:
    """How much higher the mean loss is to be expected because rows have moved between the cells of one feature.

    Σ (w′ - w) l, with the shares w before and w′ now, and the mean loss l of a cell in the baseline: the mix part of
    Kitagawa's decomposition (Components of a difference between two rates, J. Am. Stat. Assoc. 50, 1955), which needs
    no labels of now. A cell without labelled rows counts with the mean of all.

    Args:
        losses: Those of the baseline.
        feature: Its name.
        before: Rows of the baseline by cell.
        now: Rows by cell.

    Returns:
        A difference of losses, positive where worse is to be expected; None without labelled rows or without rows.

    >>> two = LossByBin.of({"x": np.array([0, 1])}, {"x": 2}, np.array([0.0, 0.5]), 1.0)
    >>> impact(two, "x", [50, 50], [20, 80])
    0.15
    """
    if feature not in losses.features or not sum(before) or not sum(now):
        return None
    rows, total, _ = losses.of_feature(feature)
    if not rows.sum() or len(rows) != len(before):
        return None
    mean = np.divide(total, rows, out=np.full_like(total, total.sum() / rows.sum()), where=rows > 0)
    moved = np.asarray(now) / sum(now) - np.asarray(before) / sum(before)
    return round(float(moved @ mean), 12)
