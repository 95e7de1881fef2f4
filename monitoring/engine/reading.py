"""From the pinned objects of one batch to records: read, typed, sorted into windows, and set aside."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa

from monitoring import documents
from monitoring.capture import privacy, records
from monitoring.capture.objects import CaptureObject, compression
from monitoring.capture.ordered import THREADS, in_order
from monitoring.capture.pinning import Manifest, load_manifest
from monitoring.capture.quarantine import Origin, Quarantined, Reason, quarantine_lines
from monitoring.capture.readers import Found, read_object, reader, readers
from monitoring.capture.records import Half, Row, Sorted, Typed
from monitoring.engine.halves import Pairs
from monitoring.engine.parts import PART_ROWS, PartWriter, Target
from monitoring.errors import ConflictError, MonitorError, ObjectMissingError, PinnedObjectChangedError
from monitoring.monitor import Monitor
from monitoring.store import ObjectInfo, Store
from monitoring.window import Window

KIND, SCHEMA_VERSION = "batch", 1
# Rows that are looked at together, when it is decided whether rows or a column is at fault
POOL_ROWS = 1 << 16
# Objects up to this size are read whole, several at once; larger ones in pieces.
_LARGEST_WHOLE = 8 * 2**20
_LARGEST_PACKED = 2**20
_ROWS_TYPED = 1 << 13
_MOST_ASIDE = 1 << 14
_QUARANTINE_BYTES = 32 * 2**20
_US = 1_000_000
# No window is named outside of these years, and no computer wrote a log in them.
_FIRST_MOMENT = int(datetime(1900, 1, 8, tzinfo=UTC).timestamp()) * _US
_LAST_MOMENT = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * _US
# How the time of an object stands in the key of a record that was taken out of the quarantine
TIME = "%Y%m%dT%H%M%S"
NO_TIME = "19700101T000000"


@dataclass
class Batch:
    """What one batch read.

    Attributes:
        reader: What decided how it was read.
        etag: A hash of the store's tags of its objects.
        read: Rows that were read: `rows of all targets + repeated + quarantined`.
        repeated: Rows of sides whose inference was there already.
        quarantined: Rows that could not be used, by reason.
        targets: What it brought, by window.
        content: Hash of every object's key and content.
        waiting: Sides whose other side is not in the batch: their keys, sides and objects.
        earlier: Windows that an earlier reading of the batch brought records to.
    """

    reader: str
    etag: str
    read: int = 0
    repeated: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    targets: dict[Window, Target] = field(default_factory=dict)
    content: str = ""
    waiting: list[tuple[str, str, int]] = field(default_factory=list)
    earlier: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "reader": self.reader,
            "etag": self.etag,
            "read": self.read,
            "repeated": self.repeated,
            "quarantined": dict(sorted(self.quarantined.items())),
            "targets": {window.label: target.to_json() for window, target in sorted(self.targets.items())},
            "content": self.content,
            "waiting": self.waiting,
            "earlier": sorted(self.earlier),
        }


def load_batch(monitor: Monitor, window: Window, batch: int) -> Batch:
    """What a batch read, as `read_batch` wrote it down."""
    key = monitor.layout.batch(window, batch)
    body = documents.decode(monitor.store.get(key), KIND, SCHEMA_VERSION, key)
    targets = {monitor.window(label): Target.from_json(data) for label, data in body["targets"].items()}
    waiting = [(key, side, index) for key, side, index in body["waiting"]]
    return Batch(
        body["reader"],
        body["etag"],
        body["read"],
        body["repeated"],
        Counter(body["quarantined"]),
        targets,
        body["content"],
        waiting,
        set(body["earlier"]),
    )


def batch_count(manifest: Manifest) -> int:
    """How many batches a run reads: those of the manifest, and one of replayed records."""
    return len(manifest.batches) + bool(manifest.replayed)


def read_batch(monitor: Monitor, window: Window, number: int) -> None:
    """Read one batch of a run, unless it was read in the same way before.

    Raises:
        PinnedObjectChangedError: It was read in another way before, and an object has changed since.
    """
    manifest = load_manifest(monitor, window)
    there = monitor.store.exists(monitor.layout.batch(window, number))
    before = load_batch(monitor, window, number) if there else Batch("", "")
    how = (manifest_reader(monitor, manifest), _tag(manifest, number))
    # what was taken out of the quarantine is read once: it may not be kept
    if there and ((before.reader, before.etag) == how or number == len(manifest.batches)):
        return
    sorter = Sorter(monitor, window, number, how[0], bounded=number < len(manifest.batches))
    digest = hashlib.sha256()
    pairs = Pairs()
    for index, info, content, found in _objects(monitor, manifest, number, again=before.etag == how[1]):
        for item in found:
            if isinstance(item, Half):
                sorter.add(pairs.add(item, index))
            else:
                sorter.add([item])
        digest.update(f"{info.key} {content()}\n".encode())
    sorter.close()
    batch = sorter.batch
    batch.etag, batch.content = how[1], digest.hexdigest()
    batch.waiting, batch.repeated = pairs.unpaired(), pairs.repeated
    batch.read += pairs.repeated
    batch.earlier = (before.earlier | {target.label for target in before.targets}) - {w.label for w in batch.targets}
    document = documents.encode(KIND, SCHEMA_VERSION, batch.to_json())
    monitor.store.put(monitor.layout.batch(window, number), document)
    while monitor.store.exists(monitor.layout.quarantine(window, number, sorter.files)):  # of an earlier reading
        monitor.store.delete(monitor.layout.quarantine(window, number, sorter.files))
        sorter.files += 1


def manifest_reader(monitor: Monitor, manifest: Manifest) -> str:
    """What decides how pinned objects are read: the model's captures and columns, and the key of its hashes."""
    config = monitor.config
    settings = config.model_dump(mode="json", include={"capture", "columns"})
    key = privacy.key_check(config.columns, monitor.hash_key)
    return documents.fingerprint([settings, config.every, key, [info.key for info in manifest.objects]])


