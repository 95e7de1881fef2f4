"""The labels of an epoch: each object is read once, and its labels are kept with the hashes of their ids."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, quarantine_lines
from monitoring.engine.fingerprints import text_hashes
from monitoring.errors import ConflictError, ObjectMissingError
from monitoring.labels.epochs import Epoch, LabelObject, load_epoch
from monitoring.labels.readers import label_readers, read_labels
from monitoring.labels.schema import label_schema
from monitoring.monitor import Monitor
from monitoring.store import Store
from monitoring.window import Window

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")
_BAD = b"quarantined"


def stored_labels(label: pa.DataType) -> pa.Schema:
    """What is kept of a label.

    `time` is that of the label, or else of its arrival; both are microseconds since 1970. `source` is the place of its
    object in the epoch; the rows of an object keep their order.
    """
    return pa.schema(
        [
            ("id", pa.uint64()),
            ("id2", pa.uint64()),
            ("label", label),
            ("weight", pa.float64()),
            ("time", pa.int64()),
            ("arrived", pa.int64()),
            ("source", pa.int32()),
        ]
    )


@dataclass(frozen=True, eq=False)
class EpochLabels:
    """The labels of one epoch.

    Attributes:
        epoch: The run that sees them first.
        rows: Their table, with the columns of `stored_labels`.
        quarantined: Labels that could not be used.
    """

    epoch: Window
    rows: pa.Table
    quarantined: int

    @property
    def read(self) -> int:
        """Labels that were read."""
        return int(self.rows.num_rows) + self.quarantined


def epoch_labels(monitor: Monitor, epoch: Window, columns: list[str] | None = None) -> EpochLabels:
    """The labels of a pinned epoch, read from their objects the first time.

    Args:
        monitor: The model.
        epoch: The window of the run that sees them first.
        columns: Which columns; all by default.
    """
    key = monitor.layout.label_rows(epoch)
    if not monitor.store.exists(key):
        _read(monitor, load_epoch(monitor, epoch))
    table = read_arrow(monitor.store.get(key), columns)
    metadata = table.schema.metadata or {}
    return EpochLabels(epoch, table, int(metadata.get(_BAD, 0)))


def read_arrow(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """Some columns of an Arrow file, or all."""
    reader = pa.ipc.open_file(pa.py_buffer(data))
    if columns is None:
        return reader.read_all()
    fields = [reader.schema.get_field_index(name) for name in columns]
    options = pa.ipc.IpcReadOptions(included_fields=sorted(fields))
    return pa.ipc.open_file(pa.py_buffer(data), options=options).read_all().select(columns)


def write_arrow(table: pa.Table) -> bytes:
    """An Arrow file, the same bytes for the same rows."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


def _read(monitor: Monitor, epoch: Epoch) -> None:
    store, layout = monitor.store, monitor.layout
    tables, bad = [stored_labels(_kept(monitor)).empty_table()], 0
    lines = []
    for place, table in _labels_of(monitor, epoch):
        if isinstance(table, Quarantined):
            bad += table.rows
            lines.append(quarantine_lines([table], quotes=not monitor.config.columns.hides))
        else:
            tables.append(_stored(table, place, epoch.objects[place], _kept(monitor)))
    if lines:
        store.put(layout.label_quarantine(epoch.window), b"".join(lines))
    rows = pa.concat_tables(tables).replace_schema_metadata({_BAD: str(bad).encode()})
    store.put(layout.label_rows(epoch.window), write_arrow(rows))


def _kept(monitor: Monitor) -> pa.DataType:
    """How a label is stored: a number, or one of few classes."""
    return label_schema(monitor.config).field("label").type


def _labels_of(monitor: Monitor, epoch: Epoch) -> Iterator[tuple[int, pa.Table | Quarantined]]:
    assert monitor.config.labels is not None
    store, _ = monitor.source(monitor.config.labels.uri)
    known = label_readers(monitor.config)
    for place, item in enumerate(epoch.objects):
        try:
            for found in read_labels(_captured(store, item), monitor.config, known):
                yield place, found
        except (ConflictError, ObjectMissingError) as error:
            reason = Reason.CHANGED_OBJECT if isinstance(error, ConflictError) else Reason.MISSING_OBJECT
            detail = f"between listing and reading, {item.info.size} bytes"
            yield place, Quarantined(reason, detail, Origin(item.info.key, 0, b""))


def _captured(store: Store, item: LabelObject) -> CaptureObject:
    info = item.info
    opened = cast("Callable[[], BinaryIO]", partial(store.open, info.key, etag=info.etag))
    return CaptureObject(info.key, info.size, opened, partial(store.stream, info.key, etag=info.etag), item.arrived)


def _stored(table: pa.Table, place: int, item: LabelObject, kind: pa.DataType) -> pa.Table:
    rows = table.num_rows
    ids, ids2 = text_hashes(table["event_id"])
    arrived = np.full(rows, int(item.arrived.timestamp() * 1_000_000), np.int64)
    known = table["label_time"].cast(pa.int64())
    columns: list[Any] = [
        ids,
        ids2,
        table["label"],
        table["weight"],
        pc.fill_null(known, pa.scalar(int(item.arrived.timestamp() * 1_000_000), pa.int64())),
        arrived,
        np.full(rows, place, np.int32),
    ]
    return pa.table(columns, schema=stored_labels(kind))
