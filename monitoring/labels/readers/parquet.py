"""Read labels in Parquet: the columns that `labels` names, all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, UnreadableError
from monitoring.capture.readers.arrow_rows import fields_of, on_paths
from monitoring.capture.readers.parquet import FAULTS, batches, damaged, knows, opened
from monitoring.config import ModelConfig
from monitoring.labels.readers.batches import labels_of
from monitoring.labels.readers.values import Label, Meaning

__all__ = ["knows", "read"]


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[pa.Table | Quarantined]:
    """Every label of one object, in batches.

    The place of a row is its number in the object, and its bytes are the columns that are meant, as JSON.
    """
    meaning = Meaning.of(config, complete=True)
    with captured.open() as source:
        file = opened(captured, source)
        if isinstance(file, Quarantined):
            yield file
            return
        columns = on_paths(file.schema_arrow.names, meaning.paths)
        for first, batch in batches(file, captured, columns):
            if isinstance(batch, Quarantined):
                yield batch
                continue
            try:
                yield from list(_of_batch(captured.key, first, batch, meaning))
            except FAULTS as error:  # damaged types show as late as this
                yield damaged(captured, first, batch.num_rows, error)


def _of_batch(key: str, first: int, batch: pa.RecordBatch, meaning: Meaning) -> Iterator[pa.Table | Quarantined]:
    def alone(row: int) -> Iterator[Label | Quarantined]:
        fields = fields_of(batch, row)
        try:
            yield meaning.of_fields(fields)
        except UnreadableError as error:
            yield error.at(Origin(key, first + row, json.dumps(fields, default=str).encode()))

    return labels_of(batch, meaning, alone)