def _tag(manifest: Manifest, number: int) -> str:
    """A hash of the store's tags of what a batch reads."""
    infos = manifest.batch(number) if number < len(manifest.batches) else manifest.replayed
    return documents.fingerprint([info.etag for info in infos])


class Sorter:
    """Sorts what readers find into windows, and writes it.

    Args:
        monitor: The model.
        window: The window of the run.
        number: Of the batch.
        reader: What decides how the records are read.
        bounded: Whether records of windows that are too old are set aside.
    """

    def __init__(self, monitor: Monitor, window: Window, number: int, reader: str, *, bounded: bool = True) -> None:
        self._monitor, self._window, self._number = monitor, window, number
        config = monitor.config
        self._bounds: tuple[Window, Window] | None = None
        if bounded and config.capture.dates != "nothing":
            oldest = Window.containing(window.start - config.capture.late, config.every)
            self._bounds = (oldest, window.shift(1))
        self._rows: list[Row] = []
        self._typed: list[Typed] = []
        self._aside: list[Quarantined] = []
        self._writers: dict[Window, PartWriter] = {}
        self._lines: list[bytes] = []
        self.files = 0
        self.batch = Batch(reader, "")

    def add(self, found: Iterable[Row | Typed | Quarantined]) -> None:
        """Add what a reader found."""
        for item in found:
            if isinstance(item, Row):
                self._rows.append(item)
                if len(self._rows) >= _ROWS_TYPED:
                    self._type()
            elif isinstance(item, Typed):
                self._type()
                self._typed.append(item)
            else:
                self._aside.append(item)
        held = sum(part.table.num_rows for part in self._typed)
        if held >= 2 * POOL_ROWS or len(self._aside) >= _MOST_ASIDE:
            self._sort(held)

    def close(self) -> None:
        """Write what is held."""
        self._type()
        self._sort(0)
        for window, writer in sorted(self._writers.items()):
            writer.flush()
            self.batch.targets[window] = writer.target
        self._write_quarantine(0)

    def _type(self) -> None:
        if self._rows:
            self._typed.append(records.type_rows(self._rows, self._monitor.config.columns))
            self._rows = []

    def _sort(self, held: int) -> None:
        """Sort out the oldest rows, so that enough of them are left to be looked at together with those that come."""
        together: list[Typed] = []
        while self._typed and (held == 0 or sum(part.table.num_rows for part in together) < POOL_ROWS):
            together.append(self._typed.pop(0))
        done = records.sort_out(together, self._aside, self._monitor.config.columns, self._monitor.hash_key)
        self._aside = []
        self.batch.read += done.read
        self._set_aside(done.quarantined)
        self._route(done)

    def _route(self, done: Sorted) -> None:
        every = self._monitor.config.every
        if not done.table.num_rows:
            return
        moments = done.table["event_time"].cast(pa.int64()).to_numpy()
        odd = np.flatnonzero((moments < _FIRST_MOMENT) | (moments >= _LAST_MOMENT))
        if len(odd):
            detail = "the time is not of these centuries"
            self._set_aside([Quarantined(Reason.BAD_EVENT_TIME, detail, done.origin(int(row))) for row in odd])
            usual = np.flatnonzero((moments >= _FIRST_MOMENT) & (moments < _LAST_MOMENT))
            if len(usual):
                self._route(done.take(usual))
            return
        first = Window.containing(_moment(int(moments.min())), every)
        length = int((first.end - first.start).total_seconds()) * _US
        places = (moments - int(first.start.timestamp()) * _US) // length
        for place in np.unique(places):
            window, rows = first.shift(int(place)), np.flatnonzero(places == place)
            reason = self._out_of_bounds(window)
            if reason is not None:
                detail = f"its window is {window.label}, the run's {self._window.label}"
                self._set_aside([Quarantined(reason, detail, done.origin(int(row))) for row in rows])
                continue
            if window not in self._writers:
                self._writers[window] = PartWriter(self._monitor, window, self._window, self._number, self.batch.reader)
            self._write(self._writers[window], done, rows)
        while sum(writer.held for writer in self._writers.values()) >= 2 * PART_ROWS:
            max(self._writers.values(), key=lambda writer: writer.held).flush()

    def _out_of_bounds(self, window: Window) -> Reason | None:
        if self._bounds is None or self._bounds[0] <= window <= self._bounds[1]:
            return None
        return Reason.TOO_LATE if window < self._bounds[0] else Reason.IN_THE_FUTURE

    def _write(self, writer: PartWriter, done: Sorted, rows: Any) -> None:
        whole = len(rows) == done.table.num_rows
        writer.add(done.table if whole else done.table.take(pa.array(rows)))
        for mine, masks in (
            (writer.target.missing_columns, done.missing_columns),
            (writer.target.changed_columns, done.changed_columns),
        ):
            for name, mask in masks.items():
                mine[name] = mine.get(name, 0) + int(mask[rows].sum())
        writer.target.new_columns |= set(done.new_columns)

    def _set_aside(self, items: list[Quarantined]) -> None:
        for item in items:
            self.batch.quarantined[item.reason] += item.rows
        if items:
            self._lines.append(quarantine_lines(items, quotes=not self._monitor.config.columns.hides))
            self._write_quarantine(_QUARANTINE_BYTES)

    def _write_quarantine(self, least: int) -> None:
        if self._lines and sum(map(len, self._lines)) >= least:
            key = self._monitor.layout.quarantine(self._window, self._number, self.files)
            self._monitor.store.put(key, b"".join(self._lines))
            self.files, self._lines = self.files + 1, []


