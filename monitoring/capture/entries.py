"""What a capture log keeps of a call until it is written. All of this runs in the path of requests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

# About what an entry takes beside texts and bodies, and what each of its values does
_ENTRY_BYTES, _VALUE_BYTES = 600, 40
_SCALARS = frozenset({float, int, bool, type(None)})


class Body(NamedTuple):
    """One side of a call, as it was sent."""

    data: bytes
    content_type: str | None


Values = Sequence[Any] | Mapping[str, Any]
Side = tuple[Any, ...] | dict[str, Any] | float | Body | None
Copied = tuple[Side, Side, int]
Sent = tuple[bytes | None, str | None]


# One call as it waits in the buffer: bytes as estimated, event id, event time, attributes, request, response. A plain
# tuple, since the garbage collector goes through all objects of a class, and there may be very many of these.
Entry = tuple[int, str, datetime, dict[str, object], Side, Side]


def new_event_id() -> str:
    """A random UUID, version 4; made without the object that `uuid.uuid4` makes, which takes three times as long."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def copied_values(features: Values, outputs: float | Values) -> Copied:
    """Shallow copies, and about how many bytes they take."""
    request = _copied(features)
    if isinstance(outputs, float) or not isinstance(outputs, list | tuple | Mapping):
        return request, float(outputs), _ENTRY_BYTES + _size(request)  # type: ignore[arg-type]
    response = _copied(outputs)
    return request, response, _ENTRY_BYTES + _size(request) + _size(response)


def copied_bodies(request: Sent, response: Sent) -> Copied:
    """The bodies as they are; only what can be changed is copied."""
    asked, answered = (None if data is None else Body(bytes(data), kind) for data, kind in (request, response))
    return asked, answered, _ENTRY_BYTES + sum(len(body.data) for body in (asked, answered) if body)


def _copied(values: Values) -> tuple[Any, ...] | dict[str, Any]:
    # to ask whether a list is a mapping takes longer than to copy it
    if not isinstance(values, list | tuple) and isinstance(values, Mapping):
        return dict(values)
    if isinstance(values, str | bytes):
        raise TypeError(f"{type(values).__name__} where a list of values belongs")
    return tuple(values)


def _size(values: tuple[Any, ...] | dict[str, Any]) -> int:
    if isinstance(values, dict):
        return _size((*values, *values.values()))
    size = _VALUE_BYTES * len(values)
    for value in values:
        if type(value) not in _SCALARS:
            size += _beyond(value)
    return size


def _beyond(value: Any) -> int:
    """About how many bytes a value takes that is no plain number."""
    if isinstance(value, str | bytes):
        return len(value)
    return _VALUE_BYTES * len(value) if isinstance(value, list | tuple | dict) else getattr(value, "nbytes", 0)
