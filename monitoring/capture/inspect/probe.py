"""A look into single objects: of which format they are, and which fields their records have."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from monitoring.capture.inspect.folders import Place, place_of
from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined, Reason
from monitoring.capture.readers import BUILT_IN, Reader, reader
from monitoring.capture.readers import csv as csv_files
from monitoring.capture.readers.json_objects import begins_json, first_object
from monitoring.capture.readers.jsonl import objects as json_rows
from monitoring.capture.readers.noise import is_noise
from monitoring.capture.readers.parquet import first_rows
from monitoring.capture.records import Half, Row
from monitoring.config import ModelConfig
from monitoring.config.capture import Csv

HEAD_BYTES = 16 * 1024
# Names for fields that have none: those of a request, and those of a response
REQUEST, RESPONSE = "x", "y"
_MOST_OUTPUTS = 32
# What the answer is called behind the fields of an input
_OUTPUT = "output"
_WIDTH = re.compile(r"(\d+) fields, the model has")
_DELIMITERS = (",", "\t", ";", "|", " ")
_LINES = 50

Rows = list[dict[str, Any]]


@dataclass
class Seen:
    """What was seen of one object.

    Attributes:
        key: Its key, below the place that is looked at.
        size: Bytes as stored.
        written: When it was last written.
        format: Its format; empty when no reader knows it.
        request: Fields of some rows: of requests, or of everything where both sides are one.
        response: Fields of some rows of responses.
        together: Whether requests and responses have their fields side by side.
        attributes: What else the records say.
        times: When the inferences were made, if the format says so.
        unread: Records that could not be read.
        labels: Whether it holds the labels that SageMaker reads, and no captures.
        roles: What the columns are, if the format says so.
        csv: How a CSV file is written.
    """

    key: str
    size: int
    written: datetime
    format: str = ""
    request: Rows = field(default_factory=list)
    response: Rows = field(default_factory=list)
    together: bool = False
    attributes: Rows = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    unread: int = 0
    labels: bool = False
    roles: dict[str, str] = field(default_factory=dict)
    csv: Csv | None = None

    @property
    def place(self) -> Place:
        """Where it lies."""
        return place_of(self.key)

    @property
    def noise(self) -> bool:
        """Whether it is left unread because it is empty, or by its name."""
        return not self.size or is_noise(self.key)


class Probe:
    """Looks into objects. What it has learnt of one it tries on the next.

    Args:
        rows: How many rows of each object are enough.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._width = 2  # a list of plain values is one row, unless rows have one field
        self._readers = [reader(name) for name in BUILT_IN]

    def look(self, captured: CaptureObject) -> Seen:
        """What is in an object."""
        seen = Seen(captured.key, captured.size, captured.modified)
        if seen.noise:
            return seen
        head = captured.head(HEAD_BYTES)
        known = next((item for item in self._readers if item.knows(captured.key, head)), None)
        if known is None:
            return seen
        seen.format = known.name
        if known.name in ("parquet", "jsonl", "csv"):
            return self._plain(captured, seen, head)
        if known.name == "bentoml":
            seen.roles = _roles(first_object(head))
        self._records(captured, known, seen)
        return seen

    def _plain(self, captured: CaptureObject, seen: Seen, head: bytes) -> Seen:
        seen.together = True
        found: Iterator[dict[str, Any] | Quarantined]
        if seen.format == "parquet":
            found = iter(first_rows(captured, self._rows))
        elif seen.format == "jsonl":
            found = (item if isinstance(item, Quarantined) else item[1] for item in json_rows(captured))
        else:
            seen.csv = dialect(head)
            found = _csv_rows(captured, seen.csv)
        for item in islice(found, self._rows):
            if isinstance(item, Quarantined):
                seen.unread += 1
            else:
                seen.request.append(item)
        seen.labels = bool(seen.request) and all("groundTruthData" in row for row in seen.request)
        if not seen.request:
            seen.unread = max(seen.unread, 1)
        return seen

    def _records(self, captured: CaptureObject, known: Reader, seen: Seen) -> None:
        if known.name == "sagemaker-batch" and not begins_json(captured.head(HEAD_BYTES)):
            seen.csv = _joined(captured)
            seen.roles = {_OUTPUT: "prediction"}
        found = self._read(captured, known, seen.csv)
        widths = Counter(width for item in found if isinstance(item, Quarantined) and (width := _width(item)))
        if not widths and _all_scalars(found):
            widths[1] = 1
        if widths.total() > sum(isinstance(item, Row | Half) for item in found):
            self._width = widths.most_common(1)[0][0]
            found = self._read(captured, known, seen.csv)
        for item in found:
            if isinstance(item, Row):
                seen.together |= item.features is item.outputs
                seen.request.append(item.features)
                seen.response.append(item.outputs if item.features is item.outputs else _answer(item.outputs))
            elif isinstance(item, Half) and item.side == "input":
                seen.request.extend(item.rows)
            elif isinstance(item, Half):
                seen.response.extend(map(_answer, item.rows))
            if isinstance(item, Row | Half):
                seen.attributes.append(item.attributes)
                seen.times += [item.event_time] if item.event_time else []
            elif isinstance(item, Quarantined):
                seen.unread += 1

    def _read(self, captured: CaptureObject, known: Reader, settings: Csv | None) -> list[Any]:
        return list(islice(known.read(captured, probing(self._width, settings)), self._rows))


