"""Stored documents: JSON, or a JSON head with arrays, in one canonical form, each with the version of its schema."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from typing import Any

import numpy as np

from monitoring.errors import StoredDocumentError

Array = np.ndarray[Any, np.dtype[Any]]
_MAKE_ANEW = {
    "baseline": "make the baseline anew: model-monitor baseline NAME --version NEW --valid-from 1970-01-01",
    "profile": "run the window again whose name it has",
}
_MAGIC = b"model-monitor\n"
_PACKED = struct.Struct("<16sIQ")  # kind, schema version, bytes of the head
_TYPES = ("<i8", "<f8", "<u8", "|u1")


def encode(kind: str, version: int, body: dict[str, Any]) -> bytes:
    """The canonical bytes of a document: sorted keys, two-space indent, strict JSON, a newline at the end.

    Args:
        kind: What it is, such as `verdict`.
        version: The version of this kind's schema.
        body: JSON values only; a NaN or infinity becomes null, since JSON has no word for it.
    """
    document = {"kind": kind, "schema_version": version, **body}
    text = json.dumps(_strict(document), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def decode(data: bytes, kind: str, version: int, where: str) -> dict[str, Any]:
    """The body of a document that `encode` wrote.

    Raises:
        StoredDocumentError: It is not JSON, another kind, or of a version that this release does not know.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise StoredDocumentError("not a JSON document", where=where) from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        found = document.get("kind") if isinstance(document, dict) else type(document).__name__
        raise StoredDocumentError(f"expected a document of kind {kind!r}, found {found!r}", where=where)
    _require_version(document.get("schema_version"), kind, version, where)
    return {key: value for key, value in document.items() if key not in ("kind", "schema_version")}


def _require_version(found: object, kind: str, version: int, where: str) -> None:
    if found != version:
        raise StoredDocumentError(
            f"schema version {found!r} of {kind!r} is not known here",
            where=where,
            allowed=[version],
            hint=f"it was written by another release of model-monitor; {_MAKE_ANEW.get(kind, 'make it anew')}",
        )


def pack(kind: str, version: int, head: dict[str, Any], arrays: dict[str, Array]) -> bytes:
    """The canonical bytes of a document with arrays: compressed, the same for the same content.

    Args:
        kind: What it is, at most 16 ASCII characters.
        version: The version of this kind's schema.
        head: JSON values only, with integers of any size.
        arrays: One-dimensional, of 64-bit integers or floats, or of bytes.
    """
    ordered = sorted(arrays.items())
    shapes = [[name, array.dtype.str, len(array)] for name, array in ordered]
    text = json.dumps({**head, "arrays": shapes}, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    payload = zlib.compress(b"".join([text, *(array.tobytes() for _, array in ordered)]), 4)
    return _MAGIC + _PACKED.pack(kind.encode(), version, len(text)) + payload


def unpack(data: bytes, kind: str, version: int, where: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """The head and the arrays of a document that `pack` wrote.

    Raises:
        StoredDocumentError: It is something else, another kind, cut off, or of a version that this release does not
            know.
    """
    start = len(_MAGIC) + _PACKED.size
    if not data.startswith(_MAGIC) or len(data) < start:
        raise StoredDocumentError(f"not a document of kind {kind!r}", where=where)
    name, found, size = _PACKED.unpack_from(data, len(_MAGIC))
    there = name.rstrip(b"\0").decode(errors="replace")
    if there != kind:
        raise StoredDocumentError(f"expected a document of kind {kind!r}, found {there!r}", where=where)
    _require_version(found, kind, version, where)
    try:
        stream = zlib.decompressobj()
        payload = stream.decompress(data[start:])
        if not stream.eof or stream.unused_data:
            raise StoredDocumentError(f"a damaged document of kind {kind!r}: cut off, or longer", where=where)
        head = json.loads(payload[:size])
        arrays, at = {}, size
        for label, type_, length in head.pop("arrays"):
            if type_ not in _TYPES:
                raise StoredDocumentError(f"arrays of type {type_!r} are not known here", where=where)
            arrays[label] = np.frombuffer(payload, type_, length, at).copy()
            at += arrays[label].nbytes
    except (zlib.error, ValueError, KeyError, AttributeError, TypeError) as error:
        raise StoredDocumentError(f"a damaged document of kind {kind!r}: {error}", where=where) from error
    return head, arrays


def fingerprint(value: object) -> str:
    """The first 16 hex digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _strict(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
