"""The ids of the records that a run brought to a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitoring.engine.fingerprints import Fingerprints
from monitoring.engine.intake import brought_by
from monitoring.engine.matching import Bits
from monitoring.monitor import Monitor
from monitoring.window import Window


@dataclass(frozen=True)
class RecordIds:
    """Records of one part, without those that are dropped.

    Attributes:
        run: The run that brought them.
        first: The place of the first one among all records that this run brought to the window.
        key: The part, without its extension.
        rows: Its rows.
        dropped: Runs of rows that are dropped: first and count.
    """

    run: Window
    first: int
    key: str
    rows: int
    dropped: tuple[tuple[int, int], ...]

    def ids(self, monitor: Monitor) -> tuple[Bits, Bits]:
        """Both halves of the records' ids, two arrays of shape (n,)."""
        prints = Fingerprints.unpack(monitor.store.get(f"{self.key}.arrow"))
        if not self.dropped:
            return prints.ids, prints.ids2
        keep = np.ones(self.rows, bool)
        for at, count in self.dropped:
            keep[at : at + count] = False
        return prints.ids[keep], prints.ids2[keep]


def record_ids(monitor: Monitor, window: Window, run: Window) -> list[RecordIds]:
    """The records that a run brought to a window, in their order."""
    found, first = [], 0
    for key, rows, dropped in brought_by(monitor, window, run).parts:
        found.append(RecordIds(run, first, key, rows, dropped))
        first += rows - sum(count for _, count in dropped)
    return found
