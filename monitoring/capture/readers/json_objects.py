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
Found = tuple[Origin, dict[str, Any]] | Quarantined
_BOM = b"\xef\xbb\xbf"
_SPACE = " \t\r\n\0"
_BETWEEN = re.compile(r"[ \t\r\n\0,\[\]]*")
# Where an object may begin behind what could not be read
_START = re.compile(r"[\n,\[}][ \t\r\n]*(?=\{)")
# So often is a fault in a document looked beyond
_MOST_TRIES = 1000
_DECODER = json.JSONDecoder()


def json_objects(captured: CaptureObject, known: Known) -> Iterator[Found]:
    """Every JSON object, with its place, and what is none.

    An object that begins with `[`, or with a line that is `{`, is a document: a list of objects, or objects one
    after another. Everything else has an object on each line.

    Args:
        captured: The object. A document that is larger than the longest line is read as lines.
        known: Whether an object is a record of the format. Behind a fault in a document, reading goes on with the
            next one that is.
    """
    for part in json_parts(captured, known):
        if isinstance(part, Piece):
            yield from objects_on_lines(part)
        else:
            yield part


def json_parts(captured: CaptureObject, known: Known) -> Iterator[Piece | Found]:
    """Lines that hold a JSON object each, or the objects of a document; and what is neither.

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
            if found.reason is Reason.TOO_LONG:
                break
            continue
        pieces.append(found)
        if not _is_document(pieces[0].data) or sum(len(piece.data) for piece in pieces) > LONGEST_LINE:
            break
    else:
        if pieces:
            data = b"".join(piece.data for piece in pieces)
            yield from _Document(pieces[0].key, pieces[0].offset, data, known).objects()
        return
    yield from chain(pieces, stream)


def first_object(head: bytes) -> dict[str, Any]:
    """The first JSON object in the first bytes of an object; empty when there is none, or when it is longer."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    start = _BETWEEN.match(text)
    try:
        value, _ = _DECODER.raw_decode(text, start.end() if start else 0)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def begins_json(head: bytes) -> bool:
    """Whether the first bytes of an object are those of JSON objects, or of a list."""
    return head.removeprefix(_BOM).lstrip(_SPACE.encode())[:1] in (b"{", b"[")


def _is_document(data: bytes) -> bool:
    start = data.lstrip(_SPACE.encode())
    return start.startswith(b"[") or start.split(b"\n", 1)[0].strip() == b"{"


def objects_on_lines(piece: Piece) -> Iterator[Found]:
    """The JSON object on each line, and what is none."""
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


class _Document:
    """A list of objects, or objects one after another, that go over lines as they like."""

    def __init__(self, key: str, offset: int, data: bytes, known: Known) -> None:
        self._key, self._known = key, known
        self._text = data.decode("utf-8", "surrogateescape")
        self._counted, self._offset = 0, offset
        self._tries = _MOST_TRIES
        opened, ended = self._text.lstrip(_SPACE), self._text.rstrip(_SPACE)
        self._closed = ended.endswith("]" if opened.startswith("[") else "}")

    def objects(self) -> Iterator[Found]:
        text, at, whole = self._text, self._behind(0), True
        while at < len(text):
            try:
                value, end = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                value, end = None, self._next_known(getattr(error, "pos", at))
                cut = end == len(text) and not self._closed
                reason, detail = Reason.CUT_OFF if cut else Reason.NOT_JSON, fault_of_json(error)
            else:
                reason, detail = Reason.NOT_A_CAPTURE, f"a {type(value).__name__}, not an object"
            if isinstance(value, dict):
                yield self._origin(at, end), value
            else:
                whole = False
                self._tries -= 1
                end = end if self._tries > 0 else len(text)
                yield Quarantined(reason, detail, self._origin(at, end))
            at = self._behind(end)
        if whole and not self._closed and text.strip(_SPACE):
            yield Quarantined(Reason.CUT_OFF, "the list has no end", self._origin(len(text), len(text)))

    def _behind(self, at: int) -> int:
        found = _BETWEEN.match(self._text, at)
        return found.end() if found else at

    def _next_known(self, at: int) -> int:
        """Where the next record begins; the end when there is none."""
        # a fault may be said to be at the beginning of the next one
        while at and self._text[at - 1] in _SPACE:
            at -= 1
        at = max(at - 1, 0)
        for start in _START.finditer(self._text, at):
            if self._tries <= 0:
                break
            self._tries -= 1
            try:
                value, _ = _DECODER.raw_decode(self._text, start.end())
            except (ValueError, RecursionError):
                continue
            if self._known(value):
                return start.end()
        return len(self._text)

    def _origin(self, start: int, end: int) -> Origin:
        """A place, from one that is ahead of those before."""
        self._offset += len(self._text[self._counted : start].encode("utf-8", "surrogateescape"))
        self._counted = start
        return Origin(self._key, self._offset, self._text[start:end].encode("utf-8", "surrogateescape"))