def _moment(microseconds: int) -> Any:
    return cast("pa.Scalar", pa.scalar(microseconds, pa.timestamp("us", tz="UTC"))).as_py()


Content = Callable[[], str]
Read = tuple[ObjectInfo, Content, Iterable[Found]]


def _objects(
    monitor: Monitor, manifest: Manifest, number: int, *, again: bool
) -> Iterator[tuple[int, ObjectInfo, Content, Iterable[Found]]]:
    """Each object of a batch: its index, itself, the hash of its content (once it was read), and what is in it."""
    if number == len(manifest.batches):
        for index, info in enumerate(manifest.replayed):
            if not monitor.store.exists(info.key):
                yield index, info, lambda: "", [_gone(info, None)]
                continue
            yield index, info, *_replayed(monitor, info)
        return
    indices = manifest.batches[number]
    store, _ = monitor.source(monitor.config.capture.uri)
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = _jobs(monitor, store, [manifest.objects[i] for i in indices], again=again)
        for index, read in zip(indices, in_order(lambda job: job(), jobs, pool), strict=True):
            yield index, *read


def _replayed(monitor: Monitor, info: ObjectInfo) -> tuple[Content, Iterable[Found]]:
    """Records that were taken out of the quarantine."""
    data = monitor.store.get(info.key)
    # their format and the time of the object that they come from are folders of the key
    kind, written, _ = info.key.removeprefix(monitor.layout.replays).split("/", 2)
    captured = CaptureObject.of(info.key, data, datetime.strptime(written, TIME).replace(tzinfo=UTC))
    return _hash_of(data), read_object(captured, monitor.config, [reader(kind)])


