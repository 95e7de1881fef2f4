"""Read labels in plain JSON: an object on each line, in a list, or one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa

from monitoring.capture.objects import CaptureObject, Piece
from monitoring.capture.quarantine import Quarantined, UnreadableError
from monitoring.capture.readers import arrow_values as values
from monitoring.capture.readers import json_objects
from monitoring.capture.readers.jsonl import knows, on_lines, parts
from monitoring.capture.records import ABSENT, find
from monitoring.config import ModelConfig
from monitoring.labels.readers import json_lines
from monitoring.labels.readers.batches import is_exact, labels_of
from monitoring.labels.readers.values import Label, Meaning, tables

__all__ = ["knows", "read"]
# So many lines say of which types the fields are.
_LOOKED_AT = 32
# So many objects of a document are read together.
_TOGETHER = 1 << 14
_TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
_PLAIN_PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+)*")


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[pa.Table | Quarantined]:
    """Every label of one object."""
    meaning = Meaning.of(config)
    yield from json_lines.side_by_side(captured, _in_lists(parts(captured)), partial(_of_part, meaning=meaning))


def _in_lists(found: Iterable[Piece | json_objects.Found]) -> Iterator[Piece | list[json_objects.Found]]:
    """Pieces as they are, and what stands alone in lists."""
    waiting: list[json_objects.Found] = []
    for item in found:
        if not isinstance(item, Piece):
            waiting.append(item)
        if waiting and (isinstance(item, Piece) or len(waiting) == _TOGETHER):
            yield waiting
            waiting = []
        if isinstance(item, Piece):
            yield item
    if waiting:
        yield waiting


def _of_part(part: Piece | list[json_objects.Found], meaning: Meaning) -> list[pa.Table | Quarantined]:
    if not isinstance(part, Piece):
        return list(tables(_alone(part, meaning), meaning.schema))
    batch = _parsed(part.data, meaning)
    if batch is None:
        return list(tables(labels_on_lines(part, meaning), meaning.schema))
    origin = json_lines.line(part)

    def alone(row: int) -> Iterator[Label | Quarantined]:
        line = origin(row)
        return labels_on_lines(Piece(line.key, line.offset, line.data, last=False), meaning)

    return list(labels_of(batch, meaning, alone))


def labels_on_lines(piece: Piece, meaning: Meaning) -> Iterator[Label | Quarantined]:
    """The labels on some lines, each line read by itself."""
    return _alone(on_lines(piece), meaning)


def _alone(found: Iterable[json_objects.Found], meaning: Meaning) -> Iterator[Label | Quarantined]:
    for item in found:
        if isinstance(item, Quarantined):
            yield item
            continue
        origin, fields = item
        try:
            yield meaning.of_fields(fields)
        except UnreadableError as error:
            yield error.at(origin)


def _parsed(data: bytes, meaning: Meaning) -> pa.RecordBatch | None:
    """What is meant of the object on each line; None where Python's parser might find something else."""
    schema = _schema(data, meaning)
    batch = None if schema is None else json_lines.parsed(data, schema)
    if batch is None:
        return None
    for path in (meaning.label, meaning.weight):
        column = values.look_up(batch, path) if path else None
        whole = path == meaning.label and not meaning.numeric
        if column is not None and pa.types.is_floating(column.values.type) and not is_exact(column.values, whole=whole):
            return None
    return batch


def _schema(data: bytes, meaning: Meaning) -> pa.Schema | None:
    """The fields that are meant, of the types that they have on the first lines; None if that is not plain."""
    if any(not _is_plain(path, data) for path in meaning.paths):
        return None
    fields: dict[str, Any] = {}
    rows = [row for row in map(_object, islice(data.split(b"\n", _LOOKED_AT), _LOOKED_AT)) if row is not None]
    for path in meaning.paths:
        type_ = _type_of([find(row, path) for row in rows], floats=path in (meaning.label, meaning.weight))
        *parents, name = path.split(".")
        place = fields
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                return None
        if type_ is None or place.setdefault(name, type_) != type_:
            return None
    return pa.schema([_field(name, found) for name, found in fields.items()])


def _is_plain(path: str, data: bytes) -> bool:
    """Whether a path names one field in each object, or one field of the object in it."""
    if "." not in path:
        return _PLAIN_PATH.fullmatch(path) is not None
    # a field whose name has a point in it comes first
    return _PLAIN_PATH.fullmatch(path) is not None and path.encode() not in data and b"\\u" not in data


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _type_of(found: list[Any], *, floats: bool) -> pa.DataType | None:
    """The type of all values that are there; None if Arrow has no such type, or could not tell values apart."""
    types = {_TYPES.get(type(value)) for value in found if value is not ABSENT and value is not None}
    if types == {pa.int64(), pa.float64()}:
        types = {pa.float64()}
    if not types:
        return pa.string()
    type_ = types.pop() if len(types) == 1 else None
    return type_ if floats or type_ != pa.float64() else None


def _field(name: str, found: Any) -> pa.Field:
    if isinstance(found, dict):
        return pa.field(name, pa.struct([_field(*item) for item in found.items()]))
    return pa.field(name, found)
