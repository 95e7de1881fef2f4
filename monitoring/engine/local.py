"""From pinned objects to the canonical records and the profile of a window."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from monitoring import documents
from monitoring.baseline import Baseline, baseline_for
from monitoring.capture import records, sagemaker
from monitoring.capture.pinning import load_manifest, pin, read_pinned
from monitoring.capture.records import COLUMN_AT_FAULT, Quarantined, Row
from monitoring.errors import StoredDocumentError
from monitoring.monitor import Monitor
from monitoring.profile import Packed, ProfileSpec, WindowProfile
from monitoring.window import Window


@dataclass(frozen=True)
class ReadCounts:
    """What became of the records that were read.

    Attributes:
        read: Records read.
        profiled: Records that count.
        duplicate: Records whose event id was there before.
        quarantined: Records that could not be used, by reason.
        missing_columns: Rows without a feature that at least half of their batch lack, by feature.
        changed_columns: Rows with a value that does not parse, like at least half of their batch, by feature.
        new_columns: Columns that no feature declares.
        content: Hash of every object's key and content.
    """

    read: int
    profiled: int
    duplicate: int
    quarantined: dict[str, int]
    missing_columns: dict[str, int]
    changed_columns: dict[str, int]
    new_columns: tuple[str, ...]
    content: str

    @classmethod
    def total(cls, parts: list[Self], profiled: int) -> Self:
        """The counts of several batches, of whose records `profiled` were left when duplicates had gone."""
        return cls(
            read=sum(part.read for part in parts),
            profiled=profiled,
            duplicate=sum(part.duplicate + part.profiled for part in parts) - profiled,
            quarantined=_sum(part.quarantined for part in parts),
            missing_columns=_sum(part.missing_columns for part in parts),
            changed_columns=_sum(part.changed_columns for part in parts),
            new_columns=tuple(sorted({name for part in parts for name in part.new_columns})),
            content=documents.fingerprint([part.content for part in parts]),
        )

    def check(self, where: str) -> None:
        """Make sure that every record is accounted for.

        Raises:
            StoredDocumentError: The counts do not add up.
        """
        counted = self.profiled + self.duplicate + sum(self.quarantined.values())
        if self.read != counted:
            raise StoredDocumentError(f"{self.read} records read, {counted} accounted for", where=where)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From the JSON values of `asdict`."""
        return cls(**{**data, "new_columns": tuple(data["new_columns"])})

    def columns_at_fault(self, rows_at_fault: dict[str, int]) -> tuple[str, ...]:
        """The features that are at fault in the window as a whole: in a small batch a row or two may look like it."""
        return tuple(name for name, rows in rows_at_fault.items() if rows >= COLUMN_AT_FAULT * self.read)


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sorted(sum((Counter(part) for part in parts), Counter()).items()))


@dataclass(frozen=True)
class WindowData:
    """What is known of a window's records.

    Attributes:
        profile: Their profile.
        counts: What became of them.
        baseline: Version of the baseline whose edges the profile has; empty without one.
    """

    profile: WindowProfile
    counts: ReadCounts
    baseline: str


def profile_batch(monitor: Monitor, window: Window, batch: int) -> None:
    """Read one batch of a window's pinned objects, and write its records, quarantine and profile."""
    rows: list[Row] = []
    quarantined: list[Quarantined] = []
    digest = hashlib.sha256()
    for info in load_manifest(monitor, window).batch(batch):
        data = read_pinned(monitor, info)
        digest.update(f"{info.key} {hashlib.sha256(data).hexdigest()}\n".encode())
        found, bad = sagemaker.read_object(info.key, data, monitor.config.columns)
        rows += found
        quarantined += bad
    result = records.build_batch(rows, quarantined, monitor.config.columns, window)
    reasons = Counter[str]()
    for item in result.quarantined:
        reasons[item.reason] += item.rows
    counts = ReadCounts(
        result.read,
        result.table.num_rows,
        result.duplicate,
        dict(sorted(reasons.items())),
        result.missing_columns,
        result.changed_columns,
        tuple(result.new_columns),
        digest.hexdigest(),
    )
    counts.check(monitor.layout.batch_records(window, batch))
    layout, store = monitor.layout, monitor.store
    if result.quarantined:
        store.put(layout.quarantine(window, batch), records.quarantine_lines(result.quarantined))
    store.put(layout.batch_records(window, batch), records.to_parquet(result.table))
    baseline = baseline_for(monitor, window)
    data_of = WindowData(_profile(result.table, baseline), counts, baseline.version if baseline else "")
    store.put(layout.batch_profile(window, batch), _encode(data_of))


