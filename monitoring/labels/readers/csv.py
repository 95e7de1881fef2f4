"""Read labels in CSV: a label per line, in the dialect that `labels.csv` describes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa
import pyarrow.csv

from monitoring.capture.objects import CaptureObject, Piece
from monitoring.capture.quarantine import Origin, Quarantined, UnreadableError
from monitoring.capture.readers.arrow_rows import fields_of, on_paths
from monitoring.capture.readers.csv import Record, knows, named, unique
from monitoring.config import ModelConfig
from monitoring.config.capture import Csv
from monitoring.labels.readers.batches import labels_of
from monitoring.labels.readers.json_lines import line_bounds
from monitoring.labels.readers.values import Label, Meaning

__all__ = ["knows", "read"]
_ROWS = 1 << 14


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[pa.Table | Quarantined]:
    """Every label of one object.

    Lines without quotes are read by Arrow. From the first ones on that are not as plain, rows are read one by one.
    """
    assert config.labels is not None
    meaning, settings = Meaning.of(config, complete=True), config.labels.csv
    fields = None if settings.header else settings.columns
    pieces = captured.pieces()
    for piece in pieces:
        # what follows the last one is a fault, at which its last line may be cut off
        whole = isinstance(piece, Piece) and not (piece.last and next(pieces, None))
        header, batch = fields is None, None
        if isinstance(piece, Piece) and whole and _is_plain(piece.data, settings):
            fields = _first(piece.data, settings) if fields is None else fields
            batch = _parsed(piece.data, fields, settings, meaning, header=header)
        if isinstance(piece, Quarantined) or batch is None:
            start = piece.origin.offset if isinstance(piece, Quarantined) else piece.offset
            yield from rows_from(start, captured, config)
            return
        yield from labels_of(batch, meaning, _Alone(batch, _Lines(piece, int(header)), meaning))


def rows_from(offset: int, captured: CaptureObject, config: ModelConfig) -> Iterator[pa.Table | Quarantined]:
    """The labels of an object from a place on, each row read by itself."""
    assert config.labels is not None
    meaning = Meaning.of(config, complete=True)
    names, header, rows = named(captured, config.labels.csv)
    places = {name: names.index(name) for name in on_paths(names, meaning.paths)}
    rest = (row for row in rows if row.origin.offset >= offset)
    while found := list(islice(rest, _ROWS)):
        yield from (item for item in found if isinstance(item, Quarantined))
        records = [item for item in found if isinstance(item, Record) and item.fields != header]
        if records:
            batch = _of_records(records, places)
            yield from labels_of(batch, meaning, _Alone(batch, [record.origin for record in records], meaning))


class _Lines:
    """Where each line of a piece is.

    Args:
        piece: Lines, none of them blank.
        skipped: How many of them are no rows.
    """

    def __init__(self, piece: Piece, skipped: int) -> None:
        self._piece, self._bounds = piece, line_bounds(piece.data)[skipped:]

    def __getitem__(self, row: int) -> Origin:
        start, end = int(self._bounds[row]), int(self._bounds[row + 1])
        return Origin(self._piece.key, self._piece.offset + start, self._piece.data[start:end])


class _Alone:
    """Reads a row of a batch by itself."""

    def __init__(self, batch: pa.RecordBatch, origins: _Lines | list[Origin], meaning: Meaning) -> None:
        self._batch, self._origins, self._meaning = batch, origins, meaning

    def __call__(self, row: int) -> Iterable[Label | Quarantined]:
        try:
            return [self._meaning.of_fields(fields_of(self._batch, row))]
        except UnreadableError as error:
            return [error.at(self._origins[row])]


def _of_records(records: list[Record], places: dict[str, int]) -> pa.RecordBatch:
    columns = {name: pa.array([row.fields[at] for row in records], pa.string()) for name, at in places.items()}
    # a table without columns has no rows
    return pa.record_batch(columns or {"": pa.nulls(len(records))})


def _first(data: bytes, settings: Csv) -> list[str]:
    """The fields of the first of some plain lines."""
    return data.partition(b"\n")[0].decode().removesuffix("\r").split(settings.delimiter)


def _is_plain(data: bytes, settings: Csv) -> bool:
    """Whether each line of some is a row, whose fields are what stands between two delimiters."""
    if settings.encoding != "utf-8" or not settings.delimiter.isascii() or settings.delimiter in ' "':
        return False
    if any(sign in data for sign in (b'"', b"\0", b"\n\n", b"\n\r")) or data.startswith((b"\n", b"\r")):
        return False
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return False
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _parsed(data: bytes, fields: list[str], settings: Csv, meaning: Meaning, *, header: bool) -> pa.RecordBatch | None:
    """The columns of plain lines that are meant; None where a line is no row, or is the header once more."""
    names = unique(fields)
    columns = on_paths(names, meaning.paths)
    start = data.find(b"\n") + 1 if header else 0
    again = settings.delimiter.join(fields).encode()
    # of one field even a line of spaces would be a row
    if not columns or len(names) < 2 or not (start or not header) or data.find(again, start) >= 0:
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(data)[start:],
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            parse_options=pyarrow.csv.ParseOptions(delimiter=settings.delimiter, quote_char=False, double_quote=False),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError):
        return None
    if table.num_rows != len(line_bounds(data)) - 1 - header:
        return None
    [batch] = table.combine_chunks().to_batches()
    return batch
