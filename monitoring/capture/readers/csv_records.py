"""The records of CSV objects that serving stacks write: one on each line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.payload import parse_body


def csv_records(captured: CaptureObject) -> Iterator[tuple[Origin, dict[str, str]] | Quarantined]:
    """Every record by the names in the first line, with its place, and what is none.

    The line of names may stand again further down, as in files that were put together. It is part of every record's
    bytes, so that each can be read again by itself.
    """
    header: list[str] = []
    first = b""
    for found in csv_lines(captured):
        if isinstance(found, Quarantined):
            yield found
            continue
        origin, fields = found
        if not header or fields == header:
            header, first = fields, origin.data
            continue
        origin = replace(origin, data=first + b"\n" + origin.data)
        if len(fields) != len(header):
            detail = f"{len(fields)} fields, the header has {len(header)}"
            yield Quarantined(Reason.FIELD_COUNT, detail, origin)
        else:
            yield origin, dict(zip(header, fields, strict=True))


def csv_lines(captured: CaptureObject) -> Iterator[tuple[Origin, list[str]] | Quarantined]:
    """The fields of every line, with its place, and what is none."""
    for piece in captured.pieces():
        if isinstance(piece, Quarantined):
            yield piece
            continue
        for origin, _ in piece.lines():
            try:
                yield origin, _fields(origin.data)
            except UnreadableError as error:
                yield error.at(origin)


def _fields(line: bytes) -> list[str]:
    found = parse_body(line, "csv")
    if len(found) != 1:
        raise UnreadableError(Reason.BAD_PAYLOAD, "a line is not one record of CSV")
    return list(found[0])
