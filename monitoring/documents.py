"""Stored JSON documents: one canonical form, each with the version of its schema."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from monitoring.errors import StoredDocumentError


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
    if document.get("schema_version") != version:
        raise StoredDocumentError(
            f"schema version {document.get('schema_version')!r} of {kind!r} is not known here",
            where=where,
            allowed=[version],
            hint="it was written by another release of model-monitor",
        )
    return {key: value for key, value in document.items() if key not in ("kind", "schema_version")}


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
