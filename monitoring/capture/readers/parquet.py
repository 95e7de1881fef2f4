"""Read Parquet: the columns that the model needs, typed all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.capture.objects import CaptureObject, compression
from monitoring.capture.quarantine import Origin, Quarantined, Reason
from monitoring.capture.readers.arrow_rows import fields_of, needed, typed
from monitoring.capture.readers.noise import is_noise
from monitoring.capture.readers.rows import Identity
from monitoring.capture.records import Typed
from monitoring.config import ModelConfig

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
# Rows are unpacked in batches of about this size; a chunk of a column is read in parts of this size.
_BATCH_BYTES, _READ_BYTES = 32 * 2**20, 2**20
_LEAST_ROWS, _MOST_ROWS = 1 << 6, 1 << 16
# What Arrow raises about a file; names of columns may be no text
FAULTS = (pa.ArrowException, OSError, ValueError)


def knows(key: str, head: bytes) -> bool:
    """Whether an object begins like Parquet."""
    return head.startswith((_MAGIC, _ENCRYPTED)) and not is_noise(key)


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Typed | Quarantined]:
    """Every row of one object, in batches. Its columns are those of the request and of the response alike.

    The place of a row is its number in the object, and its bytes are the columns that the model needs, as JSON.
    """
    identity = Identity.of(captured, config.columns)
    with captured.open() as source:
        file = opened(captured, source)
        if isinstance(file, Quarantined):
            yield file
            return
        names = file.schema_arrow.names
        for first, found in batches(file, captured, needed(names, identity)):
            if isinstance(found, Quarantined):
                yield found
                continue
            try:
                part: Typed | Quarantined = typed(found, first, names, identity)
            except FAULTS as error:  # damaged types show as late as this
                part = damaged(captured, first, found.num_rows, error)
            yield part


def first_rows(captured: CaptureObject, count: int) -> list[dict[str, Any]]:
    """The first rows of an object with all of their columns; none when it cannot be read."""
    with captured.open() as source:
        file = opened(captured, source)
        if isinstance(file, Quarantined):
            return []
        try:
            batch = next(file.iter_batches(count), None)
        except FAULTS:
            return []
    return [fields_of(batch, row) for row in range(batch.num_rows)] if batch else []


def opened(captured: CaptureObject, source: BinaryIO) -> pq.ParquetFile | Quarantined:
    """An object, opened as `source`, as a file of Parquet; why it is none."""
    try:
        kind = compression(source.read(4))
        if kind:
            raise pa.ArrowInvalid(f"Parquet inside {kind}, while Parquet is compressed by itself")
        source.seek(0)
        file = pq.ParquetFile(source, buffer_size=_READ_BYTES, page_checksum_verification=True)
        file.schema_arrow  # noqa: B018  # names that are no text show here
    except FAULTS as error:
        return damaged(captured, 0, 1, error)
    return file


def batches(
    file: pq.ParquetFile, captured: CaptureObject, columns: list[str] | None = None
) -> Iterator[tuple[int, pa.RecordBatch | Quarantined]]:
    """The rows of a file, with the number of the first of each batch, and what could not be read.

    Args:
        file: The object as `opened` gives it.
        captured: The object.
        columns: Those that are read; None reads all.
    """
    first = 0
    for group in range(file.num_row_groups):
        rows, done = file.metadata.row_group(group).num_rows, 0
        try:
            size = _rows_at_once(file.metadata.row_group(group))
            for batch in file.iter_batches(size, row_groups=[group], columns=columns):
                yield first + done, batch
                done += batch.num_rows
        except FAULTS as error:
            yield first + done, damaged(captured, first + done, rows - done, error)
        first += rows


def damaged(captured: CaptureObject, first: int, rows: int, error: Exception) -> Quarantined:
    """Rows that Arrow raised about.

    Raises:
        OSError: The fault is of the disk, and not of what is on it.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    return Quarantined(Reason.BAD_OBJECT, f"not Parquet: {error}", Origin(captured.key, first, b""), rows)


def _rows_at_once(group: pq.RowGroupMetaData) -> int:
    """How many rows fit into a batch.

    The sizes of single columns would say it better. But where those are damaged, asking for them ends the process.
    """
    rows: int = _BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)
    return min(max(rows, _LEAST_ROWS), _MOST_ROWS)
