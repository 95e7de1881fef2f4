"""The ids of the records that a run brought to a window, and what is kept of a record beside its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.capture.schema import PROBABILITY_PREFIX, SEGMENT_PREFIX, schema
from monitoring.config import ModelConfig
from monitoring.engine.fingerprints import Fingerprints
from monitoring.engine.intake import brought_by
from monitoring.engine.matching import Bits, Places
from monitoring.monitor import Monitor
from monitoring.window import Window

_PREFIXES = (PROBABILITY_PREFIX, SEGMENT_PREFIX)


def kept_columns(config: ModelConfig) -> pa.Schema:
    """What is kept of a record beside its label: when it was, what was predicted, and the groups it belongs to."""
    fields = [field for field in schema(config.columns) if field.name.startswith(_PREFIXES)]
    names = ("event_time", "score", "prediction")
    return pa.schema([*(schema(config.columns).field(name) for name in names), *fields])


@dataclass(frozen=True)
class RecordIds:
    """Records of one part, without those that are dropped.

    Attributes:
        key: The part, without its extension.
        rows: Its rows.
        dropped: Runs of rows that are dropped: first and count.
    """

    key: str
    rows: int
    dropped: tuple[tuple[int, int], ...]

    def kept(self) -> Places:
        """The rows that count, shape (n,)."""
        keep = np.ones(self.rows, bool)
        for at, count in self.dropped:
            keep[at : at + count] = False
        return np.flatnonzero(keep)

    def ids(self, monitor: Monitor) -> tuple[Bits, Bits]:
        """Both halves of the records' ids, two arrays of shape (n,)."""
        prints = Fingerprints.unpack(monitor.store.get(f"{self.key}.arrow"))
        if not self.dropped:
            return prints.ids, prints.ids2
        kept = self.kept()
        return prints.ids[kept], prints.ids2[kept]

    def values(self, monitor: Monitor, records: Places) -> dict[str, Any]:
        """What is kept of some of the records.

        Args:
            monitor: The model.
            records: Their places among those that count, shape (k,).
        """
        wanted = kept_columns(monitor.config)
        file = pq.ParquetFile(pa.BufferReader(monitor.store.get(f"{self.key}.parquet")))
        there = {field.name: field.type for field in file.schema_arrow}
        table = file.read([field.name for field in wanted if there.get(field.name) == field.type])
        rows = self.kept()[records] if self.dropped else records
        return {
            # null where records were read before a column was declared, or as something else
            field.name: table[field.name].take(rows)
            if field.name in table.column_names
            else pa.nulls(len(rows), field.type)
            for field in wanted
        }


def record_ids(monitor: Monitor, window: Window, run: Window) -> list[RecordIds]:
    """The records that a run brought to a window."""
    return [RecordIds(*part) for part in brought_by(monitor, window, run).parts]