def _hash_of(data: bytes) -> Content:
    hashed = hashlib.sha256(data).hexdigest()
    return lambda: hashed


def _jobs(monitor: Monitor, store: Store, infos: list[ObjectInfo], *, again: bool) -> Iterator[Callable[[], Read]]:
    for info, content in store.read_many(infos, largest=_LARGEST_WHOLE):
        if isinstance(content, MonitorError):
            yield partial(_unreadable, monitor, store, info, content, again=again)
        elif content is None:
            yield partial(_read_in_pieces, monitor, store, info, again=again)
        else:
            yield partial(_read_whole, monitor, info, content)


def _read_whole(monitor: Monitor, info: ObjectInfo, data: bytes) -> Read:
    captured = CaptureObject.of(info.key, data, info.modified)
    found = read_object(captured, monitor.config, readers(monitor.config))
    # how much is in what is compressed is not known: it is not held
    packed = len(data) > _LARGEST_PACKED and compression(data[:4])
    return info, _hash_of(data), found if packed else list(found)


def _read_in_pieces(monitor: Monitor, store: Store, info: ObjectInfo, *, again: bool) -> Read:
    digest, hashed = hashlib.sha256(), 0

    def stream() -> Iterator[bytes]:
        nonlocal hashed
        for part in store.stream(info.key, etag=info.etag):
            digest.update(part)
            hashed += len(part)
            yield part

    def found() -> Iterator[Found]:
        try:
            yield from read_object(captured, monitor.config, readers(monitor.config))
        except (ConflictError, ObjectMissingError) as error:
            if again:
                raise _changed(store, info) from error
            yield _gone(info, error)

    def content() -> str:
        # what is read here and there in it has no hash but the store's own
        return digest.hexdigest() if hashed == info.size else info.etag

    opened = partial(store.open, info.key, etag=info.etag)
    captured = CaptureObject(info.key, info.size, cast("Callable[[], BinaryIO]", opened), stream, info.modified)
    return info, content, found()


def _unreadable(monitor: Monitor, store: Store, info: ObjectInfo, error: MonitorError, *, again: bool) -> Read:
    """An object that has changed or gone since it was listed.

    Raises:
        PinnedObjectChangedError: It was read before, and what was read cannot be repeated.
    """
    if again:
        raise _changed(store, info) from error
    try:
        if isinstance(error, ConflictError):
            return _read_whole(monitor, info, store.get(info.key))  # what is there now
    except ObjectMissingError:
        pass
    return info, lambda: "", [_gone(info, error)]


def _changed(store: Store, info: ObjectInfo) -> PinnedObjectChangedError:
    return PinnedObjectChangedError(
        "the object was changed after it had been read",
        where=f"{store.uri}/{info.key}",
        hint="put it back, or keep what was read: run with the configuration of then",
    )


def _gone(info: ObjectInfo, error: MonitorError | None) -> Quarantined:
    reason = Reason.CHANGED_OBJECT if isinstance(error, ConflictError) else Reason.MISSING_OBJECT
    return Quarantined(reason, f"between listing and reading, {info.size} bytes", Origin(info.key, 0, b""))


def reread(monitor: Monitor, info: ObjectInfo) -> Iterator[Found]:
    """What is in one object that was read before; nothing when it has gone."""
    if info.key.startswith(monitor.layout.replays):
        yield from _replayed(monitor, info)[1] if monitor.store.exists(info.key) else []
        return
    store, _ = monitor.source(monitor.config.capture.uri)
    try:
        if info.size <= _LARGEST_WHOLE:
            yield from _read_whole(monitor, info, store.get(info.key))[2]
        else:
            yield from _read_in_pieces(monitor, store, replace(info, etag=""), again=False)[2]
    except ObjectMissingError:
        return
