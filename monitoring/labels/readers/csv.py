"""Read labels in CSV: a label per line, in the dialect that `labels.csv` describes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined, UnreadableError
from monitoring.capture.readers.arrow_rows import fields_of, on_paths
from monitoring.capture.readers.csv import Record, knows, named
from monitoring.config import ModelConfig
from monitoring.labels.readers.batches import labels_of
from monitoring.labels.readers.values import Label, Meaning

__all__ = ["knows", "read"]
_ROWS = 1 << 14


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[pa.Table | Quarantined]:
    """Every label of one object."""
    assert config.labels is not None
    meaning = Meaning.of(config, complete=True)
    names, header, rows = named(captured, config.labels.csv)
    places = {name: names.index(name) for name in on_paths(names, meaning.paths)}
    while found := list(islice(rows, _ROWS)):
        yield from (item for item in found if isinstance(item, Quarantined))
        records = [item for item in found if isinstance(item, Record) and item.fields != header]
        if records:
            yield from _of_records(records, places, meaning)


def _of_records(records: list[Record], places: dict[str, int], meaning: Meaning) -> Iterator[pa.Table | Quarantined]:
    columns = {
        name: pa.array([record.fields[place] for record in records], pa.string()) for name, place in places.items()
    }
    # a table without columns has no rows
    batch = pa.record_batch(columns or {"": pa.nulls(len(records))})

    def alone(row: int) -> Iterator[Label | Quarantined]:
        try:
            yield meaning.of_fields(fields_of(batch, row))
        except UnreadableError as error:
            yield error.at(records[row].origin)

    return labels_of(batch, meaning, alone)
