"""Read plain JSON: an object on each line, in a list, or one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from monitoring.capture.objects import CaptureObject, Piece
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.json_objects import Found, json_objects, json_parts, objects_on_lines
from monitoring.capture.readers.noise import is_noise
from monitoring.capture.readers.rows import Identity
from monitoring.capture.records import Row
from monitoring.config import ModelConfig

_SEVERAL = re.compile(rb"\}[ \t\r\0]*\{")


def knows(key: str, head: bytes) -> bool:
    """Whether an object begins like JSON."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\0")[:1] in (b"{", b"[") and not is_noise(key)


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Quarantined]:
    """Every row of one object. Its fields are those of the request and of the response alike."""
    identity = Identity.of(captured, config.columns)
    for number, found in enumerate(objects(captured)):
        if isinstance(found, Quarantined):
            yield found
            continue
        origin, fields = found
        try:
            yield identity.row(fields, origin, number)
        except UnreadableError as error:
            yield error.at(origin)


def objects(captured: CaptureObject) -> Iterator[Found]:
    """Every JSON object with its place, and what is none."""
    for part in parts(captured):
        if isinstance(part, Piece):
            yield from on_lines(part)
        else:
            yield part


def parts(captured: CaptureObject) -> Iterator[Piece | Found]:
    """Lines of JSON objects, or the objects of a document; and what is neither."""
    for part in json_parts(captured, _any):
        if isinstance(part, Quarantined):
            yield from _looked_into(part)
        else:
            yield part


def on_lines(piece: Piece) -> Iterator[Found]:
    """The JSON objects on some lines, and what is none."""
    for found in objects_on_lines(piece):
        if isinstance(found, Quarantined):
            yield from _looked_into(found)
        else:
            yield found


def _looked_into(found: Quarantined) -> Iterator[Found]:
    """What could not be read, unless it is several objects."""
    if found.reason in (Reason.NOT_JSON, Reason.CUT_OFF) and _SEVERAL.search(found.origin.data):
        yield from _one_after_the_other(found.origin)
    else:
        yield found


def _one_after_the_other(line: Origin) -> Iterator[Found]:
    """The objects of a line on which nothing parts them, as streams are delivered that know of no lines."""
    for found in json_objects(CaptureObject.of(line.key, b"[" + line.data + b"]"), _any):
        if isinstance(found, Quarantined):
            yield replace(found, origin=_moved(found.origin, line))
        else:
            yield _moved(found[0], line), found[1]


def _moved(origin: Origin, line: Origin) -> Origin:
    at = origin.offset - 1
    # the bracket behind the line is none of its bytes
    return Origin(line.key, line.offset + at, origin.data[: len(line.data) - at])


def _any(_: dict[str, Any]) -> bool:
    return True
