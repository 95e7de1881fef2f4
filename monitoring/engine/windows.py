"""The records and the profile of a window, as far as some run knew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitoring import documents
from monitoring.baseline import Baseline
from monitoring.capture import records
from monitoring.capture.records import COLUMN_AT_FAULT
from monitoring.capture.schema import schema
from monitoring.engine.intake import (
    Brought,
    Intake,
    brought_by,
    is_complete,
    packed_arrival,
    runs_with_arrivals,
    visible_runs,
)
from monitoring.engine.parts import profile_of, spec_of
from monitoring.monitor import Monitor
from monitoring.profile import WindowProfile
from monitoring.window import Window


@dataclass(frozen=True)
class ReadCounts:
    """What became of the records that were read: `read = profiled + duplicate + quarantined`.

    Attributes:
        read: Records of the window, and what the window's own run could not use.
        profiled: Records that count.
        duplicate: Records whose event id was there before.
        conflicting: Duplicates that say something else than the record before them.
        quarantined: Records that could not be used, by reason.
        waiting: Sides of inferences whose other side has not come.
        own_run: Records that the window's own run read, of whichever window.
        missing_columns: Rows without a feature that most of the rows read together lack, by feature.
        changed_columns: Rows with a value that does not parse, like most of the rows read together, by feature.
        new_columns: Columns that no feature declares.
        content: Hash of every object's key and content.
        late: Records that came after the window's own run.
    """

    read: int
    profiled: int
    duplicate: int
    conflicting: int
    quarantined: dict[str, int]
    waiting: int
    own_run: int
    missing_columns: dict[str, int]
    changed_columns: dict[str, int]
    new_columns: tuple[str, ...]
    content: str
    late: int

    def columns_at_fault(self, rows_at_fault: dict[str, int]) -> tuple[str, ...]:
        """The features that are at fault in the window as a whole: in a small batch a row or two may look like it."""
        return tuple(name for name, rows in rows_at_fault.items() if rows >= COLUMN_AT_FAULT * self.read)


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


def load_window(monitor: Monitor, window: Window, baseline: Baseline | None, until: Window | None = None) -> WindowData:
    """The window's profile on the edges of `baseline`; profiled again where it was made on others.

    Args:
        monitor: The model.
        window: The window.
        baseline: Whose edges.
        until: The run whose knowledge counts; everything that has come by default.
    """
    version = baseline.version if baseline else ""
    profile, found = WindowProfile.empty(spec_of(baseline)), []
    for run in _runs(monitor, window, until):
        packed = packed_arrival(monitor, window, run)
        brought = Brought.from_json(packed.about["brought"])
        same = packed.about["baseline"] == version
        part = (
            WindowProfile.unpack(packed, spec_of(baseline))
            if same
            else profile_of(pa.concat_tables(_tables(monitor, [brought], None)), baseline)
        )
        profile = profile.merge(part)
        found.append((run, brought))
    return WindowData(profile, _counts(monitor, window, found), version)


def load_records(
    monitor: Monitor, window: Window, columns: list[str] | None = None, until: Window | None = None
) -> pa.Table:
    """The window's canonical records, without duplicates, in the order in which they came.

    Args:
        monitor: The model.
        window: The window.
        columns: Which columns; all by default.
        until: The run whose knowledge counts; everything that has come by default.
    """
    empty = schema(monitor.config.columns).empty_table()
    empty = empty if columns is None else empty.select(columns)
    brought = [brought_by(monitor, window, run) for run in _runs(monitor, window, until)]
    tables = (_conformed(table, empty.schema) for table in _tables(monitor, brought, columns))
    return pa.concat_tables([empty, *tables])


def _conformed(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The wanted columns; null where records were read before a column was declared, or as something else."""
    if table.schema.equals(wanted):
        return table
    there = {field.name: field.type for field in table.schema}
    body = {
        field.name: table[field.name] if there.get(field.name) == field.type else pa.nulls(table.num_rows, field.type)
        for field in wanted
    }
    return pa.table(body, schema=wanted)


def _runs(monitor: Monitor, window: Window, until: Window | None) -> list[Window]:
    return runs_with_arrivals(monitor, window) if until is None else visible_runs(monitor, window, until)


def _tables(monitor: Monitor, brought: list[Brought], columns: list[str] | None) -> Iterator[pa.Table]:
    for item in brought:
        for key, rows, dropped in item.parts:
            table = records.from_parquet(monitor.store.get(f"{key}.parquet"), columns)
            if dropped:
                keep = np.ones(rows, bool)
                for at, count in dropped:
                    keep[at : at + count] = False
                table = table.filter(pa.array(keep))
            yield table


def _counts(monitor: Monitor, window: Window, found: list[tuple[Window, Brought]]) -> ReadCounts:
    own = Intake.load(monitor, window) if is_complete(monitor, window) else None
    quarantined = own.quarantined if own else {}
    content = [own.content if own else ""]
    content += [Intake.load(monitor, run).content for run, _ in found if run != window]

    def total(name: str) -> int:
        return sum(getattr(item, name) for _, item in found)

    def by_column(name: str) -> dict[str, int]:
        return dict(sorted(sum((Counter(getattr(item, name)) for _, item in found), Counter[str]()).items()))

    return ReadCounts(
        read=total("read") + sum(quarantined.values()),
        profiled=total("profiled"),
        duplicate=total("duplicate"),
        conflicting=total("conflicting"),
        quarantined=quarantined,
        waiting=own.waiting if own else 0,
        own_run=own.read if own else 0,
        missing_columns=by_column("missing_columns"),
        changed_columns=by_column("changed_columns"),
        new_columns=tuple(sorted({name for _, item in found for name in item.new_columns})),
        content=documents.fingerprint(content),
        late=sum(item.profiled for run, item in found if run > window),
    )


def profiled_by(monitor: Monitor, window: Window, run: Window) -> int:
    """How many records that count a run brought to a window."""
    return Intake.load(monitor, run).targets.get(window.label, 0) if is_complete(monitor, run) else 0
