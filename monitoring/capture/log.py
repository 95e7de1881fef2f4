"""What serving code calls to log its own inferences.

The request's path copies what it is given into a bounded buffer and goes on. One background thread makes records
of it and writes them as whole objects, by the hour of inference. What does not fit is dropped and counted: a
service is never slowed down, stopped or broken by its log.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import threading
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from monitoring.capture.delivery import Delivery, DropReason, RareWarnings, place
from monitoring.capture.entries import Copied, Entry, Values, copied_bodies, copied_values, new_event_id
from monitoring.errors import ConfigError
from monitoring.store.base import Store

_MIB = 1024 * 1024
# Who encodes holds the interpreter's lock for 5 ms on end while requests wait, unless it pauses between a few records
_SLICE, _PAUSE_SECONDS = 4, 5e-5


@dataclass(frozen=True)
class Counts:
    """What became of every call: `offered = sampled_out + dropped + written + waiting`.

    Attributes:
        offered: Calls.
        sampled_out: Not chosen by the sampling fraction.
        written: Records in objects that the store has taken.
        waiting: Records in memory.
        drops: Records that were lost, by reason. A store that took an object and could not say so has it all the same.
        objects: Capture objects written.
    """

    offered: int
    sampled_out: int
    written: int
    waiting: int
    drops: Mapping[DropReason, int]
    objects: int

    @property
    def dropped(self) -> int:
        """Records that were lost, for any reason."""
        return sum(self.drops.values())


@dataclass
class _Chunk:
    """The lines of one object to be, and the size of the entries that they were made of."""

    lines: list[bytes] = field(default_factory=list)
    line_bytes: int = 0
    entry_bytes: int = 0


def keeps(event_id: str, fraction: float) -> bool:
    """Whether a sample of this fraction holds the event: the same in every process, and in every release.

    The first 8 bytes of the SHA-256 of the id in UTF-8, as a big-endian number, are compared with `fraction` times
    2⁶⁴. So a larger fraction keeps all that a smaller one does.

    >>> [keeps(f"order-{number}", 0.5) for number in range(4711, 4717)]
    [True, True, True, True, False, False]
    """
    digest = hashlib.sha256(event_id.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


class CaptureLog:
    """A log of inferences, in the format of SageMaker's data capture.

    Safe to share between threads. A forked child starts with an empty buffer and a thread of its own.

    Args:
        destination: `s3://bucket/prefix`, a directory, or a store. A URI is opened by the background thread, in
            each process anew; a store must be fit to be used in every process that records.
        prefix: Prefix over the `yyyy/mm/dd/hh/` folders, below the destination.
        sample: Share of events to keep, chosen by `keeps`.
        attributes: Given to every record, such as `model_version`.
        buffer_records: Most records in memory; what comes on top is dropped.
        buffer_bytes: Most bytes of them, as estimated.
        flush_bytes: Size at which a batch is written before its time; also the size of an object.
        flush_seconds: Longest time that a record waits while the store answers.
        inline_bytes: A larger body becomes an object of its own, in `PREFIX-objects/yyyy/mm/dd/`.
        references: Whether every body that is neither CSV nor JSON becomes one.

    Raises:
        ConfigError: A value is out of range, or the destination has no prefix or an unknown scheme.
    """

    def __init__(
        self,
        destination: str | os.PathLike[str] | Store,
        prefix: str = "",
        *,
        sample: float = 1.0,
        attributes: Mapping[str, object] | None = None,
        buffer_records: int = 50_000,
        buffer_bytes: int = 64 * _MIB,
        flush_bytes: int = 4 * _MIB,
        flush_seconds: float = 30.0,
        inline_bytes: int = 64 * 1024,
        references: bool = False,
    ) -> None:
        if not 0 <= sample <= 1:
            raise ConfigError(f"sample is {sample}", allowed=["0 to 1"])
        for name, value in (("buffer_records", buffer_records), ("buffer_bytes", buffer_bytes)):
            if value < 1:
                raise ConfigError(f"{name} is {value}", allowed=["1 and above"])
        if flush_bytes < 1 or flush_seconds <= 0:
            raise ConfigError("flush_bytes and flush_seconds must be above 0")
        open_store, prefix = place(destination, prefix)
        self._new_delivery = partial(Delivery, open_store, prefix, inline_bytes, references)
        self._sample, self._attributes = sample, dict(attributes or {})
        self._buffer_records, self._buffer_bytes = buffer_records, buffer_bytes
        self._flush_bytes, self._flush_seconds = flush_bytes, flush_seconds
        self._due_bytes, self._due_records = min(flush_bytes, buffer_bytes // 2), buffer_records // 2
        self._begin()
        _LOGS.add(self)

    def _begin(self) -> None:
        """The state of a process that has recorded nothing."""
        self._lock = threading.Lock()
        self._passed = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._buffer: list[Entry] = []
        self._buffered_bytes = self._waiting = self._waiting_bytes = 0
        self._offered = self._sampled_out = self._written = self._objects = 0
        self._drops: Counter[DropReason] = Counter()
        self._drops_told = 0
        self._closing = self._stopped = False
        self._passes_begun = self._passes_ended = 0
        self._thread: threading.Thread | None = None
        self._warnings = RareWarnings()
        self._delivery = self._new_delivery(self._warnings)

    # In the request's path

    def record(
        self,
        features: Values,
        score: float | Values,
        *,
        event_id: str | None = None,
        event_time: datetime | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> str:
        """Log one inference; never raises and never waits.

        Args:
            features: The values in the model's declared order, or by name. The list or mapping is copied, its values
                are not: do not change a list inside it afterwards.
            score: The probability of the positive class; or all outputs, in the declared order or by name.
            event_id: The id that the label will carry; made up when there is none.
            event_time: When the model answered; now when not given, and UTC when it has no offset.
            attributes: More about the call, such as `model_version`, `latency_ms`, `status`.

        Returns:
            The event id.
        """
        return self._take(event_id, event_time, attributes, copied_values, features, score)

    def record_request(
        self,
        request_body: bytes | None,
        request_content_type: str | None,
        response_body: bytes | None,
        response_content_type: str | None,
        *,
        event_id: str | None = None,
        event_time: datetime | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> str:
        """Log one call by its bodies as they are; never raises and never waits.

        Args:
            request_body: CSV and JSON are kept as text, everything else in base64 or as an object of its own.
                None leaves the request out of the record.
            request_content_type: Its type.
            response_body: The same for the response.
            response_content_type: Its type.
            event_id: As for `record`.
            event_time: As for `record`.
            attributes: As for `record`.

        Returns:
            The event id.
        """
        request = request_body, request_content_type
        response = response_body, response_content_type
        return self._take(event_id, event_time, attributes, copied_bodies, request, response)

    def samples(self, event_id: str) -> bool:
        """Whether this log keeps the event."""
        return self._sample >= 1 or keeps(event_id, self._sample)

    def drop(self, reason: DropReason) -> None:
        """Count a call that cannot be recorded."""
        with self._lock:
            self._offered += 1
            self._drops[reason] += 1
        self._tell_drops()

    def counts(self) -> Counts:
        """What became of every call in this process until now."""
        with self._lock:
            return Counts(
                self._offered, self._sampled_out, self._written, self._waiting, dict(self._drops), self._objects
            )

    def _take(
        self,
        event_id: str | None,
        event_time: datetime | None,
        attributes: Mapping[str, object] | None,
        copy: Callable[[Any, Any], Copied],
        request: object,
        response: object,
    ) -> str:
        event_id = str(event_id) if event_id else new_event_id()
        if not self.samples(event_id):
            with self._lock:
                self._offered += 1
                self._sampled_out += 1
            return event_id
        try:
            copied, answer, size = copy(request, response)
            if event_time is None:
                event_time = datetime.now(UTC)
            elif event_time.tzinfo is None:
                event_time = event_time.replace(tzinfo=UTC)
            every = {**self._attributes, **attributes} if attributes else self._attributes
            entry = (size, event_id, event_time, every, copied, answer)
        except Exception as error:  # noqa: BLE001  # whatever is handed in, the service goes on
            self._warnings.tell("arguments", "a call has arguments that cannot be recorded: %s", type(error).__name__)
            self.drop(DropReason.UNENCODABLE)
        else:
            self._offer(entry)
        return event_id

    def _offer(self, entry: Entry) -> None:
        with self._lock:
            if not self._closing:
                self._accept(entry)
                return
        self.drop(DropReason.CLOSED)

    def _accept(self, entry: Entry) -> None:
        size = entry[0]
        self._offered += 1
        if self._waiting >= self._buffer_records or self._waiting_bytes + size > self._buffer_bytes:
            self._drops[DropReason.BUFFER_FULL] += 1
            self._delivery.press()
            return
        self._buffer.append(entry)
        self._waiting += 1
        self._waiting_bytes += size
        self._buffered_bytes += size
        if self._thread is None:
            self._start()
        due = self._buffered_bytes >= self._due_bytes or len(self._buffer) >= self._due_records
        if due and not self._wake.is_set():
            self._wake.set()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="capture-log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads now; the next record tries again
            return
        self._thread = thread

    # At the end

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what was recorded until now.

        Returns:
            Whether all of it was written or dropped within `timeout` seconds.
        """
        with self._lock:
            if self._thread is None or self._stopped:
                return not self._waiting
            target = self._passes_begun + 1
            self._delivery.hurry()
            self._wake.set()
            return self._passed.wait_for(lambda: self._stopped or self._passes_ended >= target, timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is waiting, and record nothing from now on.

        Returns:
            Whether nothing is waiting any more; what could not be written within `timeout` seconds is dropped.
        """
        with self._lock:
            self._closing = True
            thread = self._thread
        self._delivery.finish_by(time.monotonic() + timeout)
        self._wake.set()
        if thread:
            thread.join(timeout)
        return not self.counts().waiting

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # In the background thread

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.wait(self._flush_seconds)
            self._wake.clear()
            with self._lock:
                entries, self._buffer, self._buffered_bytes = self._buffer, [], 0
                self._passes_begun += 1
                last = self._closing
            self._write(entries)
            self._tell_drops()
            with self._lock:
                self._passes_ended += 1
                self._stopped = last
                self._passed.notify_all()

    def _write(self, entries: list[Entry]) -> None:
        chunks: dict[datetime, _Chunk] = defaultdict(_Chunk)
        for number, entry in enumerate(entries):
            if number % _SLICE == 0 and not self._closing:
                time.sleep(_PAUSE_SECONDS)
            found = self._delivery.line(entry)
            if isinstance(found, DropReason):
                self._settle(1, entry[0], found)
                continue
            hour, line = found
            chunk = chunks[hour]
            chunk.lines.append(line)
            chunk.line_bytes += len(line)
            chunk.entry_bytes += entry[0]
            if chunk.line_bytes >= self._flush_bytes:
                self._write_chunk(hour, chunks.pop(hour))
        for hour, chunk in sorted(chunks.items()):
            self._write_chunk(hour, chunk)

    def _write_chunk(self, hour: datetime, chunk: _Chunk) -> None:
        reason = self._delivery.write(hour, chunk.lines)
        self._settle(len(chunk.lines), chunk.entry_bytes, reason, objects=1)

    def _settle(self, records: int, size: int, reason: DropReason | None, *, objects: int = 0) -> None:
        with self._lock:
            self._waiting -= records
            self._waiting_bytes -= size
            if reason is None:
                self._written += records
                self._objects += objects
            else:
                self._drops[reason] += records
        if reason is not None:
            self._tell_drops()

    def _tell_drops(self) -> None:
        counts = self.counts()
        if counts.dropped > self._drops_told:
            drops = ", ".join(f"{reason} {number}" for reason, number in sorted(counts.drops.items()))
            if self._warnings.tell("drops", "records of inferences were dropped in this process until now: %s", drops):
                self._drops_told = counts.dropped


_LOGS: weakref.WeakSet[CaptureLog] = weakref.WeakSet()


def _begin_in_child() -> None:
    for log in _LOGS:
        log._begin()


def _close_all() -> None:
    for log in list(_LOGS):
        log.close()


os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_close_all)