def assemble(monitor: Monitor, window: Window) -> WindowData:
    """Bring a window's batches together: drop duplicates across batches, merge the profiles."""
    layout, store = monitor.layout, monitor.store
    manifest = load_manifest(monitor, window)
    baseline = baseline_for(monitor, window)
    tables, parts = [], []
    for batch in range(len(manifest.batches)):
        tables.append(records.from_parquet(store.get(layout.batch_records(window, batch))))
        key = layout.batch_profile(window, batch)
        parts.append(Packed.read(store.get(key), key))
    empty = records.schema(monitor.config.columns).empty_table()
    table = pa.concat_tables([empty, *tables])
    unique = _without_duplicates(table)
    version = baseline.version if baseline else ""
    if unique.num_rows == table.num_rows and all(part.about["baseline"] == version for part in parts):
        profiles = (WindowProfile.unpack(part, _spec(baseline)) for part in parts)
        profile = reduce(WindowProfile.merge, profiles, WindowProfile.empty(_spec(baseline)))
    else:  # merging cannot take a row out again
        profile = _profile(unique, baseline)
    counts = ReadCounts.total([ReadCounts.from_json(part.about["counts"]) for part in parts], unique.num_rows)
    counts.check(layout.window(window))
    data = WindowData(profile, counts, version)
    store.put(layout.records(window), records.to_parquet(unique))
    store.put(layout.profile(window), _encode(data))
    return data


def ensure_records(monitor: Monitor, window: Window) -> None:
    """Read a window whose own run has not come yet, so that what looks back at it finds it."""
    if not monitor.store.exists(monitor.layout.profile(window)):
        for batch in range(len(pin(monitor, window).batches)):
            profile_batch(monitor, window, batch)
        assemble(monitor, window)


def load_records(monitor: Monitor, window: Window, columns: list[str] | None = None) -> pa.Table:
    """The window's canonical records."""
    table = records.from_parquet(monitor.store.get(monitor.layout.records(window)))
    return table if columns is None else table.select(columns)


def load_window(monitor: Monitor, window: Window, baseline: Baseline | None) -> WindowData:
    """The window's profile on the edges of `baseline`; profiled again if it was made on others."""
    key = monitor.layout.profile(window)
    packed = Packed.read(monitor.store.get(key), key)
    version = baseline.version if baseline else ""
    counts = ReadCounts.from_json(packed.about["counts"])
    if packed.about["baseline"] == version:
        return WindowData(WindowProfile.unpack(packed, _spec(baseline)), counts, version)
    return WindowData(_profile(load_records(monitor, window), baseline), counts, version)


def _spec(baseline: Baseline | None) -> ProfileSpec:
    return baseline.reference.spec if baseline else ProfileSpec({})


def _profile(table: pa.Table, baseline: Baseline | None) -> WindowProfile:
    return WindowProfile.of(table, _spec(baseline))


def _without_duplicates(table: pa.Table) -> pa.Table:
    first = pc.index_in(table["event_id"], value_set=pc.unique(table["event_id"]))
    seen: set[int] = set()
    keep = []
    for position, place in enumerate(first.to_pylist()):
        if place not in seen:
            seen.add(place)
            keep.append(position)
    return table.take(keep) if len(keep) < table.num_rows else table


def _encode(data: WindowData) -> bytes:
    return data.profile.pack(counts=asdict(data.counts), baseline=data.baseline)
