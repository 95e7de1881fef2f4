"""The JSON objects in a captured object: one on each line, or one document of several lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from monitoring.capture.objects import LONGEST_LINE, CaptureObject, Piece
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.payload import fault_of_json

Known = Callable[[dict[str, Any]], bool]
_SPACE = " \t\r\n\0"
_BETWEEN = re.compile(r"[ \t\r\n\0,\[\]]*")
# Where an object may begin behind what could not be read
_START = re.compile(r"[\n,\[}][ \t\r\n]*(?=\{)")
_MOST_STARTS = 1000
_DECODER = json.JSONDecoder()


def json_objects(captured: CaptureObject, known: Known) -> Iterator[tuple[Origin, dict[str, Any]] | Quarantined]:
    """Every JSON object, with its place, and what is none.

    An object that begins with `[`, or with a line that is `{`, is a document: a list of objects, or objects one
    after another. Everything else has an object on each line.

    Args:
        captured: The object. A document that is larger than the longest line is read as lines.
        known: Whether an object is a record of the format. Behind a fault in a document, reading goes on with the
            next one that is.
    """
    pieces: list[Piece] = []
    stream = captured.pieces()
    for found in stream:
        if isinstance(found, Quarantined):
            yield found
            continue
        pieces.append(found)
        if not _is_document(pieces[0].data) or sum(len(piece.data) for piece in pieces) > LONGEST_LINE:
            break
    else:
        if pieces:
            yield from _of_document(pieces[0].key, pieces[0].offset, b"".join(piece.data for piece in pieces), known)
        return
    for found in chain(pieces, stream):
        if isinstance(found, Quarantined):
            yield found
        else:
            yield from _of_lines(found)


def first_object(head: bytes) -> dict[str, Any]:
    """The first JSON object in the first bytes of an object; empty when there is none, or when it is longer."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    start = _BETWEEN.match(text)
    try:
        value, _ = _DECODER.raw_decode(text, start.end() if start else 0)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_document(data: bytes) -> bool:
    start = data.lstrip(_SPACE.encode())
    return start.startswith(b"[") or start.split(b"\n", 1)[0].strip() == b"{"


def _of_lines(piece: Piece) -> Iterator[tuple[Origin, dict[str, Any]] | Quarantined]:
    for origin, unfinished in piece.lines():
        try:
            yield origin, _load(origin.data, unfinished)
        except UnreadableError as error:
            yield error.at(origin)


def _load(line: bytes, unfinished: bool) -> dict[str, Any]:
    try:
        record = json.loads(line.strip(_SPACE.encode()))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(Reason.CUT_OFF if unfinished else Reason.NOT_JSON, fault_of_json(error)) from error
    if not isinstance(record, dict):
        raise UnreadableError(Reason.NOT_A_CAPTURE, f"a {type(record).__name__}, not an object")
    return record


def _of_document(
    key: str, offset: int, data: bytes, known: Known
) -> Iterator[tuple[Origin, dict[str, Any]] | Quarantined]:
    text = data.decode("utf-8", "surrogateescape")
    at, faults = _behind(text, 0), 0
    place = _Places(key, offset, text)
    while at < len(text):
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            # what ends in the middle is cut off
            cut = isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip(_SPACE))
            reason, detail = Reason.CUT_OFF if cut else Reason.NOT_JSON, fault_of_json(error)
            value, end = None, _next_known(text, getattr(error, "pos", at), known)
        else:
            reason, detail = Reason.NOT_A_CAPTURE, f"a {type(value).__name__}, not an object"
        if isinstance(value, dict):
            yield place.of(at, end), value
        else:
            faults += 1
            yield Quarantined(reason, detail, place.of(at, end))
        if faults > _MOST_STARTS:
            yield Quarantined(Reason.NOT_JSON, "too much that is no record", place.of(end, len(text)))
            return
        at = _behind(text, end)
    stripped = text.strip(_SPACE)
    if stripped.startswith("[") and not stripped.endswith("]") and not faults:
        yield Quarantined(Reason.CUT_OFF, "the list has no end", place.of(len(text), len(text)))


def _behind(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _next_known(text: str, at: int, known: Known) -> int:
    """Where the next record begins; the end when there is none."""
    for number, start in enumerate(_START.finditer(text, at)):
        if number == _MOST_STARTS:
            break
        try:
            value, _ = _DECODER.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            continue
        if known(value):
            return start.end()
    return len(text)


class _Places:
    """Where parts of a text lie in its bytes. They are asked for in ascending order."""

    def __init__(self, key: str, offset: int, text: str) -> None:
        self._key, self._text = key, text
        self._at, self._offset = 0, offset

    def of(self, start: int, end: int) -> Origin:
        self._offset += len(self._text[self._at : start].encode("utf-8", "surrogateescape"))
        self._at = start
        return Origin(self._key, self._offset, self._text[start:end].encode("utf-8", "surrogateescape"))
