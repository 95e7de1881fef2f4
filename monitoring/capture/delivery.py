"""From what a service handed over to objects in a store: what the background thread of a capture log does."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitoring.capture.entries import Body, Entry
from monitoring.capture.writer import (
    Mode,
    Side,
    body_side,
    capture_line,
    content_kind,
    hour_folder,
    hour_of,
    reference_side,
    score_side,
    text_encoding,
    values_side,
)
from monitoring.errors import ConfigError
from monitoring.store.base import Store
from monitoring.store.opening import environment_client, open_store

_LOGGER = logging.getLogger(__name__)
_QUIET_SECONDS = 60.0
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 30.0
_KNOWN_OBJECTS = 4096
_CHANCE = random.SystemRandom()  # the service may have seeded the other one
_ENDINGS = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/vnd.apache.parquet": "parquet",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
}


class DropReason(StrEnum):
    """Why a record was not written."""

    BUFFER_FULL = "buffer_full"
    UNENCODABLE = "unencodable"
    STORE_FAILED = "store_failed"
    BODY_TOO_LARGE = "body_too_large"
    CLOSED = "closed"


class RareWarnings:
    """Warnings in the service's log, each kind at most once a minute."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def tell(self, kind: str, message: str, *values: object) -> bool:
        """Log a warning, unless one of its kind was logged within the last minute."""
        now = time.monotonic()
        if now - self._last.get(kind, float("-inf")) < _QUIET_SECONDS:
            return False
        self._last[kind] = now
        _LOGGER.warning(message, *values)
        return True


class Delivery:
    """Makes lines of entries, and objects of lines, in one thread of one process.

    Args:
        open_: How to open the store; done when the first object is written.
        prefix: Prefix over the `yyyy/mm/dd/hh/` folders. Bodies go beside it.
        inline_bytes: A larger body becomes an object of its own.
        references: Whether every body that is neither CSV nor JSON becomes one.
        warnings: Where failures are told.
    """

    def __init__(
        self, open_: Callable[[], Store], prefix: str, inline_bytes: int, references: bool, warnings: RareWarnings
    ) -> None:
        self._open, self._prefix = open_, prefix
        self._inline_bytes, self._references, self._warnings = inline_bytes, references, warnings
        self._store: Store | None = None
        self._name, self._numbers = secrets.token_hex(8), itertools.count()
        self._known: dict[str, None] = {}
        self._pressed = False
        self._hurry = threading.Event()
        self._deadline = float("inf")

    def press(self) -> None:
        """The buffer is full: try once more at once, and give up what still cannot be written."""
        self._pressed = True
        self.hurry()

    def hurry(self) -> None:
        """Try once more at once, if what is being written has failed."""
        if not self._hurry.is_set():
            self._hurry.set()

    def finish_by(self, deadline: float) -> None:
        """Begin nothing after `deadline`, of the monotonic clock."""
        self._deadline = min(self._deadline, deadline)
        self.hurry()

    def line(self, entry: Entry) -> tuple[datetime, bytes] | DropReason:
        """The hour and the line of an entry; bodies that go beside it are written first."""
        _, event_id, event_time, attributes, asked, answered = entry
        try:
            request = self._side("INPUT", asked, event_time)
            response = self._side("OUTPUT", answered, event_time)
            if isinstance(request, DropReason):
                return request
            if isinstance(response, DropReason):
                return response
            line = capture_line(event_id, event_time, attributes, request, response)
            return hour_of(event_time), f"{line}\n".encode()
        except Exception as error:  # noqa: BLE001  # values of any type are turned into text here
            # the message could hold values, which have no place in a log
            self._warnings.tell("values", "a call has values that cannot be written: %s", type(error).__name__)
            return DropReason.UNENCODABLE

    def write(self, hour: datetime, lines: list[bytes]) -> DropReason | None:
        """Write the lines of one hour as one new object; why that failed, or None."""
        now = datetime.now(UTC)
        moment = f"{now:%M-%S}-{now.microsecond // 1000:03d}"
        name = f"{moment}-{self._name}-{next(self._numbers)}.jsonl"
        return self._put(f"{hour_folder(self._prefix, hour)}/{name}", b"".join(lines))

    def _side(self, mode: Mode, value: Any, moment: datetime) -> Side | DropReason | None:
        if value is None:
            return None
        if isinstance(value, float):
            return score_side(value)
        if not isinstance(value, Body):
            return values_side(mode, value)
        apart = self._references and text_encoding(value.content_type) is None
        if len(value.data) <= self._inline_bytes and not apart:
            return body_side(mode, value.data, value.content_type)
        ending = _ENDINGS.get(content_kind(value.content_type), "bin")
        day = moment.astimezone(UTC).strftime("%Y/%m/%d")
        key = f"{self._prefix}-objects/{day}/{hashlib.sha256(value.data).hexdigest()}.{ending}"
        reason = self._put_body(key, value.data)
        return reason or reference_side(mode, f"{self._opened().uri}/{key}", value.content_type)

    def _put_body(self, key: str, data: bytes) -> DropReason | None:
        """Write a body unless it is there: its key says all about it."""
        if key in self._known:
            return None
        reason = self._put(key, data, unless_there=True)
        if reason is None:
            self._known[key] = None
            if len(self._known) > _KNOWN_OBJECTS:
                del self._known[next(iter(self._known))]
        return reason

    def _put(self, key: str, data: bytes, *, unless_there: bool = False) -> DropReason | None:
        """Write an object; try again while the buffer has room, or until the log must be closed."""
        delay = _FIRST_DELAY
        self._pressed = False
        while time.monotonic() < self._deadline:
            try:
                store = self._opened()
                if not (unless_there and store.exists(key)):
                    store.put(key, data)
                return None
            except Exception as error:  # noqa: BLE001  # whatever a store raises, the service goes on
                self._warnings.tell("store", "captures cannot be written, trying again: %s", error)
            if self._pressed:
                return DropReason.STORE_FAILED
            pause = min(delay * _CHANCE.uniform(0.5, 1), self._deadline - time.monotonic())
            delay = min(2 * delay, _LONGEST_DELAY)
            if self._hurry.wait(max(pause, 0)):
                self._hurry.clear()
                delay = _FIRST_DELAY
        return DropReason.CLOSED

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open()
        return self._store


def place(destination: str | os.PathLike[str] | Store, prefix: str) -> tuple[Callable[[], Store], str]:
    """How to open the store, and the prefix in it: never empty, since bodies lie beside it.

    Raises:
        ConfigError: The destination has no prefix or an unknown scheme.
    """
    prefix = prefix.strip("/")
    if not isinstance(destination, str | os.PathLike):
        if not prefix:
            raise ConfigError("a store needs a prefix", where=destination.uri)
        return (lambda: destination), prefix
    base = os.fspath(destination)
    uri = f"{base.rstrip('/')}/{prefix}" if prefix else base
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        parent, _, name = parts.path.strip("/").rpartition("/")
        if not parts.netloc or not name:
            raise ConfigError(f"{uri!r} has no prefix", hint="write s3://bucket/prefix")
        # a client of its own in each process: a forked child must not use its parent's connections
        return partial(open_store, f"s3://{parts.netloc}/{parent}", environment_client.__wrapped__), name
    directory = Path(open_store(uri).uri)
    if not base or not directory.name:
        raise ConfigError(f"{uri!r} is no directory to log to", allowed=["s3://bucket/prefix", "a directory"])
    store = open_store(str(directory.parent))
    return (lambda: store), directory.name
