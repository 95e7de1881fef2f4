"""Parts: the records that one batch of a run brought to one window, with their profile and their fingerprints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

from monitoring.baseline import Baseline, baseline_for
from monitoring.capture import privacy, records
from monitoring.engine.fingerprints import Fingerprints
from monitoring.errors import ObjectMissingError, StoredDocumentError
from monitoring.monitor import Monitor
from monitoring.profile import Packed, ProfileSpec, WindowProfile
from monitoring.window import Window

# Rows that are held before they are written
PART_ROWS = 1 << 19


@dataclass
class Target:
    """What one batch brought to one window.

    Attributes:
        rows: Rows per part.
        missing_columns: Rows without a feature that the records read together lack, by feature.
        changed_columns: Rows with a value that does not parse, like most, by feature.
        new_columns: Columns that no feature declares.
    """

    rows: list[int] = field(default_factory=list)
    missing_columns: dict[str, int] = field(default_factory=dict)
    changed_columns: dict[str, int] = field(default_factory=dict)
    new_columns: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "missing_columns": dict(sorted(self.missing_columns.items())),
            "changed_columns": dict(sorted(self.changed_columns.items())),
            "new_columns": sorted(self.new_columns),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(data["rows"], data["missing_columns"], data["changed_columns"], set(data["new_columns"]))


class PartWriter:
    """Writes the records of one window as they come, a part at a time.

    Args:
        monitor: The model.
        window: The window that the records belong to.
        run: The window whose run reads them.
        batch: Which of its batches.
        reader: What decides how they are read: another way writes other parts.
    """

    def __init__(self, monitor: Monitor, window: Window, run: Window, batch: int, reader: str) -> None:
        self._monitor, self._place, self._reader = monitor, (window, run, batch), reader
        self._held: list[pa.Table] = []
        self._baseline = baseline_for(monitor, window)
        self.target = Target()

    def add(self, table: pa.Table) -> None:
        """Add some records."""
        self._held.append(table)
        while self.held >= PART_ROWS:
            self._write(PART_ROWS)

    @property
    def held(self) -> int:
        """Records that are not written yet."""
        return sum(part.num_rows for part in self._held)

    def flush(self) -> None:
        """Write what is held."""
        if self.held:
            self._write(self.held)

    def _write(self, rows: int) -> None:
        held = pa.concat_tables(self._held)
        table, self._held = held.slice(0, rows), [held.slice(rows)]
        prints = Fingerprints.of(table)  # a fold depends on what else is in the part
        known = self._baseline.known_categories() if self._baseline else {}
        table = privacy.folded(table, self._monitor.config.columns, known)
        key = self._monitor.layout.part(*self._place, len(self.target.rows), self._reader)
        store, version = self._monitor.store, self._baseline.version if self._baseline else ""
        store.put(f"{key}.arrow", prints.pack())
        store.put(f"{key}.bin", profile_of(table, self._baseline).pack(baseline=version))
        store.put(f"{key}.parquet", records.to_parquet(table))
        self.target.rows.append(rows)


def profile_of(table: pa.Table, baseline: Baseline | None) -> WindowProfile:
    """The profile of records on the edges of a baseline."""
    return WindowProfile.of(table, spec_of(baseline))


def spec_of(baseline: Baseline | None) -> ProfileSpec:
    """What is profiled, and on which edges."""
    return baseline.reference.spec if baseline else ProfileSpec({})


def part_profile(monitor: Monitor, key: str, baseline: Baseline | None) -> WindowProfile | None:
    """The stored profile of a part; None when it was made on the edges of another baseline, or by another release."""
    try:
        packed = Packed.read(monitor.store.get(f"{key}.bin"), f"{key}.bin")
    except (StoredDocumentError, ObjectMissingError):
        return None
    if packed.about["baseline"] != (baseline.version if baseline else ""):
        return None
    return WindowProfile.unpack(packed, spec_of(baseline))