def probing(width: int, settings: Csv | None = None) -> ModelConfig:
    """A model of which nothing is known but how many fields its requests have, and how its CSV is written."""
    columns = {
        "features": {f"{REQUEST}{place}": "numeric" for place in range(width)},
        "outputs": [f"{RESPONSE}{place}" for place in range(_MOST_OUTPUTS)],
        "score": "",
    }
    capture = {"uri": "probe", "csv": settings or Csv()}
    return ModelConfig.model_validate({"name": "probe", "capture": capture, "columns": columns})


def _joined(captured: CaptureObject) -> Csv:
    """How an output of batch transform is written: the fields of the input, one answer, and the id and the time."""
    line = captured.head(HEAD_BYTES).decode("utf-8", "replace").split("\n", 1)[0]
    rows = _parsed([line], ",")
    inputs = max(len(rows[0]) - 3, 0) if rows else 0
    return Csv(header=False, columns=[*(f"{REQUEST}{place}" for place in range(inputs)), _OUTPUT])


def _answer(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a response; of a frame without names, which has them by number as well, by place only."""
    if f"{RESPONSE}0" not in fields or "0" not in fields:
        return fields
    return {name: value for name, value in fields.items() if not name.isdecimal()}


def _width(item: Quarantined) -> int:
    found = _WIDTH.match(item.detail) if item.reason is Reason.FIELD_COUNT else None
    return int(found[1]) if found else 0


def _all_scalars(found: Sequence[Any]) -> bool:
    """Whether every request is a plain value, and no list of fields."""
    return bool(found) and all(
        isinstance(item, Quarantined) and item.reason is Reason.BAD_PAYLOAD and "list of fields" in item.detail
        for item in found
    )


def _roles(record: dict[str, Any]) -> dict[str, str]:
    """What BentoML's log of schemas says of the columns."""
    columns = record.get("columns")
    named = [item for item in columns if isinstance(item, dict)] if isinstance(columns, list) else []
    return {str(item.get("name")): str(item.get("role")) for item in named}


def _csv_rows(captured: CaptureObject, settings: Csv) -> Iterator[dict[str, Any] | Quarantined]:
    records = csv_files.records(captured, settings)
    names = csv_files.unique(settings.columns)
    for found in records:
        if isinstance(found, Quarantined):
            yield found
        elif not names:
            names = csv_files.unique(found.fields)
        else:
            yield dict(zip(names, found.fields, strict=True))


def dialect(head: bytes) -> Csv:
    """How CSV that begins so is written."""
    encoding, text = _decoded(head)
    lines = [line for line in text.split("\n")[:_LINES] if line.strip()]
    if len(lines) > 1 and len(head) >= HEAD_BYTES:
        lines.pop()  # it may go on
    rows = {mark: _parsed(lines, mark) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: _even(rows[mark]))
    chosen = rows[delimiter]
    settings = Csv(delimiter=delimiter, encoding=encoding)
    if not chosen or _is_header(chosen):
        return settings
    names = [f"{REQUEST}{place}" for place in range(len(chosen[0]))]
    return Csv.model_validate({**settings.model_dump(), "header": False, "columns": names})


def _decoded(head: bytes) -> tuple[Any, str]:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", head.decode("utf-16", "replace")
    try:
        # the last character may go on
        return "utf-8", codecs.getincrementaldecoder("utf-8")().decode(head).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return "latin-1", head.decode("latin-1")


def _parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _even(rows: list[list[str]]) -> tuple[int, int]:
    """How many rows have as many fields as the first one, and how many that is; one field says nothing."""
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows), width) if width > 1 else (0, 0)


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: all different, no numbers, and not like the others."""
    first = [name.strip() for name in rows[0]]
    if any(_is_number(name) for name in first) or len(set(filter(None, first))) < len(first) - 1:
        return False
    if len(rows) < 2 or any(map(_is_number, rows[1])):
        return True
    others = [row for row in rows if row != rows[0]]  # files that were joined have the line again
    is_value = any(name and [name] == row[place : place + 1] for row in others for place, name in enumerate(first))
    return not is_value and all(re.fullmatch(r"[A-Za-z_][\w .-]*|", name) for name in first)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
